"""What a page says that rests on out-of-fold scores alone: on its first line, and beside its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.comparison.out_of_fold import POOLED
from nephrograde.evaluation.remarks import Caution
from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class OutOfFoldWords:
    """Sentences for a page without a test set; all empty on a page that has one, and each where it does not apply.

    Attributes:
        lead: What the page rests on.
        auc: How the AUC was computed.
        calls: On whom the thresholds were chosen.
        table: Both, for the table of results.
        mcnemar: What this means for the tests of calls.
        tests: For what the P values hold.
        curves: What the ROC curves show beside the AUC.
    """

    lead: str = ""
    auc: str = ""
    calls: str = ""
    table: str = ""
    mcnemar: str = ""
    tests: str = ""
    curves: str = ""


def out_of_fold_words(run: Results) -> OutOfFoldWords:
    """Compose the sentences, in the current language.

    Args:
        run: The results of a run.
    """
    if run.reported == "test":
        return OutOfFoldWords()
    is_chosen = any(split == "oof" and estimate.caution is Caution.OPTIMISTIC for _, split, estimate in run.estimates)
    auc, calls, mcnemar = auc_words(run), "", ""
    if is_chosen:
        calls = t("The thresholds were chosen on these same patients, so results at a threshold are optimistic.")
        mcnemar = t("McNemar’s tests compare calls at thresholds that were chosen on these same patients.")
    return OutOfFoldWords(
        lead=_lead(run, is_chosen=is_chosen),
        auc=auc,
        calls=calls,
        table=t("{first} {second}", first=auc, second=calls) if calls else auc,
        mcnemar=mcnemar,
        tests=_test_words(run),
        curves=t("The curves are pooled over the folds.") if is_by_fold(run) else "",
    )


def _test_words(run: Results) -> str:
    fitted = t(
        "P values and intervals of differences hold for the models as fitted only: other training patients would have "
        "given other models, which they do not take into account."
    )
    repeated = t("The section on how much results vary compares the models over other training patients as well.")
    pooled = [pair.caution is Caution.NO_FOLDS for pair in run.comparisons if pair.measure == "auc"]
    if not any(pooled):
        first = t("Differences of AUCs compare patients within folds, too.")
    elif all(pooled):
        first = t("Differences of AUCs are pooled over the folds, because these are not known, or not the same.")
    else:
        first = t("Differences of AUCs compare patients within folds, too, unless both models have other folds.")
    said = t("{first} {second}", first=first, second=fitted)
    return t("{first} {second}", first=said, second=repeated) if run.procedures else said


def auc_words(run: Results) -> str:
    """Say how the AUC of out-of-fold scores was computed.

    Args:
        run: The results of a run.
    """
    if is_by_fold(run):
        return t("The AUC is the mean of the folds’ AUCs, with LeDell’s interval on the logit scale.")
    return t("The AUC is pooled over the folds, because they are not known, or none has patients of both grades.")


def is_by_fold(run: Results) -> bool:
    """Tell whether the AUC of out-of-fold scores is the mean of the folds; a model without folds has a remark.

    Args:
        run: The results of a run.
    """
    return any(split == "oof" and estimate.measure == POOLED for _, split, estimate in run.estimates)


def _lead(run: Results, *, is_chosen: bool) -> str:
    chosen = t("the thresholds, and which model is best, were chosen on these same patients")
    if not is_chosen:
        chosen = t("which model is best was chosen on these same patients")
    test = t("the test set was kept closed") if run.split.test_ids() else t("there is no test set")
    return t(
        "This page rests on out-of-fold scores alone; {test}. Every patient was scored by a model that "
        "was fitted without that patient, but {chosen}: how good the models are in new patients is not shown here.",
        chosen=chosen,
        test=test,
    )
