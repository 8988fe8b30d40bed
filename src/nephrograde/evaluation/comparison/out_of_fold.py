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
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import auc_bounds
from nephrograde.evaluation.performance.metrics import Estimate, auc, auc_delong
from nephrograde.evaluation.performance.stratified import fold_areas
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.scores import paired_vectors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.evaluation.comparison.equivalence import Equivalence
    from nephrograde.evaluation.performance.stratified import FoldAreas
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName

STRATIFIED, LEDELL, POOLED = "auc", "auc_ledell", "auc_pooled"
CALLS = ("accuracy", "sensitivity", "specificity")
"""Measures of calls, which depend on the threshold."""
Tested = TypeVar("Tested", bound="Comparison | Equivalence")


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
        :func:`nephrograde.evaluation.performance.interval.auc_bounds`.

    >>> p_high = [0.1, 0.3, 0.4, 0.2, 0.7, 0.6, 0.9, 0.8]
    >>> print(stratified_auc(p_high, [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]))
    0.875 (0.228–0.994)
    """
    areas = _areas(p_high, is_high, folds)
    area, left_out = areas.area(0), areas.left_out
    made = replace(
        _estimate(STRATIFIED, areas, confidence=confidence),
        note=f"{left_out} of {left_out + len(areas)} folds left out: patients of one grade" if left_out else "",
        caution=Caution.FOLDS_LEFT_OUT if left_out else None,
        caution_value=left_out or None,
    )
    if math.isnan(area.variance):
        note = "no interval: no fold has two patients of each grade"
        return replace(made, note=note, caution=Caution.SINGLE_PATIENT, caution_value=None)
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
    areas = _areas(p_high, is_high, folds)
    made = replace(_estimate(LEDELL, areas, confidence=confidence), method=f"LeDell, {100 * confidence:g} % CI")
    n, n_high = made.n, made.n_high
    of_high, of_low = areas.of_high[:, 0, 0], areas.of_low[:, 0, 0]
    squares = ((n / n_high) ** 2 * of_high + (n / (n - n_high)) ** 2 * of_low) / (areas.n_high + areas.n_low)
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
    made = []
    if patients.known_folds is not None:
        folds = np.array(patients.known_folds)
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


def pooled_if_out_of_fold(estimate: Estimate, split: SplitName) -> Estimate:
    """Add to an estimate over all patients, if it is out of fold, that it is pooled over the folds.

    Args:
        estimate: The estimate.
        split: Of its scores.
    """
    return with_caution(estimate, Caution.POOLED) if split == "oof" else estimate


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


def _areas(p_high: npt.ArrayLike, is_high: npt.ArrayLike, folds: npt.ArrayLike) -> FoldAreas:
    predictions, truths = paired_vectors(p_high, is_high)
    return fold_areas(predictions[np.newaxis], truths, folds)


def _folds(areas: FoldAreas) -> str:
    return "1 fold" if len(areas) == 1 else f"mean of {len(areas)} folds"


def _estimate(measure: str, areas: FoldAreas, *, confidence: float) -> Estimate:
    """The mean AUC without an interval, which its caller fills in."""
    area = areas.area(0)
    method = f"{_folds(areas)}, LeDell on the logit scale, {100 * confidence:g} % CI"
    n = area.n_high + area.n_low
    return Estimate(measure, area.value, math.nan, math.nan, n, area.n_high, method, confidence=confidence)
