"""Confidence intervals of AUCs, of their differences and of shares that stay inside their range.

AUC ± z standard errors is too short where an AUC is close to 1, leaves the range of an AUC, and has no width at all at
an AUC of exactly 1. The intervals here are computed on scales without bounds, or from the variance that the AUC would
have at the bound itself. ``bench/coverage.py`` measures how often each of them contains the true value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Bounds: TypeAlias = tuple[float, float]
ShareMethod: TypeAlias = Literal["wilson", "exact"]

_HALVINGS = 60
_FARTHEST = 40.0
"""Standard errors beyond which a tail probability is 0 in double precision."""


@dataclass(frozen=True, slots=True)
class Area:
    """An AUC with its variance, and the numbers of high- and low-grade patients behind it.

    The variance is NaN if a grade has a single patient, and 0 if the AUC is exactly 0 or 1 or all scores are tied.
    """

    value: float
    variance: float
    n_high: int
    n_low: int

    @property
    def has_variance(self) -> bool:
        """Whether the patients show how much the AUC varies."""
        return self.variance > 0.0 and 0.0 < self.value < 1.0


def auc_bounds(area: Area, *, z: float) -> Bounds:
    """Compute the interval of an AUC: on the logit scale, or by Newcombe's method 5 where there is no variance.

    Args:
        area: The AUC and its variance.
        z: Half-width of the interval in standard errors, 1.96 for 95 %.

    Returns:
        The bounds, which lie between 0 and 1; NaN if the variance is NaN.

    Source:
        Logit scale: Pepe 2003, The Statistical Evaluation of Medical Tests, section 5.2.3, and Qin & Hotilovac 2008,
        Stat Methods Med Res 17:207. Method 5: :func:`newcombe_bounds`.

    >>> [round(bound, 3) for bound in auc_bounds(Area(0.9, 0.03**2, 41, 51), z=1.96)]
    [0.824, 0.945]
    >>> [round(bound, 3) for bound in auc_bounds(Area(1.0, 0.0, 41, 51), z=1.96)]
    [0.956, 1.0]
    """
    if math.isnan(area.variance):
        return math.nan, math.nan
    if not area.has_variance:
        return newcombe_bounds(area.value, area.n_high, area.n_low, z=z)
    middle = logit(area.value)
    reach = z * math.sqrt(area.variance) / (area.value * (1.0 - area.value))
    return expit(middle - reach), expit(middle + reach)


def newcombe_bounds(auc: float, n_high: int, n_low: int, *, z: float) -> Bounds:
    """Compute the interval of an AUC by Newcombe's method 5, which needs no scores.

    The bounds are those true AUCs from which the AUC is z standard errors away, with the variance of Hanley and McNeil
    at the bound, in which the mean number of patients per grade replaces both numbers. Like Wilson's interval for a
    proportion, it has a width even at 0 and 1.

    Args:
        auc: The area, 0 to 1.
        n_high: High-grade patients.
        n_low: Low-grade patients.
        z: Half-width of the interval in standard errors, 1.96 for 95 %.

    Returns:
        The bounds, which lie between 0 and 1.

    Source:
        Newcombe 2006, Stat Med 25:559, method 5.

    >>> [round(bound, 4) for bound in newcombe_bounds(38.5 / 42, 6, 7, z=1.959964)]
    [0.5973, 0.986]
    """
    mean = (n_high + n_low) / 2.0 - 1.0

    def is_outside(true: float) -> bool:
        spread = 1.0 + mean * ((1.0 - true) / (2.0 - true) + true / (1.0 + true))
        return (auc - true) ** 2 > z**2 * true * (1.0 - true) * spread / (n_high * n_low)

    def bound(outer: float) -> float:
        inner = auc
        for _ in range(_HALVINGS):
            middle = (outer + inner) / 2.0
            outer, inner = (middle, inner) if is_outside(middle) else (outer, middle)
        return inner

    return bound(0.0), bound(1.0)


def difference_bounds(difference: float, variance: float, *, z: float) -> Bounds:
    """Compute the interval of a difference of AUCs that belongs to the test with the same variance.

    It is the difference ± z standard errors, and so excludes 0 exactly where the test rejects equality. A bound that
    would lie outside -1 to 1, as in a handful of patients, is computed on Fisher's scale instead, which has no bounds.

    Args:
        difference: One AUC minus another.
        variance: The variance of the difference.
        z: Half-width of the interval in standard errors, 1.96 for 95 %.

    Returns:
        The bounds, which lie between -1 and 1; NaN if the variance is NaN.

    Source:
        Fisher's scale: the delta method with the inverse hyperbolic tangent.

    >>> [round(bound, 3) for bound in difference_bounds(0.05, 0.03**2, z=1.96)]
    [-0.009, 0.109]
    >>> [round(bound, 3) for bound in difference_bounds(0.65, 0.25**2, z=1.96)]
    [0.16, 0.925]
    """
    reach = z * math.sqrt(variance)
    if not reach or abs(difference) >= 1.0:
        return difference, difference
    low, high = difference - reach, difference + reach
    if low < -1.0 or high > 1.0:
        middle, far = math.atanh(difference), reach / (1.0 - difference**2)
        low = math.tanh(middle - far) if low < -1.0 else low
        high = math.tanh(middle + far) if high > 1.0 else high
    return low, high


def paired_bounds(a: Area, b: Area, covariance: float, *, z: float) -> Bounds:
    """Compute the interval of a paired difference of AUCs from the intervals of both AUCs and their correlation.

    The method of variance estimates recovery (MOVER): each bound of the difference uses the variance that the AUCs have
    near that bound, rather than in the middle. At a margin it errs less often than AUC difference ± z standard errors,
    which matters for tests against a margin; for strongly correlated models it is wider than necessary.

    Args:
        a: The first AUC.
        b: The AUC that is subtracted.
        covariance: DeLong's covariance of the two; not used if one of them has no variance.
        z: Half-width of the interval in standard errors, 1.96 for 95 %.

    Returns:
        The bounds, which lie between -1 and 1; NaN if a variance is NaN.

    Source:
        Zou & Donner 2008, Stat Med 27:1693; Newcombe 1998, Stat Med 17:2635, for paired proportions.

    >>> a, b = Area(0.85, 0.04**2, 41, 51), Area(0.90, 0.03**2, 41, 51)
    >>> [round(bound, 3) for bound in paired_bounds(a, b, 0.0008, z=1.96)]
    [-0.124, 0.008]
    """
    low_a, high_a = auc_bounds(a, z=z)
    low_b, high_b = auc_bounds(b, z=z)
    correlation = 0.0
    if a.has_variance and b.has_variance:
        correlation = min(1.0, max(-1.0, covariance / math.sqrt(a.variance * b.variance)))
    difference = a.value - b.value
    return (
        difference - recovered_reach(a.value - low_a, high_b - b.value, correlation),
        difference + recovered_reach(high_a - a.value, b.value - low_b, correlation),
    )


def recovered_reach(reach_a: float, reach_b: float, correlation: float) -> float:
    """Compute how far a bound lies from a difference, by MOVER.

    Args:
        reach_a: How far the bound of the first estimate on this side lies from it.
        reach_b: The same of the estimate that is subtracted, on the other side.
        correlation: Of the two estimates; 0 for different patients.

    >>> recovered_reach(0.3, 0.4, 0.0)
    0.5
    """
    squared = (reach_a - reach_b) ** 2 + 2.0 * (1.0 - correlation) * reach_a * reach_b  # never below 0 by rounding
    return math.sqrt(squared)


def tail_beyond(a: Area, b: Area, covariance: float, *, limit: float, level: float) -> float:
    """Compute P of the hypothesis that a paired difference of AUCs is at most a limit, by inverting its interval.

    Args:
        a: The first AUC.
        b: The AUC that is subtracted.
        covariance: DeLong's covariance of the two.
        limit: The largest difference under the hypothesis, such as minus a margin.
        level: The one-sided level at which P agrees with the interval: P is below it exactly if the lower bound of
            the two-sided interval with that tail lies above the limit.

    Returns:
        P; NaN if a variance is NaN.

    Source:
        The interval of :func:`paired_bounds`.

    >>> a, b = Area(0.90, 0.03**2, 41, 51), Area(0.90, 0.03**2, 41, 51)
    >>> round(tail_beyond(a, b, 0.0008, limit=-0.05, level=0.025), 4)
    0.0134
    """
    from scipy.special import ndtr, ndtri

    if math.isnan(a.variance) or math.isnan(b.variance):
        return math.nan

    def is_above(z: float) -> bool:
        bounds = paired_bounds(a, b, covariance, z=abs(z))
        return (bounds[0] if z >= 0.0 else bounds[1]) > limit

    at_level = -float(ndtri(level))
    below, above = (at_level, _FARTHEST) if is_above(at_level) else (-_FARTHEST, at_level)
    for _ in range(_HALVINGS):
        middle = (below + above) / 2.0
        below, above = (middle, above) if is_above(middle) else (below, middle)
    return float(ndtr(-above))


def share_interval(part: int, whole: int, *, confidence: float, method: ShareMethod = "wilson") -> Bounds:
    """Compute the interval of a share.

    Args:
        part: How many of them.
        whole: Of how many, at least 1.
        confidence: Coverage probability of the interval.
        method: ``wilson`` is close to the confidence level on average, ``exact`` (Clopper & Pearson) never below it.

    Returns:
        The bounds, which lie between 0 and 1.

    Source:
        Wilson 1927, J Am Stat Assoc 22:209; Clopper & Pearson 1934, Biometrika 26:404; both as computed by statsmodels.

    >>> [round(bound, 3) for bound in share_interval(36, 40, confidence=0.95)]
    [0.769, 0.96]
    >>> [round(bound, 3) for bound in share_interval(36, 40, confidence=0.95, method="exact")]
    [0.763, 0.972]
    """
    from statsmodels.stats.proportion import proportion_confint

    name = {"wilson": "wilson", "exact": "beta"}[method]
    low, high = proportion_confint(part, whole, alpha=1.0 - confidence, method=name)
    return float(low), float(high)


def logit(p: float) -> float:
    """Return the log odds of a probability that is neither 0 nor 1."""
    return math.log(p / (1.0 - p))


def expit(x: float) -> float:
    """Return the probability of log odds, however large.

    >>> expit(0.0), expit(-1e9)
    (0.5, 0.0)
    """
    return 0.5 * (1.0 + math.tanh(x / 2.0))
