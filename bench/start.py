"""How long does ``nephrograde predict`` take to start? The whole command against torch and the scan alone, in one run.

A tiny synthetic study (one weak arm, one phase, one epoch) is written to a temporary folder and fitted. Then one of its
scans is graded by the whole command, each time in a fresh process with the files in the system's cache, in turns with
a process that only imports torch and reads the same scan. A third side imports MONAI's ResNet first, as the command did
while its network was MONAI's. Two more sides need no torch: the whole command with the model packed into a grader file,
and a process that only reads the scan. All sides pass once before the turns are timed; the table gives medians. The
exit code is 1 where the command on the run takes longer than 1.3 times torch and the scan, where that with a grader
file takes longer than a third of that on the run or than twice the time of reading the scan, or where the commands
answer differently: by more than 1e-4 for the grader file, at all for the others. With --dicom, the scan is a DICOM
series.

Run: python -m bench.start [--turns 7] [--folds 5] [--dicom]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.tiny_run import MODEL, write_run

from nephrograde.export.pack import CLOSE, pack
from nephrograde.files import read_rows
from nephrograde.run.provenance import machine, versions

TARGET, OF_RUN, OF_READING = 1.3, 1 / 3, 2.0
ALONE, READ = "import torch, read the scan", "read the scan"
NOW, PACKED, BEFORE = "nephrograde predict", "the same, with a grader file", "the same, MONAI imported as before"
READ_ALONE = """
import sys
from pathlib import Path
from nephrograde.volume.read import read_volume
read_volume(Path(sys.argv[1]))
"""
WITH_TORCH = f"import torch{READ_ALONE}"
WITH_MONAI = """
from monai.networks.nets.resnet import resnet18
from nephrograde.__main__ import start
start()
"""


def sides_of(cohort_dir: Path, run_dir: Path) -> dict[str, list[str]]:
    """The commands to time on a scan, by name; those whose packages are not installed are left out with a word."""
    image_path = cohort_dir / read_rows(cohort_dir / "cohort.csv")[0]["cmp_image"]
    python, options = sys.executable, ["--box", "20,20,10;60,60,12 vox", "--json"]
    on_run = ["predict", str(run_dir), str(image_path), "--model", MODEL, *options]
    sides = {
        ALONE: [python, "-c", WITH_TORCH, str(image_path)],
        NOW: [python, "-m", "nephrograde", *on_run],
        READ: [python, "-c", READ_ALONE, str(image_path)],
    }
    if all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        grader_path = pack(run_dir, MODEL, run_dir.parent / "grader.zip")
        sides[PACKED] = [python, "-m", "nephrograde", "predict", str(grader_path), str(image_path), *options]
    else:
        print("onnx or ONNX Runtime is not installed: the side of the grader file is left out.")
    if importlib.util.find_spec("monai"):
        sides[BEFORE] = [python, "-c", WITH_MONAI, *on_run]
    else:
        print("MONAI is not installed: its side is left out.")
    return sides


def timed(command: list[str]) -> tuple[float, str]:
    """Run a command in a fresh process; the seconds it took, and what it printed."""
    start_s = time.perf_counter()
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=_with_bytecode()).stdout
    return time.perf_counter() - start_s, answer


def _with_bytecode() -> dict[str, str]:
    """The environment in which the first pass leaves the bytecode of every module, as an installation does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> int:
    """Print the table; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--dicom", action="store_true", help="grade a DICOM series instead of a NIfTI file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sides = sides_of(*write_run(Path(folder), folds=options.folds, pixels=32, dicom=options.dicom))
        answers = {name: timed(command)[1] for name, command in sides.items()}
        times_s: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(options.turns):
            for name, command in sides.items():
                times_s[name].append(timed(command)[0])
    medians_s = {name: median(times) for name, times in times_s.items()}
    print(f"{machine()}; Python {platform.python_version()}, torch {versions()['torch']}")
    print(f"{options.folds} folds, {'DICOM' if options.dicom else 'NIfTI'}, medians of {options.turns} turns\n")
    print(f"{'':38}{'seconds':>9}{'from':>8}{'to':>8}{'ratio':>8}")
    for name, times in times_s.items():
        ratio = medians_s[name] / medians_s[ALONE]
        print(f"{name:38}{medians_s[name]:9.2f}{min(times):8.2f}{max(times):8.2f}{ratio:8.2f}")
    print()
    is_missed = False
    for side, other, most in ((NOW, ALONE, TARGET), (PACKED, NOW, OF_RUN), (PACKED, READ, OF_READING)):
        if side in medians_s:
            found = medians_s[side] / medians_s[other]
            is_missed |= found > most
            print(f"{side}: {found:.2f} times {other} (at most {most:.2f}{', missed' if found > most else ''}).")
    graded = {name: float(json.loads(text)["p_high"]) for name, text in answers.items() if name not in {ALONE, READ}}
    differing = [
        name for name, p_high in graded.items() if abs(p_high - graded[NOW]) > (CLOSE if name == PACKED else 0)
    ]
    if differing:
        print(f"The commands answer differently: {graded}")
    return 1 if is_missed or differing else 0


if __name__ == "__main__":
    sys.exit(main())
