"""The AUC of a model, and its difference from that of a reference: what the tables of several models have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.compare import auc_row
from nephrograde.evaluation.comparison.out_of_fold import estimate_out_of_fold, of_fitted_folds
from nephrograde.evaluation.comparison.pairs import auc_differences, pair_models
from nephrograde.evaluation.performance.metrics import Estimate, auc
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from nephrograde.evaluation.remarks import Caution
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName


class Difference(NamedTuple):
    """The AUC of a model minus that of a reference, on the patients that both scored.

    Attributes:
        value: NaN if it was not computed, and ``reason`` says why.
        low: Lower bound of its interval.
        high: Upper bound.
        reference_auc: The AUC of the reference on these patients.
        n: The patients behind it.
        p_value: Of the paired DeLong test.
        method: All this in English.
        reason: Why it was not computed.
        caution: What a reader has to know about it.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    reference_auc: float = math.nan
    n: int = 0
    p_value: float = math.nan
    method: str = ""
    reason: Reason | None = None
    caution: Caution | None = None


def auc_of(patients: ModelScores, split: SplitName, *, confidence: float) -> Estimate:
    """Estimate the AUC as ``estimates.csv`` has it: that of test patients, or the mean of the folds.

    Args:
        patients: The scores of one model in one split.
        split: Which split.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate; NaN with a reason if there are no patients, or patients of one grade only.
    """
    try:
        if split == "oof" and patients.is_high.any() and not patients.is_high.all():
            return estimate_out_of_fold(patients, confidence=confidence)[0]
        return auc(patients.p_high, patients.is_high, confidence=confidence)
    except ScoresError as error:
        if error.reason is None:
            raise
        n, n_high = len(patients), int(patients.is_high.sum())
        method = f"not computed: {error}"
        return Estimate("auc", math.nan, math.nan, math.nan, n, n_high, method, reason=Reason(error.reason))


def auc_beyond(
    reference: tuple[str, ModelScores], model: tuple[str, ModelScores], split: SplitName, *, confidence: float
) -> Difference:
    """Subtract the AUC of a reference from that of a model, by the paired comparison of ``comparisons.csv``.

    Args:
        reference: The id and the scores of the reference.
        model: Those of the model.
        split: Of the scores.
        confidence: Coverage probability of the interval.

    Raises:
        ScoresError: They disagree on a patient's truth.
    """
    (found,) = auc_differences(pair_models(dict([model, reference]), split=split))
    (row,) = of_fitted_folds([auc_row(found, confidence=confidence)], split)
    of_reference = math.nan if found.areas is None else found.areas[1].value
    return Difference(
        row.difference, row.low, row.high, of_reference, row.n, row.p_value, row.method, row.reason, row.caution
    )


def shared_columns(made: Estimate, beyond: Difference | None = None) -> dict[str, Any]:
    """Give the columns of a row that the tables of several models have in common.

    Args:
        made: The AUC of the row, from :func:`auc_of`.
        beyond: Its difference from that of the reference, from :func:`auc_beyond`; None where there is none.
    """
    own = {
        "auc": made.value,
        "low": made.low,
        "high": made.high,
        "n": made.n,
        "n_high": made.n_high,
        "method": made.method,
        "confidence": made.confidence,
        "reason": made.reason,
        "caution": made.caution,
    }
    if beyond is None:
        return own
    return {
        **own,
        "difference": beyond.value,
        "difference_low": beyond.low,
        "difference_high": beyond.high,
        "p_value": beyond.p_value,
        "method": f"{made.method}; difference: {beyond.method}",
        "reason": made.reason or beyond.reason,
        "caution": beyond.caution or made.caution,
    }
