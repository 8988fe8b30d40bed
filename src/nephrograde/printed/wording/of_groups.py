"""The text of the audit of a group of models, and of all groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.printed.model_audit import NEIGHBOURHOOD
from nephrograde.printed.wording.of_models import model_in_words, slips_in_words
from nephrograde.printed.wording.terms import rounding_in_words, some, source_in_words, span_in_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import counted
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.printed.auc import ImpliedCorrelation, PairedAucs
    from nephrograde.printed.group_audit import GroupAudit, SharedTestSet


def audits_in_words(groups: Sequence[GroupAudit]) -> str:
    """Write the audits of all groups, with an empty line between them."""
    closing = t(
        "An audit shows which numbers fit together; it cannot say why others do not. {note}", note=t(RESEARCH_USE_ONLY)
    )
    return "\n\n".join([*(group_in_words(group) for group in groups), closing])


def group_in_words(group: GroupAudit) -> str:
    """Write the audit of one group."""
    heading = [t("Group {name}", name=group.name)] if group.name else []
    lines = [line for audit in group.models for line in model_in_words(audit)]
    return "\n".join([*heading, *lines, *_on_sharing(group), *_on_differences(group)])


def shared_in_words(shared: SharedTestSet, names: Sequence[str]) -> list[str]:
    """Write as lines whether models can share a test set; ``names`` are the models' names."""
    patients = counted(shared.n, "patient")
    if shared.is_possible:
        words = t("; ").join(
            t("{positives} ({rule})", positives=some(found), rule=rounding_in_words(rounding))
            for rounding, found in shared.positives.items()
            if found
        )
        return [t("{patients}: positives that fit all models: {words}.", patients=patients, words=words)]
    if not shared.nearest:
        lines = [t("{patients}: not every model has a table, so no number of positives fits all.", patients=patients)]
    else:
        near = t(", ").join(
            t("{n} ({name})", n=count, name=name) for count, name in zip(shared.nearest, names, strict=True)
        )
        apart = counted(max(shared.nearest) - min(shared.nearest), "patient")
        lines = [
            t("{patients}: every model has a table, but no number of positives fits all.", patients=patients),
            "  " + t("Nearest: {near}; {patients} apart.", near=near, patients=apart),
        ]
    return [*lines, *(f"  {line}" for line in slips_in_words(shared.slips))]


def _on_sharing(group: GroupAudit) -> Iterator[str]:
    patients = [audit.printed.patients for audit in group.models]
    if group.patients is None:
        counts = t(", ").join(span_in_words(span) for span in patients)
        yield t(
            "The models are printed for different numbers of patients ({counts}), so no test set is shared.",
            counts=counts,
        )
        return
    names = [audit.printed.name for audit in group.models]
    if group.shared:
        yield t("One test set for all models")
        for shared in (group.shared, *group.nearby):
            yield from (f"  {line}" for line in shared_in_words(shared, names))
        if not group.shared.is_possible and not group.nearby:
            yield "  " + t("No other number of patients within {n} gives every model a table.", n=NEIGHBOURHOOD)
    elif len(names) > 1 and any(audit.printed.checked for audit in group.models):
        yield t("One test set for all models")
        yield from (f"  {line}" for line in _on_many_n(group))


def _on_many_n(group: GroupAudit) -> Iterator[str]:
    possible = [shared for shared in group.over if shared.is_possible]
    if possible:
        found = t("; ").join(
            t("{n} (positives {positives})", n=shared.n, positives=some(_all(shared))) for shared in possible
        )
        yield t("Numbers of patients at which all models share a number of positives: {found}.", found=found)
        return
    yield t("At no number of patients do all models share a number of positives.")
    if group.over:
        numbers = some([shared.n for shared in group.over])
        yield t("Numbers of patients at which each model has a table of its own: {numbers}.", numbers=numbers)


def _all(shared: SharedTestSet) -> list[int]:
    return sorted(set().union(*shared.positives.values()))


def _on_differences(group: GroupAudit) -> Iterator[str]:
    for pair in group.differences:
        yield from _difference_in_words(pair, group.models[0].printed.n)


def _difference_in_words(pair: PairedAucs, n: int) -> Iterator[str]:
    yield t(
        "AUC of {first} minus that of {second}: {difference}; 95 % CI (Hanley & McNeil 1982)",
        first=pair.first,
        second=pair.second,
        difference=f"{pair.differences[0].difference:.3f}",
    )
    for positives in dict.fromkeys(row.positives for row in pair.differences):
        yield "  " + t(
            "with {positives} of {n} positive ({source}), if the AUCs have",
            positives=positives,
            n=n,
            source=source_in_words(pair.positives),
        )
        for row in (row for row in pair.differences if row.positives == positives):
            yield "    " + t(
                "correlation {correlation}: {low} to {high}; detectable {detectable}",
                correlation=row.correlation,
                low=f"{row.low:.3f}",
                high=f"{row.high:.3f}",
                detectable="–" if math.isnan(row.detectable) else f"{row.detectable:.3f}",
            )
    if any(row.holds_zero for row in pair.differences):
        yield "  " + t(
            "P > 0.05 says that such an interval holds 0, not that the models are equal: all its differences fit the "
            "AUCs."
        )
        yield "  " + t("Detectable is the smallest true difference found with 80 % power.")
    for implied in pair.implied:
        yield f"  {_implied_in_words(implied, str(pair.p))}"


def _implied_in_words(found: ImpliedCorrelation, p: str) -> str:
    values: dict[str, object] = {"p": p, "positives": found.positives}
    if not found.is_possible:
        return t("P {p} with {positives} positive: no correlation of the AUCs gives it.", **values)
    if math.isinf(found.high):
        return t(
            "P {p} with {positives} positive: the AUCs are correlated by more than {value}.",
            value=f"{found.low:.2f}",
            **values,
        )
    if math.isinf(found.low):
        return t(
            "P {p} with {positives} positive: the AUCs are correlated by less than {value}.",
            value=f"{found.high:.2f}",
            **values,
        )
    return t(
        "P {p} with {positives} positive: implies a correlation of the AUCs of {value} ({low} to {high}).",
        value=f"{found.value:.2f}",
        low=f"{found.low:.2f}",
        high=f"{found.high:.2f}",
        **values,
    )
