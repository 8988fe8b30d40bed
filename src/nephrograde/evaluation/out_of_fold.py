"""The AUC of out-of-fold scores, in which patients are compared only with patients of their own fold.

Every fold is scored by a network of its own. If the networks differ in level or spread, as they do with few patients, a
score of 0.4 means something else in one fold than in another, and an AUC over all patients compares what cannot be
compared: it is too low. Within a fold, all patients are scored by the same network. So the AUC is computed in each
fold, and the folds are averaged.

The interval is that of the networks as they were fitted: it says how the mean AUC would vary over other patients
scored by these networks, not over other training sets. ``bench/out_of_fold.py`` measures how often it contains the
true value.

Source: LeDell, Petersen & van der Laan 2015, Electron J Stat 9:1583.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.delong import normal_quantile, place
from nephrograde.evaluation.interval import Area, auc_bounds
from nephrograde.evaluation.metrics import Estimate, auc, auc_delong
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores import paired_vectors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nephrograde.evaluation.compare import Comparison
    from nephrograde.evaluation.equivalence import Equivalence
    from nephrograde.evaluation.scores import ModelScores, SplitName

STRATIFIED, LEDELL, POOLED = "auc", "auc_ledell", "auc_pooled"
CALLS = ("accuracy", "sensitivity", "specificity")
"""Measures of calls, which depend on the threshold."""
Tested = TypeVar("Tested", bound="Comparison | Equivalence")


@dataclass(frozen=True, slots=True)
class FoldArea:
    """The AUC of one fold.

    ``of_high`` is the sum of squares of the high-grade patients' placements about the AUC (see
    :mod:`nephrograde.evaluation.delong`), ``of_low`` that of the low-grade patients.
    """

    value: float
    of_high: float
    of_low: float
    n_high: int
    n_low: int


def stratified_auc(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, folds: npt.ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """Estimate the mean AUC of the folds, with an interval on the logit scale.

    The variance is that of LeDell's influence curve, with the spread of the placements estimated without bias: sums of
    squares within folds are divided by the number of patients minus the number of folds. With one fold, it is DeLong's.
    All folds weigh the same. A fold with patients of one grade has no AUC and is left out.

    Args:
        p_high: The out-of-fold predictions; any finite numbers that increase with the suspicion of high grade.
        is_high: The truths of the same patients, in the same order.
        folds: The fold of each of them.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate. ``n`` and ``n_high`` count the patients of folds with both grades. The caution says how many
        folds were left out, if any.

    Raises:
        ScoresError: No fold has patients of both grades, no patient, a value that is not finite, or different lengths.

    Source:
        LeDell 2015, section 4, for equal weights and the influence curve. Interval:
        :func:`nephrograde.evaluation.interval.auc_bounds`.

    >>> p_high = [0.1, 0.3, 0.4, 0.2, 0.7, 0.6, 0.9, 0.8]
    >>> print(stratified_auc(p_high, [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]))
    0.875 (0.228–0.994)
    """
    areas, left_out = _areas(p_high, is_high, folds)
    value, variance = _mean_auc(areas), _variance(areas)
    made = replace(
        _estimate(STRATIFIED, areas, confidence=confidence),
        note=f"{left_out} of {left_out + len(areas)} folds left out: patients of one grade" if left_out else "",
        caution=Caution.FOLDS_LEFT_OUT if left_out else None,
        caution_value=left_out or None,
    )
    if math.isnan(variance):
        note = "no interval: no fold has two patients of each grade"
        return replace(made, note=note, caution=Caution.SINGLE_PATIENT, caution_value=None)
    area = Area(value, variance, made.n_high, made.n - made.n_high)
    low, high = auc_bounds(area, z=normal_quantile(confidence))
    if area.has_variance:
        return replace(made, low=low, high=high)
    return replace(
        made,
        low=low,
        high=high,
        method=f"{_folds(areas)}, Newcombe's method 5, {100 * confidence:g} % CI",
        note="no variance: the AUC of every fold is exactly 0 or 1, or all scores are equal",
        caution=Caution.SCORE_INTERVAL,
        caution_value=None,
    )


def ledell_auc(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, folds: npt.ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """Estimate the mean AUC of the folds with LeDell's plain interval, for comparison with other programs.

    The interval is AUC ± z standard errors, truncated to [0, 1], as R's cvAUC computes it; ties count half. It is too
    short in small folds and with an AUC near 1; :func:`stratified_auc` holds its coverage there.

    Args:
        p_high: The out-of-fold predictions; any finite numbers that increase with the suspicion of high grade.
        is_high: The truths of the same patients, in the same order.
        folds: The fold of each of them.
        confidence: Coverage probability of the interval.

    Raises:
        ScoresError: As for :func:`stratified_auc`.

    Source:
        LeDell 2015, section 5; the influence curve weights each grade by its share among all patients.

    >>> p_high = [0.1, 0.3, 0.4, 0.2, 0.7, 0.6, 0.9, 0.8]
    >>> print(ledell_auc(p_high, [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]))
    0.875 (0.630–1.000)
    """
    areas, _ = _areas(p_high, is_high, folds)
    made = replace(_estimate(LEDELL, areas, confidence=confidence), method=f"LeDell, {100 * confidence:g} % CI")
    n, n_high = made.n, made.n_high
    squares = (
        ((n / n_high) ** 2 * area.of_high + (n / (n - n_high)) ** 2 * area.of_low) / (area.n_high + area.n_low)
        for area in areas
    )
    variance = math.fsum(squares) / len(areas) / n
    if not variance:
        return replace(made, note="no interval: variance 0", caution=Caution.ZERO_VARIANCE)
    reach = normal_quantile(confidence) * math.sqrt(variance)
    return replace(made, low=max(0.0, made.value - reach), high=min(1.0, made.value + reach))


def estimate_out_of_fold(patients: ModelScores, *, confidence: float) -> list[Estimate]:
    """Estimate the AUC of a model's out-of-fold scores: by fold, and pooled over the folds.

    Args:
        patients: The out-of-fold scores of one model.
        confidence: Coverage probability of the intervals.

    Returns:
        The primary estimate, of the measure "auc", first. It is stratified by fold; where the fold of a patient is not
        known, or no fold has patients of both grades, it is pooled, and its caution says so.

    Raises:
        ScoresError: One class only, or no patient.
    """
    pooled = auc(patients.p_high, patients.is_high, confidence=confidence)
    folds = patients.known_folds
    made = []
    if folds is not None:
        try:
            made = [
                method(patients.p_high, patients.is_high, folds, confidence=confidence)
                for method in (stratified_auc, ledell_auc)
            ]
        except ScoresError as error:
            if error.reason is not Reason.ONE_GRADE:
                raise
    plain = with_caution(auc_delong(patients.p_high, patients.is_high, confidence=confidence), Caution.POOLED)
    if made:
        return [*made, with_caution(replace(pooled, measure=POOLED), Caution.POOLED), plain]
    return [with_caution(pooled, Caution.NO_FOLDS), plain]


def with_caution(estimate: Estimate, caution: Caution) -> Estimate:
    """Add a caution to an estimate that has none; one that is there already weighs more."""
    if estimate.caution is not None or estimate.reason is not None:
        return estimate
    words = {
        Caution.POOLED: "pooled over the folds: biased if their networks differ in level or spread",
        Caution.NO_FOLDS: "pooled, because folds are not known or none has both grades: biased if networks differ",
    }
    note = "; ".join(part for part in (estimate.note, words[caution]) if part)
    return replace(estimate, note=note, caution=caution)


def of_fitted_folds(rows: Iterable[Tested], split: SplitName, *, chosen: Collection[str] = ()) -> tuple[Tested, ...]:
    """Add to tests on out-of-fold scores that they hold for the models as fitted only.

    The scores of one fold share a network, and the networks share most of their training patients. A test over patients
    takes no account of that: it asks about these networks, not about networks fitted to other patients.

    Args:
        rows: The pairs of models.
        split: Of their scores. Rows of test patients are returned as they are.
        chosen: The models whose threshold was chosen on the same patients; the tests of their calls are optimistic.

    Returns:
        The rows in the same order. A caution that is there already, or the reason of a missing number, is kept.
    """
    if split == "test":
        return tuple(rows)
    return tuple(_of_fitted_folds(row, chosen) for row in rows)


def _of_fitted_folds(row: Tested, chosen: Collection[str]) -> Tested:
    if row.reason is not None:
        return row
    words, caution = "holds for the fitted folds only", Caution.FITTED_FOLDS
    if getattr(row, "measure", "") in CALLS and {row.model_a, row.model_b} & set(chosen):
        words, caution = f"thresholds chosen on these same patients: optimistic; {words}", Caution.OPTIMISTIC
    return replace(row, method=f"{row.method}; {words}", caution=row.caution or caution)


def _areas(p_high: npt.ArrayLike, is_high: npt.ArrayLike, folds: npt.ArrayLike) -> tuple[list[FoldArea], int]:
    """The AUC of every fold with both grades, and the number of other folds."""
    predictions, truths = paired_vectors(p_high, is_high)
    numbers = np.asarray(folds)
    if numbers.shape != truths.shape:
        raise ScoresError(f"{numbers.shape} folds for {truths.shape} truths. Give the fold of each patient.")
    areas = []
    names = np.unique(numbers)
    for name in names:
        own = numbers == name
        if not truths[own].any() or truths[own].all():
            continue
        placements = place(predictions[own][np.newaxis], truths[own])
        value = float(placements.aucs()[0])
        n_high, n_low = placements.n_high, placements.n_low
        of_high = float(((placements.of_high / n_low - value) ** 2).sum())
        of_low = float(((placements.of_low / n_high - value) ** 2).sum())
        areas.append(FoldArea(value, of_high, of_low, n_high, n_low))
    if not areas:
        raise ScoresError(
            "No fold has patients of both grades, and so none has an AUC. Use fewer folds.", Reason.ONE_GRADE
        )
    return areas, len(names) - len(areas)


def _mean_auc(areas: Sequence[FoldArea]) -> float:
    return math.fsum(area.value for area in areas) / len(areas)


def _variance(areas: Sequence[FoldArea]) -> float:
    """The variance of the mean AUC; NaN if no fold has two patients of each grade."""
    spare_high = sum(area.n_high - 1 for area in areas)
    spare_low = sum(area.n_low - 1 for area in areas)
    if not spare_high or not spare_low:
        return math.nan
    of_high = math.fsum(area.of_high for area in areas) / spare_high
    of_low = math.fsum(area.of_low for area in areas) / spare_low
    return math.fsum(of_high / area.n_high + of_low / area.n_low for area in areas) / len(areas) ** 2


def _folds(areas: Sequence[FoldArea]) -> str:
    return "1 fold" if len(areas) == 1 else f"mean of {len(areas)} folds"


def _estimate(measure: str, areas: Sequence[FoldArea], *, confidence: float) -> Estimate:
    """The mean AUC without an interval, which its caller fills in."""
    n_high = sum(area.n_high for area in areas)
    n = n_high + sum(area.n_low for area in areas)
    method = f"{_folds(areas)}, LeDell on the logit scale, {100 * confidence:g} % CI"
    return Estimate(measure, _mean_auc(areas), math.nan, math.nan, n, n_high, method, confidence=confidence)
