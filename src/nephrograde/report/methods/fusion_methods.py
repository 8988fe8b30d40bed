"""How the phases of a patient, and clinical values, were joined, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.evaluation.baselines.stack_table import Kind
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.numbers import listed
from nephrograde.sample.channels import DIFFERENCE_HU

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.results import Results
    from nephrograde.study import StudyModel


def fusion(run: Results, among: Sequence[StudyModel] | None = None) -> str:
    """Say how the models of several phases, or of images and clinical values, join them; empty if there are none.

    Args:
        run: The results of a study.
        among: The models to describe; all if None.
    """
    asked = (run.study.models() if run.study else []) if among is None else among
    models = [model for model in asked if model.fusion is not None]
    subtracted = [model for model in models if model.fusion == "early" and model.arm.differences]
    return as_text(
        [_joined(model) for model in models]
        + [_differences(model) for model in subtracted]
        + [_clinical(model) for model in models if model.arm.clinical]
    )


def phase_increments(run: Results) -> str:
    """Say how single phases, phases together and clinical values were compared; empty if nothing was.

    Args:
        run: The results of a run.
    """
    if not run.phases:
        return ""
    return t(
        "Models on single phases and on several, and stacked logistic regressions of each with the clinical values, "
        "were compared with the single phase of the highest out-of-fold AUC and with the clinical values alone, on the "
        "patients that both had scored."
    )


def stack(run: Results) -> str:
    """Say how all models were stacked, and what they were compared with; empty if there was nothing to stack.

    Args:
        run: The results of a run.
    """
    if not any(row.kind is Kind.STACK for row in run.stack):
        return ""
    made = t(
        "A stack joined the log odds of all baselines and networks by a penalised logistic regression (L2, C = 0.1, "
        "weights of at least 0) on out-of-fold scores; for the patients of a fold, it was fitted to those of the other "
        "folds, for whom the baselines had been fitted without that fold as well, while the networks of the other "
        "folds had learnt from it."
    )
    reference = run.stack[0].reference
    if not reference:
        return made
    compared = t(
        "It and all models were compared with {reference} on the patients whom all had scored.",
        reference=only_baseline(reference),
    )
    return as_text([made, compared])


def _joined(model: StudyModel) -> str:
    given = {"model": model.id, "phases": listed([phase_in_words(phase) for phase in model.phases])}
    if model.fusion == "late":
        return t(
            "{model} joined the log odds of the arm’s models on single phases ({phases}) by a penalised logistic "
            "regression, fitted to the out-of-fold scores of the other folds for the patients of a fold, and to those "
            "of all folds for test patients; a missing phase was replaced by the median, with an indicator if any "
            "patient that the regression learnt from lacked it.",
            **given,
        )
    if model.fusion == "early":
        return t(
            "{model} was one network for all of its phases ({phases}), which were channels of one picture or box: each "
            "phase was sampled {how} on the grid of the first one that the patient had; a missing phase counted as "
            "zeros with an indicator, and each phase was left out of a training step with a probability of {dropout}.",
            how=t("after a rigid registration of the region")
            if model.arm.registration == "rigid"
            else t("at the same position in the patient"),
            dropout=f"{model.arm.phase_dropout:g}",
            **given,
        )
    return t(
        "{model} was one network for all of its phases ({phases}): the features of one encoder were pooled over each "
        "phase and joined before the last layer; a missing phase counted as zeros with an indicator, and each phase "
        "was left out of a training step with a probability of {dropout}.",
        dropout=f"{model.arm.phase_dropout:g}",
        **given,
    )


def _differences(model: StudyModel) -> str:
    return t(
        "Differences of phases ({pairs}) were further channels of {model}, with {low} to {high} HU scaled to 0 to 1.",
        model=model.id,
        pairs=listed([f"{one} − {other}" for one, other in model.arm.difference_pairs]),
        low=f"−{DIFFERENCE_HU:g}",
        high=f"{DIFFERENCE_HU:g}",
    )


def _clinical(model: StudyModel) -> str:
    return t(
        "{model} also joined clinical values ({columns}), standardised on the patients that it learnt from; a missing "
        "number was replaced by their median, with an indicator if any of them lacked it.",
        model=model.id,
        columns=listed(list(model.arm.clinical)),
    )
