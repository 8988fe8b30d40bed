"""Pairs of models on the patients that both have scored, and the differences of their AUCs."""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import Placements, place
from nephrograde.evaluation.performance.stratified import FoldAreas, fold_areas
from nephrograde.evaluation.remarks import Caution, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.evaluation.performance.delong import ModelMatrix
    from nephrograde.evaluation.performance.interval import Area
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName
    from nephrograde.vocabulary import BoolVector, FloatVector

_Key: TypeAlias = "tuple[tuple[str, ...], tuple[int, ...] | None]"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on their common patients, in the same order, and the patients of each that the other did not score."""

    model_a: str
    model_b: str
    a: ModelScores
    b: ModelScores
    split: SplitName
    dropped_a: int = 0
    dropped_b: int = 0

    @property
    def remark(self) -> str:
        """Which patients they are, in English, as in the tables."""
        if not self.dropped_a and not self.dropped_b:
            return f"{self.split} patients"
        dropped = f"{self.dropped_a} of {self.model_a} and {self.dropped_b} of {self.model_b} dropped"
        return f"{self.split} patients that both models scored ({dropped})"


@dataclass(frozen=True, slots=True)
class AucDifference:
    """AUC of a minus AUC of b on the patients of a pair, with DeLong's variance.

    ``reason`` says why nothing can be tested, and is None otherwise. Two models that rank all patients alike differ by
    0 with variance 0 and have no reason. ``is_perfect``: one AUC is exactly 0 or 1, so the test is unreliable.
    ``areas`` are both AUCs, and ``covariance`` theirs, where there are patients of both grades. Out of fold they are
    means of ``folds`` folds, within which patients are compared; ``folds`` is None if they are pooled.
    """

    pair: Pair
    value: float
    variance: float
    reason: Reason | None = None
    is_perfect: bool = False
    areas: tuple[Area, Area] | None = None
    covariance: float = math.nan
    folds: int | None = None

    @property
    def n(self) -> int:
        """The patients behind the difference: those of folds with both grades, where it is computed by fold."""
        return len(self.pair.a) if self.areas is None else self.areas[0].n_high + self.areas[0].n_low

    @property
    def n_high(self) -> int:
        """The high-grade patients among them."""
        return int(self.pair.a.is_high.sum()) if self.areas is None else self.areas[0].n_high

    @property
    def caution(self) -> Caution | None:
        """What a reader has to know about it."""
        if self.is_perfect:
            return Caution.PERFECT_AUC
        is_pooled = self.reason is None and self.pair.split == "oof" and self.folds is None
        return Caution.NO_FOLDS if is_pooled else None

    @property
    def reason_text(self) -> str:
        """The reason in English, as in the tables; empty if there is none."""
        if self.reason is Reason.ONE_GRADE:
            return f"all common patients are {'high' if self.pair.a.is_high.all() else 'low'} grade"
        return {
            None: "",
            Reason.NO_COMMON_PATIENTS: "no common patients",
            Reason.SINGLE_PATIENT: "a single common patient of one grade, and so no variance",
            Reason.CONSTANT_DIFFERENCE: "the difference is the same in every patient, and so its variance 0",
        }[self.reason]

    @property
    def warning(self) -> str:
        """What makes the test unreliable, in English, as in the tables; empty if nothing does."""
        return {
            Caution.PERFECT_AUC: "one AUC is exactly 0 or 1: unreliable",
            Caution.NO_FOLDS: "pooled: folds are not known, not the same, or none has both grades",
            None: "",
        }[self.caution]


def pair_models(models: Mapping[str, ModelScores], *, split: SplitName) -> list[Pair]:
    """Restrict every pair of models to their common patients, matched by patient id.

    Args:
        models: The scores of each model in one split, by model id; the order decides which model is a and which b.
        split: The split of the scores; given in the remark.

    Returns:
        Every pair once, in the order of the models.

    Raises:
        ScoresError: Two models disagree on a patient's truth.

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> a = ModelScores(("A", "B"), np.array([False, True]), np.array([0.25, 0.75]))
    >>> b = ModelScores(("B", "C"), np.array([True, True]), np.array([0.5, 0.5]))
    >>> pair_models({"a": a, "b": b}, split="test")[0].remark
    'test patients that both models scored (1 of a and 1 of b dropped)'
    """
    return [_pair(a, b, models, split=split) for a, b in itertools.combinations(models, 2)]


def auc_differences(pairs: Sequence[Pair]) -> list[AucDifference]:
    """Compute the paired AUC difference of every pair; placements are computed once for models with the same patients.

    Args:
        pairs: From :func:`pair_models`.

    Returns:
        One difference per pair, in the same order; NaN with a reason if it cannot be computed.

    Source:
        DeLong 1988.
    """
    numbers: dict[_Key, int] = {}
    group_of = [numbers.setdefault(_key(pair), len(numbers)) for pair in pairs]
    groups: list[dict[str, FloatVector]] = [{} for _ in numbers]
    for pair, group in zip(pairs, group_of, strict=True):
        groups[group] |= {pair.model_a: pair.a.p_high, pair.model_b: pair.b.p_high}
    folds_of = [folds for _, folds in numbers]
    measured: dict[int, Placements | FoldAreas] = {}
    differences = []
    for pair, group in zip(pairs, group_of, strict=True):
        truths = pair.a.is_high
        if not len(pair.a):
            differences.append(AucDifference(pair, math.nan, math.nan, Reason.NO_COMMON_PATIENTS))
        elif truths.all() or not truths.any():
            differences.append(AucDifference(pair, math.nan, math.nan, Reason.ONE_GRADE))
        else:
            scored = groups[group]
            if group not in measured:
                measured[group] = _measure(np.stack(list(scored.values())), truths, folds_of[group])
            position = [list(scored).index(model) for model in (pair.model_a, pair.model_b)]
            differences.append(_difference(pair, measured[group], position))
    return differences


def _key(pair: Pair) -> _Key:
    """What two pairs must have in common for their AUCs to be computed together: patients and, out of fold, folds."""
    folds = pair.a.known_folds if pair.split == "oof" else None
    return pair.a.patient_ids, folds if folds == pair.b.known_folds else None


def _measure(p_high: ModelMatrix, truths: BoolVector, folds: tuple[int, ...] | None) -> Placements | FoldAreas:
    """The AUCs by fold; over all patients if the folds are not known, or none has patients of both grades."""
    if folds is not None:
        with suppress(ScoresError):
            return fold_areas(p_high, truths, folds)
    return place(p_high, truths)


def _pair(model_a: str, model_b: str, models: Mapping[str, ModelScores], *, split: SplitName) -> Pair:
    a, b = models[model_a], models[model_b]
    dropped_a, dropped_b = 0, 0
    if a.patient_ids != b.patient_ids:
        common = tuple(sorted(set(a.patient_ids) & set(b.patient_ids)))
        dropped_a, dropped_b = len(a) - len(common), len(b) - len(common)
        a, b = a.select(common), b.select(common)
    differing = np.flatnonzero(a.is_high != b.is_high)
    if differing.size:
        raise ScoresError(
            f"Patient {a.patient_ids[int(differing[0])]}: is_high differs between models {model_a} and {model_b}. "
            "Correct the one that is wrong."
        )
    return Pair(model_a, model_b, a, b, split, dropped_a, dropped_b)


def _difference(pair: Pair, measured: Placements | FoldAreas, position: Sequence[int]) -> AucDifference:
    value, variance = measured.difference(*position)
    reason, is_perfect = None, False
    if math.isnan(variance):
        reason = Reason.SINGLE_PATIENT
    elif variance == 0.0 and value != 0.0:
        reason = Reason.CONSTANT_DIFFERENCE
    else:
        is_perfect = variance > 0.0 and bool(np.isin(measured.aucs()[list(position)], (0.0, 1.0)).any())
    areas = measured.area(position[0]), measured.area(position[1])
    folds = len(measured) if isinstance(measured, FoldAreas) else None
    return AucDifference(pair, value, variance, reason, is_perfect, areas, measured.shared(*position), folds)
