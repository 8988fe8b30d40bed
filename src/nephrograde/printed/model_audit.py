"""The audit of one printed model: the tables that yield its values, or what would explain that there are none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.printed.auc import AucInterval, Positives, auc_intervals, choose_positives
from nephrograde.printed.auc_steps import attainable
from nephrograde.printed.bounds import intervals_as_dict
from nephrograde.printed.confusion_tables import find_tables
from nephrograde.printed.fits import Fits
from nephrograde.printed.intervals import IntervalAudit, audit_intervals
from nephrograde.printed.measures import limits_of
from nephrograde.printed.numbers import PrintedNumber, Rounding
from nephrograde.printed.relations import Contradiction, contradictions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nephrograde.printed.values import Printed

NEIGHBOURHOOD = 5
"""Largest difference from the printed number of patients at which other numbers are tried."""


@dataclass(frozen=True, slots=True)
class Slip:
    """One printed value with its last decimal changed by one, and the numbers of positives that then fit."""

    model: str
    measure: str
    printed: PrintedNumber
    instead: PrintedNumber
    positives: Mapping[Rounding, tuple[int, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Return the slip in its JSON form."""
        return {
            "model": self.model,
            "measure": self.measure,
            "printed": str(self.printed),
            "instead": str(self.instead),
            "positives": by_name(self.positives),
        }


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One printed value without which the others have tables, and the numbers of positives of these tables."""

    measure: str
    positives: Mapping[Rounding, tuple[int, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Return the value in its JSON form."""
        return {"measure": self.measure, "positives": by_name(self.positives)}


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of one printed model.

    Attributes:
        printed: The model.
        fits: The tables; None if only an AUC is printed, or if several numbers of patients were tried.
        over: Of several numbers of patients, those that have a table, or an AUC that prints as the number.
        contradictions: Values that contradict others for any number of patients.
        nearby: Other numbers of patients that have a table; searched for only if none fits.
        slips: Changes of a single digit that lead to a table; searched for only if none fits.
        left_out: Values without which the others have tables; searched for only if none fits.
        auc: The intervals that the AUC would have.
        positives: The numbers of positives with which the AUC is examined; None without an AUC.
        auc_excluded: Numbers of positives with which no AUC prints as the number.
        intervals: Which method reproduces the printed intervals; None if none is printed.
    """

    printed: Printed
    fits: Fits | None
    over: tuple[Fits, ...]
    contradictions: tuple[Contradiction, ...]
    nearby: tuple[Fits, ...] = ()
    slips: tuple[Slip, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    auc: tuple[AucInterval, ...] = ()
    positives: Positives | None = None
    auc_excluded: tuple[int, ...] = ()
    intervals: IntervalAudit | None = None

    @property
    def has_perfect_auc(self) -> bool:
        """Whether the AUC is printed as exactly 1: a warning, whatever else fits."""
        return "auc" in self.printed.values and self.printed.values["auc"].exact == 1

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Values that are not examined, because a mean of them says nothing about the sum of the tables."""
        return tuple(measure for measure in self.printed.values if measure not in self.printed.constraining)

    def as_dict(self) -> dict[str, Any]:
        """Return the audit in its JSON form."""
        printed = self.printed
        given = printed.positives
        is_single = printed.n_to is None
        return {
            "name": printed.name,
            "printed": {measure: str(number) for measure, number in printed.values.items()},
            "printed_intervals": intervals_as_dict(printed.intervals),
            "printed_positives": given.low if given and given.low == given.high else list(given) if given else None,
            "n": printed.n if is_single else list(printed.patients),
            "mean_of": printed.mean_of,
            "folds": printed.folds,
            **(self.fits.as_dict() if self.fits else {}),
            "tables": [fit.as_dict() for fit in self.fits.tables] if self.fits else None,
            "n_that_fit": None if is_single else [fits.as_dict() for fits in self.over],
            "contradictions": [found.as_dict() for found in self.contradictions],
            "nearby": [fits.as_dict() for fits in self.nearby],
            "slips": [slip.as_dict() for slip in self.slips],
            "left_out": [value.as_dict() for value in self.left_out],
            "auc_intervals": [interval.as_dict() for interval in self.auc],
            "auc_positives_from": self.positives.source.value if self.positives else "",
            "auc_excluded_positives": list(self.auc_excluded),
            "intervals": self.intervals.as_dict() if self.intervals else None,
            "warnings": ["perfect-auc"] if self.has_perfect_auc else [],
        }


def audit_model(printed: Printed) -> Audit:
    """Find every confusion table that yields a paper's printed values, or what would explain that there is none.

    Args:
        printed: The model.

    Returns:
        The tables; if there are none, nearby numbers of patients that have some, the changes of a single digit that
        would resolve the contradiction, and the values without which there are tables; and the interval of the AUC.
        For several numbers of patients, those that have a table.

    Source:
        Hanley & McNeil 1982 for the AUC.

    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"n": "90", "accuracy": "0.859", "sensitivity": "0.857", "specificity": "0.860"}
    >>> audit = audit_model(parse_printed(values))
    >>> audit.fits.exist, [(fits.n, fits.all_positives()) for fits in audit.nearby], audit.slips
    (False, [(85, (28, 35, 42)), (92, (35, 42, 49))], ())
    """
    found = contradictions(printed)
    if printed.n_to is not None:
        tried = (fits_at(printed.with_n(n)) for n in range(printed.n, printed.n_to + 1))
        return Audit(printed, None, tuple(fits for fits in tried if any(fits.positives.values())), found)
    fits = find_tables(printed) if printed.checked else None
    audit = Audit(printed, fits, (), found)
    if fits and not fits.exist:
        audit = _explained(audit)
    if "auc" in printed.values:
        audit = _with_auc(audit)
    if printed.intervals and not printed.is_mean:
        tried_positives = fits.all_positives() if fits else ()
        if "auc" in printed.intervals and not tried_positives:
            tried_positives = tuple(printed.possible_positives())
        audit = replace(audit, intervals=audit_intervals(printed, fits, tried_positives))
    return audit


def fits_at(printed: Printed) -> Fits:
    """Find the numbers of positives that fit a model, without listing tables; an AUC alone has no table.

    Args:
        printed: The model, for one number of patients.
    """
    if printed.checked:
        return find_tables(printed, listed=0)
    candidates = np.array(printed.possible_positives(), dtype=np.int64)
    positives: dict[Rounding, tuple[int, ...]] = {}
    for rounding in Rounding:
        kept = candidates
        if "auc" in printed.constraining:
            window = printed.values["auc"].window(rounding)
            kept = candidates[attainable(window, candidates, printed.n, repeats=printed.mean_of)]
        positives[rounding] = tuple(kept.tolist())
    return Fits(printed.n, dict.fromkeys(Rounding, 0), positives, ())


def slips_of(printed: Printed) -> Iterator[Slip]:
    """Yield every change of a single digit, with the numbers of positives that then fit.

    Args:
        printed: The model, for one number of patients.
    """
    for measure in printed.constraining:
        number = printed.values[measure]
        lowest, highest = limits_of(measure)
        for instead in number.neighbours(lowest=lowest, highest=highest):
            meant = replace(printed, values={**printed.values, measure: instead})
            yield Slip(printed.name, measure, number, instead, fits_at(meant).positives)


def other_n(n: int) -> list[int]:
    """Return the numbers of patients near n."""
    return [other for other in range(max(1, n - NEIGHBOURHOOD), n + NEIGHBOURHOOD + 1) if other != n]


def by_name(positives: Mapping[Rounding, tuple[int, ...]]) -> dict[str, list[int]]:
    """Return numbers of positives by the name of the rounding rule."""
    return {rounding.value: list(counts) for rounding, counts in positives.items()}


def _explained(audit: Audit) -> Audit:
    printed = audit.printed
    tried = (find_tables(printed.with_n(n), listed=0) for n in other_n(printed.n))
    left_out = []
    for measure in printed.constraining:
        rest = printed.without(measure)
        is_enough = rest.folds == 1 or {"sensitivity", "specificity"} <= rest.checked.keys()
        if rest.checked and is_enough and any((positives := find_tables(rest, listed=0).positives).values()):
            left_out.append(LeftOut(measure, positives))
    return replace(
        audit,
        nearby=tuple(other for other in tried if other.exist),
        slips=tuple(slip for slip in slips_of(printed) if any(slip.positives.values())),
        left_out=tuple(left_out),
    )


def _with_auc(audit: Audit) -> Audit:
    printed = audit.printed
    fitting = audit.fits.all_positives() if audit.fits else ()
    possible = set(printed.possible_positives())
    alone = replace(printed, values={"auc": printed.values["auc"]})
    attained = possible if printed.folds > 1 else set().union(*fits_at(alone).positives.values())
    chosen = choose_positives(printed.positives, fitting, printed.n)
    return replace(
        audit,
        auc=auc_intervals(printed, chosen),
        positives=chosen,
        auc_excluded=tuple(sorted(possible - attained)),
    )
