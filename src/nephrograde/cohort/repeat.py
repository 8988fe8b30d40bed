"""Repeats: the study's models fitted again with other folds, with another seed, or on fewer patients.

A fit depends on chance in two ways: which patients are in which fold, and the seed that initial weights, augmentation
and the order of patients follow from. And it depends on how many patients it learns from. The results of a study are
always those of its first fit; repeats show how much they vary. The test patients are the same in all repeats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nephrograde.cohort.split import Assignment, hash_of, ranked_by_class
from nephrograde.errors import RunError

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.study import Arm, SplitSettings, Study

_SEED_STEP = 10_000
"""Distance of the seeds of two repeats; more than the number of folds, which are added to a seed."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One way to fit the models of a study.

    Attributes:
        drawing: Which drawing of the folds, from 0, which is that of ``cohort/split.csv``.
        seed: Which seed of the fit, from 0, which is ``fit.seed``.
        share: Share of the training patients of each fold that a model learns from.

    >>> Repeat().is_first, Repeat(drawing=1, share=0.25).name, Repeat(seed=2).name
    (True, 'folds-1-share-0.25', 'seed-2')
    """

    drawing: int = 0
    seed: int = 0
    share: float = 1.0

    @property
    def is_first(self) -> bool:
        """Whether this is the fit that the study's results come from."""
        return self == Repeat()

    @property
    def name(self) -> str:
        """The name of its folder in the run; empty for the first."""
        parts = (
            f"folds-{self.drawing}" if self.drawing else "",
            f"seed-{self.seed}" if self.seed else "",
            f"share-{self.share:g}" if self.share < 1.0 else "",
        )
        return "-".join(part for part in parts if part)

    @property
    def split_name(self) -> str:
        """The name of the repeat with the same patients to learn from and the first seed; empty for the first.

        >>> Repeat(seed=2).split_name, Repeat(drawing=1).split_name
        ('', 'folds-1')
        """
        return replace(self, seed=0).name

    def fit_seed(self, seed: int) -> int:
        """Return the seed of a fit.

        Args:
            seed: ``fit.seed`` of the study.

        >>> Repeat().fit_seed(7), Repeat(seed=1).fit_seed(7)
        (7, 10007)
        """
        return seed + _SEED_STEP * self.seed


def repeats_of_split(settings: SplitSettings) -> list[Repeat]:
    """List the repeats that ``[split]`` asks for, the first included; baselines are repeated in these.

    Args:
        settings: The ``[split]`` section.

    >>> from nephrograde.study import SplitSettings
    >>> [repeat.name for repeat in repeats_of_split(SplitSettings(repeats=2, learning_curve=(0.5,)))]
    ['', 'folds-1', 'share-0.5', 'folds-1-share-0.5']
    """
    shares = (1.0, *settings.learning_curve)
    return [Repeat(drawing=drawing, share=share) for share in shares for drawing in range(settings.repeats)]


def repeats_of_arm(study: Study, arm: Arm) -> list[Repeat]:
    """List the repeats of the networks of an arm, the first included.

    Args:
        study: The resolved study.
        arm: One of its arms.
    """
    return [*repeats_of_split(study.split), *(Repeat(seed=seed) for seed in range(1, study.fit_of(arm).repeats))]


def split_of(repeat: Repeat, split: Split, cohort: Cohort, settings: SplitSettings) -> Split:
    """Return the folds of a repeat, and the patients that it does not learn from.

    The test patients and the number of folds stay. Folds are dealt as those of the first split, by class and stratum,
    in another order. The patients left out of a learning curve are drawn from each fold by class, and those of a larger
    share include those of a smaller.

    Args:
        repeat: The repeat.
        split: The split of the study.
        cohort: Its patients.
        settings: The ``[split]`` section.

    Raises:
        RunError: The share leaves a fold without patients of one class to learn from.

    >>> from nephrograde.cohort.case import Case, Cohort
    >>> from nephrograde.cohort.split import draw_split
    >>> from nephrograde.study import SplitSettings
    >>> cohort = Cohort(tuple(Case(f"P{i:02}", i % 2 == 0, None, {}, {}) for i in range(60)), (), (), None)
    >>> first = draw_split(cohort, SplitSettings(folds=2))
    >>> half = split_of(Repeat(drawing=1, share=0.5), first, cohort, SplitSettings(folds=2))
    >>> half.test_ids() == first.test_ids(), half.fold_ids(0) == first.fold_ids(0)
    (True, False)
    >>> len(first.learning_ids(0)), len(half.learning_ids(0))
    (21, 11)
    """
    if repeat.drawing:
        ranked = ranked_by_class(cohort, settings, salt=f"split:{settings.seed}:{repeat.drawing}")
        training = set(split.train_ids())
        in_order = [patient for high in (False, True) for patient in ranked[high] if patient in training]
        dealt = {patient: Assignment("train", position % split.folds) for position, patient in enumerate(in_order)}
        split = replace(split, assignments={**split.assignments, **dealt})
    return split if repeat.share == 1.0 else _thinned(split, cohort, share=repeat.share, seed=settings.seed)


def _thinned(split: Split, cohort: Cohort, *, share: float, seed: int) -> Split:
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    key = hash_of(f"share:{seed}")
    kept: set[str] = set()
    for fold in range(split.folds):
        for high in (False, True):
            members = sorted((patient for patient in split.fold_ids(fold) if is_high[patient] == high), key=key)
            kept.update(members[: round(share * len(members))])
    thinned = replace(split, idle=frozenset(split.train_ids()) - kept)
    for fold in range(split.folds):
        if len({is_high[patient] for patient in thinned.learning_ids(fold)}) < 2:
            raise RunError(
                f"split.learning_curve: a share of {share:g} leaves fold {fold} without patients of both classes to "
                "learn from. Leave it out, or write a larger one."
            )
    return thinned
