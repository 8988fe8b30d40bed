"""The operating point of a model: its threshold is chosen on training patients and then frozen.

Every rule uses out-of-fold predictions, that is, patients on whom the predicting network was not trained. The test
patients play no part: a threshold chosen on them flatters the model.

The candidates are the same for every rule: 0, which calls everyone high; the midpoints between neighbouring scores; and
a value above the largest score, which calls no one high. ``p_high >= threshold`` is the call "high".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.remarks import Caution, Rule

if TYPE_CHECKING:
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.study import EvaluateSettings

Counts: TypeAlias = Annotated[npt.NDArray[np.int64], "candidate"]

FALLBACK_THRESHOLD = 0.5
"""Used when there are no out-of-fold patients of both grades to choose a threshold on."""

_TIED = 1e-12  # costs with a smaller relative difference are equal: they are sums of few products


@dataclass(frozen=True, slots=True)
class Threshold:
    """The frozen threshold of a model: ``p_high >= value`` is the call "high".

    ``rule`` is how it was chosen, ``rule_value`` the target or cost ratio of that rule, and ``n`` the number of
    out-of-fold patients. A fixed threshold was not chosen from data, and ``caution`` says why.

    >>> print(Threshold(0.4459, Rule.YOUDEN, 210))
    threshold 0.4459 (youden on out-of-fold predictions, n = 210)
    >>> print(Threshold(0.31, Rule.SENSITIVITY, 210, rule_value=0.9))
    threshold 0.31 (sensitivity ≥ 0.9 on out-of-fold predictions, n = 210)
    """

    value: float
    rule: Rule
    n: int
    rule_value: float | None = None
    caution: Caution | None = None

    def __str__(self) -> str:
        if self.rule is Rule.FIXED:
            return f"threshold {self.value:.4g} (fixed: {self.source})"
        return f"threshold {self.value:.4g} ({self.rule_text} on {self.source}, n = {self.n})"

    @property
    def rule_text(self) -> str:
        """The rule with its target or ratio, in English, as in the tables."""
        if self.rule in {Rule.SENSITIVITY, Rule.SPECIFICITY}:
            return f"{self.rule} ≥ {self.rule_value:g}"
        if self.rule is Rule.COST:
            return f"cost, missed:false alarm {self.rule_value:g}:1"
        return str(self.rule)

    @property
    def how(self) -> str:
        """The rule and what it was applied to, in English, as in the tables."""
        return f"{self.rule_text}: {self.source}"

    @property
    def source(self) -> str:
        """What it was chosen on, in English, as in the tables."""
        if self.caution is Caution.NO_OUT_OF_FOLD:
            return "no out-of-fold rows"
        if self.caution is Caution.OUT_OF_FOLD_ONE_GRADE:
            return "out-of-fold rows of one grade only"
        return "out-of-fold predictions"


def choose_threshold(oof: ModelScores, settings: EvaluateSettings) -> Threshold:
    """Choose the threshold of a model by the rule of the study.

    Args:
        oof: The model's out-of-fold training predictions.
        settings: ``threshold`` names the rule; ``threshold_target`` and ``cost_ratio`` belong to it.

    Returns:
        The threshold with its rule; 0.5, "fixed", if there are no patients of both grades to choose it on.

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> from nephrograde.study import EvaluateSettings
    >>> oof = ModelScores(("A", "B", "C"), np.array([False, True, True]), np.array([0.25, 0.5, 0.75]))
    >>> print(choose_threshold(oof, EvaluateSettings(threshold="sensitivity", threshold_target=0.5)))
    threshold 0.625 (sensitivity ≥ 0.5 on out-of-fold predictions, n = 3)
    """
    if not len(oof):
        return Threshold(FALLBACK_THRESHOLD, Rule.FIXED, 0, caution=Caution.NO_OUT_OF_FOLD)
    if oof.is_high.all() or not oof.is_high.any():
        return Threshold(FALLBACK_THRESHOLD, Rule.FIXED, len(oof), caution=Caution.OUT_OF_FOLD_ONE_GRADE)
    target, ratio = settings.threshold_target, settings.cost_ratio
    if settings.threshold == "youden":
        return Threshold(youden_threshold(oof.p_high, oof.is_high), Rule.YOUDEN, len(oof))
    if settings.threshold == "sensitivity":
        value = sensitivity_threshold(oof.p_high, oof.is_high, target=target)
        return Threshold(value, Rule.SENSITIVITY, len(oof), target)
    if settings.threshold == "specificity":
        value = specificity_threshold(oof.p_high, oof.is_high, target=target)
        return Threshold(value, Rule.SPECIFICITY, len(oof), target)
    return Threshold(cost_threshold(oof.p_high, oof.is_high, cost_ratio=ratio), Rule.COST, len(oof), ratio)


def youden_threshold(p_high: npt.ArrayLike, is_high: npt.ArrayLike) -> float:
    """Find the threshold with the largest sensitivity + specificity − 1.

    Choose it on out-of-fold training predictions and keep it: chosen on the test patients, it flatters the model.
    Thresholds lie halfway between neighbouring scores. Of several equally good ones, the lowest is used, which is the
    most sensitive (and the first that pROC lists). If no threshold is better than calling everyone high, the threshold
    is 0, which does just that.

    Args:
        p_high: The predictions, probabilities.
        is_high: The truths of the same patients, in the same order.

    Returns:
        The threshold; ``p_high >= threshold`` is the call "high".

    Raises:
        ScoresError: One class only, no patient, a value that is not finite, or different lengths.

    Source:
        Youden 1950, Cancer 3:32; ties as in pROC, which lists the lowest first.

    >>> youden_threshold([0.1, 0.3, 0.5, 0.9], [0, 0, 1, 1])
    0.4
    """
    found = _candidates(p_high, is_high, rule="Youden's threshold")
    # Youden's index times n_high · n_low, an integer, so that ties are exact.
    return found.threshold(int(np.argmax(found.true_high * found.n_low + found.true_low * found.n_high)))


def sensitivity_threshold(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, target: float) -> float:
    """Find the highest threshold whose sensitivity is at least the target.

    For uses in which missed high grades must be rare: among the thresholds that bound their proportion, the one with
    the fewest false alarms is used.

    Args:
        p_high: The predictions, probabilities.
        is_high: The truths of the same patients, in the same order.
        target: The sensitivity to reach on these patients, above 0 and up to 1. In new patients it may not be reached.

    Returns:
        The threshold, halfway between neighbouring scores; 0 if everyone must be called high.

    Raises:
        ScoresError: A target out of range, one class only, no patient, a value that is not finite, or different
            lengths.

    >>> sensitivity_threshold([0.1, 0.3, 0.5, 0.9], [0, 1, 0, 1], target=0.5)
    0.7
    """
    _check_target(target, "sensitivity")
    found = _candidates(p_high, is_high, rule="A threshold for a sensitivity")
    # Compared as shares: 11 / 20 is the same float as 0.55, while 0.55 · 20 is more than 11.
    return found.threshold(int(np.flatnonzero(found.true_high / found.n_high >= target)[-1]))


def specificity_threshold(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, target: float) -> float:
    """Find the lowest threshold whose specificity is at least the target.

    For uses in which false alarms must be rare: among the thresholds that bound their proportion, the most sensitive
    one is used. If the largest scores belong to low-grade patients, the target may be reached only by calling no one
    high; the threshold is then 1, or just above the largest score if that is already 1, and the sensitivity is 0.

    Args:
        p_high: The predictions, probabilities.
        is_high: The truths of the same patients, in the same order.
        target: The specificity to reach on these patients, above 0 and up to 1. In new patients it may not be reached.

    Returns:
        The threshold, halfway between neighbouring scores.

    Raises:
        ScoresError: A target out of range, one class only, no patient, a value that is not finite, or different
            lengths.

    >>> specificity_threshold([0.1, 0.3, 0.5, 0.9], [0, 1, 0, 1], target=0.5)
    0.2
    >>> specificity_threshold([0.5, 0.75], [1, 0], target=0.9)
    1.0
    """
    _check_target(target, "specificity")
    found = _candidates(p_high, is_high, rule="A threshold for a specificity")
    return found.threshold(int(np.argmax(found.true_low / found.n_low >= target)))


def cost_threshold(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, cost_ratio: float) -> float:
    """Find the threshold that minimises the total cost of missed high grades and false alarms.

    A missed high grade (fn) counts as ``cost_ratio`` false alarms (fp); fp + ``cost_ratio`` · fn is minimised. Of
    several thresholds with equal cost, the lowest is used, which is the most sensitive.

    Args:
        p_high: The predictions, probabilities.
        is_high: The truths of the same patients, in the same order.
        cost_ratio: What a missed high grade costs, in false alarms; above 0.

    Returns:
        The threshold, halfway between neighbouring scores; 0 if calling everyone high is cheapest; if calling no one
        high is cheapest, 1, or just above the largest score if that is already 1.

    Raises:
        ScoresError: A cost ratio out of range, one class only, no patient, a value that is not finite, or different
            lengths.

    Source:
        Metz 1978, Semin Nucl Med 8:283 (the operating point of least expected cost).

    >>> cost_threshold([0.1, 0.3, 0.5, 0.9], [0, 1, 0, 1], cost_ratio=2)
    0.2
    """
    if not (math.isfinite(cost_ratio) and cost_ratio > 0):
        raise ScoresError(f"The cost ratio is {cost_ratio:g}. Give a number above 0, such as 1 for equal costs.")
    found = _candidates(p_high, is_high, rule="A threshold of least cost")
    costs = (found.n_low - found.true_low) + cost_ratio * (found.n_high - found.true_high)
    return found.threshold(int(np.flatnonzero(costs <= costs.min() * (1 + _TIED))[0]))


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Correct calls if everyone from the k-th distinct score on is called high; the last candidate calls none."""

    cuts: npt.NDArray[np.float64]
    true_high: Counts
    true_low: Counts

    @property
    def n_high(self) -> int:
        return int(self.true_high[0])

    @property
    def n_low(self) -> int:
        return int(self.true_low[-1])

    def threshold(self, position: int) -> float:
        if position == 0:
            return 0.0
        below = float(self.cuts[position - 1])
        if position == self.cuts.size:
            return 1.0 if below < 1.0 else float(np.nextafter(below, np.inf))
        above = float(self.cuts[position])
        middle = (below + above) / 2.0
        return middle if middle > below else above


def _candidates(p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, rule: str) -> _Candidates:
    from nephrograde.evaluation.scores.scores import paired_vectors

    predictions, truths = paired_vectors(p_high, is_high)
    high, low = np.sort(predictions[truths]), np.sort(predictions[~truths])
    if not high.size or not low.size:
        raise ScoresError(f"{rule} needs patients of both grades. Add the missing grade.")
    cuts = np.unique(predictions)
    true_high = np.append(high.size - np.searchsorted(high, cuts), 0)
    true_low = np.append(np.searchsorted(low, cuts), low.size)
    return _Candidates(cuts, true_high, true_low)


def _check_target(target: float, measure: str) -> None:
    if not 0.0 < target <= 1.0:
        raise ScoresError(f"The target {measure} is {target:g}. Give a number above 0 and up to 1.")
