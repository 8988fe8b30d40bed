"""An audit of printed values: can any confusion table yield them, and can all models share one test set?

A paper prints the rounded accuracy, sensitivity and specificity of n patients. They derive from four whole numbers, so
most triples of decimals cannot occur at all. If a triple cannot occur, the audit names what would explain it: another
number of patients, or a single digit. It finds inconsistent numbers; it cannot say why they are inconsistent.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any

from nephrograde.printed.auc import AucInterval, PairedAucs, auc_differences, auc_intervals, choose_positives
from nephrograde.printed.confusion_tables import Fits, find_tables
from nephrograde.printed.numbers import Rounding
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nephrograde.printed.numbers import PrintedNumber
    from nephrograde.printed.values import Printed

NEIGHBOURHOOD = 5
"""Largest difference from the printed number of patients at which other numbers are tried."""

_SHOWN = 10


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
            "positives": _by_name(self.positives),
        }

    def as_text(self) -> str:
        """Write the slip on one line."""
        change = f"{self.model}, {self.measure} {self.instead} instead of {self.printed}"
        return f"{change}: positives {_some(_union(self.positives))}"


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of one printed model.

    ``fits`` is None if only an AUC is printed. ``nearby`` (other numbers of patients that have a table) and ``slips``
    are searched for only if no table fits.
    """

    printed: Printed
    fits: Fits | None
    nearby: tuple[Fits, ...]
    slips: tuple[Slip, ...]
    auc: tuple[AucInterval, ...]
    positives_from: str

    def as_dict(self) -> dict[str, Any]:
        """Return the audit in its JSON form."""
        printed = self.printed
        return {
            "name": printed.name,
            "printed": {measure: str(number) for measure, number in printed.values.items()},
            "printed_positives": printed.positives,
            "n": printed.n,
            **(self.fits.as_dict() if self.fits else {}),
            "tables": [fit.as_dict() for fit in self.fits.tables] if self.fits else None,
            "nearby": [fits.as_dict() for fits in self.nearby],
            "slips": [slip.as_dict() for slip in self.slips],
            "auc_intervals": [interval.as_dict() for interval in self.auc],
            "auc_positives_from": self.positives_from,
        }

    def as_text(self) -> list[str]:
        """Write the audit as lines, the first of them not indented."""
        lines = [self.printed.as_text(), *(f"  {line}" for line in self._on_tables())]
        decimals = sorted({number.decimals for number in self.printed.shares.values()})
        if len(decimals) > 1:
            words = " and ".join(str(count) for count in decimals)
            lines.append(f"  Note: the values have {words} decimals; a spreadsheet may have dropped a trailing zero.")
        if self.auc:
            lines.append(f"  95 % CI of the AUC (Hanley & McNeil 1982; positives {self.positives_from}):")
            lines += [f"    {interval.as_text()}" for interval in self.auc]
        return lines

    def _on_tables(self) -> list[str]:
        if self.fits is None:
            return ["Only an AUC is printed, which does not constrain the confusion table."]
        if self.fits.exist:
            counts = ", ".join(f"{rounding.words} {count:,}" for rounding, count in self.fits.counts.items())
            lines = [f"Tables that print these values: {counts}."]
            lines += [f"  {fit.as_text()}" for fit in self.fits.tables[:_SHOWN]]
            return [*lines, "  … and more; --json lists them."] if len(self.fits.tables) > _SHOWN else lines
        lines = ["No table of whole numbers prints these values, however they are rounded."]
        near = "; ".join(f"{fits.n} (positives {_some(fits.all_positives())})" for fits in self.nearby) or "none"
        lines.append(f"Numbers of patients within {NEIGHBOURHOOD} at which one does: {near}.")
        if not self.slips:
            return [*lines, "Changing one value by one unit of its last decimal does not help."]
        return [
            *lines,
            "Changing one value by one unit of its last decimal:",
            *(f"  {s.as_text()}" for s in self.slips),
        ]


@dataclass(frozen=True, slots=True)
class SharedTestSet:
    """Whether models can have been scored on the same n patients.

    Attributes:
        n: Number of test patients.
        positives: Numbers of positives that fit all models, with all values rounded in the same way.
        nearest: Numbers of positives, one per model, that are closest together; empty if a model has none.
        slips: Changes of a single digit that would let all models share a number of positives; searched for only if
            they share none.
    """

    n: int
    positives: Mapping[Rounding, tuple[int, ...]]
    nearest: tuple[int, ...]
    slips: tuple[Slip, ...]

    @property
    def is_possible(self) -> bool:
        """Whether any number of positives fits all models."""
        return any(self.positives.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the answer in its JSON form."""
        return {
            "n": self.n,
            "common_positives": _by_name(self.positives),
            "nearest_positives": list(self.nearest),
            "slips": [slip.as_dict() for slip in self.slips],
        }

    def as_text(self, names: Sequence[str]) -> list[str]:
        """Write the answer as lines; ``names`` are the models' names."""
        if self.is_possible:
            words = [f"{_some(found)} ({rounding.words})" for rounding, found in self.positives.items() if found]
            return [f"{self.n} patients: positives that fit all models: {'; '.join(words)}."]
        if not self.nearest:
            lines = [f"{self.n} patients: not every model has a table, so no number of positives fits all."]
        else:
            apart = max(self.nearest) - min(self.nearest)
            near = ", ".join(f"{count} ({name})" for count, name in zip(self.nearest, names, strict=True))
            patients = "1 patient" if apart == 1 else f"{apart} patients"
            lines = [
                f"{self.n} patients: every model has a table, but no number of positives fits all.",
                f"  Nearest: {near}, {patients} apart.",
            ]
        if not self.slips:
            return [*lines, "  Changing one value by one unit of its last decimal does not help."]
        return [
            *lines,
            "  Changing one value by one unit of its last decimal:",
            *(f"    {s.as_text()}" for s in self.slips),
        ]


@dataclass(frozen=True, slots=True)
class GroupAudit:
    """Models that are reported to be scored on the same patients.

    ``shared`` is None for a single model, for models with different numbers of patients, and if only AUCs are printed.
    ``nearby`` holds other numbers of patients at which every model has a table, if no table is shared at n.
    """

    name: str
    models: tuple[Audit, ...]
    shared: SharedTestSet | None
    nearby: tuple[SharedTestSet, ...]
    differences: tuple[PairedAucs, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the audit in its JSON form."""
        return {
            "group": self.name,
            "models": [audit.as_dict() for audit in self.models],
            "shared_test_set": self.shared.as_dict() if self.shared else None,
            "nearby_test_sets": [shared.as_dict() for shared in self.nearby],
            "auc_differences": [pair.as_dict() for pair in self.differences],
        }

    def as_text(self) -> str:
        """Write the audit for the terminal."""
        heading = [f"Group {self.name}"] if self.name else []
        return "\n".join([*heading, *(line for audit in self.models for line in audit.as_text()), *self._on_sharing()])

    def _on_sharing(self) -> Iterator[str]:
        n = [audit.printed.n for audit in self.models]
        if len(set(n)) > 1:
            counts = ", ".join(map(str, n))
            yield f"The models are printed for different numbers of patients ({counts}), so no test set is shared."
        if self.shared:
            names = [audit.printed.name for audit in self.models]
            yield "One test set for all models"
            for shared in (self.shared, *self.nearby):
                yield from (f"  {line}" for line in shared.as_text(names))
            if not self.shared.is_possible and not self.nearby:
                yield f"  No other number of patients within {NEIGHBOURHOOD} gives every model a table."
        for pair in self.differences:
            yield from pair.as_text(n[0])


@dataclass(frozen=True, slots=True)
class Audits:
    """The audits of all groups of models; printing it gives the text of the command line."""

    groups: tuple[GroupAudit, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give ``groups`` as JSON has them, and the note that goes with everything nephrograde writes."""
        return {"note": RESEARCH_USE_ONLY, "groups": [audit.as_dict() for audit in self.groups]}

    def as_text(self) -> str:
        """Write all audits for the terminal, with an empty line between groups."""
        closing = f"An audit shows which numbers fit together; it cannot say why others do not. {RESEARCH_USE_ONLY}"
        return "\n\n".join([*(audit.as_text() for audit in self.groups), closing])

    def __str__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.as_text())}</pre>"


def audit_model(printed: Printed) -> Audit:
    """Find every confusion table that yields a paper's printed values, or what would explain that there is none.

    Args:
        printed: The model.

    Returns:
        The tables; if there are none, nearby numbers of patients that have some, and the changes of a single digit that
        would resolve the contradiction; and the interval of the AUC, if one is printed.

    Source:
        Hanley & McNeil 1982 for the AUC.

    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"n": "90", "accuracy": "0.859", "sensitivity": "0.857", "specificity": "0.860"}
    >>> audit = audit_model(parse_printed(values))
    >>> audit.fits.exist, [(fits.n, fits.all_positives()) for fits in audit.nearby], audit.slips
    (False, [(85, (28, 35, 42)), (92, (35, 42, 49))], ())
    """
    fits = find_tables(printed) if printed.shares else None
    nearby: tuple[Fits, ...] = ()
    slips: tuple[Slip, ...] = ()
    if fits and not fits.exist:
        tried = (find_tables(replace(printed, n=n), listed=0) for n in _other_n(printed.n))
        nearby = tuple(other for other in tried if other.exist)
        slips = tuple(slip for slip in _slips(printed) if any(slip.positives.values()))
    intervals: tuple[AucInterval, ...] = ()
    source = ""
    if "auc" in printed.values:
        chosen = choose_positives(printed.positives, fits.all_positives() if fits else (), printed.n)
        intervals, source = auc_intervals(printed, chosen), chosen.source
    return Audit(printed, fits, nearby, slips, intervals, source)


def audit_group(models: Sequence[Printed], *, name: str = "") -> GroupAudit:
    """Audit models that are reported to be scored on the same patients, individually and together.

    Args:
        models: At least one model. They share a test set only if they are printed for the same number of patients.
        name: The group's name.

    Returns:
        The audit of every model, the numbers of positives that they can share, and the differences of their AUCs.

    Source:
        Hanley & McNeil 1982 and 1983 for the AUCs.

    >>> from nephrograde.printed.reading import parse_options
    >>> weak = {"n": "92", "accuracy": "0.859", "sensitivity": "0.857", "specificity": "0.860"}
    >>> pair = audit_group(parse_options(weak, ["accuracy=0.848,sensitivity=0.854,specificity=0.843"]))
    >>> pair.shared.is_possible, pair.shared.nearest
    (False, (42, 41))
    """
    audits = tuple(audit_model(printed) for printed in models)
    shared: SharedTestSet | None = None
    nearby: tuple[SharedTestSet, ...] = ()
    has_same_n = len({printed.n for printed in models}) == 1
    if len(models) > 1 and has_same_n and any(printed.shares for printed in models):
        shared = _share(models)
        if not shared.is_possible:
            tried = (_share([replace(printed, n=n) for printed in models]) for n in _other_n(models[0].n))
            nearby = tuple(other for other in tried if other.nearest)
    differences: list[PairedAucs] = []
    if has_same_n:
        given = {printed.positives for printed in models} - {None}
        fitting = _union(shared.positives) if shared else ()
        chosen = choose_positives(given.pop() if len(given) == 1 else None, fitting, models[0].n)
        with_auc = [printed for printed in models if "auc" in printed.values]
        differences = [auc_differences(first, second, chosen) for first, second in combinations(with_auc, 2)]
    return GroupAudit(name, audits, shared, nearby, tuple(differences))


def audit_all(models: Sequence[Printed]) -> Audits:
    """Audit printed models group by group, in order of first appearance.

    Args:
        models: The models, as read from a table or the command line.

    Returns:
        One audit per group; models without a group form one group.
    """
    names = dict.fromkeys(printed.group for printed in models)
    groups = (audit_group([printed for printed in models if printed.group == name], name=name) for name in names)
    return Audits(tuple(groups))


def _share(models: Sequence[Printed]) -> SharedTestSet:
    found = [_positives(printed) for printed in models]
    common = _common(found)
    slips = []
    if not any(common.values()):
        for k, printed in enumerate(models):
            for slip in _slips(printed):
                together = _common([*found[:k], slip.positives, *found[k + 1 :]])
                if any(together.values()):
                    slips.append(replace(slip, positives=together))
    return SharedTestSet(models[0].n, common, _nearest(found), tuple(slips))


def _positives(printed: Printed) -> Mapping[Rounding, tuple[int, ...]]:
    if printed.shares:
        return find_tables(printed, listed=0).positives
    free = range(1, printed.n) if printed.positives is None else (printed.positives,)
    return {rounding: tuple(free) for rounding in Rounding}


def _common(found: Sequence[Mapping[Rounding, tuple[int, ...]]]) -> dict[Rounding, tuple[int, ...]]:
    return {r: tuple(sorted(set(found[0][r]).intersection(*(each[r] for each in found[1:])))) for r in Rounding}


def _nearest(found: Sequence[Mapping[Rounding, tuple[int, ...]]]) -> tuple[int, ...]:
    """Choose one number of positives per model, all under one rounding rule, as close together as possible."""
    best: tuple[int, ...] = ()
    for rounding in Rounding:
        lists = [each[rounding] for each in found]
        for smallest in sorted(set().union(*lists)):
            places = [bisect_left(counts, smallest) for counts in lists]
            if any(place == len(counts) for place, counts in zip(places, lists, strict=True)):
                break
            chosen = tuple(counts[place] for place, counts in zip(places, lists, strict=True))
            if not best or max(chosen) - min(chosen) < max(best) - min(best):
                best = chosen
    return best


def _slips(printed: Printed) -> Iterator[Slip]:
    """Yield every change of a single digit that allows a table, with the numbers of positives that then fit."""
    for measure, number in printed.shares.items():
        for instead in number.neighbours():
            meant = replace(printed, values={**printed.values, measure: instead})
            positives = find_tables(meant, listed=0).positives
            yield Slip(printed.name, measure, number, instead, positives)


def _other_n(n: int) -> list[int]:
    return [other for other in range(max(1, n - NEIGHBOURHOOD), n + NEIGHBOURHOOD + 1) if other != n]


def _union(positives: Mapping[Rounding, tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted(set().union(*positives.values())))


def _by_name(positives: Mapping[Rounding, tuple[int, ...]]) -> dict[str, list[int]]:
    return {rounding.value: list(counts) for rounding, counts in positives.items()}


def _some(counts: Sequence[int]) -> str:
    """List the numbers; of many, list only the first.

    >>> _some((35, 42, 49)), _some(range(1, 100))
    ('35, 42, 49', '1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 89 more')
    """
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return ", ".join(str(count) for count in counts[:_SHOWN]) + more
