"""How far the clinical baseline depends on the imputation of missing values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.baselines.complete_cases import OF_COMPLETE, ON_COMPLETE
from nephrograde.report.tables.paper import Cell
from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class MissingRow:
    """One way of handling missing values, with the AUC of the clinical baseline."""

    label: str
    n: int
    n_high: int
    auc: Cell


def missing_value_rows(run: Results) -> tuple[MissingRow, ...]:
    """Compare the clinical baseline with imputation and on complete cases; empty if no value was missing.

    Args:
        run: The contents of the run folder.
    """
    labels = {
        "auc": t("imputed, all patients"),
        ON_COMPLETE: t("imputed, patients without a missing value"),
        OF_COMPLETE: t("fitted to and scored on patients without a missing value"),
    }
    found = {measure: run.estimate("clinical", measure) for measure in labels}
    if found[ON_COMPLETE] is None:
        return ()
    return tuple(
        MissingRow(labels[measure], made.n, made.n_high, Cell(made.value, made.low, made.high))
        for measure, made in found.items()
        if made is not None
    )
