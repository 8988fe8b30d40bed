"""How much memory does one very long series take? A CT of 2,000 slices of 512 × 512 pixels, as DICOM and as NIfTI.

A synthetic patient is stretched to slices of 0.5 mm, with further slices above and below, 1 m in all: 1,000 MiB in two
bytes a voxel. It is written as a DICOM series and as ``.nii.gz``, and joins a cohort of 24 small synthetic patients.
The commands are those of a user: ``scan`` of the export, ``check`` and ``prepare`` of the cohort (with a mask of the
tumour on all 2,000 slices), and ``predict`` with a packed model and a box. The table gives the largest resident size of
a process, the seconds of the processors and those on the clock. The exit code is 1 where a command takes more memory
than the limit, or fails.

Run: python -m bench.long_series [--slices 2000]
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Cost, run

from nephrograde.run.provenance import machine

if TYPE_CHECKING:
    from nephrograde.sources.synthetic.scanner import SyntheticScan

LIMIT_MIB = 2048
PIXELS, SLICE_MM, NOISE_HU = 512, 0.5, 5.0
SEED = 20261128
PATIENT = "SYN-LONG"


def long_scan(slices: int) -> SyntheticScan:
    """Stretch a synthetic scan to slices of 0.5 mm, and add slices above and below."""
    import numpy as np

    from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
    from nephrograde.sources.synthetic.scanner import SyntheticScan, draw_body, scan_patient

    patient = cohort_patients(PhantomSettings(patients=2, phases=("cmp",), seed=SEED))[0]
    body = draw_body(patient, seed=SEED)
    scan = scan_patient(patient, body, phase="cmp", matrix_px=PIXELS, seed=SEED)
    count, step_mm = len(scan.values_hu), scan.spacing_mm[2]
    first = (slices - count * step_mm / SLICE_MM) / 2
    at = np.clip((np.arange(slices) - first) * SLICE_MM / step_mm, 0, count - 1)
    values = np.empty((slices, PIXELS, PIXELS), np.int16)
    generator = np.random.default_rng(SEED)
    for k, place in enumerate(at):
        low = min(int(place), count - 2)
        share = np.float32(place - low)
        plane = scan.values_hu[low] * (1 - share) + scan.values_hu[low + 1] * share
        plane += generator.normal(0.0, NOISE_HU, plane.shape).astype(np.float32)
        values[k] = np.clip(np.rint(plane), -1024, 3071)
    x, y, z = scan.origin_mm
    is_inside = (np.arange(slices) >= first) & (np.arange(slices) < slices - first)
    mask = scan.mask[np.rint(at).astype(int)] & is_inside[:, None, None]
    spacing_mm = (scan.spacing_mm[0], scan.spacing_mm[1], SLICE_MM)
    return SyntheticScan(values, mask, spacing_mm, (x, y, round(z - first * SLICE_MM, 3)), (1, 1, 1))


def write_long(top: Path, slices: int) -> str:
    """Write the long series as DICOM and NIfTI with its mask; return the box around the tumour in voxels."""
    import numpy as np

    from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
    from nephrograde.sources.synthetic.scan_files import write_dicom, write_nifti, write_nifti_mask

    scan = long_scan(slices)
    patient = cohort_patients(PhantomSettings(patients=2, phases=("cmp",), seed=SEED))[0]
    write_dicom(scan, top / "export" / "long", patient=patient, phase="cmp", seed=SEED)
    write_nifti(scan, top / "long.nii.gz", label="long series")
    write_nifti_mask(scan, top / "long_mask.nii.gz", label="mask of the long series")
    zyx = [np.flatnonzero(scan.mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in (2, 1, 0)]
    return ";".join(",".join(str(int(found[end])) for found in zyx) for end in (0, -1)) + " vox"


def with_long(cohort_dir: Path, image_path: Path, mask_path: Path, name: str) -> Path:
    """Write a study whose cohort has the long series as one more patient; return the study file."""
    with (cohort_dir / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    rows.append(rows[0] | {"patient_id": PATIENT, "cmp_image": str(image_path), "cmp_mask": str(mask_path)})
    with (cohort_dir / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    text = (cohort_dir / "study.toml").read_text(encoding="utf-8").replace("cohort.csv", f"{name}.csv")
    study_path = cohort_dir / f"{name}.toml"
    study_path.write_text(text, encoding="utf-8")
    return study_path


def write_all(top: Path, slices: int) -> None:
    """Write the small cohort, its grader file and the long series, and the box around its tumour."""
    from bench.tiny_run import MODEL, write_run

    from nephrograde.export.pack import pack

    pack(write_run(top, folds=2, pixels=32)[1], MODEL, top / "grader.zip")
    (top / "box.txt").write_text(write_long(top, slices), encoding="utf-8")


def measure(top: Path, slices: int) -> dict[str, Cost]:
    """Run every command on both files.

    They are written by another process: where a large process starts another, its size counts as that of the other.
    """
    command = [sys.executable, "-m", "bench.long_series", "--slices", str(slices), "--write", str(top)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    box, grader_path, cohort_dir = (top / "box.txt").read_text(encoding="utf-8"), top / "grader.zip", top / "cohort"
    log_path, found = top / "log.txt", {}
    found["scan, DICOM"] = run(["scan", str(top / "export"), "--out", str(top / "scanned" / "cohort.csv")], log_path)
    for name, image_path in {"DICOM": top / "export" / "long", "NIfTI": top / "long.nii.gz"}.items():
        study_path = with_long(cohort_dir, image_path, top / "long_mask.nii.gz", name.lower())
        for stage in ("prepare", "check"):
            command = [stage, str(study_path), "--out", str(top / f"{name}-run")]
            found[f"{stage}, {name}"] = run(command, log_path)
        command = ["predict", str(grader_path), str(image_path), "--box", box, "--outside", "warn"]
        found[f"predict, {name}"] = run(command, log_path)
    if any(one.code for one in found.values()):
        print(log_path.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
    return found


def main() -> int:
    """Print the table; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_all(options.write, options.slices)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.slices)
    mib = options.slices * PIXELS * PIXELS * 2 / 2**20
    print(f"{machine()}; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}")
    print(f"{options.slices:,} slices of {PIXELS} × {PIXELS} pixels, {mib:,.0f} MiB in two bytes a voxel\n")
    print("| command | memory | processors | clock |\n| --- | --- | --- | --- |")
    for name, one in found.items():
        print(f"| {name} | {one.mib:,.0f} MiB | {one.cpu_s:.1f} s | {one.clock_s:.1f} s |")
    missed = [f"{name}: exit code {one.code}" for name, one in found.items() if one.code]
    missed += [f"{name}: {one.mib:,.0f} MiB" for name, one in found.items() if one.mib > LIMIT_MIB]
    print(f"\nAt most {LIMIT_MIB:,} MiB.")
    for line in missed:
        print(f"Missed: {line}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
