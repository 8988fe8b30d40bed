"""Figures of the evidence: calibration, decision and learning curves, one panel per phase, with baselines in grey.

Colours and dashes are those of :mod:`nephrograde.report.figures.study_figures`, so that a model looks the same in every
figure. Each figure carries the rows that it was drawn from.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.report.figures.referral import draw_referral
from nephrograde.report.figures.study_figures import BASELINE_DASHES, COLOURS, DASHES, PANEL_MODELS
from nephrograde.report.figures.svg import (
    INK,
    RULE,
    finish,
    house_style,
    name_lines,
    new_figure,
    printable,
    shortened,
    y_label,
)
from nephrograde.report.tables.answer import few_patients
from nephrograde.report.tables.pairs import value_of
from nephrograde.report.tables.repeats import curves_of
from nephrograde.report.tables.wording import split_words
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.numbers import decimal
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nephrograde.evaluation.calibration.benefit import BenefitPoint
    from nephrograde.evaluation.calibration.calibration import CalibrationPoint
    from nephrograde.evaluation.ladder.learning_curve import LearningCurve
    from nephrograde.report.figures.svg import Drawing
    from nephrograde.results import Results

GREY = "#6e7781"
PANELS_ACROSS = 3
PANEL_IN = 3.33
"""Width in inches of one of several panels; three fill the width of the page."""
LONE_PANEL_IN = 4.4
"""Width in inches of a single panel."""
LABEL_LETTERS = 18
BELOW_ZERO = 0.15
"""How far a decision curve is drawn below 0, as a fraction of the height above; no model is useful far below 0."""


@dataclass(frozen=True, slots=True)
class Line:
    """A model in a panel: its label and line style, as in the ROC curves."""

    model: str
    words: str
    style: dict[str, Any]

    @property
    def is_baseline(self) -> bool:
        """Whether this is a baseline, drawn in grey and without a band."""
        return self.model in BASELINES


@dataclass(frozen=True, slots=True)
class Panel:
    """The networks of one phase, and all baselines."""

    title: str
    lines: tuple[Line, ...]


def draw_evidence_figures(run: Results) -> dict[str, Drawing]:
    """Draw the figures of the evidence, by name: ``calibration``, ``benefit``, ``patients``, ``referral``.

    Args:
        run: The results of a run; figures without data are left out.

    Returns:
        The drawings, each with the rows behind it.

    Source:
        Smoothed curves: Van Calster 2019 (BMC Med 17:230); decision curves: Vickers 2006 (Med Decis Making 26:565).
    """
    drawings = {name: draw(run) for name, draw in EVIDENCE_FIGURES.items()}
    return {name: drawing for name, drawing in drawings.items() if drawing is not None}


@house_style()
def draw_calibration(run: Results, named: Collection[str] = ()) -> Drawing | None:
    """Smoothed calibration curves, one panel per phase, or one panel of the models in ``named``.

    Models that scored few patients have no curve, see
    :func:`~nephrograde.report.tables.answer.few_patients`.
    """
    withheld = few_patients(run)
    curves: dict[str, list[CalibrationPoint]] = {}
    for point in sorted(run.calibration, key=lambda point: point.predicted):
        if point.split == run.reported and math.isfinite(point.observed) and point.model not in withheld:
            curves.setdefault(point.model, []).append(point)
    panels = _panels(run, curves, named, t("Calibration"))
    if not panels:
        return None
    figure, all_axes = _figure(
        panels, t("Predicted probability of high"), t("Observed proportion of high"), is_small=bool(named)
    )
    for axes, panel in zip(all_axes, panels, strict=True):
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=0.8, zorder=0)
        for line in panel.lines:
            _draw_calibration(axes, line, curves[line.model])
        axes.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        _name_lines(axes)
    slopes = {name: value_of(run.estimate(name, "calibration_slope")) for name in _drawn(panels)}
    words = t(
        "{where}. Smoothed calibration curves. Calibration slope: {slopes}.",
        where=split_words(run),
        slopes=", ".join(f"{name} {decimal(slope)}" for name, slope in slopes.items()),
    )
    rows = [asdict(point) for name in slopes for point in curves[name]]
    return finish(figure, _file_name("calibration", named), words, is_synthetic=run.is_synthetic, data=rows)


def _draw_calibration(axes: Axes, line: Line, points: Sequence[CalibrationPoint]) -> None:
    predicted, observed, low, high = np.array([[p.predicted, p.observed, p.low, p.high] for p in points]).T
    if not line.is_baseline:
        axes.fill_between(predicted, low, high, color=line.style["color"], alpha=0.11, linewidth=0, zorder=1)
    axes.plot(predicted, observed, label=line.words, zorder=2 if line.is_baseline else 3, **line.style)


@house_style()
def draw_benefit(run: Results, named: Collection[str] = ()) -> Drawing | None:
    """Decision curves, one panel per phase, or one panel of the models in ``named``."""
    curves: dict[str, list[BenefitPoint]] = {}
    for point in sorted(run.net_benefit, key=lambda point: point.threshold):
        if point.split == run.reported and math.isfinite(point.net_benefit):
            curves.setdefault(point.model, []).append(point)
    panels = _panels(run, curves, named, t("Decision curves"))
    if not panels:
        return None
    drawn = {name: curves[name] for name in _drawn(panels)}
    top = max(_top(name, point) for name, curve in drawn.items() for point in curve)
    figure, all_axes = _figure(panels, t("Threshold probability"), t("Net benefit per patient"), is_small=bool(named))
    for axes, panel in zip(all_axes, panels, strict=True):
        _draw_references(axes, curves[panel.lines[0].model])
        for line in panel.lines:
            _draw_curve(axes, line, curves[line.model])
        axes.set(ylim=(-BELOW_ZERO * top, 1.08 * top), box_aspect=1)
        axes.locator_params(axis="both", nbins=5)
        _name_lines(axes)
    middles = {name: curve[len(curve) // 2] for name, curve in drawn.items()}
    words = t(
        "{where}. Decision curves. Net benefit in the middle of the range: {benefits}.",
        where=split_words(run),
        benefits=", ".join(
            f"{name} {decimal(middle.net_benefit)} ({decimal(middle.threshold, 2)})" for name, middle in middles.items()
        ),
    )
    rows = [asdict(point) for curve in drawn.values() for point in curve]
    return finish(figure, _file_name("benefit", named), words, is_synthetic=run.is_synthetic, data=rows)


def _top(model: str, point: BenefitPoint) -> float:
    """The highest value that is drawn at a point: with the band, where there is one."""
    is_banded = model not in BASELINES and math.isfinite(point.high)
    return max(point.net_benefit, point.treat_all, 0.01, point.high if is_banded else 0.01)


def _draw_curve(axes: Axes, line: Line, points: Sequence[BenefitPoint]) -> None:
    at, benefit, low, high = np.array([[p.threshold, p.net_benefit, p.low, p.high] for p in points]).T
    if not line.is_baseline:
        axes.fill_between(at, low, high, color=line.style["color"], alpha=0.11, linewidth=0, zorder=1)
    axes.plot(at, benefit, label=line.words, zorder=2 if line.is_baseline else 3, **line.style)


def _draw_references(axes: Axes, curve: Sequence[BenefitPoint]) -> None:
    """The net benefit of calling all patients of a curve high, and of calling none high."""
    thresholds = [point.threshold for point in curve]
    axes.plot(thresholds, [point.treat_all for point in curve], color=INK, linewidth=1.1, label=t("Treat all"))
    axes.axhline(0, color=INK, linewidth=1.1, linestyle=DASHES[2], label=t("Treat none"))


def _file_name(figure: str, named: Collection[str]) -> str:
    return f"{figure}-named" if named else figure


@house_style()
def draw_patients(run: Results) -> Drawing | None:
    """Learning curves: the AUC out of fold by the number of patients that a model learnt from, one panel per phase."""
    curves = {curve.model: curve for curve in curves_of(run)}
    panels = _panels(run, curves, (), t("Learning curve"))
    if not panels:
        return None
    figure, all_axes = _figure(panels, t("Patients to learn from"), t("AUC out of fold"), is_small=False)
    for axes, panel in zip(all_axes, panels, strict=True):
        for line in panel.lines:
            _draw_patients(axes, line, curves[line.model])
        axes.set(xlim=(0, None), box_aspect=1)
        axes.locator_params(axis="both", nbins=5)
        _name_lines(axes)
    drawn = _drawn(panels)
    words = t(
        "Learning curves. AUC with all training patients: {aucs}.",
        aucs=", ".join(f"{name} {decimal(curves[name].points[-1].mean)}" for name in drawn),
    )
    rows = [{"model": name, **asdict(point)} for name in drawn for point in curves[name].points]
    return finish(figure, "patients", words, is_synthetic=run.is_synthetic, data=rows)


def _draw_patients(axes: Axes, line: Line, curve: LearningCurve) -> None:
    """Dots for the sizes that were fitted; a line through them, or the power law and what it extrapolates to."""
    sizes, means = [point.n_learn for point in curve.points], [point.mean for point in curve.points]
    style = {**line.style, "marker": "", "zorder": 2 if line.is_baseline else 3}
    axes.plot(sizes, means, **{**style, "linestyle": "", "marker": "o", "markersize": 3})
    if curve.law is None:
        axes.plot(sizes, means, label=line.words, **style)
        return
    within, beyond = np.linspace(sizes[0], sizes[-1], 50), np.linspace(sizes[-1], curve.farther_n, 50)
    axes.plot(within, [curve.law.at(float(n)) for n in within], label=line.words, **style)
    axes.plot(beyond, [curve.law.at(float(n)) for n in beyond], **{**style, "linestyle": ":", "alpha": 0.6})


def _panels(run: Results, drawable: Collection[str], named: Collection[str], heading: str) -> list[Panel]:
    """One panel per phase; networks that do not fit continue in the next panel, as in the ROC curves.

    The models in ``named`` have one panel with a heading instead.
    """
    if named:
        drawable = [name for name in drawable if name in named]
    baselines = [model.name for model in run.models if model.name in BASELINES]
    grey = tuple(
        Line(
            name,
            only_baseline(name),
            {"color": GREY, "linewidth": 0.9, "linestyle": BASELINE_DASHES[k % len(BASELINE_DASHES)]},
        )
        for k, name in enumerate(baselines)
        if name in drawable
    )
    networks = [model for model in run.models if model.name not in BASELINES and (not named or model.name in named)]
    panels = []
    for phase in dict.fromkeys(None if named else model.phase for model in networks):
        members = [model for model in networks if named or model.phase == phase]
        title = heading if named else phase_heading(phase) if phase else split_words(run)
        for start in range(0, len(members), PANEL_MODELS):
            lines = tuple(
                Line(
                    model.name,
                    shortened(model.name if named else model.arm or model.name, LABEL_LETTERS),
                    {"color": COLOURS[k], "linestyle": DASHES[k]},
                )
                for k, model in enumerate(members[start : start + PANEL_MODELS])
                if model.name in drawable
            )
            if lines:
                panels.append(Panel(title, (*lines, *grey)))
    return panels or ([Panel(heading if named else split_words(run), grey)] if grey else [])


def _drawn(panels: Iterable[Panel]) -> list[str]:
    return list(dict.fromkeys(line.model for panel in panels for line in panel.lines))


def _figure(panels: Sequence[Panel], x_words: str, y_words: str, *, is_small: bool) -> tuple[Figure, list[Axes]]:
    """Lay the panels out in rows of three."""
    columns = min(len(panels), PANELS_ACROSS)
    rows = -(-len(panels) // columns)
    named = max(len(panel.lines) for panel in panels)
    width_in = PANEL_IN if is_small or columns > 1 else LONE_PANEL_IN
    figure = new_figure(width_in * columns, (width_in + 0.25 + 0.09 * named) * rows)
    all_axes = []
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.set_title(printable(panel.title))
        axes.set_xlabel(x_words)
        if place % columns == 0:
            y_label(axes, y_words)
        all_axes.append(axes)
    return figure, all_axes


def _name_lines(axes: Axes) -> None:
    lines, names = axes.get_legend_handles_labels()
    name_lines(axes, lines, names, columns=2)


EVIDENCE_FIGURES: Mapping[str, Callable[[Results], Drawing | None]] = {
    "calibration": draw_calibration,
    "benefit": draw_benefit,
    "patients": draw_patients,
    "referral": draw_referral,
}
"""The figures by name, in the order of the report; None if the run has no data for one."""
