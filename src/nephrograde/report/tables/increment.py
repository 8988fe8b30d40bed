"""What the images add to clinical columns and tumour size: a table, and the sentence that leads the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.cohort.clinical import present_columns
from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT
from nephrograde.report.tables.paper import Cell
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import bounds, counted, decimal, enumerated, listed, p_sentence, p_value
from nephrograde.report.text.remarks import reason_words, remark

if TYPE_CHECKING:
    from nephrograde.evaluation.baselines.increment import Increment
    from nephrograde.results import Results

LEVEL = 0.05
"""Level of the likelihood ratio test in the sentence."""
CLINICAL = {"clinical": True, "clinical-no-size": False}
"""The clinical baselines, and whether they contain the size."""


@dataclass(frozen=True, slots=True)
class BenefitChange:
    """The net benefit of a stack at one threshold probability, without and with the image."""

    without: str
    with_image: str
    change: Cell


@dataclass(frozen=True, slots=True)
class IncrementRow:
    """One network: AUC without and with it, the changes with their intervals, and the calibration with it."""

    model: str
    is_chosen: bool
    n: int
    n_high: int
    auc_without: str
    auc_with: str
    auc: Cell
    p_likelihood_ratio: str
    brier: Cell
    intercept: Cell
    slope: Cell
    benefits: tuple[BenefitChange, ...]


@dataclass(frozen=True, slots=True)
class IncrementTable:
    """The stacks of all networks; ``base`` names their columns, ``benefit_at`` the threshold probabilities."""

    base: str
    sentence: str
    benefit_at: tuple[str, ...]
    rows: tuple[IncrementRow, ...]
    remarks: tuple[str, ...]


def increment_of(run: Results, model: str, measure: str, at: float | None = None) -> Increment | None:
    """Look up one measure of a network's stack on the reported predictions.

    Args:
        run: The results of a run.
        model: The id of the network.
        measure: The measure, such as ``auc``.
        at: The threshold probability of a net benefit.

    Returns:
        The row; None if there is none.
    """
    for row in run.increments:
        if (row.model, row.measure, row.split) == (model, measure, run.reported) and at in {None, row.at}:
            return row
    return None


def increment_table(run: Results) -> IncrementTable | None:
    """Compose the table of what each network adds; None if the run has no clinical data.

    Args:
        run: The results of a run.

    Source:
        Kattan 2003, J Natl Cancer Inst 95:634 (a marker is judged by what it adds to a model of known predictors).
    """
    rows = [row for row in run.increments if row.split == run.reported]
    models = list(dict.fromkeys(row.model for row in rows))
    if not models:
        return None
    places = sorted({row.at for row in rows if row.measure == "net_benefit"})
    remarks = dict.fromkeys(
        t("{model}: {remark}", model=row.model, remark=remark(row)) for row in rows if not row.is_reliable
    )
    return IncrementTable(
        rows[0].base,
        added_value_sentence(run),
        tuple(f"{at:g}" for at in places),
        tuple(_row(run, model, places) for model in models),
        (*_cautions(rows), *remarks),
    )


def _cautions(rows: list[Increment]) -> list[str]:
    """What holds for all rows alike, said once."""
    return list(dict.fromkeys(remark(row) for row in rows if row.is_reliable and row.caution is not None))


def _row(run: Results, model: str, places: list[float]) -> IncrementRow:
    found = {measure: increment_of(run, model, measure) for measure in ("auc", "brier", "likelihood_ratio")}
    auc, tested = found["auc"], found["likelihood_ratio"]
    benefits = [increment_of(run, model, "net_benefit", at) for at in places]
    return IncrementRow(
        model,
        model == run.chosen_network,
        0 if auc is None else auc.n,
        0 if auc is None else auc.n_high,
        decimal(math.nan if auc is None else auc.without),
        decimal(math.nan if auc is None else auc.with_image),
        _change(auc),
        p_value(math.nan if tested is None else tested.p_value),
        _change(found["brier"]),
        _value(increment_of(run, model, "calibration_intercept")),
        _value(increment_of(run, model, "calibration_slope")),
        tuple(
            BenefitChange(decimal(row.without), decimal(row.with_image), _change(row))
            for row in benefits
            if row is not None
        ),
    )


def _change(row: Increment | None) -> Cell:
    return Cell(math.nan, math.nan, math.nan) if row is None else Cell(row.difference, row.low, row.high)


def _value(row: Increment | None) -> Cell:
    return Cell(math.nan, math.nan, math.nan) if row is None else Cell(row.with_image, row.low, row.high)


def added_value_sentence(run: Results) -> str:
    """Tell in a few sentences what the images add to clinical columns and tumour size; for the top of the report.

    The network is the one that was chosen out of fold, without the test set.

    Args:
        run: The results of a run.

    Returns:
        The sentences; empty if the run has no clinical data, no network, or nothing that could be computed.
    """
    model = run.chosen_network
    auc = None if model is None else increment_of(run, model, "auc")
    if model is None or auc is None or math.isnan(auc.low):
        return ""
    tested = increment_of(run, model, "likelihood_ratio")
    p = math.nan if tested is None else tested.p_value
    numbers = {
        "base": auc.base,
        "model": model,
        "without": decimal(auc.without),
        "with_image": decimal(auc.with_image),
        "difference": decimal(auc.difference),
        "confidence": run.confidence_percent,
        "bounds": bounds(auc.low, auc.high).strip("[]"),
        "n": auc.n,
        "p": reason_words(tested.reason) if tested and tested.reason else p_sentence(p),
    }
    if run.reported == "test":
        said = t(
            "Added to {base}, the score of {model} changes the AUC on the test set from "
            "{without} to {with_image}: difference {difference}, {confidence}% CI {bounds} (n = {n}; likelihood ratio "
            "test: {p}).",
            **numbers,
        )
    else:
        said = t(
            "Added to {base}, the score of {model} changes the out-of-fold AUC from "
            "{without} to {with_image}: difference {difference}, {confidence}% CI {bounds} (n = {n}; likelihood ratio "
            "test: {p}). Out of fold, such differences are found too often.",
            **numbers,
        )
    return t("{first} {second}", first=said, second=_meaning(auc, p))


def _meaning(auc: Increment, p: float) -> str:
    """What the interval and the test show; a test of one does not replace the other."""
    if min(auc.n_high, auc.n - auc.n_high) < FEWEST_FOR_VERDICT:
        return t("With fewer than {n} patients of a grade there is no verdict on this.", n=FEWEST_FOR_VERDICT)
    if auc.high < 0:
        return t("The prediction is worse with the score than without it.")
    if auc.low > 0:
        return t("So the images add to what these columns tell.")
    if p < LEVEL:
        return t(
            "The score carries information that the columns do not have, but these patients do not show that the AUC "
            "rises."
        )
    return t("These patients do not show that the images add anything to these columns.")


def baseline_notes(run: Results) -> tuple[str, ...]:
    """Name the columns, the penalty and the imputation of the clinical baselines.

    Args:
        run: The results of a run.

    Returns:
        One text per clinical baseline that was scored.
    """
    if run.study is None or not run.cases:
        return ()
    notes = []
    for name, with_size in CLINICAL.items():
        if name not in run.scores.models:
            continue
        columns = present_columns(run.study.evaluate.clinical, run.cases[0], with_size=with_size)
        empty = {column: sum(not case.get(column) for case in run.cases) for column in columns}
        missing = [t("{model} {value}", model=column, value=count) for column, count in empty.items() if count]
        notes.append(
            t(
                "{name}: logistic regression with an L2 penalty (C = 1) on {columns}. Numbers are standardised, sizes "
                "and volumes as logarithms; a missing number is replaced by the median of the training patients of the "
                "fold, with a column that marks it, and a missing entry by the most frequent one. Missing values, of "
                "{patients}: {missing}.",
                name=name,
                columns=listed(list(columns)),
                patients=counted(len(run.cases), "patient"),
                missing=enumerated(missing) if missing else t("none"),
            )
        )
    return tuple(notes)
