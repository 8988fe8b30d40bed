"""Single terms of an audit's text: measures, rounding rules, numbers of patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.printed.auc import PositivesSource
from nephrograde.printed.numbers import Rounding
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.printed.auc import Positives
    from nephrograde.printed.values import Printed, Span

SHOWN = 10
"""Number of tables, and of numbers of positives, that the text shows."""


def measure_in_words(measure: str) -> str:
    """Name a measure.

    >>> measure_in_words("lr_plus"), measure_in_words("youden")
    ('LR+', "Youden's index")
    """
    return {
        "accuracy": t("accuracy"),
        "sensitivity": t("sensitivity"),
        "specificity": t("specificity"),
        "ppv": "PPV",
        "npv": "NPV",
        "balanced_accuracy": t("balanced accuracy"),
        "f1": "F1",
        "kappa": "kappa",
        "youden": t("Youden's index"),
        "lr_plus": "LR+",
        "lr_minus": "LR−",
        "dor": t("odds ratio"),
        "auc": "AUC",
    }[measure]


def rounding_in_words(rounding: Rounding) -> str:
    """Name a rounding rule.

    >>> rounding_in_words(Rounding.HALF_EVEN)
    'half to even'
    """
    return {
        Rounding.HALF_UP: t("half up"),
        Rounding.HALF_EVEN: t("half to even"),
        Rounding.TRUNCATION: t("cut off"),
        Rounding.TIES_EITHER: t("ties to either side"),
    }[rounding]


def method_in_words(method: str) -> str:
    """Name a method for an interval."""
    return {
        "wilson": "Wilson",
        "clopper_pearson": "Clopper–Pearson",
        "wald": "Wald",
        "agresti_coull": "Agresti–Coull",
        "hanley_mcneil": "Hanley & McNeil",
    }[method]


def source_in_words(positives: Positives) -> str:
    """Say where the numbers of positives come from."""
    if positives.source is PositivesSource.THINNED:
        return t("smallest, middle and largest of the {n} that fit", n=positives.n_fitting)
    return {
        PositivesSource.GIVEN: t("as given"),
        PositivesSource.LIMITS: t("the limits given, and their middle"),
        PositivesSource.TABLES: t("from the tables that fit"),
        PositivesSource.HALF: t("half of n, as no number is given or fits"),
    }[positives.source]


def span_in_words(span: Span) -> str:
    """Write limits, or the only number between them."""
    return str(span.low) if span.low == span.high else t("{low} to {high}", low=span.low, high=span.high)


def some(counts: Sequence[int]) -> str:
    """List the numbers; of many, list only the first.

    >>> some((35, 42, 49)), some(range(1, 100))
    ('35, 42, 49', '1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 89 more')
    """
    shown = t(", ").join(str(count) for count in counts[:SHOWN])
    return t("{shown} and {n} more", shown=shown, n=len(counts) - SHOWN) if len(counts) > SHOWN else shown


def all_of(positives: Mapping[Rounding, tuple[int, ...]]) -> str:
    """List the numbers of positives under any rounding rule."""
    return some(sorted(set().union(*positives.values())))


def printed_in_words(printed: Printed) -> str:
    """Write the printed values of a model on one line."""
    patients = printed.patients
    words = [
        counted(patients.low, "patient")
        if patients.low == patients.high
        else t("{span} patients", span=span_in_words(patients))
    ]
    if printed.positives is not None:
        words.append(t("{span} positive", span=_positives_in_words(printed)))
    if printed.mean_of > 1:
        words.append(t("means of {n} tables", n=printed.mean_of))
    if printed.folds > 1:
        words.append(t("means over {n} folds", n=printed.folds))
    for measure, number in printed.values.items():
        interval = printed.intervals.get(measure)
        bounds = "" if interval is None else f" ({interval.low}–{interval.high})"
        words.append(f"{measure_in_words(measure)} {number}{bounds}")
    return t("{name}: {words}", name=printed.name, words=t(", ").join(words))


def _positives_in_words(printed: Printed) -> str:
    low, high = printed.positives or (0, 0)
    if low != high and high >= printed.patients.high:
        return f"≥ {low}"
    return f"≤ {high}" if low == 0 and high > 0 else span_in_words(type(printed.patients)(low, high))
