"""The text of the audit of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.printed.measures import limits_of
from nephrograde.printed.model_audit import NEIGHBOURHOOD
from nephrograde.printed.numbers import Rounding
from nephrograde.printed.wording.terms import (
    SHOWN,
    all_of,
    measure_in_words,
    method_in_words,
    printed_in_words,
    rounding_in_words,
    some,
    source_in_words,
)
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nephrograde.printed.fits import Fit, Fits
    from nephrograde.printed.intervals import IntervalAudit, IntervalMatch
    from nephrograde.printed.model_audit import Audit, Slip
    from nephrograde.printed.relations import Contradiction
    from nephrograde.printed.values import Printed


def model_in_words(audit: Audit) -> list[str]:
    """Write the audit of a model as lines, the first of them not indented."""
    lines = [printed_in_words(audit.printed)]
    lines += [f"  {contradiction_in_words(found, audit)}" for found in audit.contradictions]
    lines += [f"  {line}" for line in _on_tables(audit)]
    lines += [f"  {line}" for line in _on_auc(audit)]
    if audit.printed.intervals and audit.intervals is None:
        lines.append(f"  {t('The printed intervals are not examined for several numbers of patients, nor for means.')}")
    if audit.intervals is not None:
        lines += [f"  {line}" for line in _on_intervals(audit, audit.intervals)]
    return lines


def contradiction_in_words(found: Contradiction, audit: Audit) -> str:
    """Say why a printed value cannot occur, whatever the number of patients."""
    values = audit.printed.values
    printed = f"{measure_in_words(found.measure)} {values[found.measure]}"
    others = [f"{measure_in_words(other)} {values[other]}" for other in found.others]
    if found.code == "between":
        return t(
            "Impossible for any number of patients: {printed} does not lie between {one} and {other}, although it is "
            "their weighted mean.",
            printed=printed,
            one=others[0],
            other=others[1],
        )
    limits = (
        t("from {low} to {high}", low=f"{found.low:.3f}", high=f"{found.high:.3f}")
        if found.low is not None and found.high is not None
        else t("at least {low}", low=f"{found.low:.3f}")
        if found.low is not None
        else t("at most {high}", high=f"{found.high:.3f}")
    )
    if found.code == "derived":
        return t(
            "Impossible for any number of patients: {one} and {other} require {limits}, and {printed} is printed.",
            one=others[0],
            other=others[1],
            limits=limits,
            printed=printed,
        )
    return t(
        "Impossible for any number of patients: a ROC curve through {one} and {other} has an AUC of {limits}, and "
        "{printed} is printed.",
        one=others[0],
        other=others[1],
        limits=limits,
        printed=printed,
    )


def slip_in_words(slip: Slip) -> str:
    """Write a changed digit on one line."""
    return t(
        "{model}, {measure} {instead} instead of {printed}: positives {positives}",
        model=slip.model,
        measure=measure_in_words(slip.measure),
        instead=slip.instead,
        printed=slip.printed,
        positives=all_of(slip.positives),
    )


def fit_in_words(fit: Fit) -> str:
    """Write a table on one line, with the rounding rules under which it yields the values."""
    table = fit.counts
    # "Ties to either side" holds whenever a nearest rounding does, so it is shown only if it is the only rule.
    shown = fit.roundings
    if {Rounding.HALF_UP, Rounding.HALF_EVEN} & set(shown):
        shown = tuple(rounding for rounding in shown if rounding is not Rounding.TIES_EITHER)
    return t(
        "{high} positive, {low} negative: tp {tp}, fn {fn}, tn {tn}, fp {fp} ({rules})",
        high=table.n_high,
        low=table.n_low,
        tp=table.tp,
        fn=table.fn,
        tn=table.tn,
        fp=table.fp,
        rules=t(", ").join(rounding_in_words(rounding) for rounding in shown),
    )


def _on_tables(audit: Audit) -> Iterator[str]:
    printed = audit.printed
    if audit.unchecked:
        names = t(", ").join(measure_in_words(measure) for measure in audit.unchecked)
        yield t("Not examined, as the mean of such values is not that of a table: {names}.", names=names)
    if printed.n_to is not None:
        yield _over_in_words(audit.over)
    elif audit.fits is None:
        yield t("Only an AUC is printed, which does not constrain the confusion table.")
    elif audit.fits.exist:
        yield from _on_fits(audit.fits, printed)
    else:
        yield from _on_no_table(audit)
    proportions = [number for measure, number in printed.shares.items() if limits_of(measure) == (0.0, 1.0)]
    decimals = sorted({number.decimals for number in proportions})
    if len(decimals) > 1:
        words = listed([str(count) for count in decimals])
        yield t("Note: the values have {words} decimals; a spreadsheet may have dropped a trailing zero.", words=words)


def _over_in_words(over: Sequence[Fits]) -> str:
    if not over:
        return t("None of these numbers of patients yields the printed values.")
    found = t("; ").join(
        t("{n} (positives {positives})", n=fits.n, positives=some(fits.all_positives())) for fits in over[:SHOWN]
    )
    if len(over) > SHOWN:
        more = some([fits.n for fits in over[SHOWN:]])
        return t("Numbers of patients that yield the printed values: {found}; also {more}.", found=found, more=more)
    return t("Numbers of patients that yield the printed values: {found}.", found=found)


def _on_fits(fits: Fits, printed: Printed) -> Iterator[str]:
    counts = t(", ").join(f"{rounding_in_words(rounding)} {count:,}" for rounding, count in fits.counts.items())
    yield t("Tables that print these values: {counts}.", counts=counts)
    if printed.mean_of > 1:
        yield t("The tables below are sums over {n} tables of the same patients.", n=printed.mean_of)
    if printed.folds > 1:
        yield t("The tables below are sums over {n} stratified folds of nearly equal size.", n=printed.folds)
    yield from (f"  {fit_in_words(fit)}" for fit in fits.tables[:SHOWN])
    if len(fits.tables) > SHOWN:
        yield "  " + t("… and more; --json lists them.")
        yield t("Numbers of positives that occur: {positives}.", positives=some(fits.all_positives()))


def _on_no_table(audit: Audit) -> Iterator[str]:
    yield t("No table of whole numbers prints these values, however they are rounded.")
    if audit.contradictions:
        return
    near = [t("{n} (positives {positives})", n=fits.n, positives=some(fits.all_positives())) for fits in audit.nearby]
    yield t(
        "Numbers of patients within {n} at which one does: {near}.",
        n=NEIGHBOURHOOD,
        near=t("; ").join(near) or t("none"),
    )
    yield from slips_in_words(audit.slips)
    for value in audit.left_out:
        yield t(
            "Without the {measure} the others have tables: positives {positives}.",
            measure=measure_in_words(value.measure),
            positives=all_of(value.positives),
        )


def slips_in_words(slips: Sequence[Slip]) -> Iterator[str]:
    """Write the changes of a single digit that help, or that none does."""
    if not slips:
        yield t("Changing one value by one unit of its last decimal does not help.")
        return
    yield t("Changing one value by one unit of its last decimal:")
    yield from (f"  {slip_in_words(slip)}" for slip in slips)


def _on_auc(audit: Audit) -> Iterator[str]:
    if audit.has_perfect_auc:
        yield t(
            "Warning: an AUC of 1 says that every positive patient was scored above every negative one. On new "
            "patients this is rare; look for patients of the training in the test set, and for columns "
            "that give the answer away."
        )
    if audit.auc_excluded and (audit.fits is None or "auc" in {value.measure for value in audit.left_out}):
        yield t(
            "With these numbers of positives no AUC prints as {auc}, as it is a multiple of "
            "1/(2 · P · N): {positives}.",
            auc=audit.printed.values["auc"],
            positives=some(audit.auc_excluded),
        )
    if audit.auc and audit.positives is not None:
        source = source_in_words(audit.positives)
        if audit.auc[0].method == "newcombe":
            yield t("95 % CI of the AUC (Newcombe 2006, method 5; positives {source}):", source=source)
        else:
            yield t("95 % CI of the AUC (Hanley & McNeil 1982; positives {source}):", source=source)
        for interval in audit.auc:
            yield "  " + t(
                "{low} to {high} with {positives} of {n} positive",
                low=f"{interval.low:.3f}",
                high=f"{interval.high:.3f}",
                positives=interval.positives,
                n=interval.n,
            )


def _on_intervals(audit: Audit, found: IntervalAudit) -> Iterator[str]:
    for match in found.proportions:
        yield _match_in_words(match, has_tables=bool(audit.fits and audit.fits.exist))
    if len(found.proportions) > 1 and found.jointly:
        jointly = t("; ").join(_methods(found.jointly)) or t("none")
        yield t("All these intervals together: {jointly}.", jointly=jointly)
    if found.auc is None:
        return
    shown = _interval(found.auc)
    if found.auc.is_reproduced:
        yield t(
            "{shown}: reproduced by Hanley & McNeil with these numbers of positives: {positives}.",
            shown=shown,
            positives=some(found.auc.methods["hanley_mcneil"]),
        )
    else:
        yield t("{shown}: not reproduced by Hanley & McNeil with any number of positives that fits.", shown=shown)
    if not found.auc_is_symmetric:
        yield t("It is not symmetric about the AUC, as the plain intervals of DeLong and of Hanley & McNeil are.")
    yield t("DeLong's and bootstrap intervals depend on the scores, so they can be neither confirmed nor refuted.")


def _match_in_words(match: IntervalMatch, *, has_tables: bool) -> str:
    shown = _interval(match)
    if not has_tables:
        return t("{shown}: not examined, as no table fits the values.", shown=shown)
    if not match.is_reproduced:
        return t(
            "{shown}: reproduced by none of Wilson, Clopper–Pearson, Wald and Agresti–Coull with a table that fits.",
            shown=shown,
        )
    return t("{shown}: reproduced by {methods}.", shown=shown, methods=t("; ").join(_methods(match.methods)))


def _methods(methods: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [
        t("{method} (positives {positives})", method=method_in_words(method), positives=some(found))
        for method, found in methods.items()
        if found
    ]


def _interval(match: IntervalMatch) -> str:
    return t(
        "{level} % CI of the {measure}, {low} to {high}",
        level=match.interval.confidence,
        measure=measure_in_words(match.measure),
        low=match.interval.low,
        high=match.interval.high,
    )
