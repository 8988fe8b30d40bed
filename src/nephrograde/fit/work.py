"""How much work a fit is: pictures that pass through the network, what one of them costs, and the memory it takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.fit.sampling import batch_size_of, steps_per_epoch
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.fit.job import FitJob
    from nephrograde.model.encoders.known import Architecture
    from nephrograde.study import Arm, FitSettings, Study

PASSES_PER_STEP = 3
"""Learning from a picture costs three times as much as scoring it: forwards, and the two gradients backwards."""

OPERATIONS_PER_VOXEL = {2: 69_152, 3: 29_952}
"""Floating-point operations of a ResNet-18 for each pixel or voxel of a picture, counted by torch."""

BYTES_OF_PROCESS = 1.0e9
"""Memory of a process with torch, a network, its gradient and AdamW's averages: 0.5 GB in 2D and 0.9 GB in 3D."""

BYTES_PER_VOXEL = {2: 600, 3: 200}
"""Memory of a step for each pixel or voxel of its batch on a CPU; measured: 450 to 520 and 130, rounded up."""


class _Burden(NamedTuple):
    operations: int
    """For each pixel or voxel of a picture, counted by torch."""
    bytes_per_voxel: int
    """What a step keeps for the gradient, counted by torch, and a quarter more: as measured for a ResNet-18."""
    bytes_of_weights: float


_BURDENS: dict[Architecture, _Burden] = {
    "efficientnet-lite0": _Burden(15_000, 2_400, 13e6),
    "resnet34": _Burden(143_000, 800, 85e6),
    "resnet50": _Burden(160_000, 2_200, 94e6),
    "resnet101": _Burden(308_000, 3_300, 170e6),
    "resnet152": _Burden(456_000, 4_600, 233e6),
    "medicalnet-10": _Burden(67_000, 200, 57e6),
    "medicalnet-18": _Burden(146_000, 200, 132e6),
    "medicalnet-34": _Burden(271_000, 320, 253e6),
    "medicalnet-50": _Burden(198_000, 800, 185e6),
    "medicalnet-101": _Burden(351_000, 1_400, 341e6),
    "medicalnet-152": _Burden(476_000, 1_900, 469e6),
    "medicalnet-200": _Burden(512_000, 2_200, 506e6),
    "inflated-resnet": _Burden(156_000, 1_200, 469e6),
}
"""Of the networks of encoders that differ from a ResNet-18; an inflated ResNet is one of 152 layers."""
_COPIES = 5
"""Weights, gradient, AdamW's two averages, and the file."""
BYTES_OF_VALUE = 2
"""Pictures are kept as float16."""


def cost_of_picture(shape: Sequence[int], architecture: Architecture = "resnet18") -> float:
    """Return the operations of one picture passing forwards through its network.

    Args:
        shape: Pixels or voxels along each axis, without channels.
        architecture: Of the network.

    >>> round(cost_of_picture((128, 128, 32)) / cost_of_picture((224, 224)), 1)
    4.5
    """
    burden = _BURDENS.get(architecture)
    operations = OPERATIONS_PER_VOXEL[len(shape)] if burden is None else burden.operations
    return float(operations * math.prod(shape))


def memory_of(study: Study, arm: Arm, *, n_patients: int, architecture: Architecture = "resnet18") -> float:
    """Return the memory that a fit takes on a CPU, in bytes: a process, a step, and the pictures of all patients.

    Args:
        study: The sizes of pictures, and the settings of fits.
        arm: The arm.
        n_patients: Patients in the study.
        architecture: Of the network.

    >>> from pathlib import Path
    >>> from nephrograde.study import Arm, CohortSettings, Study
    >>> strong = Arm(name="strong", supervision="mask", fit={"batch_size": 8})
    >>> study = Study(cohort=CohortSettings(table=Path("cohort.csv")), arm=(strong,))
    >>> joint = strong.model_copy(update={"phases": ("cmp", "np"), "fusion": "intermediate"})
    >>> [f"{memory_of(study, arm, n_patients=300) / 1e9:.1f} GB" for arm in (strong, joint)]
    ['2.5 GB', '3.9 GB']
    """
    if arm.encoder is not None:  # a regression on a row of features per patient
        return BYTES_OF_PROCESS
    shape = (study.image.slice_px,) * 2 if arm.slices else study.image.box_voxels
    shown = len(arm.phases) + len(arm.differences) if arm.fusion == "early" else 1
    phases = len(arm.phases) if arm.fusion == "intermediate" else 1
    of_patient = math.prod(shape) * (arm.slices or 1) * (2 if arm.supervision is Supervision.NONE else 1) * phases
    channels = shown * (1 + 2 * arm.neighbours) + arm.has_mask
    burden = _BURDENS.get(architecture)
    of_voxel = BYTES_PER_VOXEL[arm.dimensions] if burden is None else burden.bytes_per_voxel
    of_step = of_voxel * of_patient * study.fit_of(arm).batch_size
    of_process = BYTES_OF_PROCESS + (0.0 if burden is None else _COPIES * burden.bytes_of_weights)
    return of_process + of_step + BYTES_OF_VALUE * channels * of_patient * n_patients


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
