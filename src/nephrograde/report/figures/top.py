"""The figures at the top of the page: ROC, calibration and decision curves of the models that the answer names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.report.figures.curves import draw_benefit, draw_calibration
from nephrograde.report.figures.study_figures import draw_roc
from nephrograde.report.tables.out_of_fold import out_of_fold_words
from nephrograde.report.tables.wording import split_words
from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class TopFigure:
    """A figure at the top of the page, by the name of its drawing, with its caption."""

    name: str
    text: str


def draw_top_figures(run: Results, named: Collection[str]) -> dict[str, Drawing]:
    """Draw the figures of a few models, each in one panel: ``roc-named``, ``calibration-named``, ``benefit-named``.

    Nothing is drawn where these are all models and the figures of all models have one panel as well.

    Args:
        run: The run.
        named: The models.
    """
    phases = {model.phase for model in run.models if not model.is_baseline}
    if not named or (len(named) == len(run.models) and len(phases) < 2):
        return {}
    drawings = (draw(run, named) for draw in (draw_roc, draw_calibration, draw_benefit))
    return {drawing.name: drawing for drawing in drawings if drawing is not None}


def top_figures(drawings: Mapping[str, Drawing], run: Results) -> list[TopFigure]:
    """Choose the figures at the top of the page from those that were drawn.

    Args:
        drawings: The figures by name.
        run: The run.
    """
    captions = {
        "roc": t("ROC curves. Shaded: pointwise {confidence}% bootstrap bands.", confidence=run.confidence_percent),
        "calibration": t(
            "Smoothed calibration curves with {confidence}% bands; the diagonal is perfect calibration.",
            confidence=run.confidence_percent,
        ),
        "benefit": t("Decision curves: net benefit of acting on a model, against treating all or none."),
    }
    if pooled := out_of_fold_words(run).curves:
        captions["roc"] = t("{first} {second}", first=captions["roc"], second=pooled)
    has_named = any(f"{name}-named" in drawings for name in captions)
    found = []
    for name, text in captions.items():
        drawn = f"{name}-named" if has_named else name
        if drawn in drawings:
            where = t("{where}. {text}", where=split_words(run), text=text)
            found.append(TopFigure(drawn, where))
    return found
