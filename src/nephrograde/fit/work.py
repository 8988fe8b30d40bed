"""How much work a fit is: pictures that pass through the network, and what one of them costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.fit.sampling import batch_size_of, steps_per_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.fit.job import FitJob
    from nephrograde.study import FitSettings

PASSES_PER_STEP = 3
"""Learning from a picture costs three times as much as scoring it: forwards, and the two gradients backwards."""

OPERATIONS_PER_VOXEL = {2: 69_152, 3: 29_952}
"""Floating-point operations of a ResNet-18 for each pixel or voxel of a picture, counted by torch."""


def cost_of_picture(shape: Sequence[int]) -> float:
    """Return the operations of one picture passing forwards through its network.

    Args:
        shape: Pixels or voxels along each axis, without channels.

    >>> round(cost_of_picture((128, 128, 32)) / cost_of_picture((224, 224)), 1)
    4.5
    """
    return float(OPERATIONS_PER_VOXEL[len(shape)] * math.prod(shape))


def passes_of_step(n_batch: int) -> int:
    """Return the pictures that pass forwards in one step of learning, or take as long.

    Args:
        n_batch: Pictures in a batch.
    """
    return PASSES_PER_STEP * n_batch


def passes_of(fit: FitSettings, *, n_learn: int, learn_rows: float, stop_rows: float, scored_rows: float) -> float:
    """Return the pictures that pass through the network in a whole fit, if it does not stop early.

    Args:
        fit: ``[fit]`` with the arm's own keys.
        n_learn: Patients that the network learns from.
        learn_rows: Their pictures; every patient is counted with the mean number.
        stop_rows: Pictures that are scored after each epoch.
        scored_rows: Pictures that are scored at the end.

    >>> from nephrograde.study import FitSettings
    >>> passes_of(FitSettings(epochs=2, batch_size=10), n_learn=20, learn_rows=60, stop_rows=4, scored_rows=7)
    375.0
    """
    n_batch = batch_size_of(fit.batch_size, n_learn)
    of_epoch = passes_of_step(n_batch) * (learn_rows / n_learn) * steps_per_epoch(n_batch, n_learn) + stop_rows
    return fit.epochs * of_epoch + scored_rows


def passes_of_job(job: FitJob) -> float:
    """Return the pictures that pass through the network of a job.

    Args:
        job: Samples and settings.
    """
    rows = {name: len(job.bags(getattr(job, name)).images) for name in ("learn", "stop", "held_out", "test")}
    return passes_of(
        job.fit,
        n_learn=len(job.learn.patient_ids),
        learn_rows=rows["learn"],
        stop_rows=rows["stop"],
        scored_rows=rows["held_out"] + rows["test"],
    )
