"""The codes of the statistics in words: threshold rules, reasons for missing values, and cautions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nephrograde.evaluation.performance.subgroup import UNKNOWN
from nephrograde.evaluation.remarks import Caution, Reason, Rule, Verdict
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, listed

if TYPE_CHECKING:
    from nephrograde.evaluation.baselines.increment import Increment
    from nephrograde.evaluation.baselines.phase_table import PhaseRow
    from nephrograde.evaluation.baselines.stack_table import StackRow
    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.evaluation.comparison.equivalence import Equivalence
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
    from nephrograde.evaluation.performance.threshold import Threshold
    from nephrograde.evaluation.uncertainty.referral import ReferralRow
    from nephrograde.evaluation.uncertainty.uncertainty import RecalibrationRow

_CHANCE = 0.5


def group_words(group: str) -> str:
    """Name a group of patients; what stands in the cohort table stays as it is.

    Args:
        group: As in ``statistics/subgroups.csv``.

    >>> group_words("unknown"), group_words("≤ 65 years"), group_words("A")
    ('unknown', '≤ 65 years', 'A')
    """
    if group == UNKNOWN:
        return t("unknown")
    years = re.fullmatch(r"([≤>] [\d.]+) years", group)
    return group if years is None else t("{bound} years", bound=years[1])


def reason_words(reason: Reason) -> str:
    """Describe why a number was not computed, to follow a colon.

    >>> reason_words(Reason.NONE_CALLED_HIGH)
    'no patient is called high'
    """
    return {
        Reason.NO_PATIENTS: t("no patients"),
        Reason.NOT_FINITE: t("a score is not a finite number"),
        Reason.ONE_GRADE: t("patients of one grade only"),
        Reason.NO_HIGH: t("no patients of high grade"),
        Reason.NO_LOW: t("no patients of low grade"),
        Reason.NONE_CALLED_HIGH: t("no patient is called high"),
        Reason.NONE_CALLED_LOW: t("no patient is called low"),
        Reason.NOT_CONVERGED: t("the logistic model did not converge"),
        Reason.PREDICTIONS_ALIKE: t("all predictions are equal"),
        Reason.SEPARATED: t("a threshold separates the grades without error, so the slope is infinite"),
        Reason.NO_COMMON_PATIENTS: t("no common patients"),
        Reason.SINGLE_PATIENT: t("a single patient of one grade, so there is no variance"),
        Reason.CONSTANT_DIFFERENCE: t("the difference is the same in every patient, so its variance is 0"),
        Reason.RANKED_ALIKE: t("both models rank the patients identically, so there is no variance"),
        Reason.TOO_MANY_VALUES: t("too many different values to form groups"),
        Reason.NO_OUT_OF_FOLD: t("no out-of-fold rows"),
        Reason.TOO_FEW_PATIENTS: t("too few out-of-fold patients of a grade"),
    }[reason]


def caution_words(caution: Caution, value: int | None = None) -> str:
    """Describe what a reader has to know about a number.

    Args:
        caution: The code.
        value: The number that belongs to it.

    >>> caution_words(Caution.CLIPPED, 3)
    'number of probabilities of 0 or 1 moved inwards: 3'
    """
    return {
        Caution.PERFECT_AUC: t("an AUC is exactly 0 or 1: unreliable"),
        Caution.SCORE_INTERVAL: t(
            "the AUC has no variance (exactly 0 or 1, or all scores are equal): interval by Newcombe’s method 5"
        ),
        Caution.TOO_FEW: t("no interval: fewer than {n} patients of a grade", n=value),
        Caution.SINGLE_PATIENT: t("one class has a single patient: unreliable"),
        Caution.ONE_PATIENT: t("no interval: one patient"),
        Caution.CONSTANT_ERROR: t("interval unreliable: the error is the same in every patient"),
        Caution.ZERO_VARIANCE: t("variance 0: interval unreliable"),
        Caution.CLIPPED: t("number of probabilities of 0 or 1 moved inwards: {n}", n=value),
        Caution.UNSTABLE: t("unstable with few patients"),
        Caution.ALL_CALLED_HIGH: t("the threshold is below every score: all patients are called high"),
        Caution.ALL_CALLED_LOW: t("the threshold is above every score: all patients are called low"),
        Caution.OPTIMISTIC: t("threshold chosen on the same patients: optimistic"),
        Caution.RANKED_ALIKE: t("both models rank the patients identically"),
        Caution.NO_OUT_OF_FOLD: t("no out-of-fold rows"),
        Caution.OUT_OF_FOLD_ONE_GRADE: t("out-of-fold rows of one grade only"),
        Caution.POOLED: t("pooled over the folds: biased if their models differ in level or spread"),
        Caution.NO_FOLDS: t(
            "pooled, because folds are not known or none has patients of both grades: biased if the models of the "
            "folds differ in level or spread"
        ),
        Caution.FITTED_FOLDS: t("holds for the models as fitted only"),
        Caution.FOLDS_LEFT_OUT: t("number of folds left out, because their patients are of one grade: {n}", n=value),
        Caution.CROSS_FITTED: t("out of fold: learnt on the other folds"),
        Caution.CONSTANT_SCORES: t("all patients have the same probability, so the AUC is 0.5 by construction"),
    }[caution]


def is_ranked_alike(pair: Comparison) -> bool:
    """Tell whether both models rank the patients identically, so that an interval of 0 to 0 and P = 1 say nothing.

    Args:
        pair: Two models.
    """
    return pair.caution is Caution.RANKED_ALIKE


def verdict_words(verdict: Verdict | None) -> str:
    """Name what a pair of models shows about the margin; a dash if nothing could be tested.

    >>> verdict_words(Verdict.NOT_WORSE), verdict_words(None)
    ('not worse', '–')
    """
    if verdict is None:
        return NOTHING
    return {
        Verdict.BETTER: t("better"),
        Verdict.EQUIVALENT: t("equivalent"),
        Verdict.NOT_WORSE: t("not worse"),
        Verdict.WORSE: t("worse"),
        Verdict.UNDECIDED: t("undecided"),
        Verdict.TOO_FEW: t("too few for a verdict"),
        Verdict.TOO_RARE: t("too unbalanced for a verdict"),
    }[verdict]


def remark(
    row: Estimate
    | Comparison
    | Equivalence
    | SubgroupEstimate
    | Increment
    | PhaseRow
    | StackRow
    | RecalibrationRow
    | ReferralRow,
) -> str:
    """Describe why the number of a row is missing or unreliable; empty if it is reliable.

    Args:
        row: A row of any table of the statistics.

    >>> from nephrograde.evaluation.performance.metrics import auc
    >>> remark(auc([0.1, 0.6, 0.5], [0, 0, 1])), remark(auc([0.1, 0.6, 0.4, 0.9], [0, 0, 1, 1]))
    ('one class has a single patient: unreliable', '')
    """
    if row.reason is not None:
        return t("not computed: {reason}", reason=reason_words(row.reason))
    if row.caution is None:
        return ""
    return caution_words(row.caution, getattr(row, "caution_value", None))


def warning_of_row(ranked: Estimate, called: Estimate, *, is_baseline: bool) -> str:
    """Say that a model ranks the patients the wrong way round, or calls all of them alike; empty if it does neither.

    Args:
        ranked: Its AUC.
        called: A measure at its threshold: where it calls all patients alike, sensitivity and specificity say nothing.
        is_baseline: Whether it is a baseline, which has no ``p_high`` that the user gave.
    """
    warnings = []
    if ranked.high < _CHANCE and not is_baseline:
        warnings.append(
            t("the whole interval of the AUC is below 0.5: p_high may be the probability of the other grade")
        )
    if called.caution in {Caution.ALL_CALLED_HIGH, Caution.ALL_CALLED_LOW}:
        warnings.append(remark(called))
    return t("; ").join(warnings)


def dropped_words(row: Comparison) -> str:
    """Describe how many patients were excluded because only one model scored them; empty if there are none.

    Args:
        row: A pair of models.
    """
    dropped = [
        t("{n} of {model}", n=n, model=model)
        for n, model in ((row.dropped_a, row.model_a), (row.dropped_b, row.model_b))
        if n
    ]
    return t("patients scored by only one model were excluded: {dropped}", dropped=listed(dropped)) if dropped else ""


def threshold_words(threshold: Threshold) -> str:
    """Describe for a table how a threshold was chosen.

    Args:
        threshold: The threshold of a model.
    """
    source = t("out-of-fold predictions")
    value = f"{threshold.rule_value or 0:g}"
    return {
        Rule.YOUDEN: t("Youden’s index on {source}", source=source),
        Rule.SENSITIVITY: t("sensitivity {target} on {source}", target=f"≥ {value}", source=source),
        Rule.SPECIFICITY: t("specificity {target} on {source}", target=f"≥ {value}", source=source),
        Rule.COST: t("lowest cost (missed : false alarm {ratio}) on {source}", ratio=f"{value}:1", source=source),
        Rule.FIXED: t("fixed ({source})", source=caution_words(threshold.caution or Caution.NO_OUT_OF_FOLD)),
    }[threshold.rule]


def threshold_sentence(threshold: Threshold) -> str:
    """Describe for a sentence by which rule a threshold was chosen.

    Args:
        threshold: The threshold of a model.
    """
    value = f"{threshold.rule_value or 0:g}"
    return {
        Rule.YOUDEN: t("the highest Youden index on out-of-fold training predictions"),
        Rule.FIXED: t("a constant, as there were no out-of-fold predictions of both classes to choose it on"),
        Rule.SENSITIVITY: t("a sensitivity of at least {target} on out-of-fold training predictions", target=value),
        Rule.SPECIFICITY: t("a specificity of at least {target} on out-of-fold training predictions", target=value),
        Rule.COST: t(
            "the lowest cost on out-of-fold training predictions, with a cost ratio of missed high "
            "to false alarm of {ratio}",
            ratio=f"{value}:1",
        ),
    }[threshold.rule]
