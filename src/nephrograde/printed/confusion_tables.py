"""Every confusion table that yields the values in a paper's row, found by exact search over whole numbers.

For a number of positives P, the printed sensitivity restricts the true positives to a short range, the specificity
restricts the true negatives, and the accuracy their sum. Given P and the true positives, predictive values restrict the
true negatives too. So the tables form runs (P, tp, lowest tn to highest tn), which are counted without listing them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.metrics import Confusion
from nephrograde.printed.numbers import Rounding, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nephrograde.printed.values import Printed

LISTED_TABLES = 100_000
"""Maximum number of tables that are listed; a row with few values has millions, which are only counted."""

PAIRS_AT_ONCE = 1_000_000
"""Pairs of positives and true positives that are searched together, 8 MB per array."""

Counts: TypeAlias = npt.NDArray[np.int64]
Range: TypeAlias = tuple[Counts, Counts]


@dataclass(frozen=True, slots=True)
class Fit:
    """One confusion table that yields the printed values, and the rounding rules under which it does."""

    counts: Confusion
    roundings: tuple[Rounding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the table in its JSON form."""
        table = self.counts
        return {
            "positives": table.n_high,
            "negatives": table.n_low,
            "tp": table.tp,
            "fp": table.fp,
            "tn": table.tn,
            "fn": table.fn,
            "roundings": [rounding.value for rounding in self.roundings],
        }

    def as_text(self) -> str:
        """Write the table on one line.

        >>> Fit(Confusion(tp=36, fp=7, tn=43, fn=6), (Rounding.HALF_UP, Rounding.TIES_EITHER)).as_text()
        '42 positive, 50 negative: tp 36, fn 6, tn 43, fp 7 (half up)'
        """
        table = self.counts
        # "Ties to either side" holds whenever a nearest rounding does, so it is shown only if it is the only rule.
        shown = self.roundings
        if {Rounding.HALF_UP, Rounding.HALF_EVEN} & set(shown):
            shown = tuple(rounding for rounding in shown if rounding is not Rounding.TIES_EITHER)
        return (
            f"{table.n_high} positive, {table.n_low} negative: tp {table.tp}, fn {table.fn}, tn {table.tn}, "
            f"fp {table.fp} ({', '.join(rounding.words for rounding in shown)})"
        )


@dataclass(frozen=True, slots=True)
class Fits:
    """All tables of n patients that yield the printed values of one model.

    ``counts`` and ``positives`` (the numbers of positives that occur) are complete and given per rounding rule;
    ``tables`` lists the first ``LISTED_TABLES``.
    """

    n: int
    counts: Mapping[Rounding, int]
    positives: Mapping[Rounding, tuple[int, ...]]
    tables: tuple[Fit, ...]

    @property
    def exist(self) -> bool:
        """Whether any rounding rule has a table."""
        return any(self.counts.values())

    def all_positives(self) -> tuple[int, ...]:
        """Return the numbers of positives that occur under any rounding rule."""
        return tuple(sorted(set().union(*self.positives.values())))

    def as_dict(self) -> dict[str, Any]:
        """Return counts and positives in their JSON form; the caller adds the tables."""
        return {
            "n": self.n,
            "n_tables": {rounding.value: count for rounding, count in self.counts.items()},
            "positives": {rounding.value: list(found) for rounding, found in self.positives.items()},
        }


def find_tables(printed: Printed, *, listed: int = LISTED_TABLES, pairs_at_once: int = PAIRS_AT_ONCE) -> Fits:
    """Find all confusion tables that yield exactly the values that a paper prints for a model.

    Args:
        printed: The model; its AUC is ignored, except that an AUC requires both classes.
        listed: Maximum number of tables to list.
        pairs_at_once: Size of the chunks of the search; it changes nothing in the result.

    Returns:
        The tables. A table with a denominator of 0 does not yield a value of that measure.

    Source:
        In the spirit of the GRIM test (Brown & Heathers 2017, Soc Psychol Personal Sci 8:363).

    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"accuracy": "0.848", "sensitivity": "0.854", "specificity": "0.843"}
    >>> [fit.as_text() for fit in find_tables(parse_printed({"n": "92", **values})).tables]
    ['41 positive, 51 negative: tp 35, fn 6, tn 43, fp 8 (half up, half to even)']
    >>> find_tables(parse_printed({"n": "90", **values})).exist
    False
    """
    counts: dict[Rounding, int] = {}
    positives: dict[Rounding, tuple[int, ...]] = {}
    tables: dict[tuple[int, int, int], list[Rounding]] = {}
    for rounding in Rounding:
        count, occurring = 0, []
        left = listed
        for runs in _runs(printed, rounding, pairs_at_once=pairs_at_once):
            lengths = runs[3] - runs[2] + 1
            count += int(lengths.sum())
            occurring.append(np.unique(runs[0]))
            for table in _first_tables(runs, left):
                tables.setdefault(table, []).append(rounding)
                left -= 1
        counts[rounding] = count
        positives[rounding] = tuple(np.unique(np.concatenate(occurring)).tolist()) if occurring else ()
    # The first tables of all rules together are among the first of each rule, so their lists of rules are complete.
    fits = [
        Fit(Confusion(tp=tp, fp=printed.n - n_high - tn, tn=tn, fn=n_high - tp), tuple(roundings))
        for (n_high, tp, tn), roundings in sorted(tables.items())[:listed]
    ]
    return Fits(printed.n, counts, positives, tuple(fits))


def _runs(
    printed: Printed, rounding: Rounding, *, pairs_at_once: int
) -> Iterator[tuple[Counts, Counts, Counts, Counts]]:
    """Yield runs (positives, tp, lowest tn, highest tn), ordered by positives and tp, in chunks that fit in memory."""
    windows = {measure: number.window(rounding) for measure, number in printed.shares.items()}
    n = printed.n
    n_high = np.arange(n + 1, dtype=np.int64) if printed.positives is None else np.array([printed.positives])
    if "auc" in printed.values:
        n_high = n_high[(n_high > 0) & (n_high < n)]
    tp = _parts(windows.get("sensitivity"), n_high)
    tn = _parts(windows.get("specificity"), n - n_high)
    right = _parts(windows.get("accuracy"), np.array([n], dtype=np.int64))
    tp = _meet(tp, (right[0] - tn[1], right[1] - tn[0]))
    widths = np.where(tn[0] <= tn[1], np.maximum(tp[1] - tp[0] + 1, 0), 0)
    ends = np.cumsum(widths)
    start = 0
    while start < n_high.size:
        begin = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, begin + pairs_at_once, side="right")))
        part = slice(start, stop)
        row = np.repeat(np.arange(start, stop), widths[part])
        start = stop
        true_high = np.arange(row.size) + begin - (ends[row] - widths[row]) + tp[0][row]
        high = n_high[row]
        low, top = _meet((tn[0][row], tn[1][row]), (right[0] - true_high, right[1] - true_high))
        if "ppv" in windows:
            called = _wholes(windows["ppv"], true_high, n)
            low, top = _meet((low, top), (n - high + true_high - called[1], n - high + true_high - called[0]))
        if "npv" in windows:
            missed = high - true_high
            called = _wholes(windows["npv"].complement(), missed, n)
            low, top = _meet((low, top), (called[0] - missed, called[1] - missed))
        there = low <= top
        if there.any():
            yield high[there], true_high[there], low[there], top[there]


def _parts(window: Window | None, whole: Counts) -> Range:
    """Return the range of numerators whose proportion of these denominators is in the window; empty for 0."""
    if window is None:
        return np.zeros_like(whole), whole
    one = 2 * window.scale
    low = -(-window.low * whole // one) if window.has_low else window.low * whole // one + 1
    top = window.high * whole // one if window.has_high else -(-window.high * whole // one) - 1
    return np.where(whole > 0, np.maximum(low, 0), 1), np.where(whole > 0, np.minimum(top, whole), 0)


def _wholes(window: Window, part: Counts, most: int) -> Range:
    """Return the range of denominators of which these numerators are a proportion in the window.

    A denominator is at least 1 and at least the numerator.
    """
    halves = 2 * window.scale * part
    low = np.maximum(part, 1)
    top = np.full_like(part, most)
    if window.high > 0:
        low = np.maximum(low, -(-halves // window.high) if window.has_high else halves // window.high + 1)
    else:  # the window is a proportion of exactly 0
        low = np.where(part == 0, low, most + 1)
    if window.low > 0:
        top = np.minimum(top, halves // window.low if window.has_low else -(-halves // window.low) - 1)
    elif window.low == 0 and not window.has_low:  # any proportion but 0
        top = np.where(part > 0, top, 0)
    return low, top


def _meet(one: Range, other: Range) -> Range:
    return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])


def _first_tables(runs: tuple[Counts, Counts, Counts, Counts], wanted: int) -> Iterator[tuple[int, int, int]]:
    for n_high, tp, low, top in zip(*(column[:wanted].tolist() for column in runs), strict=True):
        for tn in range(low, top + 1):
            if wanted <= 0:
                return
            wanted -= 1
            yield n_high, tp, tn
