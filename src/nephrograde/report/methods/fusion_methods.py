"""How the phases of a patient, and clinical values, were joined, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.numbers import listed

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
    return as_text([_joined(model) for model in models] + [_clinical(model) for model in models if model.arm.clinical])


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
    return t(
        "{model} was one network for all of its phases ({phases}): the features of one encoder were pooled over each "
        "phase and joined before the last layer; a missing phase counted as zeros with an indicator, and each phase "
        "was left out of a training step with a probability of {dropout}.",
        dropout=f"{model.arm.phase_dropout:g}",
        **given,
    )


def _clinical(model: StudyModel) -> str:
    return t(
        "{model} also joined clinical values ({columns}), standardised on the patients that it learnt from; a missing "
        "number was replaced by their median, with an indicator if any of them lacked it.",
        model=model.id,
        columns=listed(list(model.arm.clinical)),
    )
