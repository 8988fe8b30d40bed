"""The audit of models that are reported to be scored on the same patients."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from nephrograde.printed.auc import PairedAucs, auc_differences, choose_positives
from nephrograde.printed.model_audit import Audit, Slip, audit_model, by_name, fits_at, other_n, slips_of
from nephrograde.printed.numbers import Rounding
from nephrograde.printed.values import Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.printed.values import Printed


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
    slips: tuple[Slip, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether any number of positives fits all models."""
        return any(self.positives.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the answer in its JSON form."""
        return {
            "n": self.n,
            "common_positives": by_name(self.positives),
            "nearest_positives": list(self.nearest),
            "slips": [slip.as_dict() for slip in self.slips],
        }


@dataclass(frozen=True, slots=True)
class GroupAudit:
    """Models that are reported to be scored on the same patients.

    Attributes:
        name: The group's name.
        models: The audit of each model.
        patients: The numbers of patients that all models have in common; None if there are none.
        shared: The test set of all models; None for a single model, for models with different or with several numbers
            of patients, and if only AUCs are printed.
        over: Of several numbers of patients, those at which every model has a table.
        nearby: Other numbers of patients at which every model has a table; searched for only if no table is shared.
        differences: The differences of the AUCs.
    """

    name: str
    models: tuple[Audit, ...]
    patients: Span | None
    shared: SharedTestSet | None = None
    over: tuple[SharedTestSet, ...] = ()
    nearby: tuple[SharedTestSet, ...] = ()
    differences: tuple[PairedAucs, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the audit in its JSON form."""
        return {
            "group": self.name,
            "models": [audit.as_dict() for audit in self.models],
            "shared_test_set": self.shared.as_dict() if self.shared else None,
            "possible_test_sets": [shared.as_dict() for shared in self.over],
            "nearby_test_sets": [shared.as_dict() for shared in self.nearby],
            "auc_differences": [pair.as_dict() for pair in self.differences],
        }


def audit_group(models: Sequence[Printed], *, name: str = "") -> GroupAudit:
    """Audit models that are reported to be scored on the same patients, individually and together.

    Args:
        models: At least one model. They share a test set only if they are printed for the same number of patients.
        name: The group's name.

    Returns:
        The audit of every model, the numbers of positives that they can share, and the differences of their AUCs. For
        several numbers of patients, those at which every model has a table.

    Source:
        Hanley & McNeil 1982 and 1983 for the AUCs.

    >>> from nephrograde.printed.reading import parse_options
    >>> weak = {"n": "92", "accuracy": "0.859", "sensitivity": "0.857", "specificity": "0.860"}
    >>> pair = audit_group(parse_options(weak, ["accuracy=0.848,sensitivity=0.854,specificity=0.843"]))
    >>> pair.shared.is_possible, pair.shared.nearest
    (False, (42, 41))
    """
    audits = tuple(audit_model(printed) for printed in models)
    patients = Span(max(p.patients.low for p in models), min(p.patients.high for p in models))
    group = GroupAudit(name, audits, patients if patients.low <= patients.high else None)
    if len(models) < 2 or group.patients is None:
        return group
    has_one_n = all(printed.n_to is None for printed in models)
    if any(printed.checked for printed in models):
        if has_one_n:
            group = _shared_by(models, group)
        else:
            tried = (_share(models, n, with_slips=False) for n in range(patients.low, patients.high + 1))
            group = replace(group, over=tuple(shared for shared in tried if shared.nearest))
    if not has_one_n:
        return group
    given = {printed.positives for printed in models} - {None}
    fitting = union_of(group.shared.positives) if group.shared else ()
    chosen = choose_positives(given.pop() if len(given) == 1 else None, fitting, models[0].n)
    with_auc = [printed for printed in models if "auc" in printed.values]
    pairs = tuple(
        auc_differences(first, second if first is models[0] else replace(second, p=None), chosen)
        for first, second in combinations(with_auc, 2)
        if not {first.values["auc"].value, second.values["auc"].value} & {0.0, 1.0}
    )
    return replace(group, differences=pairs)


def union_of(positives: Mapping[Rounding, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the numbers of positives under any rounding rule."""
    return tuple(sorted(set().union(*positives.values())))


def _shared_by(models: Sequence[Printed], group: GroupAudit) -> GroupAudit:
    shared = _share(models, models[0].n, with_slips=True)
    if shared.is_possible:
        return replace(group, shared=shared)
    tried = (_share(models, n, with_slips=True) for n in other_n(models[0].n))
    return replace(group, shared=shared, nearby=tuple(other for other in tried if other.nearest))


def _share(models: Sequence[Printed], n: int, *, with_slips: bool) -> SharedTestSet:
    at_n = [printed.with_n(n) for printed in models]
    found = [fits_at(printed).positives for printed in at_n]
    common = _common(found)
    slips = []
    if with_slips and not any(common.values()):
        for k, printed in enumerate(at_n):
            for slip in slips_of(printed):
                together = _common([*found[:k], slip.positives, *found[k + 1 :]])
                if any(together.values()):
                    slips.append(replace(slip, positives=together))
    return SharedTestSet(n, common, _nearest(found), tuple(slips))


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
