"""Means over the folds of a cross-validation: can k folds that divide n patients print these values?

The folds are stratified and as equal as possible, so each holds q or q + 1 of the P positives and r or r + 1 of the N
negatives, and their sizes differ by at most one patient. If k divides P and N, the mean is that of one table; otherwise
it depends on how many correct calls lie in folds of each size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from nephrograde.evaluation.performance.metrics import Confusion
from nephrograde.printed.fits import LISTED_TABLES, Fit, Fits
from nephrograde.printed.numbers import Rounding, Window

if TYPE_CHECKING:
    from nephrograde.printed.measures import Counts
    from nephrograde.printed.values import Printed

Pairs: TypeAlias = "tuple[Counts, Counts]"
"""Correct calls in the folds with one patient more, and in the others."""


class _Folds(NamedTuple):
    """k folds, ``larger`` of which have ``each`` + 1 patients of a class, and the others ``each``."""

    k: int
    each: int
    larger: int

    @classmethod
    def of(cls, patients: int, k: int) -> _Folds:
        return cls(k, patients // k, patients % k)


def find_fold_means(printed: Printed, *, listed: int = LISTED_TABLES) -> Fits:
    """Find the sums of the tables of k folds whose mean measures are printed.

    Args:
        printed: The model, for one number of patients, with sensitivity and specificity; its accuracy is examined if
            it is printed. Other values are not.
        listed: Maximum number of sums to list.

    Returns:
        The sums of the tables of all folds, counted once however they are divided among the folds.

    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"n": "11", "folds": "2", "sensitivity": "0.833", "specificity": "0.667", "accuracy": "0.733"}
    >>> [(fit.counts.n_high, fit.counts.tp, fit.counts.tn) for fit in find_fold_means(parse_printed(values)).tables]
    [(5, 4, 4), (6, 5, 3)]
    """
    found: dict[tuple[int, int, int], list[Rounding]] = {}
    for n_high in printed.possible_positives():
        high, low = _Folds.of(n_high, printed.folds), _Folds.of(printed.n - n_high, printed.folds)
        if not (high.each and low.each):
            continue  # a fold without a class has no sensitivity or no specificity
        windows = {measure: number.any_window() for measure, number in printed.checked.items()}
        if not _sums(high, low, windows):
            continue
        for rounding in Rounding:
            windows = {measure: number.window(rounding) for measure, number in printed.checked.items()}
            for tp, tn in _sums(high, low, windows):
                found.setdefault((n_high, tp, tn), []).append(rounding)
    tables = [
        Fit(Confusion(tp=tp, fp=printed.n - n_high - tn, tn=tn, fn=n_high - tp), tuple(roundings))
        for (n_high, tp, tn), roundings in sorted(found.items())
    ]
    counts = {rule: sum(rule in fit.roundings for fit in tables) for rule in Rounding}
    positives = {rule: tuple(sorted({key[0] for key, rules in found.items() if rule in rules})) for rule in Rounding}
    return Fits(printed.n, counts, positives, tuple(tables[:listed]))


def _sums(high: _Folds, low: _Folds, windows: dict[str, Window]) -> list[tuple[int, int]]:
    """Return all (tp, tn) over all folds with which the means are in their windows."""
    of_high, of_low = _pairs(high, windows["sensitivity"]), _pairs(low, windows["specificity"])
    if not (of_high[0].size and of_low[0].size):
        return []
    rows, columns = np.meshgrid(np.arange(of_high[0].size), np.arange(of_low[0].size), indexing="ij")
    tp_larger, tp_other = (column[rows.ravel()] for column in of_high)
    tn_larger, tn_other = (column[columns.ravel()] for column in of_low)
    if "accuracy" in windows:
        kept = _accuracy_fits((high, low), (tp_larger, tp_other), (tn_larger, tn_other), windows["accuracy"])
        tp_larger, tp_other, tn_larger, tn_other = (
            column[kept] for column in (tp_larger, tp_other, tn_larger, tn_other)
        )
    sums = np.unique(np.stack([tp_larger + tp_other, tn_larger + tn_other], axis=1), axis=0)
    return [(tp, tn) for tp, tn in sums.tolist()]


def _pairs(folds: _Folds, window: Window) -> Pairs:
    """Find the correct calls of one class, in larger and in other folds, whose mean proportion is in the window."""
    each, twice = folds.each, 2 * window.scale
    larger = np.arange(folds.larger * (each + 1) + 1, dtype=np.int64)
    # The mean is (larger / (each + 1) + other / each) / k.
    whole = folds.k * each * (each + 1)
    low = window.low * whole - twice * larger * each
    high = window.high * whole - twice * larger * each
    step = twice * (each + 1)
    first = np.maximum(-(-low // step) if window.has_low else low // step + 1, 0)
    last = np.minimum(high // step if window.has_high else -(-high // step) - 1, (folds.k - folds.larger) * each)
    widths = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(larger.size), widths)
    other = np.arange(row.size) - (np.cumsum(widths) - widths)[row] + first[row]
    return larger[row], other


def _accuracy_fits(folds: tuple[_Folds, _Folds], tp: Pairs, tn: Pairs, window: Window) -> Counts:
    """Mark the counts that can be divided among the folds so that the mean accuracy is in the window.

    Folds have two sizes, ``size`` and ``size`` + 1. All counts are bound to one size except ``moved``, which may lie in
    folds of either; the mean accuracy falls with each one that lies in a larger fold.
    """
    high, low = folds
    k, both = high.k, max(0, high.larger + low.larger - high.k)
    only_high, only_low = high.larger - both, low.larger - both
    plain = k - both - only_high - only_low
    if both:
        size, bound = high.each + low.each + 1, np.zeros_like(tp[0])
        moved = [_share(tp[0], (high.each + 1) * both, (high.each + 1) * only_high)]
        moved.append(_share(tn[0], (low.each + 1) * both, (low.each + 1) * only_low))
    else:
        size, bound = high.each + low.each, tp[0] + tn[0]
        moved = [_share(tp[1], high.each * only_low, high.each * plain)]
        moved.append(_share(tn[1], low.each * only_high, low.each * plain))
    rest = tp[0] + tp[1] + tn[0] + tn[1] - bound
    least, most = moved[0][0] + moved[1][0], moved[0][1] + moved[1][1]
    # The mean is (bound · size + rest · (size + 1) - moved) / (size · (size + 1) · k).
    twice, whole = 2 * window.scale, size * (size + 1) * k
    total = twice * (bound * size + rest * (size + 1))
    top, bottom = total - window.low * whole, total - window.high * whole
    most = np.minimum(most, top // twice if window.has_low else -(-top // twice) - 1)
    least = np.maximum(least, -(-bottom // twice) if window.has_high else bottom // twice + 1)
    marks: Counts = least <= most
    return marks


def _share(count: Counts, room: int, other_room: int) -> Pairs:
    """Return how many of the counts can lie in the folds with ``room``, if the others have ``other_room``."""
    return np.maximum(count - other_room, 0), np.minimum(count, room)
