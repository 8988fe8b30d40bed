"""How fast are many patients graded, against reading their scans alone? Paired turns, both sides in one run.

A tiny synthetic study (one weak arm of one phase, one epoch) is fitted and packed into a grader file. Then the scans of
a synthetic cohort at 512 × 512 pixels, a few of them under many names, are

- read: a fresh process calls ``read_volume`` on each of them, in as many threads as the other side has workers;
- graded: a fresh process runs ``nephrograde predict grader.zip cohort.csv --csv answers.csv``, which reads, checks and
  cuts them, searches for the kidneys, scores the region and writes the table.

The files are in the system's cache; with --cold, they are dropped from it before each side. A third side grades without
the search for kidneys, which the command never leaves out, to say where the time goes. Each turn runs all sides, every
second one backwards; the table gives the median rates and the median of the ratios of the turns. The exit code is 1
where that of the command is below 0.8, or an answer is missing.

Run: python -m bench.many [--patients 100] [--turns 3] [--workers 2] [--folds 5] [--pixels 224] [--nifti] [--cold]
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.tiny_run import MODEL, write_run

from nephrograde.export.pack import pack
from nephrograde.files import read_rows, write_rows
from nephrograde.run.provenance import machine
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

TARGET = 0.8
DISTINCT = 10
"""Scans that are made; more patients have links to their files."""
READ_ALL = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from nephrograde.files import read_rows
from nephrograde.volume.read import read_volume
table_path = Path(sys.argv[1])
paths = [table_path.parent / row["cmp_image"] for row in read_rows(table_path)]
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    for _ in pool.map(lambda path: read_volume(path).values.shape, paths):
        pass
"""
WITHOUT_KIDNEYS = """
from nephrograde.predict import seeing
from nephrograde.predict.plausibility import Plausibility
seeing.judge_scan = lambda *_, **__: Plausibility()
from nephrograde.__main__ import start
start()
"""
READ, GRADE, LESS = "read_volume of each", "nephrograde predict --csv", "the same without the search for kidneys"


def write_patients(top: Path, n: int, *, dicom: bool) -> Path:
    """Write a cohort of full size, and a table of ``n`` patients with links to its files."""
    cohort_dir = top / "patients"
    cohort_dir.mkdir()
    write_cohort(cohort_dir, PhantomSettings(patients=min(n, DISTINCT), phases=("cmp",), matrix_px=512, dicom=dicom))
    made, rows = read_rows(cohort_dir / "cohort.csv"), []
    for k in range(n):
        row = made[k % len(made)]
        source = cohort_dir / row["cmp_image"]
        image = cohort_dir / f"N{k}" / source.name
        image.parent.mkdir()
        for file in sorted(source.iterdir()) if dicom else [source]:
            link = image / file.name if dicom else image
            link.parent.mkdir(exist_ok=True)
            os.link(file, link)
        place = {"cmp_image": str(image.relative_to(cohort_dir)), "cmp_box": "200,200,15;300,300,25 vox"}
        rows.append({"patient_id": f"N{k}", **place})
    write_rows(cohort_dir / "many.csv", tuple(rows[0]), rows)
    return cohort_dir / "many.csv"


def drop_from_cache(folder: Path) -> None:
    """Ask the system to forget the content of the files."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def seconds(command: list[str]) -> float:
    """Run a command in a fresh process; the seconds it took."""
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start_s


def main() -> int:
    """Print the table; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--pixels", type=int, default=224, help="pixels along the edge of the slice that is graded")
    parser.add_argument("--nifti", action="store_true", help="grade .nii.gz files instead of DICOM series")
    parser.add_argument("--cold", action="store_true", help="drop the files from the system's cache before each side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top, workers = Path(folder), str(options.workers)
        _, run_dir = write_run(top, folds=options.folds, pixels=options.pixels)
        grader_path = pack(run_dir, MODEL, top / "grader.zip")
        table_path = write_patients(top, options.patients, dicom=not options.nifti)
        answers_path = top / "answers.csv"
        words = ["predict", str(grader_path), str(table_path), "--csv", str(answers_path), "--workers", workers]
        sides = {
            READ: [sys.executable, "-c", READ_ALL, str(table_path), workers],
            GRADE: [sys.executable, "-m", "nephrograde", *words],
            LESS: [sys.executable, "-c", WITHOUT_KIDNEYS, *words],
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        n_answers = []
        for turn in range(-1, options.turns):  # the first one warms up
            for name in sides if turn % 2 else reversed(sides):
                answers_path.unlink(missing_ok=True)
                if options.cold:
                    drop_from_cache(table_path.parent)
                taken_s = seconds(sides[name])
                if name == GRADE:
                    with answers_path.open(encoding="utf-8-sig", newline="") as stream:
                        n_answers.append(sum(row["status"] == "graded" for row in csv.DictReader(stream)))
                if turn >= 0:
                    rates[name].append(options.patients / taken_s)
    print(f"{machine()}; Python {platform.python_version()}; {options.workers} workers")
    kind = ".nii.gz" if options.nifti else "DICOM"
    cache = "dropped from the cache" if options.cold else "in the cache"
    print(f"{options.patients} scans (SYNTHETIC, {kind}, {cache}), {options.folds} folds of {options.pixels} pixels\n")
    print(f"{'':42}{'scans/s':>9}{'from':>8}{'to':>8}{'ratio':>8}")
    ratios = {name: median(a / b for a, b in zip(of, rates[READ], strict=True)) for name, of in rates.items()}
    for name, of in rates.items():
        print(f"{name:42}{median(of):9.2f}{min(of):8.2f}{max(of):8.2f}{ratios[name]:8.2f}")
    print(f"\nMany patients are graded at {ratios[GRADE]:.2f} of the rate of reading alone (at least {TARGET}).")
    is_whole = set(n_answers) == {options.patients}
    if not is_whole:
        print(f"Answers are missing: {n_answers}")
    return 0 if ratios[GRADE] >= TARGET and is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
