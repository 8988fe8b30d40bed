"""Every confusion table that yields the values in a paper's row, found by exact search over whole numbers.

For a number of positives P, the printed sensitivity restricts the true positives to a short range. Given P and the true
positives, every other printed value restricts the true negatives (:mod:`nephrograde.printed.measures`). So the tables
form runs (P, tp, lowest tn to highest tn), which are counted without listing them. If only the specificity is printed,
the two change places. A printed AUC restricts the table too: the ROC curve passes through its operating point, so the
AUC is at least sensitivity · specificity and at most 1 − (1 − sensitivity) · (1 − specificity).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.performance.metrics import Confusion
from nephrograde.printed.auc_steps import attainable
from nephrograde.printed.fits import LISTED_TABLES, Fit, Fits
from nephrograde.printed.fold_means import find_fold_means
from nephrograde.printed.measures import Calls, Counts, fraction
from nephrograde.printed.numbers import PrintedNumber, Rounding, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.printed.values import Printed

PAIRS_AT_ONCE = 100_000
"""Pairs of positives and one known count that are searched together."""

Range: TypeAlias = tuple[Counts, Counts]
Run: TypeAlias = tuple[Counts, Counts, Counts, Counts]


class Lines(NamedTuple):
    """A numerator and a denominator that are linear in one count: their values at 0, and their slopes."""

    top: Range
    bottom: Range

    @classmethod
    def through(cls, at_0: Range, at_1: Range) -> Lines:
        """Draw the lines through the fractions at 0 and at 1."""
        return cls((at_0[0], at_1[0] - at_0[0]), (at_0[1], at_1[1] - at_0[1]))


def find_tables(printed: Printed, *, listed: int = LISTED_TABLES, pairs_at_once: int = PAIRS_AT_ONCE) -> Fits:
    """Find all confusion tables that yield exactly the values that a paper prints for a model.

    Args:
        printed: The model, for one number of patients.
        listed: Maximum number of tables to list.
        pairs_at_once: Size of the chunks of the search; it changes nothing in the result.

    Returns:
        The tables. A table with a denominator of 0 does not yield a value of that measure.

    Source:
        In the spirit of the GRIM test (Brown & Heathers 2017, Soc Psychol Personal Sci 8:363).

    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"accuracy": "0.848", "sensitivity": "0.854", "specificity": "0.843"}
    >>> [fit.counts for fit in find_tables(parse_printed({"n": "92", **values})).tables]
    [Confusion(tp=35, fp=8, tn=43, fn=6)]
    >>> find_tables(parse_printed({"n": "90", **values})).exist
    False
    """
    if printed.folds > 1:
        return find_fold_means(printed, listed=listed)
    search = _Search(printed)
    counts = dict.fromkeys(Rounding, 0)
    occurring: dict[Rounding, list[Counts]] = {rounding: [] for rounding in Rounding}
    left = dict.fromkeys(Rounding, listed)
    tables: dict[tuple[int, int, int], list[Rounding]] = {}
    for chunk in search.candidates(pairs_at_once):
        for rounding in Rounding:
            run = search.narrow(chunk, rounding)
            if not run[0].size:
                continue
            counts[rounding] += int((run[3] - run[2] + 1).sum())
            occurring[rounding].append(np.unique(run[0]))
            for table in _first_tables(run, left[rounding]):
                tables.setdefault(table, []).append(rounding)
                left[rounding] -= 1
    repeats = printed.mean_of
    positives = {
        rounding: tuple((np.unique(np.concatenate(found)) // repeats).tolist()) if found else ()
        for rounding, found in occurring.items()
    }
    # The first tables of all rules together are among the first of each rule, so their lists of rules are complete.
    fits = [Fit(search.confusion(*table), tuple(roundings)) for table, roundings in sorted(tables.items())[:listed]]
    return Fits(printed.n, counts, positives, tuple(fits))


class _Search:
    """The search for one model: pairs (P, known count), of which each printed value narrows the free count."""

    def __init__(self, printed: Printed) -> None:
        self.repeats = printed.mean_of
        self.n = printed.n * self.repeats
        self.numbers = printed.checked
        self.auc = printed.values.get("auc")
        self.knows_tn = "specificity" in self.numbers and "sensitivity" not in self.numbers
        candidates = np.array(printed.possible_positives(), dtype=np.int64)
        if self.auc is not None:
            window = self.auc.any_window()
            candidates = candidates[attainable(window, candidates, printed.n, repeats=self.repeats)]
        self.n_high = candidates * self.repeats

    def confusion(self, n_high: int, known: int, free: int) -> Confusion:
        tp, tn = (free, known) if self.knows_tn else (known, free)
        return Confusion(tp=tp, fp=self.n - n_high - tn, tn=tn, fn=n_high - tp)

    def candidates(self, pairs_at_once: int) -> Iterator[Run]:
        """Yield runs that any rounding rule may allow, ordered by positives and known count, in chunks."""
        low, top = self._known_range()
        widths = np.maximum(top - low + 1, 0)
        ends = np.cumsum(widths)
        start = 0
        while start < low.size:
            begin = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, begin + pairs_at_once, side="right")))
            row = np.repeat(np.arange(start, stop), widths[start:stop])
            known = np.arange(row.size) + begin - (ends[row] - widths[row]) + low[row]
            n_high = self.n_high[row]
            free = n_high if self.knows_tn else self.n - n_high
            run = self.narrow((n_high, known, np.zeros_like(known), free), None)
            if run[0].size:
                yield run
            start = stop

    def _known_range(self) -> Range:
        """Limit the known count for each number of positives by what the free count can be at most or at least."""
        whole = self.n - self.n_high if self.knows_tn else self.n_high
        nothing, most = np.zeros_like(whole), self.n - whole
        known = (nothing, whole)
        for measure, number in self.numbers.items():
            window = number.any_window()
            twice = 2 * window.scale
            if measure == "accuracy" and -(-window.low * self.n // twice) > window.high * self.n // twice:
                return nothing, nothing - 1  # no number of correct calls prints this accuracy
            # All measures grow with both counts, except this one.
            largest, smallest = (nothing, most) if measure == "lr_minus" else (most, nothing)
            at_0, at_1 = (fraction(measure, self._calls(self.n_high, nothing + one, largest)) for one in (0, 1))
            known = _above(known, window, Lines.through(at_0, at_1), 0)
            at_0, at_1 = (fraction(measure, self._calls(self.n_high, nothing + one, smallest)) for one in (0, 1))
            known = _below(known, window, Lines.through(at_0, at_1), 0)
        return known

    def narrow(self, run: Run, rounding: Rounding | None) -> Run:
        """Keep what one rounding rule allows; None stands for what any of them may allow."""

        def window(number: PrintedNumber) -> Window:
            return number.any_window() if rounding is None else number.window(rounding)

        for measure, number in self.numbers.items():
            if not run[0].size:
                return run
            at_0, at_1 = (fraction(measure, self._calls(run[0], run[1], free)) for free in (0, 1))
            run = _narrow(run, window(number), Lines.through(at_0, at_1))
        return run if self.auc is None or not run[0].size else self._narrow_by_auc(run, window(self.auc))

    def _narrow_by_auc(self, run: Run, window: Window) -> Run:
        kept = attainable(window, run[0] // self.repeats, self.n // self.repeats, repeats=self.repeats)
        run = _kept(run, kept)
        if self.repeats > 1 or not self.numbers:  # a mean AUC is not bound to the mean operating point
            return run
        at_0, at_1 = (self._calls(run[0], run[1], free) for free in (0, 1))
        twice = 2 * window.scale
        pairs = at_0.positives * at_0.negatives
        right_0, right_1 = at_0.tp * at_0.tn, at_1.tp * at_1.tn
        wrong_0, wrong_1 = at_0.fp * at_0.fn, at_1.fp * at_1.fn
        low, top = _at_least(
            (run[2], run[3]),
            window.high * pairs - twice * right_0,
            -twice * (right_1 - right_0),
            0 if window.has_high else 1,
        )
        low, top = _at_least(
            (low, top),
            twice * (pairs - wrong_0) - window.low * pairs,
            -twice * (wrong_1 - wrong_0),
            0 if window.has_low else 1,
        )
        return _kept((run[0], run[1], low, top), low <= top)

    def _calls(self, n_high: Counts, known: Counts, free: Counts | int) -> Calls[Counts]:
        n_low = self.n - n_high
        free = np.zeros_like(known) + free
        if self.knows_tn:
            return Calls(tp=free, fp=n_low - known, tn=known, fn=n_high - free)
        return Calls(tp=known, fp=n_low - free, tn=free, fn=n_high - known)


def _narrow(run: Run, window: Window, lines: Lines) -> Run:
    """Narrow the free count to where the fraction exists and is in the window."""
    free = _at_least((run[2], run[3]), *lines.bottom, 1)
    free = _above(free, window, lines, 0 if window.has_low else 1)
    free = _below(free, window, lines, 0 if window.has_high else 1)
    return _kept((run[0], run[1], *free), free[0] <= free[1])


def _above(free: Range, window: Window, lines: Lines, least: int) -> Range:
    twice = 2 * window.scale
    at_0, slope = (twice * top - window.low * bottom for top, bottom in zip(*lines, strict=True))
    return _at_least(free, at_0, slope, least)


def _below(free: Range, window: Window, lines: Lines, least: int) -> Range:
    twice = 2 * window.scale
    at_0, slope = (window.high * bottom - twice * top for top, bottom in zip(*lines, strict=True))
    return _at_least(free, at_0, slope, least)


def _at_least(free: Range, at_0: Counts, slope: Counts, least: int) -> Range:
    """Narrow the free count x to where at_0 + slope · x is at least ``least``."""
    low, top = free
    need = least - at_0
    step = np.maximum(np.abs(slope), 1)
    if (slope > 0).any():
        low = np.where(slope > 0, np.maximum(low, -(-need // step)), low)
    if (slope < 0).any():
        top = np.where(slope < 0, np.minimum(top, -need // step), top)
    return low, np.where((slope == 0) & (need > 0), low - 1, top)


def _kept(run: Run, where: npt.NDArray[np.bool_]) -> Run:
    return run[0][where], run[1][where], run[2][where], run[3][where]


def _first_tables(run: Run, wanted: int) -> Iterator[tuple[int, int, int]]:
    for n_high, known, low, top in zip(*(column[:wanted].tolist() for column in run), strict=True):
        for free in range(low, top + 1):
            if wanted <= 0:
                return
            wanted -= 1
            yield n_high, known, free
