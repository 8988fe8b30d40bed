"""How long do the page and the PDF of a study with nine models take? Each in a fresh process, imports included.

The study of ``nephrograde demo`` (three arms on three phases, three baselines) is run on a small synthetic cohort,
with tiny pictures and one epoch: the networks learn nothing, but the report has everything that nine models give.
Then the page is written and printed, in turns. Other programs change the time that passes, less the time of the
processors; both are shown with the load, and the first is judged. The exit code is 1 where the page takes longer than
3 s or the PDF longer than 12 s, by the median of the turns.

Run: python -m bench.report [--turns 3] [--patients 150] [--folds 2] [--lang en]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from statistics import median

from nephrograde.pipeline import load_inputs, run_study
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import machine
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

PAGE_S, PDF_S = 3.0, 12.0
DEMO = "src/nephrograde/sources/demo.toml"
SMALL = {
    "split.test_fraction": 0.4,
    "image.slice_px": 32,
    "image.box_voxels": [16, 16, 16],
    "fit.epochs": 1,
    "fit.warmup_epochs": 0,
}
PAGE = """
import sys
from pathlib import Path
from nephrograde.report.pages.study_page import write_report
print(write_report(Path(sys.argv[1]), sys.argv[2]))
"""
PDF = """
import sys
from pathlib import Path
from nephrograde.report.pages.pdf import write_pdf
print(write_pdf(Path(sys.argv[1])))
"""


def write_run(top: Path, *, patients: int, folds: int) -> Path:
    """Write a cohort and the finished run of the study with nine models; return the run's folder."""
    cohort_dir, run_dir = top / "cohort", top / "run"
    cohort_dir.mkdir()
    write_cohort(cohort_dir, PhantomSettings(patients=patients, phases=("cmp", "np", "up"), matrix_px=48))
    study = (Path(__file__).parents[1] / DEMO).read_text(encoding="utf-8")
    arms = [arm["name"] for arm in tomllib.loads(study)["arm"]]
    study_path = cohort_dir / "study.toml"
    study_path.write_text(study, encoding="utf-8")
    overrides = [f"{name}={value}" for name, value in {**SMALL, "split.folds": folds}.items()]
    overrides += [f"arm.{name}.fit.epochs=1" for name in arms]
    run_study(load_inputs(study_path, tuple(overrides)), run_dir, command="python -m bench.report")
    return run_dir


def timed(program: str, *arguments: str) -> tuple[float, float]:
    """Run a program in a fresh process; seconds that passed, and seconds of the processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, stdout=subprocess.DEVNULL)
    wall_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print the table; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--patients", type=int, default=150)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    options = parser.parse_args()
    times_s: dict[str, list[tuple[float, float]]] = {"page": [], "PDF": []}
    with tempfile.TemporaryDirectory() as folder:
        run_dir = write_run(Path(folder), patients=options.patients, folds=options.folds)
        page_path = RunFolder(run_dir).report.page_path(options.lang)
        for _ in range(options.turns):
            times_s["page"].append(timed(PAGE, str(run_dir), options.lang))
            times_s["PDF"].append(timed(PDF, str(page_path)))
        sizes = {"page": page_path.stat().st_size, "PDF": page_path.with_suffix(".pdf").stat().st_size}
    print(f"{machine()}; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}")
    print(f"{options.patients} patients, {options.folds} folds, medians of {options.turns} turns\n")
    print("| | seconds | from | to | of the processors | kB | required |\n|---|---|---|---|---|---|---|")
    is_missed = False
    for name, most_s in (("page", PAGE_S), ("PDF", PDF_S)):
        walls, cpus = zip(*times_s[name], strict=True)
        is_missed |= median(walls) > most_s
        missed = ", missed" if median(walls) > most_s else ""
        print(
            f"| {name} | {median(walls):.1f} | {min(walls):.1f} | {max(walls):.1f} | {median(cpus):.1f} | "
            f"{sizes[name] / 1000:.0f} | ≤ {most_s:.0f}{missed} |"
        )
    return 1 if is_missed else 0


if __name__ == "__main__":
    sys.exit(main())
