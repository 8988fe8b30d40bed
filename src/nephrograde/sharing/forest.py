"""The forest plot of a model: the AUC of each hospital, their mean, and where a further hospital is expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.report.figures.svg import INK, MUTED, RULE, finish, house_style, new_figure, shortened
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import bounds, with_bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.sharing.combined import Combined, PooledRow, SiteRow

_COLOUR = "#0072b2"
_WIDTH_IN, _ROW_IN, _AROUND_IN = 7.2, 0.24, 0.75
_LETTERS = 22
_LARGEST = 9.0
"""Size in points of the square of a hospital with all the weight."""


@house_style()
def draw_forest(found: Combined, model: str, number: int) -> Drawing:
    """Draw the AUCs of all hospitals.

    Args:
        found: The evaluation.
        model: The model id.
        number: Of the figure, which names it.
    """
    rows = [row for row in found.sites if row.model == model]
    pooled = found.estimate(model, "auc")
    figure = new_figure(_WIDTH_IN, _ROW_IN * (len(rows) + 2) + _AROUND_IN)
    axes = figure.add_subplot()
    for k, row in enumerate(rows):
        _draw_site(axes, k, row)
    _draw_mean(axes, len(rows), pooled)
    names = [shortened(row.site, _LETTERS) for row in rows]
    axes.set_yticks(range(len(rows) + 2), [*names, t("Mean over hospitals"), t("Prediction interval")])
    lowest = (*(row.auc_low for row in rows), pooled.low, pooled.prediction_low)
    left = min(0.5, *(one for one in lowest if math.isfinite(one)))
    axes.set(xlim=(max(0.0, left - 0.02), 1.0), ylim=(len(rows) + 1.6, -0.6), xlabel=t("AUC [CI]"))
    axes.axvline(0.5, color=RULE, linewidth=0.8, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    texts = [with_bounds(row.auc, row.auc_low, row.auc_high, 2) for row in rows]
    mean = with_bounds(pooled.value, pooled.low, pooled.high, 2)
    texts += [mean, bounds(pooled.prediction_low, pooled.prediction_high, 2)]
    for k, text in enumerate(texts):
        axes.annotate(
            text,
            (1.0, k),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK if k >= len(rows) else MUTED,
        )
    words = t(
        "{model}: AUC of {k} hospitals, and their mean {value}.",
        model=model,
        k=len(rows),
        value=mean,
    )
    return finish(figure, f"forest-{number}", words, is_synthetic=found.is_synthetic)


def _draw_site(axes: Axes, k: int, row: SiteRow) -> None:
    axes.plot([row.auc_low, row.auc_high], [k, k], color=MUTED, linewidth=1.0, zorder=1)
    size = max(3.0, _LARGEST * row.weight**0.5)
    axes.plot([row.auc], [k], marker="s", markersize=size, color=_COLOUR, linestyle="none", zorder=2)


def _draw_mean(axes: Axes, k: int, pooled: PooledRow) -> None:
    xs = [pooled.low, pooled.value, pooled.high, pooled.value]
    axes.fill(xs, [k, k - 0.28, k, k + 0.28], color=INK, linewidth=0, zorder=2)
    axes.plot([pooled.prediction_low, pooled.prediction_high], [k + 1, k + 1], color=INK, linewidth=2.0, zorder=1)
