"""Does the network wait for its data? Training samples a second with data, against the same step on a resident batch.

"With data" is what a fit does: rows are drawn, read from a memory-mapped float16 file, and brought to the device; on a
GPU, they are collected from the pictures that it holds. The resident batch lies there as float32 from the start. Both
sides take the very same step (forward, backward, AdamW), and augmentation belongs to both sides or to neither. The
sides take turns, and the quickest turn of each counts, as in ``timeit``: what is slower is other work on the machine.
The target is a ratio of at least 0.9 in every row.

Run: python -m bench.input_pipeline [--turns 12]
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from bench.settings import Setting, make_job

from nephrograde.fit.learner import Batch, learn, load_batch, start
from nephrograde.fit.machine import find_machine, find_precision, make_fabric, reproducible
from nephrograde.fit.sampling import batches
from nephrograde.sample.augment import apply, draw
from nephrograde.study import FitSettings

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 0.9
BATCHES = 8
"""Batches of patients to draw from."""
WARM_UP_TURNS = 2
CUDA_STEPS = 8
"""Steps a turn on CUDA, where a fit lets the device run behind and waits for it once an epoch; on a CPU it is 1."""


SETTINGS = (
    Setting("2D 64 × 64", (1, 64, 64), 16),
    Setting("2D 224 × 224", (1, 224, 224), 16),
    Setting("3D 48 × 48 × 48", (2, 48, 48, 48), 8),
    Setting("3D 96 × 96 × 32", (2, 96, 96, 32), 8),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Samples a second on both sides."""

    name: str
    precision: str
    augmented: bool
    with_data: float
    resident: float

    @property
    def ratio(self) -> float:
        """Share of the resident speed that is left with data."""
        return self.with_data / self.resident


def measure(setting: Setting, *, augmented: bool, turns: int, folder: Path) -> Row:
    """Time both sides of one row, taking turns."""
    job = make_job(setting, n_batches=BATCHES, folder=folder)
    machine = find_machine(job.fit)
    precision = find_precision("auto", dimensions=setting.dimensions, kind=machine.kind)
    fabric = make_fabric(machine, precision)
    deal = batches(job.learn.is_high, batch_size=setting.batch_size, balanced=True, seed=1)
    chance = torch.Generator().manual_seed(1)
    with reproducible(machine.kind):
        learner = start(fabric, job)
        resident = load_batch(job, next(deal), fabric.device, held=learner.held)

        def step(batch: Batch) -> None:
            if augmented:
                drawn = draw(job.augment, len(batch.images), dimensions=setting.dimensions, generator=chance)
                batch = batch._replace(images=apply(batch.images, drawn, has_mask=job.has_mask))
            learn(learner, batch, n_batch=setting.batch_size)

        sides: list[Callable[[], None]] = [
            lambda: step(load_batch(job, next(deal), fabric.device, held=learner.held)),
            lambda: step(resident),
        ]
        steps = CUDA_STEPS if machine.kind == "cuda" else 1
        seconds: list[list[float]] = [[], []]
        for turn in range(WARM_UP_TURNS + turns):
            for side in (0, 1) if turn % 2 else (1, 0):
                started = time.perf_counter()
                for _ in range(steps):
                    sides[side]()
                if machine.kind == "cuda":
                    torch.cuda.synchronize()
                if turn >= WARM_UP_TURNS:
                    seconds[side].append((time.perf_counter() - started) / steps)
    with_data, still = (setting.batch_size / min(times) for times in seconds)
    return Row(setting.name, precision, augmented, with_data, still)


def main() -> int:
    """Measure, print the table, and return 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=12, help="timed turns of each side (default 12)")
    turns = parser.parse_args().turns
    machine = find_machine(FitSettings())
    print(f"{platform.machine()}, {machine}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'training samples a second':<32}{'augment':>8}{'with data':>12}{'resident':>12}{'ratio':>8}")
    missed = []
    for setting in SETTINGS:
        for augmented in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                row = measure(setting, augmented=augmented, turns=turns, folder=Path(folder))
            name = f"{row.name}, {row.precision}, batch {setting.batch_size}"
            switch = "on" if augmented else "off"
            print(f"{name:<32}{switch:>8}{row.with_data:>12.1f}{row.resident:>12.1f}{row.ratio:>8.3f}", flush=True)
            if row.ratio < TARGET:
                missed.append(name)
    print(f"target: at least {TARGET} in every row: {'missed by ' + ', '.join(missed) if missed else 'met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
