"""What a GPU gives: whether graphs keep the digits, how fast networks are trained, and how many fits to run at once.

One run, for a GPU that is at hand for a short time:

1. Networks are fitted with and without CUDA graphs; are their weights the same to the last digit?
2. The first table of ``bench.fit``.
3. Seconds per fit of the three kinds of network of the published study, with as many patients as in its folds, for one,
   two and four fits at once on the same card, each in a process of its own with its part of the memory, as
   ``fit.workers`` does; ratios are to one fit at a time. Below, how long the 45 fits of the study would take at 60
   epochs, if none stops early.

Run: python -m bench.gpu [--sizes tiny|small|published] [--turns 2]. Without a GPU it runs on the CPU, on one thread for
each process; only ``tiny`` makes sense there, to try the script.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from bench.fit import SIZES, fit_on_all, throughput, without_graphs
from bench.settings import make_job

from nephrograde.fit.loop import fit_fold
from nephrograde.fit.machine import find_machine
from nephrograde.study import FitSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.settings import Setting

    from nephrograde.fit.job import FitJob

PATIENTS = {"learn": 134, "stop": 34, "held_out": 42, "test": 90}
"""Patients of a fold of the published study, of 300 in all."""
OF_PATIENTS = {"tiny": 1 / 16, "small": 1, "published": 1}
"""The share of these patients that is fitted."""
EPOCHS = {"tiny": 1, "small": 10, "published": 10}
EPOCHS_OF_STUDY = 60
FITS_OF_EACH = 15
"""Three phases and five folds."""
TOGETHER = (1, 2, 4)


def kinds_of(sizes: str) -> tuple[Setting, ...]:
    """The networks of the published study: one slice, three slices, and a box."""
    slices, box = SIZES[sizes]
    return slices, replace(slices, name=f"{slices.name}, three slices", pictures=3), box


def job_of(setting: Setting, sizes: str) -> FitJob:
    """A fit of one network that scores its stopping patients after each epoch, and never stops early."""
    job = make_job(setting, n_batches=1)
    sets: dict[str, Any] = {}
    for name, count in PATIENTS.items():
        patients = make_job(replace(setting, batch_size=round(count * OF_PATIENTS[sizes])), n_batches=1).learn
        sets[name] = replace(patients, patient_ids=tuple(f"{name} {one}" for one in patients.patient_ids))
    epochs = EPOCHS[sizes]
    return replace(job, **sets, fit=job.fit.model_copy(update={"epochs": epochs, "patience": epochs}))


def digits(sizes: str) -> None:
    """Print whether graphs change a weight."""
    print("\nfits with and without graphs have the same digits:")
    for setting in kinds_of(sizes):
        job = make_job(setting, n_batches=4, epochs=2)
        replayed = fit_fold(job)
        with without_graphs():
            launched = fit_fold(job)
        is_same = all(torch.equal(weight, launched.weights[name]) for name, weight in replayed.weights.items())
        print(f"    {setting.name:<44}{'yes' if is_same else 'NO':>11}", flush=True)


@contextlib.contextmanager
def fitting(sizes: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that share the card and fit when they are told to."""
    words = [sys.executable, "-m", "bench.gpu", "--sizes", sizes, "--serve", str(count)]
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(count):
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.communicate)
            processes.append(process)
        yield processes


def serve(sizes: str, count: int) -> None:
    """Fit a network that is named on standard input, once for each line."""
    torch.set_num_threads(max(1, torch.get_num_threads() // count))
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(1 / count)
    jobs = {setting.name: job_of(setting, sizes) for setting in kinds_of(sizes)}
    for line in sys.stdin:
        fit_fold(jobs[line.strip()])
        print("done", flush=True)


def together(sizes: str, turns: int) -> None:
    """Print seconds per fit for several fits at once."""
    kinds = kinds_of(sizes)
    taken: dict[int, list[float]] = {}
    for count in TOGETHER:
        with fitting(sizes, count) as processes:
            # The first turn is not timed.
            of_kinds = [[fit_on_all(processes, kind.name) for _ in range(turns + 1)][1:] for kind in kinds]
        taken[count] = [min(times) for times in of_kinds]
    headings = "".join(f"{heading:>12}" for heading in ("1 at once", "2 at once", "ratio", "4 at once", "ratio"))
    print(f"\n{f'seconds per fit of {EPOCHS[sizes]} epochs':<40}{headings}")
    for number, kind in enumerate(kinds):
        print(_row(kind.name, [taken[count][number] for count in TOGETHER]))
    scale = FITS_OF_EACH * EPOCHS_OF_STUDY / EPOCHS[sizes]
    print(_row("45 fits of 60 epochs, minutes", [scale * sum(taken[count]) / 60 for count in TOGETHER]), flush=True)


def _row(name: str, values: Sequence[float]) -> str:
    one, *others = values
    return f"{name:<40}{one:>12.2f}" + "".join(f"{value:>12.2f}{value / one:>12.2f}" for value in others)


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", choices=sorted(SIZES), default="published", help="default: published")
    parser.add_argument("--turns", type=int, default=2, help="timed turns of each side (default 2)")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.sizes, given.serve)
        return 0
    started = time.perf_counter()
    machine = find_machine(FitSettings())
    print(f"{platform.machine()}, {machine}, torch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    digits(given.sizes)
    throughput(SIZES[given.sizes], given.turns)
    together(given.sizes, given.turns)
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
