"""Whether statistics that somebody else wrote can be those of patients: what their numbers imply about each other."""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.evaluation.calibration.logistic import CLIP
from nephrograde.sharing.site import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.sharing.site import CallCounts, ModelStatistics, PairStatistics, SiteStatistics

_MOST = 100_000_000
"""Patients of a hospital."""
_LARGEST, _STEEPEST = 1e30, 1e12
"""Beyond the variance of any estimate, within what can be squared; and beyond any slope or intercept."""
_ROUNDING = 1e-7
"""Of sums over all patients, relative to them."""
_UNSOLVED = 0.02
"""The intercept is found by iteration."""


class _Point(NamedTuple):
    """The calls at a threshold."""

    threshold: float
    tp: int
    fp: int


class _Bin(NamedTuple):
    """Patients whose probabilities lie between two thresholds, by their grade."""

    low: float
    high: float
    n_high: int
    n_low: int


def is_possible(site: SiteStatistics, *, smallest: int = 1) -> bool:
    """Whether statistics that somebody else wrote can be those of patients.

    Args:
        site: The statistics.
        smallest: Calls are suppressed where any of the four counts is below this and not 0.

    Source:
        The counts at the thresholds bound the AUC by staircases below and above the ROC curve, and expected number and
        Brier score by the ends of the bins. The variance of values in [0, 1] with mean m is at most m (1 - m). The
        probabilities of a logistic model with intercept sum to the number of high grade.

    >>> import numpy as np
    >>> from nephrograde.sharing.site import SiteStatistics, measure_site
    >>> site = measure_site(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True]), {"size": 0.5})
    >>> is_possible(site), is_possible(SiteStatistics(4, 5, site.models, site.pairs))
    (True, False)
    """
    if not 0 < site.n_high < site.n <= _MOST:
        return False
    return all(_is_model(one, site, smallest) for one in site.models) and _are_pairs(site)


def _is_model(one: ModelStatistics, site: SiteStatistics, smallest: int) -> bool:
    if tuple(count.threshold for count in one.benefit) != THRESHOLDS:
        return False
    counts = (one.calls, *one.benefit)
    if not all(_is_suppressed_rightly(count, site, smallest) for count in counts):
        return False
    points = _points(counts, site)
    if points is None:
        return False
    bins = list(_bins(points))
    return (
        _is_auc(one, points, site)
        and _is_expected(one, bins, site)
        and _is_brier(one, bins, site)
        and _is_calibration(one, site)
    )


def _is_suppressed_rightly(count: CallCounts, site: SiteStatistics, smallest: int) -> bool:
    if count.tp is None or count.fp is None:
        return count.tp is None and count.fp is None and smallest > 1
    four = (count.tp, count.fp, site.n_high - count.tp, site.n_low - count.fp)
    return all(one == 0 or one >= smallest for one in four)


def _points(counts: Sequence[CallCounts], site: SiteStatistics) -> list[_Point] | None:
    """The known calls by falling threshold, from none to all; None if fewer are called at a lower threshold."""
    known = [_Point(one.threshold, one.tp, one.fp) for one in counts if one.tp is not None and one.fp is not None]
    none, everyone = _Point(math.nextafter(1.0, 2.0), 0, 0), _Point(0.0, site.n_high, site.n_low)
    inner = [one for one in known if 0.0 < one.threshold <= 1.0]
    outside = [one for one in known if one not in inner]
    if any(one[1:] != (none if one.threshold > 1.0 else everyone)[1:] for one in outside):
        return None
    points = [none, *sorted(inner, key=lambda one: (-one.threshold, one.tp, one.fp)), everyone]
    for above, below in pairwise(points):
        if below.tp < above.tp or below.fp < above.fp:
            return None
        if below.threshold == above.threshold and below != above:
            return None
    return points


def _bins(points: Sequence[_Point]) -> Iterator[_Bin]:
    for above, below in pairwise(points):
        yield _Bin(below.threshold, min(above.threshold, 1.0), below.tp - above.tp, below.fp - above.fp)


def _is_auc(one: ModelStatistics, points: Sequence[_Point], site: SiteStatistics) -> bool:
    steps = list(pairwise(points))
    pairs = site.n_high * site.n_low
    least = sum((below.fp - above.fp) * above.tp for above, below in steps)
    most = sum((below.fp - above.fp) * below.tp for above, below in steps)
    won = one.auc * pairs
    if not _is_between(won, least, most, scale=pairs) or abs(2 * won - round(2 * won)) > _ROUNDING * pairs:
        return False
    if one.auc not in {0.0, 1.0} and not 0.4 < won < pairs - 0.4:  # half a pair, with room for rounding
        return False
    if one.auc_variance is None:
        return one.auc in {0.0, 0.5, 1.0} or 1 in {site.n_high, site.n_low}
    if one.auc in {0.0, 1.0} or 1 in {site.n_high, site.n_low}:
        return False
    most_varied = one.auc * (1.0 - one.auc) * (1.0 / (site.n_high - 1) + 1.0 / (site.n_low - 1))
    return 0.2 / pairs**2 <= one.auc_variance <= most_varied * (1.0 + _ROUNDING)


def _is_expected(one: ModelStatistics, bins: Sequence[_Bin], site: SiteStatistics) -> bool:
    least = sum(each.low * (each.n_high + each.n_low) for each in bins)
    most = sum(each.high * (each.n_high + each.n_low) for each in bins)
    return _is_between(one.expected, least, most, scale=site.n)


def _is_brier(one: ModelStatistics, bins: Sequence[_Bin], site: SiteStatistics) -> bool:
    least = sum(each.n_high * (1.0 - each.high) ** 2 + each.n_low * each.low**2 for each in bins)
    most = sum(each.n_high * (1.0 - each.low) ** 2 + each.n_low * each.high**2 for each in bins)
    least = max(least, (one.expected - site.n_high) ** 2 / site.n)  # the mean error squared
    if not _is_between(one.brier * site.n, least, most, scale=site.n) or one.brier_variance is None:
        return False
    most_varied = one.brier * (1.0 - one.brier) / (site.n - 1)
    return 0.0 <= one.brier_variance <= most_varied * (1.0 + _ROUNDING) + _ROUNDING**2


def _is_calibration(one: ModelStatistics, site: SiteStatistics) -> bool:
    for value, variance in ((one.intercept, one.intercept_variance), (one.slope, one.slope_variance)):
        if (value is None) != (variance is None):
            return False
        if value is None or variance is None:
            continue
        if not (abs(value) <= _STEEPEST and (variance == 0.0 or _LARGEST**-2 <= variance <= _LARGEST)):
            return False
    if one.intercept is None or one.intercept_variance is None:
        return True
    prevalence = site.n_high / site.n
    farthest = math.log(1.0 / CLIP)
    most = farthest + abs(math.log(prevalence / (1.0 - prevalence))) + _UNSOLVED
    missing = site.n_high - one.expected
    is_direction_wrong = missing * one.intercept < 0.0 and abs(missing) > 1e-4 * site.n and abs(one.intercept) > 1e-3
    least_varied = (1.0 - _UNSOLVED) / (site.n * prevalence * (1.0 - prevalence))
    return abs(one.intercept) <= most and not is_direction_wrong and one.intercept_variance >= least_varied


def _are_pairs(site: SiteStatistics) -> bool:
    """Whether each pair of models is there once, with what follows from the two."""
    expected = [] if 1 in {site.n_high, site.n_low} else list(combinations((one.model for one in site.models), 2))
    return [(one.model_a, one.model_b) for one in site.pairs] == expected and all(
        _is_pair(one, site) for one in site.pairs
    )


def _is_pair(pair: PairStatistics, site: SiteStatistics) -> bool:
    first, second = site.model(pair.model_a), site.model(pair.model_b)
    one, other = first.auc_variance or 0.0, second.auc_variance or 0.0
    together = one + other
    return (
        abs(pair.difference - (first.auc - second.auc)) <= _ROUNDING
        and pair.covariance**2 <= one * other * (1.0 + _ROUNDING) + _ROUNDING**2 * together**2
        and pair.variance >= 0.0
        and abs(pair.variance - (together - 2.0 * pair.covariance)) <= _ROUNDING * together
    )


def _is_between(value: float, least: float, most: float, *, scale: float) -> bool:
    room = _ROUNDING * scale
    return least - room <= value <= most + room
