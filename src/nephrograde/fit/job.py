"""The input of one fit, and the checks it must pass before training starts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nephrograde.cohort.split import check_disjoint
from nephrograde.errors import FitError
from nephrograde.model.initial import Initial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nephrograde.fit.chosen import Chosen
    from nephrograde.fit.history import Epoch
    from nephrograde.model.fusion import Fusion
    from nephrograde.sample.channels import Channels
    from nephrograde.sample.dataset import Bags, SampleSet
    from nephrograde.study import AugmentSettings, FitSettings


@dataclass(frozen=True, slots=True)
class FitJob:
    """One model on one fold.

    Attributes:
        model: The model's id, ``weak-1-cmp``; with ``arm``, ``phase`` and ``fold`` it is used in messages and the card.
        repeat: The name of the repeat, used in messages; empty for the networks of the study's results.
        dimensions: 2 for slices, 3 for boxes.
        has_mask: Whether the last channel is a mask.
        learn: What the network learns from.
        stop: Patients of the training folds used only to decide when to stop; empty if ``fit.patience`` is 0.
        held_out: The fold's own patients, who get their out-of-fold score.
        test: The test patients.
        fit: ``[fit]`` with the arm's own keys.
        augment: ``[augment]``.
        inputs_sha256: Fingerprint of everything above, stored in the card.
        synthetic: Whether the cohort is synthetic.
        fusion: How the network joins several phases; None on a single phase.
        phase_dropout: The probability with which a phase of a patient is left out of a step of learning.
        chosen: What was chosen for the fold, stored in the card; None if it is not tuned.
        after_epoch: Called with every finished epoch; what it raises ends the fit.
        pretrained: The pre-trained encoder that becomes the backbone; None for a ResNet-18.
        grades: The WHO/ISUP grade of every learning patient, for an ordinal head; None for a binary one.
    """

    model: str
    arm: str
    phase: str
    fold: int
    dimensions: Literal[2, 3]
    learn: SampleSet
    stop: SampleSet
    held_out: SampleSet
    test: SampleSet
    fit: FitSettings
    augment: AugmentSettings
    inputs_sha256: str = ""
    synthetic: bool = False
    repeat: str = ""
    has_mask: bool = False
    fusion: Fusion | None = None
    phase_dropout: float = 0.0
    chosen: Chosen | None = None
    after_epoch: Callable[[Epoch], None] | None = None
    pretrained: Initial | None = None
    grades: Mapping[str, int] | None = None

    def __str__(self) -> str:
        return name_of_fit(self.model, self.fold, self.repeat)

    @property
    def channels(self) -> int:
        """All channels: those of the image, and one for a mask."""
        return int(self.bags(self.learn).images.shape[1])

    @property
    def shown(self) -> Channels | None:
        """What the channels are in early fusion; None otherwise."""
        return None if self.fusion is None else self.fusion.channels(self.channels - self.has_mask)

    def bags(self, samples: SampleSet) -> Bags:
        """Return the pictures of a set that the model sees, those on its phase or phases."""
        return samples.bags(self.phase)

    @property
    def initial(self) -> Initial | None:
        """The pre-trained weights that the network starts from; None for random ones."""
        if self.pretrained is not None:
            return self.pretrained
        named = self.fit.initial_weights(self.dimensions)
        return None if named is None else Initial(named)

    def tell(self, epoch: Epoch) -> None:
        """Tell who asked for it of a finished epoch."""
        if self.after_epoch is not None:
            self.after_epoch(epoch)

    def seed(self, purpose: str) -> int:
        """Derive a seed for each model, fold and purpose from the one in the study file."""
        return derive_seed(self.fit.seed, self.model, self.fold, purpose)


def name_of_fit(model: str, fold: int, repeat: str) -> str:
    """Name a fit in messages.

    Args:
        model: The model's id.
        fold: Counted from 0.
        repeat: The name of the repeat; empty for the study's results.

    >>> name_of_fit("weak-1-cmp", 0, "seed-1")
    'Model weak-1-cmp, fold 0 of seed-1'
    """
    return f"Model {model}, fold {fold}" + (f" of {repeat}" if repeat else "")


def derive_seed(seed: int, model: str, fold: int, purpose: str, *, n_bytes: int = 7) -> int:
    """Derive a seed for one model, fold and purpose.

    Args:
        seed: That of the study file.
        model: The model's id.
        fold: Counted from 0.
        purpose: What it is for; another purpose has another seed.
        n_bytes: The length of the seed, as some generators take 32 bits only.

    >>> derive_seed(1, "weak-1-cmp", 0, "draws") == derive_seed(1, "weak-1-cmp", 1, "draws")
    False
    """
    text = f"{seed}/{model}/{fold}/{purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:n_bytes])


def check_job(job: FitJob) -> None:
    """Refuse a job that would leak, or that cannot be learnt from.

    The sets consist of patients: a patient whose slices are distributed over two of them (an image-level split), or
    over two entries of one set, is refused by name, whoever assembled the sets.

    Raises:
        RunError: If a patient is in two sets.
        FitError: If the learning patients are of one class, a patient occurs twice in a set, has no picture, or lacks
            the grade that an ordinal head learns, or no stopping patients remain.
    """
    sets = {"learn": job.learn, "stop": job.stop, "held out": job.held_out, "test": job.test}
    check_disjoint({name: samples.patient_ids for name, samples in sets.items()})
    for samples in sets.values():
        _check_bags(job, samples)
    check_grades(str(job), job.learn.is_high.tolist())
    for patient, is_high in zip(job.learn.patient_ids, job.learn.is_high.tolist(), strict=True):
        if job.grades is not None and job.grades.get(patient) not in ((3, 4) if is_high else (1, 2)):
            truth = "high" if is_high else "low"
            raise FitError(f"{job}: patient {patient} is {truth} grade, but the grade is {job.grades.get(patient)}.")
    if job.fit.patience and not job.stop.patient_ids:
        raise FitError(
            f"{job}: fit.patience is {job.fit.patience}, but no patients are set aside for early stopping. "
            "Set fit.patience = 0, or a larger fit.inner_fraction."
        )


def check_grades(fit: str, truths: Sequence[bool], *, fewest: int = 1) -> None:
    """Refuse a fit that has too few patients of a grade to learn from.

    Args:
        fit: What is fitted, for the message.
        truths: Whether each of the patients is of high grade.
        fewest: How many of either grade are needed.

    Raises:
        FitError: There are fewer.

    >>> check_grades("Model weak-1-cmp, fold 0", [True, False])
    """
    n_high = sum(truths)
    n_low = len(truths) - n_high
    if min(n_high, n_low) < fewest:
        needed = "both are needed" if fewest == 1 else f"at least {fewest} of either are needed"
        raise FitError(
            f"{fit}: the patients to learn from are {n_high} of high and {n_low} of low grade, and {needed}. "
            "Take fewer folds, or leave this phase out of the study."
        )


def check_each_grade(model: str, grades: Sequence[int | None], *, column: str) -> None:
    """Refuse an ordinal head that has no patient of one of the grades 1 to 4 to learn from.

    In a fold without patients of a grade, its threshold is not learnt, and the others are as they would be.

    Args:
        model: What is fitted, for the message.
        grades: Those of all training patients; None where the outcome is not a grade.
        column: The column of the outcome.

    Raises:
        FitError: There is none.

    >>> check_each_grade("Model weak-1-cmp", [1, 2, 3, 4, 4], column="isup_grade")
    """
    missing = [str(grade) for grade in (1, 2, 3, 4) if grade not in grades]
    if missing:
        raise FitError(
            f"{model} has an ordinal head, which learns the grades 1 to 4, but no training patient with its scans is "
            f'of grade {" or ".join(missing)} (column {column}). Set head = "binary".'
        )


def n_high_of(samples: SampleSet) -> int:
    """Count the patients of high grade."""
    return int(samples.is_high.sum())


def _check_bags(job: FitJob, samples: SampleSet) -> None:
    twice = [patient for patient, times in Counter(samples.patient_ids).items() if times > 1]
    if twice:
        raise FitError(f"{job}: patient {twice[0]} has two bags of pictures. Delete the cache and prepare again.")
    counts = job.bags(samples).counts
    for patient, count in zip(samples.patient_ids, counts.tolist(), strict=True):
        if not count:
            raise FitError(
                f"{job}: patient {patient} has no picture on {job.phase}. Delete the cache and prepare again."
            )
