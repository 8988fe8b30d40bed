"""The cohorts on which the ladder of supervision is tried: real tumour anatomy, and phantoms with a known best AUC.

``kits_shape`` (real anatomy of 199 patients, rendered intensities) gets a mask of the kidneys: everything that is
rendered brighter than fat. ``phantom`` is synthetic: by default 300 patients in the corticomedullary phase, best
possible AUC 0.92; the study of three phases has 600.

    python bench/ladder_cohorts.py kits ../shared/data/kits_shape build/kits_ladder
    python bench/ladder_cohorts.py phantom build/phantom_ladder
    python bench/ladder_cohorts.py phantom build/phantom --patients 600 --phases cmp np up
    nephrograde run studies/kits_ladder.toml --out build/kits_ladder/run
    nephrograde run studies/phantom_ladder.toml --out build/phantom_ladder/run
    nephrograde run studies/phantom.toml --out build/phantom/run
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from nephrograde.files import write_rows
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

FAT_HU = -40.0
"""Between the rendered outside (-100) and the darkest tissue of the kidney (cysts, 10)."""


def main() -> None:
    """Write one of the cohorts."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="cohort", required=True)
    kits = commands.add_parser("kits")
    kits.add_argument("source", type=Path, help="The folder kits_shape.")
    phantom = commands.add_parser("phantom")
    phantom.add_argument("--patients", type=int, default=300)
    phantom.add_argument("--phases", nargs="+", default=["cmp"])
    for command in (kits, phantom):
        command.add_argument("target", type=Path, help="Where the cohort is written.")
    given = parser.parse_args()
    if given.cohort == "kits":
        print(add_kidneys(given.source, given.target))
    else:
        print(write_cohort(given.target, PhantomSettings(patients=given.patients, phases=tuple(given.phases))))


def add_kidneys(source_dir: Path, target_dir: Path) -> Path:
    """Write a mask of the kidneys for every image, and the table that names it."""
    with (source_dir / "cohort.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        image = read_volume(source_dir / row["cmp_image"])
        kidneys_path = target_dir / "kidneys" / f"{row['patient_id']}.nii.gz"
        write_image(
            image.values > FAT_HU,
            kidneys_path,
            spacing_mm=image.spacing_mm,
            origin_mm=image.origin_mm,
            direction=image.direction,
        )
        row["cmp_kidneys"] = str(kidneys_path.relative_to(target_dir))
        for column in ("cmp_image", "cmp_mask"):
            row[column] = str((source_dir / row[column]).resolve())
    table_path = target_dir / "cohort.csv"
    write_rows(table_path, list(rows[0]), rows)
    return table_path


if __name__ == "__main__":
    main()
