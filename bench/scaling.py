"""How much faster are many scans prepared and checked on two processors than on one? The stages themselves, in one run.

100 patients with one series of 41 slices (``--slices``) of 512 × 512 pixels each (five synthetic series under many
names, by hard links; one uncompressed file per slice), or one ``.nii.gz`` (``--nifti``). ``prepare`` reads and checks
each scan and cuts the region of one arm, 128 × 128 × 32 voxels over 140 × 140 × 160 mm; ``check`` measures each scan
for the page. Each turn is a fresh process with new folders, held alternately to one processor and to two; the clock
runs from the first scan to the last, with the start of further processes, without that of the command. The table gives
medians, the time of the processors, and the load of the machine before and after; what one and two processors write is
compared byte by byte. The exit code is 1 where two are less than 1.8 times as fast, or write something else.

Run: python -m bench.scaling [--scans 100] [--slices 41] [--turns 3] [--nifti]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.commands import cpu_s
from bench.prepare import CENTER_MM
from bench.series import write_series

from nephrograde.run.provenance import machine

SCALES = 1.8
DISTINCT = 5
STUDY = """
name = "scaling (synthetic)"
synthetic = true
[cohort]
table = "cohort.csv"
phases = ["cmp"]
[split]
folds = 2
[[arm]]
name = "box-3d"
supervision = "box"
"""


def write_study(top: Path, scans: int, slices: int, *, is_nifti: bool) -> None:
    """Write the series, the table and the study file."""
    half = 20.0
    low, high = (",".join(f"{c + s * half:g}" for c in CENTER_MM) for s in (-1, 1))
    for k in range(DISTINCT):
        write_series(top / "distinct" / f"{k}", slices)
        if is_nifti:
            _convert(top / "distinct" / f"{k}")
    ending = ".nii.gz" if is_nifti else ""
    rows = []
    for k in range(scans):
        name, source = f"scan-{k}{ending}", top / "distinct" / f"{k % DISTINCT}{ending}"
        if is_nifti:
            (top / name).hardlink_to(source)
        else:
            (top / name).mkdir()
            for path in source.iterdir():
                (top / name / path.name).hardlink_to(path)
        rows.append(f'P{k:03d},{1 + 2 * (k % 2)},{name},"{low};{high} mm"')
    (top / "cohort.csv").write_text("\n".join(["patient_id,isup_grade,cmp_image,cmp_box", *rows]), encoding="utf-8")
    (top / "study.toml").write_text(STUDY, encoding="utf-8")


def _convert(series_dir: Path) -> None:
    from nephrograde.volume.read import read_volume
    from nephrograde.volume.volume import write_image

    volume, image_path = read_volume(series_dir), series_dir.with_name(f"{series_dir.name}.nii.gz")
    write_image(volume.values, image_path, spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)


def run_stage(stage: str, study_path: Path, out: Path, processors: int) -> dict[str, object]:
    """Run a stage in this process, held to so many processors."""
    from nephrograde.cohort.stage import load_inputs
    from nephrograde.cohort.table import read_cohort
    from nephrograde.quality.survey import check_quality
    from nephrograde.sample.prepare import prepare_patients

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])
    study = load_inputs(study_path)
    cohort, _ = read_cohort(study.cohort, study.split)
    if cohort is None:
        raise RuntimeError("the table cannot be read")
    begin_s, before_s = time.perf_counter(), cpu_s()
    if stage == "prepare":
        prepare_patients(cohort, study, out)
    else:
        check_quality(cohort, study, out)
    clock_s, spent_s = time.perf_counter() - begin_s, cpu_s() - before_s
    digest = hashlib.sha256()
    for path in sorted(out.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(out).as_posix().encode() + b"\0" + path.read_bytes())
    return {"clock_s": clock_s, "cpu_s": spent_s, "written": digest.hexdigest()}


def main() -> int:
    """Run the stages and print the table; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scans", type=int, default=100)
    parser.add_argument("--slices", type=int, default=41)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--nifti", action="store_true")
    parser.add_argument("--stage", nargs=4, help=argparse.SUPPRESS)  # one process: time this stage, print JSON
    arguments = parser.parse_args()
    if arguments.stage is not None:
        stage, study_path, out, processors = arguments.stage
        print(json.dumps(run_stage(stage, Path(study_path), Path(out), int(processors))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_study(Path(folder), arguments.scans, arguments.slices, is_nifti=arguments.nifti)
        kind = f"{arguments.scans} scans of {arguments.slices} slices ({'.nii.gz' if arguments.nifti else 'DICOM'})"
        return _compare(Path(folder), kind, arguments.turns)


def _compare(top: Path, kind: str, turns: int) -> int:
    print(f"{machine()}; Python {platform.python_version()}; {kind}, medians of {turns} turns")
    print(f"{'stage':<10}{'processors':>12}{'seconds':>10}{'from':>8}{'of the processors':>19}{'times as fast':>15}")
    failed = []
    loads = [os.getloadavg()[0]]
    for stage in ("prepare", "check"):
        runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
        for turn in range(turns):
            for processors in (1, 2):
                out = top / f"{stage}-{processors}-{turn}"
                command = [sys.executable, "-m", "bench.scaling", "--stage", stage, str(top / "study.toml")]
                told = subprocess.check_output([*command, str(out), str(processors)], text=True)
                runs[processors].append(json.loads(told.splitlines()[-1]))
        clocks = {n: [run["clock_s"] for run in own] for n, own in runs.items()}
        for processors, own in runs.items():
            gain = median(clocks[1]) / median(clocks[processors])
            spent_s = median(run["cpu_s"] for run in own)
            seconds = clocks[processors]
            print(
                f"{stage:<10}{processors:>12}{median(seconds):>10.2f}{min(seconds):>8.2f}{spent_s:>19.2f}{gain:>15.2f}"
            )
        loads.append(os.getloadavg()[0])
        failed += [f"{stage}: two are {gain:.2f} times as fast, ≥ {SCALES} is required"] * (gain < SCALES)
        different = len({run["written"] for own in runs.values() for run in own}) > 1
        failed += [f"{stage}: two processors write something else than one"] * different
    print(f"load before, between and after: {', '.join(f'{load:.1f}' for load in loads)}")
    for line in failed:
        print(f"MISSED: {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
