"""A cohort of 1,286 real adrenal glands, on which learning curves of trained, frozen and fine-tuned networks are drawn.

The training and validation part of AdrenalMNIST3D: glands as shapes, cut out of abdominal CT as cubes of 64 mm, normal
or with a mass. They are rendered as kits_shape is: the gland at 40 HU in fat of -100 HU, slightly smoothed. There are
no real intensities, so only shape and size can be learnt.

    python bench/adrenal_cohort.py ../shared/data/adrenal/adrenal_64_train_val.npz build/adrenal
    nephrograde run studies/adrenal.toml --out build/adrenal/run --peek-free

Source:
    Yang 2023, MedMNIST v2, https://doi.org/10.1038/s41597-022-01721-8, CC BY 4.0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from nephrograde.files import write_rows
from nephrograde.volume.volume import write_image

FAT_HU = -100.0
GLAND_HU = 40.0
SMOOTHING_VOXELS = 0.7
SPACING_MM = (1.0, 1.0, 1.0)
"""A cube of 64 mm has 64 voxels along each axis."""


def main() -> None:
    """Write the cohort and print the path of its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="The file adrenal_64_train_val.npz.")
    parser.add_argument("target", type=Path, help="Where the cohort is written.")
    given = parser.parse_args()
    print(write_glands(given.source, given.target))


def write_glands(source_path: Path, target_dir: Path) -> Path:
    """Write an image and a mask of every gland, and the table that names them.

    Args:
        source_path: Shapes as ``train_images`` and ``val_images``, ``(gland, 64, 64, 64)``, with their labels.
        target_dir: Where to.
    """
    rows = []
    with np.load(source_path) as archive:
        for part in ("train", "val"):
            labels = archive[f"{part}_labels"].ravel().tolist()
            for number, (shape, label) in enumerate(zip(archive[f"{part}_images"] > 0, labels, strict=True)):
                row = {"patient_id": f"{part}-{number:04}", "mass": label}
                density = ndimage.gaussian_filter(shape.astype(np.float32), SMOOTHING_VOXELS)
                for kind, values in {
                    "image": np.round(FAT_HU + (GLAND_HU - FAT_HU) * density).astype(np.int16),
                    "mask": shape.astype(np.uint8),
                }.items():
                    path = target_dir / f"{kind}s" / f"{row['patient_id']}.nii.gz"
                    write_image(values, path, spacing_mm=SPACING_MM)
                    row[f"cmp_{kind}"] = str(path.relative_to(target_dir))
                rows.append(row)
    table_path = target_dir / "cohort.csv"
    write_rows(table_path, list(rows[0]), rows)
    return table_path


if __name__ == "__main__":
    main()
