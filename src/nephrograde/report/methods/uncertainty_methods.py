"""Sentences on recalibration, prediction sets and referral to biopsy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.uncertainty.conformal import SetKind
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.tables.uncertainty import referrals_of, segments_of, way_words
from nephrograde.report.tables.wording import level_words, split_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import bounds, decimal, listed

if TYPE_CHECKING:
    from nephrograde.evaluation.uncertainty.referral import ReferralRow
    from nephrograde.results import Results


def recalibration(run: Results) -> str:
    """How probabilities were recalibrated; empty if they were not."""
    rows = run.uncertainty.recalibrations
    ways = [way for way in Way if any(row.way is way and not math.isnan(row.after) for row in rows)]
    if not ways:
        return ""
    return t(
        "Probabilities were recalibrated ({ways}) by maps learnt on the out-of-fold patients; out-of-fold patients "
        "were recalibrated by maps learnt on the other folds. For new patients, the method is {chosen}.",
        ways=listed([way_words(way) for way in ways]),
        chosen=way_words(Way(run.settings.recalibration)),
    )


def prediction_sets(run: Results) -> str:
    """How prediction sets were computed, and who was referred; empty if there are none."""
    if not any(row.reason is None for row in run.uncertainty.cutoffs):
        return ""
    return as_text(
        [
            t(
                "Conformal prediction sets with an error of {error} were calibrated on the out-of-fold patients, by "
                "grade (Mondrian) and marginally; out-of-fold patients were judged by the other folds.",
                error=f"{run.settings.conformal_error:g}",
            ),
            t("Their coverage is given with exact intervals (Clopper and Pearson 1934).")
            if run.reported == "test"
            else t(
                "Out of fold, their coverage is close to its target by construction, and is given without intervals."
            ),
            t("Patients whose set by grade was not a single grade were counted as referred to biopsy."),
        ]
    )


def set_facts(run: Results, model: str) -> list[str]:
    """Give the cutoffs of a model, how often its sets contain the truth, and what referral yields.

    Args:
        run: The contents of the run folder.
        model: The model id.

    Returns:
        The sentences; empty if the model has no sets by grade.
    """
    cutoffs = [row for row in run.uncertainty.cutoffs if (row.model, row.kind) == (model, SetKind.BY_CLASS)]
    counts = segments_of(run, model)
    if not cutoffs or cutoffs[0].reason is not None or counts is None:
        return []
    low, high = level_words(run)
    said = t(
        "Prediction sets with an error of {error} per grade: {high} is plausible from a probability of {high_from} on, "
        "{low} up to {low_to}.",
        error=f"{cutoffs[0].error:g}",
        high=high,
        low=low,
        high_from=decimal(cutoffs[0].high_from),
        low_to=decimal(cutoffs[0].low_to),
    )
    rows = referrals_of(run, model, SetKind.BY_CLASS)
    covered = t(
        "{where}: the sets contain the truth in {of_high} of the {high} and {of_low} of the {low} patients; {referred} "
        "of {n} patients are referred to biopsy, {found} of them {high}, and {wrong} of the others are called wrongly.",
        where=split_words(run),
        of_high=_proportion(rows["coverage_high"]),
        of_low=_proportion(rows["coverage_low"]),
        high=high,
        low=low,
        referred=counts.referred_low + counts.referred_high,
        n=counts.n,
        found=counts.referred_high,
        wrong=counts.low_wrong + counts.high_wrong,
    )
    return [said, covered]


def _proportion(row: ReferralRow) -> str:
    text = decimal(row.value, 2)
    return f"{text} {bounds(row.low, row.high, 2)}" if not math.isnan(row.low) else text
