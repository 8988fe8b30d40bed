"""What do more patients cost? Time and memory of every stage against the number of patients, in one run.

Synthetic cohorts (one phase, 32 × 32 pixels, real numbers of slices) of growing size pass through scan, prepare,
check, fit (one weak arm, two folds, one epoch), evaluate and report; the export that is scanned consists of copies of
one series with identifiers of their own, 52 files a patient. Every stage runs in a process of its own, and so does
writing its input, as the size of a process counts for those that it starts. The time is that of the processors, user
and system, child processes included, which other programs disturb least; the memory is the largest resident size of a
single process.

A stage is flat where one more patient costs the same in a large cohort as in a small one: the time per additional
patient between the two largest sizes is at most 1.1 times that between the smallest and the second largest (fixed
costs cancel out), and the memory at the largest size is at most 1.1 times that at the second largest. The exit code
is 1 where a stage is not flat, or where six models of 100,000 patients are not evaluated within 2 s, or from a
DataFrame within 4 s of the processors. ``--stage evaluate-many`` prints the figures of these two alone.

Run: python -m bench.growth [--sizes 50,200,800,3200] [--stages scan,prepare,…] [--figure docs/_static/growth.svg]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.growth_figure import draw

from nephrograde.run.provenance import machine
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.evaluation.scores.scores import Scores

ROOT = Path(__file__).parents[1]
FLAT = 1.1
NOISE_S = 0.3
"""By so much the time of one process differs from that of another that does the same."""
EVALUATED_S = 2.0
FRAME_CPU_S = 4.0
PIXELS = 32
STUDY = """
name = "growth (synthetic)"
synthetic = true
[cohort]
table = "cohort.csv"
phases = ["cmp"]
[split]
test_fraction = 0.4
folds = 2
[[arm]]
name = "weak-1"
supervision = "box"
slices = 1
[image]
slice_px = 32
slice_mm = 96.0
[fit]
epochs = 1
warmup_epochs = 0
batch_size = 16
patience = 0
accelerator = "cpu"
[evaluate]
subgroups = ["age_years", "sex", "centre"]
"""


def write_export(top: Path, *, patients: int = 0, files: int = 0, phases: tuple[str, ...] = ("cmp",)) -> None:
    """Write a DICOM export: one synthetic patient under the names of many, by their number or that of files."""
    (top / "one").mkdir(parents=True)
    settings = PhantomSettings(patients=2, phases=phases, matrix_px=PIXELS, dicom=True)
    write_cohort(top / "one", settings)
    images_dir = top / "one" / "images" / "SYN-0001"
    slices = {path.relative_to(images_dir): path.read_bytes() for path in sorted(images_dir.rglob("*.dcm"))}
    for number in range(patients or files // len(slices)):
        for place, data in slices.items():
            path = top / "export" / f"{number:05d}" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            own = re.sub(rb"(2\.25\.\d+)\d{6}(?!\d)", rb"\g<1>%06d" % number, data)
            path.write_bytes(own.replace(b"SYN-0001", b"SYN%05d" % number))
    shutil.rmtree(top / "one")


def write_inputs(top: Path, patients: int, stages: list[str]) -> None:
    """Write what the stages read."""
    if "scan" in stages:
        write_export(top, patients=patients)
    if set(stages) - {"scan"}:
        (top / "cohort").mkdir(parents=True)
        write_cohort(top / "cohort", PhantomSettings(patients=patients, phases=("cmp",), matrix_px=PIXELS))
        (top / "cohort" / "study.toml").write_text(STUDY, encoding="utf-8")


def scan(top: Path) -> None:
    """Scan the export."""
    from nephrograde.scanning import scan_export
    from nephrograde.sources.scan.scan import ScanSettings

    (top / "scanned").mkdir(exist_ok=True)
    scan_export(top / "export", top / "scanned" / "cohort.csv", settings=ScanSettings())


def prepare(top: Path) -> None:
    """Prepare the scans of the cohort."""
    from nephrograde.pipeline import load_inputs, prepare_study

    prepare_study(load_inputs(top / "cohort" / "study.toml"), top / "run")


def check(top: Path) -> None:
    """Check the scans of the cohort, which are prepared."""
    from nephrograde.pipeline import check_study, load_inputs

    check_study(load_inputs(top / "cohort" / "study.toml"), top / "run")


def fit(top: Path) -> None:
    """Fit both folds of the one model."""
    from nephrograde.pipeline import fit_study, load_inputs

    fit_study(load_inputs(top / "cohort" / "study.toml"), top / "run")


def evaluate(top: Path) -> None:
    """Evaluate the model and the baselines, without the report."""
    from nephrograde.cohort.stage import open_cohort
    from nephrograde.evaluation.stage import evaluate_models
    from nephrograde.pipeline import load_inputs
    from nephrograde.run.writer import only_writer

    study = load_inputs(top / "cohort" / "study.toml")
    with only_writer(top / "run") as folder:
        cohort, split = open_cohort(study, folder)
        evaluate_models(study, cohort, split, folder, reason="")


def report(top: Path) -> None:
    """Write the page."""
    from nephrograde.pipeline import report_study

    report_study(top / "run")


STAGES: dict[str, Callable[[Path], None]] = {
    "scan": scan, "prepare": prepare, "check": check, "fit": fit, "evaluate": evaluate, "report": report,
}  # fmt: skip


def run_stage(stage: str, top: Path) -> dict[str, float]:
    """Run one stage in a fresh process: seconds of the processors, and the largest resident size in MiB."""
    command = [sys.executable, "-m", "bench.growth", "--stage", stage, "--top", str(top)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    return dict(json.loads(answer.splitlines()[-1]))


def measured(make: Callable[[], object]) -> dict[str, float]:
    """What a piece of work cost in this process and its children."""
    start_s = time.perf_counter()
    make()
    wall_s = time.perf_counter() - start_s
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cpu_s": sum(one.ru_utime + one.ru_stime for one in used),
        "wall_s": wall_s,
        "mib": max(one.ru_maxrss for one in used) / 1024,
    }


def many_scores(patients: int, models: int) -> Scores:
    """Draw a score table: 30 % test patients, five folds."""
    import numpy as np

    from nephrograde.evaluation.scores.scores import Score, Scores

    rng = np.random.default_rng(20261128)
    is_high = rng.random(patients) < 0.45
    shared, rows = rng.normal(size=patients), []
    for model in range(models):
        log_odds = 1.5 * (is_high - 0.5) + 0.7 * shared + 0.7 * rng.normal(size=patients)
        p_high = (1 / (1 + np.exp(-log_odds))).tolist()
        for k in range(patients):
            name, high = f"model-{model}", bool(is_high[k])
            if k % 10 < 3:
                rows.append(Score(f"P{k:06d}", name, "test", None, high, p_high[k]))
            else:
                rows.append(Score(f"P{k:06d}", name, "oof", k % 5, high, p_high[k]))
    return Scores(tuple(rows))


def evaluate_many() -> None:
    """Evaluate six models of 100,000 patients, once the modules are loaded; prints the seconds.

    The fastest of three turns, as other programs only slow it down; then the same scores as a DataFrame, read and
    evaluated by the public function.
    """
    import pandas as pd

    import nephrograde as ng
    from nephrograde.evaluation.evaluation import evaluate_scores
    from nephrograde.evaluation.scores.score_table import row_of
    from nephrograde.study import EvaluateSettings

    few, scores = many_scores(200, 2), many_scores(100_000, 6)
    evaluate_scores(few, EvaluateSettings())
    turns = [timed(lambda: evaluate_scores(scores, EvaluateSettings())) for _ in range(3)]
    found = {**min(turns, key=lambda turn: turn["wall_s"])}
    found["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    frame = pd.DataFrame(list(map(row_of, scores.rows)))
    ng.evaluate(frame[:1000])
    found |= {f"frame_{name}": seconds for name, seconds in timed(lambda: ng.evaluate(frame)).items()}
    print(json.dumps(found))


def timed(make: Callable[[], object]) -> dict[str, float]:
    """Seconds that pass, and those of the processors."""
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    make()
    return {"wall_s": time.perf_counter() - start_s, "cpu_s": time.process_time() - start_cpu_s}


def growth(costs: dict[int, float]) -> float:
    """Cost of one more patient between the two largest sizes, divided by that between the smaller ones.

    NaN with fewer than three sizes. Smaller differences than ``NOISE_S`` count as that.
    """
    sizes = sorted(costs)
    if len(sizes) < 3:
        return math.nan
    first, before, last = sizes[0], sizes[-2], sizes[-1]
    small = max(costs[before] - costs[first], NOISE_S) / (before - first)
    return (costs[last] - costs[before]) / (last - before) / small


def print_stages(found: dict[str, dict[int, dict[str, float]]], sizes: list[int]) -> list[str]:
    """Print a table, and return what is not flat."""
    missed = []
    heads = [f"{size:,} patients" for size in sizes]
    print(f"| stage | {' | '.join(heads)} | ms per additional patient | growth | memory, growth |")
    print("|" + " --- |" * (len(sizes) + 4))
    for stage, by_size in found.items():
        cells = [f"{by_size[size]['cpu_s']:.1f} s, {by_size[size]['mib']:.0f} MiB" for size in sizes]
        grown = growth({size: one["cpu_s"] for size, one in by_size.items()})
        wider = by_size[sizes[-1]]["mib"] / by_size[sizes[-2]]["mib"] if len(sizes) > 1 else math.nan
        each = (
            1000 * (by_size[sizes[-1]]["cpu_s"] - by_size[sizes[-2]]["cpu_s"]) / (sizes[-1] - sizes[-2])
            if len(sizes) > 1
            else 1000 * by_size[sizes[-1]]["cpu_s"] / sizes[-1]
        )
        print(f"| {stage} | {' | '.join(cells)} | {each:.1f} | {_times(grown)} | {_times(wider)} |")
        missed += [f"{stage}: {grown:.2f} times as long for one more patient"] * (grown > FLAT)
        missed += [f"{stage}: {wider:.2f} times the memory"] * (wider > FLAT)
    return missed


def _times(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{ratio:.2f}"


def main() -> int:
    """Print the tables; 1 where a stage is not flat."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", default="50,200,800,3200")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--figure", type=Path, help="also draw the table into this SVG file")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--top", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage == "evaluate-many":
        evaluate_many()
        return 0
    if options.stage == "write":
        write_inputs(options.top, int(options.sizes), options.stages.split(","))
        return 0
    if options.stage:
        print(json.dumps(measured(lambda: STAGES[options.stage](options.top))))
        return 0
    sizes, stages = sorted(map(int, options.sizes.split(","))), options.stages.split(",")
    found: dict[str, dict[int, dict[str, float]]] = {stage: {} for stage in STAGES if stage in stages}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "bench.growth", "--stage", "write", "--top", folder]
            subprocess.run([*command, "--sizes", str(size), "--stages", options.stages], check=True, cwd=ROOT)
            for stage, by_size in found.items():
                by_size[size] = run_stage(stage, Path(folder))
                print(f"{stage} {size}: {by_size[size]}", file=sys.stderr, flush=True)
    many = run_stage("evaluate-many", Path())
    print(f"{machine()}; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}\n")
    missed = print_stages(found, sizes)
    print(f"\nSix models of 100,000 patients: {many['wall_s']:.1f} s ({many['cpu_s']:.1f} s of the processors; at most")
    print(f"{EVALUATED_S:.0f} s), {many['mib']:.0f} MiB with the table. The same scores as a DataFrame, read and")
    print(f"evaluated by ng.evaluate: {many['frame_cpu_s']:.1f} s of the processors (at most {FRAME_CPU_S:.0f} s).")
    missed += ["six models of 100,000 patients take too long"] * (many["wall_s"] > EVALUATED_S)
    missed += ["six models of 100,000 patients in a DataFrame take too long"] * (many["frame_cpu_s"] > FRAME_CPU_S)
    if options.figure:
        draw({stage: {size: one["cpu_s"] for size, one in by.items()} for stage, by in found.items()}, options.figure)
    for one in missed:
        print(f"Missed: {one}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
