"""Which method reproduces a printed confidence interval.

The interval of a proportion follows from its two counts and the method, so every table that fits can be tried with the
usual methods. The interval of an AUC follows from the scores (DeLong, bootstrap), which are not printed; only Hanley
and McNeil's follows from the AUC and the numbers of patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.printed.measures import Calls, fraction
from nephrograde.printed.numbers import Rounding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.printed.bounds import PrintedInterval
    from nephrograde.printed.fits import Fits
    from nephrograde.printed.numbers import PrintedNumber
    from nephrograde.printed.values import Printed

METHODS = {"wilson": "wilson", "clopper_pearson": "beta", "wald": "normal", "agresti_coull": "agresti_coull"}
"""Methods by their name in statsmodels."""

MOST_STEPS = 20_000
"""Largest number of values between which an AUC that prints as the number is sought."""

_SLACK = 1e-9
Bounds = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class IntervalMatch:
    """One printed interval, and the methods that reproduce it.

    Attributes:
        measure: The measure.
        interval: Its interval as printed.
        methods: Method to the numbers of positives of the tables with which it prints both bounds.
    """

    measure: str
    interval: PrintedInterval
    methods: Mapping[str, tuple[int, ...]]

    @property
    def is_reproduced(self) -> bool:
        """Whether any method prints both bounds."""
        return any(self.methods.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the match in its JSON form."""
        return {
            "measure": self.measure,
            "low": str(self.interval.low),
            "high": str(self.interval.high),
            "confidence": self.interval.confidence,
            "methods": {method: list(found) for method, found in self.methods.items()},
        }


@dataclass(frozen=True, slots=True)
class IntervalAudit:
    """All printed intervals of a model.

    Attributes:
        proportions: One match per printed interval of a proportion.
        jointly: Method to the numbers of positives of the tables with which it prints all of them.
        auc: The match of the interval of the AUC with Hanley & McNeil's; None if none is printed.
        auc_is_symmetric: Whether the printed interval of the AUC can be symmetric about it; None if none is printed.
    """

    proportions: tuple[IntervalMatch, ...]
    jointly: Mapping[str, tuple[int, ...]]
    auc: IntervalMatch | None
    auc_is_symmetric: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return the audit in its JSON form."""
        return {
            "proportions": [match.as_dict() for match in self.proportions],
            "jointly": {method: list(found) for method, found in self.jointly.items()},
            "auc": self.auc.as_dict() if self.auc else None,
            "auc_is_symmetric": self.auc_is_symmetric,
        }


def audit_intervals(printed: Printed, fits: Fits | None, positives: Sequence[int]) -> IntervalAudit:
    """Find the methods that reproduce the printed intervals of a model.

    Args:
        printed: The model.
        fits: The tables that yield its printed values.
        positives: The numbers of positives with which the interval of the AUC is tried.

    Returns:
        For each interval, the methods and the numbers of positives of the tables with which they print both bounds.

    Source:
        statsmodels' ``proportion_confint`` for proportions; Hanley & McNeil 1982, Radiology 143:29, for the AUC.

    >>> from nephrograde.printed.confusion_tables import find_tables
    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"accuracy": "0.859", "sensitivity": "0.857 (0.722-0.933)", "specificity": "0.860"}
    >>> printed = parse_printed({"n": "92", **values})
    >>> audit_intervals(printed, find_tables(printed), ()).proportions[0].methods["wilson"]
    (42,)
    """
    shares = {measure: found for measure, found in printed.intervals.items() if measure != "auc"}
    proportions: list[IntervalMatch] = []
    jointly: dict[str, tuple[int, ...]] = {}
    if shares and fits is not None and fits.tables:
        tables = _Tables(fits)
        masks = {measure: tables.reproducing(measure, found) for measure, found in shares.items()}
        for measure, found in shares.items():
            methods = {method: tables.positives_where(mask) for method, mask in masks[measure].items()}
            proportions.append(IntervalMatch(measure, found, methods))
        jointly = {
            method: tables.positives_where(np.logical_and.reduce([of[method] for of in masks.values()]))
            for method in METHODS
        }
    else:
        proportions = [IntervalMatch(measure, found, {}) for measure, found in shares.items()]
    if "auc" not in printed.intervals:
        return IntervalAudit(tuple(proportions), jointly, None, None)
    interval, area = printed.intervals["auc"], printed.values["auc"]
    fitting = tuple(count for count in positives if _hanley_mcneil_prints(area, interval, count, printed.n - count))
    match = IntervalMatch("auc", interval, {"hanley_mcneil": fitting})
    return IntervalAudit(tuple(proportions), jointly, match, _is_symmetric(area, interval))


class _Tables:
    """The tables that fit, as arrays, with the rounding rules under which they do."""

    def __init__(self, fits: Fits) -> None:
        counts = [fit.counts for fit in fits.tables]
        columns = {name: np.array([getattr(table, name) for table in counts]) for name in ("tp", "fp", "tn", "fn")}
        self.calls = Calls(**columns)
        self.rounded = {r: np.array([r in fit.roundings for fit in fits.tables]) for r in Rounding}

    def reproducing(self, measure: str, interval: PrintedInterval) -> dict[str, npt.NDArray[np.bool_]]:
        """Mark, per method and rounding rule, the tables whose interval prints as both bounds."""
        part, whole = fraction(measure, self.calls)
        marks: dict[str, npt.NDArray[np.bool_]] = {}
        for method in METHODS:
            bounds = _bounds(part, whole, method, interval)
            marks[method] = np.array(
                [self.rounded[rule] & _both_print(bounds, interval, rule) for rule in Rounding], dtype=np.bool_
            )
        return marks

    def positives_where(self, marks: npt.NDArray[np.bool_]) -> tuple[int, ...]:
        found: list[int] = np.unique(self.calls.positives[marks.any(axis=0)]).tolist()
        return tuple(found)


def _bounds(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], method: str, of: PrintedInterval) -> Bounds:
    from statsmodels.stats.proportion import proportion_confint  # takes a second, and only intervals need it

    is_cut = of.low.units >= 0 and of.high.value <= 1.0
    if method == "wald" and not is_cut:
        share = part / whole
        reach = normal_quantile(of.confidence / 100) * np.sqrt(share * (1.0 - share) / whole)
        return share - reach, share + reach
    low, high = proportion_confint(part, whole, alpha=1.0 - of.confidence / 100, method=METHODS[method])
    return np.asarray(low), np.asarray(high)


def _both_print(bounds: Bounds, interval: PrintedInterval, rounding: Rounding) -> npt.NDArray[np.bool_]:
    return _prints(bounds[0], interval.low, rounding) & _prints(bounds[1], interval.high, rounding)


def _prints(values: npt.NDArray[np.float64], number: PrintedNumber, rounding: Rounding) -> npt.NDArray[np.bool_]:
    low, high = (float(end) for end in number.window(rounding).ends)
    return (values >= low - _SLACK) & (values <= high + _SLACK)


def _hanley_mcneil_prints(area: PrintedNumber, interval: PrintedInterval, n_high: int, n_low: int) -> bool:
    """Whether any AUC that prints as the number has Hanley and McNeil's interval with these bounds."""
    steps = 2 * n_high * n_low
    for rounding in Rounding:
        low, high = (float(end) for end in area.window(rounding).ends)
        first, last = max(0, math.ceil(low * steps)), min(steps, math.floor(high * steps))
        if first > last:
            continue
        auc = np.linspace(first, last, min(last - first + 1, MOST_STEPS)) / steps
        reach = normal_quantile(interval.confidence / 100) * np.sqrt(_variance(auc, n_high, n_low))
        for bounds in ((auc - reach, auc + reach), (np.maximum(auc - reach, 0.0), np.minimum(auc + reach, 1.0))):
            if _both_print(bounds, interval, rounding).any():
                return True
    return False


def _variance(auc: npt.NDArray[np.float64], n_high: int, n_low: int) -> npt.NDArray[np.float64]:
    """Hanley and McNeil's variance of many AUCs; see ``hanley_mcneil_variance`` for one."""
    two_high, two_low = auc / (2.0 - auc), 2.0 * auc**2 / (1.0 + auc)
    spread = auc * (1.0 - auc) + (n_high - 1) * (two_high - auc**2) + (n_low - 1) * (two_low - auc**2)
    found: npt.NDArray[np.float64] = np.maximum(spread, 0.0) / (n_high * n_low)
    return found


def _is_symmetric(area: PrintedNumber, interval: PrintedInterval) -> bool:
    """Whether the middle of the printed bounds can be the AUC; a bound of 0 or 1 may have been cut."""
    if interval.high.value >= 1.0 or interval.low.value <= 0.0:
        return True
    middle = (interval.low.exact + interval.high.exact) / 2
    reach = Fraction(1, 4 * interval.low.scale) + Fraction(1, 4 * interval.high.scale) + Fraction(1, 2 * area.scale)
    return abs(middle - area.exact) <= reach
