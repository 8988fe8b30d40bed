"""The tables that yield printed values, as a search finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.evaluation.performance.metrics import Confusion
    from nephrograde.printed.numbers import Rounding

LISTED_TABLES = 100_000
"""Maximum number of tables that are listed; a row with few values has millions, which are only counted."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One confusion table that yields the printed values, and the rounding rules under which it does.

    If the values are means over tables, ``counts`` is the sum of the tables.
    """

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
