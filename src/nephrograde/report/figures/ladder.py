"""The figures of the ladder: AUC against minutes of annotation per patient, and learning curves by hours of it.

Minutes and hours are drawn on a scale that is logarithmic, except near 0, where a study without annotation lies.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.report.figures.study_figures import COLOURS, DASHES
from nephrograde.report.figures.svg import MUTED, RULE, finish, house_style, name_lines, new_figure, printable, y_label
from nephrograde.report.tables.ladder import (
    minutes_text,
    network_words,
    out_of_fold_rungs,
    supervision_words,
    view_words,
)
from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.numbers import bounds, decimal
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nephrograde.evaluation.ladder.curve import LadderPoint
    from nephrograde.evaluation.ladder.ladder import LadderRow
    from nephrograde.report.figures.svg import Drawing
    from nephrograde.results import Results
    from nephrograde.vocabulary import FloatVector

MARKERS = {
    Supervision.NONE: "o",
    Supervision.SLICE: "D",
    Supervision.POINT: "s",
    Supervision.BOX: "^",
    Supervision.MASK: "P",
}
PANELS_ACROSS = 2
PANEL_IN, LONE_PANEL_IN = 4.9, 6.4
"""Width in inches of one of several panels, and of a single one."""
HEIGHT_IN, NAME_IN = 2.7, 0.165
"""Height of a panel in inches, and of each name below it."""
NEAR_ZERO_MIN, NEAR_ZERO_H = 0.2, 0.5
"""Minutes and hours below which the scale is about linear."""
LEAST_GAP = 0.045
"""Distance of neighbouring points of equal or nearly equal minutes, as a share of the width."""
TICKS = (0, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@house_style()
def draw_ladder(run: Results) -> Drawing | None:
    """AUC out of fold against minutes of annotation per patient, one panel per phase."""
    rungs = out_of_fold_rungs(run)
    if not rungs:
        return None
    panels = _by_phase(rungs)
    figure, all_axes = _figure([len(rows) for rows in panels.values()])
    low = min((row.low for row in rungs if np.isfinite(row.low)), default=0.5)
    high = max((row.high for row in rungs if np.isfinite(row.high)), default=1.0)
    limits = (max(0.0, np.floor(20 * (low - 0.02)) / 20), min(1.0, np.ceil(20 * (high + 0.02)) / 20))
    for (phase, rows), axes in zip(panels.items(), all_axes, strict=True):
        _draw_rungs(axes, rows)
        axes.set(ylim=limits)
        axes.set_title(printable(phase_heading(phase)))
        axes.set_xlabel(t("Minutes of annotation per patient"))
    for axes in all_axes[::PANELS_ACROSS]:
        y_label(axes, t("AUC out of fold"))
    texts = [
        t(
            "{model} ({level}, {minutes} min) {auc}",
            model=row.model,
            level=supervision_words(row.supervision),
            minutes=minutes_text(row.minutes),
            auc=decimal(row.auc),
        )
        for row in rungs
    ]
    words = t("AUC out of fold by minutes of annotation per patient. {rungs}.", rungs=t("; ").join(texts))
    return finish(figure, "ladder", words, is_synthetic=run.is_synthetic, data=[asdict(row) for row in rungs])


@house_style()
def draw_ladder_curves(run: Results) -> Drawing | None:
    """Learning curves: AUC out of fold against the hours of annotating the patients learnt from, a line per rung."""
    points = run.ladder_curves
    if not points:
        return None
    panels: dict[str, dict[str, list[LadderPoint]]] = {}
    for point in points:
        panels.setdefault(point.phase, {}).setdefault(point.model, []).append(point)
    figure, all_axes = _figure([len(curves) for curves in panels.values()])
    for (phase, curves), axes in zip(panels.items(), all_axes, strict=True):
        _draw_curves(axes, list(curves.values()))
        axes.set_title(printable(phase_heading(phase)))
        axes.set_xlabel(t("Hours of annotation of the patients learnt from"))
    for axes in all_axes[::PANELS_ACROSS]:
        y_label(axes, t("AUC out of fold"))
    last = [max(curve, key=lambda point: point.share) for curves in panels.values() for curve in curves.values()]
    texts = [
        t("{model} {auc} with {hours} h", model=point.model, auc=decimal(point.auc), hours=minutes_text(point.hours))
        for point in last
    ]
    words = t("Learning curves by hours of annotation. {rungs}.", rungs=t("; ").join(texts))
    return finish(figure, "ladder-curves", words, is_synthetic=run.is_synthetic, data=[asdict(one) for one in points])


def spread_apart(places: Sequence[float], gap: float) -> FloatVector:
    """Move places on a line as little as possible, so that neighbours are at least a gap apart.

    Args:
        places: In ascending order.
        gap: The smallest distance.

    >>> spread_apart([0.0, 0.0, 1.0], 0.2).tolist()
    [-0.1, 0.1, 1.0]
    """
    blocks: list[tuple[float, int]] = []
    for k, place in enumerate(places):
        mean, count = place - k * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, n = blocks.pop()
            mean, count = (before * n + mean * count) / (n + count), n + count
        blocks.append((mean, count))
    means = np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])
    return np.asarray(means + gap * np.arange(len(places)), dtype=np.float64)


def _by_phase(rungs: Sequence[LadderRow]) -> dict[str, list[LadderRow]]:
    panels: dict[str, list[LadderRow]] = {}
    for row in rungs:
        panels.setdefault(row.phase, []).append(row)
    return panels


def _figure(names: Sequence[int]) -> tuple[Figure, list[Axes]]:
    """Lay out one panel per phase, with room for the names below each."""
    columns = min(len(names), PANELS_ACROSS)
    rows = -(-len(names) // columns)
    width_in = PANEL_IN * columns if columns > 1 else LONE_PANEL_IN
    figure = new_figure(width_in, (HEIGHT_IN + 0.5 + NAME_IN * max(names)) * rows)
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(len(names))]


def _scaled(amounts: Sequence[float], near_zero: float) -> FloatVector:
    return np.log1p(np.asarray(amounts, dtype=np.float64) / near_zero)


def _set_ticks(axes: Axes, near_zero: float, highest: float) -> None:
    """Label the scale in minutes or hours; neighbouring labels keep a distance."""
    right = float(_scaled([max(highest, near_zero)], near_zero)[0])
    kept: list[float] = []
    for tick in TICKS:
        place = float(_scaled([tick], near_zero)[0])
        if place <= right * 1.04 and (not kept or place - float(_scaled([kept[-1]], near_zero)[0]) > 0.07 * right):
            kept.append(tick)
    axes.set_xticks(_scaled(kept, near_zero).tolist(), [f"{tick:g}" for tick in kept])
    axes.set_xlim(-0.06 * right, 1.06 * right)


def _draw_rungs(axes: Axes, rows: Sequence[LadderRow]) -> None:
    highest = max(row.minutes for row in rows)
    right = float(_scaled([max(highest, NEAR_ZERO_MIN)], NEAR_ZERO_MIN)[0])
    places = spread_apart(_scaled([row.minutes for row in rows], NEAR_ZERO_MIN).tolist(), LEAST_GAP * right)
    reference = next(row for row in rows if row.is_reference)
    axes.axhline(reference.auc, color=RULE, linewidth=0.9, zorder=0)
    axes.axhline(reference.auc - reference.margin, color=MUTED, linewidth=0.9, linestyle=DASHES[1], zorder=0)
    lines = []
    for row, place in zip(rows, places, strict=True):
        colour = COLOURS[row.supervision.cost % len(COLOURS)]
        face = colour if row.dimensions == 3 else "white"
        axes.plot([place, place], [row.low, row.high], color=colour, linewidth=1.3, zorder=1)
        style: dict[str, Any] = {
            "marker": MARKERS[row.supervision],
            "markersize": 6,
            "markeredgewidth": 1.3,
            "linestyle": "",
        }
        lines += axes.plot([place], [row.auc], color=colour, markerfacecolor=face, zorder=2, **style)
    _set_ticks(axes, NEAR_ZERO_MIN, highest)
    name_lines(axes, lines, [printable(_name(row)) for row in rows])


def _name(row: LadderRow) -> str:
    return t(
        "{level}: {arm}, {network}, {minutes} min; {auc} {interval}",
        level=supervision_words(row.supervision),
        arm=row.arm,
        network=view_words(row) if row.network == "resnet18" else network_words(row),
        minutes=minutes_text(row.minutes),
        auc=decimal(row.auc),
        interval=bounds(row.low, row.high, 2),
    )


def _draw_curves(axes: Axes, curves: Sequence[Sequence[LadderPoint]]) -> None:
    curves = sorted(curves, key=lambda curve: (curve[-1].hours, curve[-1].supervision.cost))
    lines = []
    drawn: dict[Supervision, int] = {}
    for curve in curves:
        level = curve[0].supervision
        colour = COLOURS[level.cost % len(COLOURS)]
        dash = DASHES[drawn.get(level, 0) % len(DASHES)]
        drawn[level] = drawn.get(level, 0) + 1
        places = _scaled([point.hours for point in curve], NEAR_ZERO_H)
        low, high = [point.low for point in curve], [point.high for point in curve]
        axes.fill_between(places, low, high, color=colour, alpha=0.08, linewidth=0, zorder=1)
        style: dict[str, Any] = {
            "marker": MARKERS[level],
            "markersize": 4,
            "markerfacecolor": "white",
            "linestyle": dash,
        }
        lines += axes.plot(places, [point.auc for point in curve], color=colour, zorder=2, **style)
    _set_ticks(axes, NEAR_ZERO_H, max(point.hours for curve in curves for point in curve))
    names = [t("{level}: {arm}", level=supervision_words(curve[0].supervision), arm=curve[0].arm) for curve in curves]
    name_lines(axes, lines, [printable(name) for name in names], columns=2)


LADDER_FIGURES: Mapping[str, Callable[[Results], Drawing | None]] = {
    "ladder": draw_ladder,
    "ladder-curves": draw_ladder_curves,
}
"""The figures by name; None if a run has no data for one."""


def draw_ladder_figures(run: Results) -> dict[str, Drawing]:
    """Draw the figures of the ladder that a run has data for.

    Args:
        run: The results of a run.
    """
    drawings = {name: draw(run) for name, draw in LADDER_FIGURES.items()}
    return {name: drawing for name, drawing in drawings.items() if drawing is not None}
