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

sensitivity = tp / (tp + fn), specificity = tn / (tn + fp), accuracy = (tp + tn) / all, PPV = tp / (tp + fp), NPV =
tn / (tn + fn). Each is a proportion of patients, so each has a Wilson interval. The threshold is part of the model: it
is chosen on patients other than the test patients (:mod:`nephrograde.evaluation.threshold`), and then frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.delong import normal_quantile, place
from nephrograde.evaluation.remarks import Caution, Reason, Rule, is_trusted
from nephrograde.evaluation.scores import paired_vectors

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
class Estimate:
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_reliable", is_trusted(self.reason, self.caution))

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


def auc(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the area under the ROC curve with DeLong's confidence interval.

    The first number to look at, as it needs no threshold. The interval is AUC ± z standard errors, symmetric and
    truncated to [0, 1]: with few patients in a class, or an AUC near 1, it is too narrow and must not be relied on. An
    AUC of exactly 0 or 1 has variance 0; its zero-width interval does not mean certainty, and the note says so.

    Args:
        p_high: The predictions; any finite numbers that increase with the suspicion of high grade.
        is_high: The truths of the same patients, in the same order.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate. With one patient in a class and an AUC between 0 and 1 the interval is NaN.

    Raises:
        ScoresError: One class only, no patient, a value that is not finite, or different lengths.

    Source:
        DeLong 1988; Sun & Xu 2014.

    >>> print(auc([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0, 0, 0, 1, 1, 1]))
    0.889 (0.581–1.000)
    """
    predictions, truths = paired_vectors(p_high, is_high)
    placements = place(predictions[np.newaxis], truths)
    value = float(placements.aucs()[0])
    variance = float(placements.covariance()[0, 0])
    reach = normal_quantile(confidence) * math.sqrt(variance)
    note, caution = "", None
    if value in {0.0, 1.0}:
        note = "variance 0 because the AUC is exactly 0 or 1: interval unreliable"
        caution = Caution.PERFECT_AUC
    elif math.isnan(variance):
        note = "no interval: one class has a single patient"
        caution = Caution.SINGLE_PATIENT
    return Estimate(
        "auc",
        value,
        low=max(0.0, value - reach) if reach >= 0 else math.nan,
        high=min(1.0, value + reach) if reach >= 0 else math.nan,
        n=truths.size,
        n_high=placements.n_high,
        method=f"DeLong, {100 * confidence:g} % CI",
        note=note,
        confidence=confidence,
        caution=caution,
    )


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


def _share(measure: str, part: int, whole: int, *, counts: Confusion, confidence: float) -> Estimate:
    from statsmodels.stats.proportion import proportion_confint

    if whole == 0:
        reason, message = _NOBODY[measure]
        raise ScoresError(message, reason)
    low, high = proportion_confint(part, whole, alpha=1.0 - confidence, method="wilson")
    return Estimate(
        measure,
        value=part / whole,
        low=float(low),
        high=float(high),
        n=counts.n,
        n_high=counts.n_high,
        method=f"Wilson score, {100 * confidence:g} % CI",
        note=f"{part} of {whole}",
        confidence=confidence,
        part=part,
        whole=whole,
    )
