"""Findings on real images and masks, and how many exchanged slices are found in real CTs.

Reads the scans beside the checkout: 276 images (199 anatomies of KiTS23 in rendered HU, 25 patients with CT, PET and
MR, two CTs of the abdomen) and 274 masks. PET and MR are not in HU, which is not counted. In the CTs with real
intensities, up to 15 pairs of neighbouring slices are exchanged, one pair at a time. The exit code is 1 where a sound
image or mask has a finding. Run ``python bench/false_alarms.py [../shared/data]``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.volume.check import check_volume
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, slice_axis

if TYPE_CHECKING:
    from nephrograde.volume.volume import Volume

MOST_PAIRS = 15


def find_scans(data_dir: Path) -> list[tuple[Path, Path | None]]:
    """Return every image with its mask."""
    kits, sts = data_dir / "kits_shape", data_dir / "sts"
    images = sorted(sts.glob("*/*_image.nii.gz"))
    return [
        *((path, kits / "masks" / path.name) for path in sorted((kits / "images").iterdir())),
        *((path, path.with_name(path.name.replace("_image", "_mask"))) for path in images),
        (data_dir / "ct_nifti" / "example_ct.nii.gz", None),
        (data_dir / "ct_dicom" / "CRLM-CT-1004" / "image", None),
    ]


def exchanged_found(volume: Volume) -> tuple[int, int]:
    """Exchange pairs of neighbouring slices, and return for how many it is said, and how many there were."""
    axis = slice_axis(volume)
    count = volume.values.shape[axis]
    firsts = range(0, count - 1, -(-(count - 1) // MOST_PAIRS))
    found = 0
    for first in firsts:
        order = list(range(count))
        order[first], order[first + 1] = first + 1, first
        changed = make_volume(volume.values.take(order, axis), spacing_mm=volume.spacing_mm)
        found += any(fault.code == "slices-order" for fault in check_volume(changed))
    return found, len(firsts)


def main() -> int:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", nargs="?", type=Path, default=Path("../shared/data"))
    scans = find_scans(parser.parse_args().data_dir)
    n_masks, found, planted = 0, 0, 0
    codes: Counter[str] = Counter()
    for image_path, mask_path in scans:
        volume = read_volume(image_path)
        is_ct = not image_path.name.startswith(("PET", "MR"))
        codes.update(fault.code for fault in check_volume(volume) if is_ct or fault.code != "not-hu")
        if mask_path is not None:
            n_masks += 1
            codes.update(fault.code for fault in read_marks(mask_path, volume).faults)
        if is_ct and "kits_shape" not in image_path.parts:
            of_scan = exchanged_found(volume)
            found, planted = found + of_scan[0], planted + of_scan[1]
    print(f"{len(scans)} images, {n_masks} masks: {sum(codes.values())} findings {dict(codes)}")
    print(f"exchanged neighbouring slices in CTs: {found} of {planted} found")
    return 1 if codes else 0


if __name__ == "__main__":
    sys.exit(main())
