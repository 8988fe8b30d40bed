"""What the networks learnt, and how, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.text.arms import arms_by_text, by_text, trained_arms
from nephrograde.report.text.language import t
from nephrograde.report.text.layers import layer_sentences

if TYPE_CHECKING:
    from nephrograde.results import Results
    from nephrograde.study import FitSettings


def learning(run: Results) -> str:
    """How the networks were trained."""
    study = run.study
    if study is None:
        return ""
    binary, ordinal = ([arm for arm in trained_arms(study) if arm.head == head] for head in ("binary", "ordinal"))
    return by_text(arms_by_text(study, _learning_class, binary) | arms_by_text(study, _learning_grades, ordinal))


def _learning_class(fit: FitSettings) -> str:
    first = t(
        "Networks were trained on the binary cross-entropy with AdamW: learning rate {rate}, "
        "warm-up (epochs) {warmup}, then cosine decay; weight decay {decay}; maximum number of "
        "epochs {epochs}; batch size {batch}.",
        **_optimisation(fit),
    )
    return as_text([first, *layer_sentences(fit)])


def _learning_grades(fit: FitSettings) -> str:
    first = t(
        "Networks were trained with AdamW on the likelihood of the grades 1–4 in a cumulative link model (odds "
        "proportional at the prevalence of the learning patients; McCullagh 1980), of which the probability of grade 3 "
        "or 4 was used: learning rate {rate}, warm-up (epochs) {warmup}, then cosine decay; weight decay {decay}; "
        "maximum number of epochs {epochs}; batch size {batch}.",
        **_optimisation(fit),
    )
    return as_text([first, *layer_sentences(fit)])


def _optimisation(fit: FitSettings) -> dict[str, object]:
    return {
        "rate": f"{fit.learning_rate:g}",
        "warmup": fit.warmup_epochs,
        "decay": f"{fit.weight_decay:g}",
        "epochs": fit.epochs,
        "batch": fit.batch_size,
    }
