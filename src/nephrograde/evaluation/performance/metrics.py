"""Performance of one model: the area under its ROC curve, and its calls at a threshold.

A model gives every patient a probability ``p_high``. Two questions follow. *Does it rank patients correctly?* The AUC
is the probability that a high-grade patient is scored above a low-grade one; it needs no threshold. *Are its calls
correct?* With a threshold, ``p_high >= threshold`` is the call "high", and the calls form a table of four counts:

====================  ==================  ==================
..                    truly high          truly low
====================  ==================  ==================
called high           tp                  fp
called low            fn                  tn
====================  ==================  ==================

sensitivity = tp / (tp + fn), specificity = tn / (tn + fp), accuracy = (tp + tn) / all, PPV = tp / (tp + fp), NPV = tn /
(tn + fn). Each is a proportion of patients, so each has a Wilson interval. The threshold is part of the model: it is
chosen on patients other than the test patients (:mod:`nephrograde.evaluation.performance.threshold`), and then frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.arguments import NUMBERS, SHARE, VALUES, checked
from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile, place
from nephrograde.evaluation.performance.interval import auc_bounds, share_interval
from nephrograde.evaluation.remarks import Caution, Judged, Reason, Rule
from nephrograde.evaluation.scores.scores import paired_vectors

if TYPE_CHECKING:
    from nephrograde.evaluation.performance.interval import Area

_NOBODY = {
    "accuracy": (Reason.NO_PATIENTS, "There is no patient, and so no accuracy. Add patients."),
    "sensitivity": (
        Reason.NO_HIGH,
        "There is no high-grade patient, and so no sensitivity. Add patients of that kind.",
    ),
    "specificity": (
        Reason.NO_LOW,
        "There is no low-grade patient, and so no specificity. Add patients of that kind.",
    ),
    "ppv": (
        Reason.NONE_CALLED_HIGH,
        "No patient is called high, and so there is no PPV. Lower the threshold or add patients.",
    ),
    "npv": (
        Reason.NONE_CALLED_LOW,
        "No patient is called low, and so there is no NPV. Raise the threshold or add patients.",
    ),
}


@dataclass(frozen=True, slots=True)
class Estimate(Judged):
    """One number with its interval, the number of patients behind it, and how it was computed.

    ``n`` patients were evaluated, ``n_high`` of them high grade. NaN means "not computed", and ``reason`` says why.
    ``method`` and ``note`` describe in words what the other fields hold as values: the ``confidence`` level of the
    interval; the ``replicates`` of a bootstrap; for a proportion, the numbers of patients ``part`` and ``whole``; for a
    threshold, the ``rule`` by which it was chosen, with its target or cost ratio (``rule_value``); any ``caution``,
    with its number (``caution_value``); and whether the number and its interval are reliable (``is_reliable``).

    >>> print(Estimate("auc", 0.9, 0.85, 0.95, 90, 41, "DeLong, 95 % CI"))
    0.900 (0.850–0.950)
    """

    measure: str
    value: float
    low: float
    high: float
    n: int
    n_high: int
    method: str
    note: str = ""
    confidence: float | None = None
    replicates: int | None = None
    part: int | None = None
    whole: int | None = None
    rule: Rule | None = None
    rule_value: float | None = None
    reason: Reason | None = None
    caution: Caution | None = None
    caution_value: int | None = None
    is_reliable: bool = field(init=False)

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not computed"
        if math.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Confusion:
    """The four counts of calls against truths; "high" is the positive class.

    >>> Confusion(tp=36, fp=8, tn=43, fn=5).n
    92
    """

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def n_high(self) -> int:
        """Number of high-grade patients."""
        return self.tp + self.fn

    @property
    def n_low(self) -> int:
        """Number of low-grade patients."""
        return self.tn + self.fp

    @property
    def n(self) -> int:
        """Number of patients."""
        return self.n_high + self.n_low


@checked(p_high=NUMBERS, is_high=VALUES, confidence=SHARE)
def auc(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the area under the ROC curve with a confidence interval that holds its coverage near 1.

    The first number to look at, as it needs no threshold. The interval is DeLong's on the logit scale. An AUC of
    exactly 0 or 1, or scores that are all equal, have no variance: there, the interval is Newcombe's method 5, and the
    caution says so.

    Args:
        p_high: The predictions; any finite numbers that increase with the suspicion of high grade.
        is_high: The truths of the same patients, in the same order.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate. With one patient in a class the interval is NaN.

    Raises:
        InputError: An argument is of another kind, or the confidence lies outside 0 to 1.
        ScoresError: One class only, no patient, a value that is not finite, or different lengths.

    Source:
        Variance: DeLong 1988; Sun & Xu 2014. Intervals: ``nephrograde.evaluation.performance.interval``.

    >>> print(auc([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0, 0, 0, 1, 1, 1]))
    0.889 (0.261–0.995)
    """
    area = _area(p_high, is_high)
    made = _without_interval(area, "auc", confidence=confidence)
    if math.isnan(area.variance):
        return made
    low, high = auc_bounds(area, z=normal_quantile(confidence))
    if area.has_variance:
        return replace(made, low=low, high=high, method=f"DeLong on the logit scale, {100 * confidence:g} % CI")
    return replace(
        made,
        low=low,
        high=high,
        method=f"Newcombe's method 5, {100 * confidence:g} % CI",
        note="no variance: the AUC is exactly 0 or 1, or all scores are equal",
        caution=Caution.SCORE_INTERVAL,
    )


def auc_delong(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the area under the ROC curve with DeLong's plain interval, for comparison with other programs.

    The interval is AUC ± z standard errors, truncated to [0, 1], as pROC computes it. With few patients in a class, or
    an AUC near 1, it is too short; :func:`auc` holds its coverage there.

    Args:
        p_high: The predictions; any finite numbers that increase with the suspicion of high grade.
        is_high: The truths of the same patients, in the same order.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate. Without a variance (an AUC of exactly 0 or 1, equal scores, one patient in a class) the interval
        is NaN.

    Raises:
        ScoresError: One class only, no patient, a value that is not finite, or different lengths.

    Source:
        DeLong 1988; Sun & Xu 2014.

    >>> print(auc_delong([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0, 0, 0, 1, 1, 1]))
    0.889 (0.581–1.000)
    """
    area = _area(p_high, is_high)
    made = _without_interval(area, "auc_delong", confidence=confidence)
    if area.has_variance:
        reach = normal_quantile(confidence) * math.sqrt(area.variance)
        return replace(made, low=max(0.0, area.value - reach), high=min(1.0, area.value + reach))
    if math.isnan(area.variance):
        return made
    return replace(made, note="no interval: variance 0", caution=Caution.ZERO_VARIANCE)


def confusion(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, threshold: float) -> Confusion:
    """Count correct and wrong calls, where ``p_high >= threshold`` is the call "high".

    Args:
        p_high: The predictions.
        is_high: The truths of the same patients, in the same order.
        threshold: The lowest prediction that is called high.

    Returns:
        The four counts.

    Raises:
        ScoresError: No patient, a value that is not finite, or different lengths.

    >>> confusion([0.2, 0.5, 0.4, 0.9], [0, 0, 1, 1], threshold=0.5)
    Confusion(tp=1, fp=1, tn=1, fn=1)
    """
    predictions, truths = paired_vectors(p_high, is_high)
    called_high = predictions >= threshold
    return Confusion(
        tp=int((called_high & truths).sum()),
        fp=int((called_high & ~truths).sum()),
        tn=int((~called_high & ~truths).sum()),
        fn=int((~called_high & truths).sum()),
    )


def accuracy(counts: Confusion, *, confidence: float = 0.95) -> Estimate:
    """Estimate the proportion of patients that were called correctly.

    Depends on how many patients are high grade: calling everyone low is 60 % accurate if 60 % are low. Read it together
    with sensitivity and specificity.

    Args:
        counts: The calls against the truths.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wilson's interval; the note gives the counts.

    Raises:
        ScoresError: There is no patient.

    Source:
        Wilson 1927, JASA 22:209, as computed by statsmodels.

    >>> print(accuracy(Confusion(tp=36, fp=8, tn=43, fn=5)))
    0.859 (0.773–0.916)
    """
    return _share("accuracy", counts.tp + counts.tn, counts.n, counts=counts, confidence=confidence)


def sensitivity(counts: Confusion, *, confidence: float = 0.95) -> Estimate:
    """Estimate the proportion of high-grade patients that were called high.

    Args:
        counts: The calls against the truths.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wilson's interval; the note gives the counts.

    Raises:
        ScoresError: There is no high-grade patient.

    Source:
        Wilson 1927, as computed by statsmodels.

    >>> sensitivity(Confusion(tp=36, fp=8, tn=43, fn=5)).note
    '36 of 41'
    """
    return _share("sensitivity", counts.tp, counts.n_high, counts=counts, confidence=confidence)


def specificity(counts: Confusion, *, confidence: float = 0.95) -> Estimate:
    """Estimate the proportion of low-grade patients that were called low.

    Args:
        counts: The calls against the truths.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wilson's interval; the note gives the counts.

    Raises:
        ScoresError: There is no low-grade patient.

    Source:
        Wilson 1927, as computed by statsmodels.

    >>> specificity(Confusion(tp=36, fp=8, tn=43, fn=5)).note
    '43 of 51'
    """
    return _share("specificity", counts.tn, counts.n_low, counts=counts, confidence=confidence)


def ppv(counts: Confusion, *, confidence: float = 0.95) -> Estimate:
    """Estimate the proportion of truly high-grade patients among those called high: the positive predictive value.

    What a call "high" means for an individual patient. It holds only for groups with the same proportion of high grade;
    where high grade is rarer, it is lower.

    Args:
        counts: The calls against the truths.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wilson's interval; the note gives the counts.

    Raises:
        ScoresError: No one is called high.

    Source:
        Wilson 1927, as computed by statsmodels.

    >>> ppv(Confusion(tp=36, fp=8, tn=43, fn=5)).note
    '36 of 44'
    """
    return _share("ppv", counts.tp, counts.tp + counts.fp, counts=counts, confidence=confidence)


def npv(counts: Confusion, *, confidence: float = 0.95) -> Estimate:
    """Estimate the proportion of truly low-grade patients among those called low: the negative predictive value.

    What a call "low" means for an individual patient. It holds only for groups with the same proportion of high grade;
    where high grade is more frequent, it is lower.

    Args:
        counts: The calls against the truths.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate with Wilson's interval; the note gives the counts.

    Raises:
        ScoresError: No one is called low.

    Source:
        Wilson 1927, as computed by statsmodels.

    >>> npv(Confusion(tp=36, fp=8, tn=43, fn=5)).note
    '43 of 48'
    """
    return _share("npv", counts.tn, counts.tn + counts.fn, counts=counts, confidence=confidence)


def _area(p_high: npt.ArrayLike, is_high: npt.ArrayLike) -> Area:
    predictions, truths = paired_vectors(p_high, is_high)
    return place(predictions[np.newaxis], truths).area(0)


def _without_interval(area: Area, measure: str, *, confidence: float) -> Estimate:
    """An AUC whose interval, method and cautions its caller fills in; without variance it has none."""
    is_single = math.isnan(area.variance)
    return Estimate(
        measure,
        area.value,
        low=math.nan,
        high=math.nan,
        n=area.n_high + area.n_low,
        n_high=area.n_high,
        method=f"DeLong, {100 * confidence:g} % CI",
        note="no interval: one class has a single patient" if is_single else "",
        confidence=confidence,
        caution=Caution.SINGLE_PATIENT if is_single else None,
    )


def _share(measure: str, part: int, whole: int, *, counts: Confusion, confidence: float) -> Estimate:
    if whole == 0:
        reason, message = _NOBODY[measure]
        raise ScoresError(message, reason)
    low, high = share_interval(part, whole, confidence=confidence)
    return Estimate(
        measure,
        value=part / whole,
        low=low,
        high=high,
        n=counts.n,
        n_high=counts.n_high,
        method=f"Wilson score, {100 * confidence:g} % CI",
        note=f"{part} of {whole}",
        confidence=confidence,
        part=part,
        whole=whole,
    )
