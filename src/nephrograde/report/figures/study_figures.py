"""The figures of the report: ROC curves, confusion matrices, learning curves.

Lines differ in colour and in dash, so that the figures can be read in grey and by the colour-blind (Okabe and Ito's
palette). Each figure carries the numbers that it was drawn from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nephrograde.report.figures.roc import GRID, roc_band, roc_points
from nephrograde.report.figures.svg import (
    RULE,
    finish,
    house_style,
    name_lines,
    new_figure,
    printable,
    shortened,
    y_label,
)
from nephrograde.report.tables.wording import split_words
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.numbers import bounds, decimal, enumerated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.results import FittedFold, Model, Results
    from nephrograde.vocabulary import FloatVector

    Band: TypeAlias = tuple[FloatVector, FloatVector]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.3)), (0, (6, 1.5, 1.4, 1.5)), (0, (3, 1)), (0, (8, 2)))
BASELINE_DASHES: tuple[Any, ...] = ("-", (0, (2.5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
PANEL_MODELS = len(COLOURS)
LABEL_LETTERS = 16
NAME_IN = 0.17
"""Height in inches of one line of the names below a panel."""
RIGHT, WRONG = "#0072b2", "#d55e00"


def draw_figures(run: Results) -> dict[str, Drawing]:
    """Draw every figure that the run has data for, by name: ``roc``, ``confusion``, ``learning``."""
    drawings = {name: draw(run) for name, draw in STUDY_FIGURES.items()}
    return {name: drawing for name, drawing in drawings.items() if drawing is not None}


@house_style()
def draw_roc(run: Results, named: Collection[str] = ()) -> Drawing | None:
    """ROC curves on the test set, one panel per phase, with the baselines in grey in every panel.

    With ``named``, only these models are drawn, in one panel, under their whole names.
    """
    drawable = [model for model in run.models if _has_both_classes(run, model)]
    if named:
        drawable = [replace(model, arm=None) for model in drawable if model.name in named]
    if not drawable:
        return None
    baselines = [model for model in drawable if model.is_baseline]
    networks = [model for model in drawable if not model.is_baseline]
    bands = {model.name: _band(run, model) for model in networks}
    panels = [(t("ROC curves"), networks)] if named else _panels(run, networks)
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    names_in = NAME_IN * (max(len(members) for _, members in panels) + len(baselines))
    width_in = 3.33 if named or columns > 1 else 4.4
    figure = new_figure(width_in * columns, (width_in + 0.25 + names_in) * rows)
    for place, (title, members) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw_roc(axes, run, members=members, baselines=baselines, bands=bands)
        axes.set_title(title)
        axes.set_xlabel(t("1 − specificity"))
        if place % columns == 0:
            y_label(axes, t("Sensitivity"))
    aucs = [f"{model.name} {decimal(_auc(run, model))}" for model in drawable]
    words = t("ROC curves, {where}. AUC: {aucs}.", where=split_words(run), aucs=enumerated(aucs))
    name = "roc-named" if named else "roc"
    return finish(figure, name, words, is_synthetic=run.is_synthetic, data=_roc_rows(run, drawable, bands))


def _roc_rows(run: Results, models: Sequence[Model], bands: Mapping[str, Band]) -> Iterator[dict[str, object]]:
    """Every corner of each curve, then the band of each network on its grid of false positive rates."""
    for model in models:
        scored = run.scores.of(model.name, run.reported)
        for false_rate, true_rate in zip(*roc_points(scored.p_high, scored.is_high), strict=True):
            yield _roc_row(model, "curve", float(false_rate), sensitivity=float(true_rate))
        if model.name in bands:
            for false_rate, low, high in zip(GRID, *bands[model.name], strict=True):
                yield _roc_row(model, "band", round(float(false_rate), 2), low=float(low), high=float(high))


def _roc_row(model: Model, part: str, false_rate: float, **found: float) -> dict[str, object]:
    """``sensitivity`` is that of a curve, ``low`` and ``high`` bound it where the row is of a band."""
    blank: dict[str, object] = {"sensitivity": None, "low": None, "high": None}
    return {"model": model.name, "part": part, "false_positive_rate": false_rate, **blank, **found}


def _band(run: Results, model: Model) -> Band:
    scored = run.scores.of(model.name, run.reported)
    seed = run.study.split.seed if run.study else 0
    return roc_band(scored.p_high, scored.is_high, seed=seed, confidence=run.settings.confidence)


def _panels(run: Results, models: Sequence[Model]) -> list[tuple[str, Sequence[Model]]]:
    """One panel a phase; more models than a panel can hold go on in the next."""
    panels: list[tuple[str, Sequence[Model]]] = []
    for phase in dict.fromkeys(model.phase for model in models):
        members = [model for model in models if model.phase == phase]
        title = printable(phase_heading(phase)) if phase else split_words(run)
        panels += [(title, members[start : start + PANEL_MODELS]) for start in range(0, len(members), PANEL_MODELS)]
    return panels or [(split_words(run), [])]


def _has_both_classes(run: Results, model: Model) -> bool:
    truth = run.scores.of(model.name, run.reported).is_high
    return bool(truth.any() and not truth.all())


def _auc(run: Results, model: Model) -> float:
    found = run.estimate(model.name, "auc")
    return found.value if found is not None else float("nan")


def _draw_roc(
    axes: Axes, run: Results, *, members: Sequence[Model], baselines: Sequence[Model], bands: Mapping[str, Band]
) -> None:
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=0.8, zorder=0)
    entries = []
    for place, model in enumerate(baselines):
        scored = run.scores.of(model.name, run.reported)
        line = {"color": "#6e7781", "linewidth": 0.9, "linestyle": BASELINE_DASHES[place % len(BASELINE_DASHES)]}
        entries.append((model, axes.plot(*roc_points(scored.p_high, scored.is_high), zorder=2, **line)[0]))
    for place, model in enumerate(members):
        scored = run.scores.of(model.name, run.reported)
        colour = COLOURS[place % len(COLOURS)]
        line = {"color": colour, "linestyle": DASHES[place % len(DASHES)]}
        low, high = bands[model.name]
        axes.fill_between(GRID, low, high, color=colour, alpha=0.11, linewidth=0, zorder=1)
        entries.append((model, axes.plot(*roc_points(scored.p_high, scored.is_high), zorder=3, **line)[0]))
    entries.sort(key=lambda entry: (entry[0].is_baseline, -_auc(run, entry[0])))
    name_lines(axes, [line for _, line in entries], [_curve_words(run, model) for model, _ in entries])
    axes.set(xlim=(-0.012, 1.012), ylim=(-0.012, 1.012), box_aspect=1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])


def _curve_words(run: Results, model: Model) -> str:
    """Name a curve with its AUC and the interval."""
    label = only_baseline(model.name) if model.is_baseline else model.arm or model.name
    found = run.estimate(model.name, "auc")
    numbers = "" if found is None else f"  {decimal(found.value)} {bounds(found.low, found.high, 2)}"
    return f"{shortened(label, LABEL_LETTERS)}{numbers}"


@house_style()
def draw_confusion(run: Results) -> Drawing | None:
    """Confusion matrices on the test set as small multiples: rows are the truth, columns the call."""
    tables = {model.name: counts for model in run.models if (counts := _counts(run, model.name)) is not None}
    if not tables:
        return None
    grid = _grid([model for model in run.models if model.name in tables], across=5)
    columns, rows = max(len(row) for row in grid), len(grid)
    figure = new_figure(max(1.9 * columns + 0.5, 2.6), 1.5 * rows + 0.15)
    words = (t("low"), t("high")) if run.is_graded else ("0", "1")
    for i, row in enumerate(grid):
        for j, model in enumerate(row):
            if model is not None:
                axes = figure.add_subplot(rows, columns, i * columns + j + 1)
                _draw_confusion(axes, tables[model.name], words)
                axes.set_title(printable(_label(model)), fontsize=8.5, pad=5)
                if j == 0:
                    y_label(axes, t("truth"), fontsize=8, labelpad=1)
                if i == rows - 1:
                    axes.set_xlabel(t("called"), fontsize=8, labelpad=2)
    texts = [
        t(
            "{model}: {tp} true and {fp} false high, {tn} true and {fn} false low",
            model=name,
            tp=tp,
            fp=fp,
            tn=tn,
            fn=fn,
        )
        for name, (tp, fp, tn, fn) in tables.items()
    ]
    description = t("Confusion matrices, {where}. {tables}.", where=split_words(run), tables="; ".join(texts))
    rows_behind: list[dict[str, object]] = [
        {"model": name, "tp": tp, "fp": fp, "tn": tn, "fn": fn} for name, (tp, fp, tn, fn) in tables.items()
    ]
    return finish(figure, "confusion", description, is_synthetic=run.is_synthetic, data=rows_behind)


def _counts(run: Results, model: str) -> tuple[int, int, int, int] | None:
    found = [run.estimate(model, measure) for measure in ("tp", "fp", "tn", "fn")]
    tp, fp, tn, fn = (round(one.value) if one is not None else -1 for one in found)
    return (tp, fp, tn, fn) if min(tp, fp, tn, fn) >= 0 else None


def _draw_confusion(axes: Axes, counts: tuple[int, int, int, int], words: tuple[str, str]) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    tp, fp, tn, fn = counts
    for y, (row, right) in enumerate((((tn, fp), 0), ((fn, tp), 1))):
        for x, count in enumerate(row):
            share = count / sum(row) if sum(row) else 0.0
            tint = np.array(to_rgb(RIGHT if x == right else WRONG))
            shade = tuple(1 - 0.6 * share * (1 - tint) - 0.03)
            axes.add_patch(Rectangle((x - 0.485, y - 0.475), 0.97, 0.95, facecolor=shade, linewidth=0))
            axes.text(x, y - 0.06, str(count), ha="center", va="center_baseline", fontsize=10.5, fontweight="bold")
            axes.text(x, y + 0.30, f"{share:.0%}", ha="center", va="center_baseline", fontsize=7)
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
    axes.set_xticks([0, 1], words)
    axes.set_yticks([0, 1], words)
    axes.tick_params(length=0, pad=2, labelsize=7.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


@house_style()
def draw_learning(run: Results) -> Drawing | None:
    """Learning curves, one panel per model and a thin line per fold; a dot marks the epoch whose weights were kept."""
    fits = {model.name: [fit for fit in run.fits if fit.model == model.name] for model in run.models}
    fitted = [model for model in run.models if fits[model.name]]
    if not fitted:
        return None
    grid = _grid(fitted, across=3)
    columns, rows = max(len(row) for row in grid), len(grid)
    figure = new_figure(3.33 * columns if columns > 1 else 4.4, 1.75 * rows + 0.25)
    for i, row in enumerate(grid):
        top = max(_highest(fit) for model in row if model is not None for fit in fits[model.name])
        for j, model in enumerate(row):
            if model is None:
                continue
            axes = figure.add_subplot(rows, columns, i * columns + j + 1)
            for fit in fits[model.name]:
                _draw_history(axes, fit)
            axes.set_ylim(0, 1.08 * top)
            axes.set_title(printable(model.name), fontsize=8.5)
            axes.locator_params(axis="both", integer=False, nbins=4)
            if j == 0:
                y_label(axes, t("Loss"))
            if i == rows - 1:
                axes.set_xlabel(t("Epoch"))
    folds = [t("{model} {n} folds", model=model.name, n=len(fits[model.name])) for model in fitted]
    description = t("Loss by epoch. {folds}.", folds=enumerated(folds))
    epochs = (row for model in fitted for fit in fits[model.name] for row in _learning_rows(fit))
    return finish(figure, "learning", description, is_synthetic=run.is_synthetic, data=epochs)


def _learning_rows(fit: FittedFold) -> Iterator[dict[str, object]]:
    """One row an epoch; ``kept`` is 1 where the weights of that epoch were kept."""
    for epoch in fit.history:
        yield {
            "model": fit.model,
            "fold": fit.fold,
            "epoch": epoch.epoch,
            "train_loss": epoch.train_loss,
            "stop_loss": epoch.stop_loss,
            "kept": int(epoch.epoch == fit.card.get("best_epoch")),
        }


def _draw_history(axes: Axes, fit: FittedFold) -> None:
    epochs = np.array([epoch.epoch for epoch in fit.history])
    train = np.array([epoch.train_loss for epoch in fit.history])
    stop = np.array([epoch.stop_loss for epoch in fit.history], dtype=np.float64)  # NaN where there is none
    axes.plot(epochs, train, color=RIGHT, linewidth=0.8, alpha=0.8)
    if np.isfinite(stop).any():
        axes.plot(epochs, stop, color=WRONG, linewidth=0.8, alpha=0.8, linestyle=(0, (4, 1.2)))
        best = epochs == fit.card.get("best_epoch")
        axes.plot(
            epochs[best], stop[best], "o", color=WRONG, markersize=3, markeredgecolor="white", markeredgewidth=0.4
        )


def _highest(fit: FittedFold) -> float:
    losses = np.array([[epoch.train_loss, epoch.stop_loss] for epoch in fit.history], dtype=np.float64)
    finite = losses[np.isfinite(losses)]
    return float(np.quantile(finite, 0.995)) if finite.size else 1.0


def _grid(models: Sequence[Model], *, across: int) -> list[list[Model | None]]:
    """Arms down, phases across, baselines in a column of their own; with one phase or none, ``across`` in a row."""
    placed = [model for model in models if model.arm is not None]
    phases = list(dict.fromkeys(model.phase for model in placed))
    if len(phases) < 2:
        return [list(models[start : start + across]) for start in range(0, len(models), across)]
    arms = list(dict.fromkeys(model.arm for model in placed))
    by_place = {(model.arm, model.phase): model for model in placed}
    grid: list[list[Model | None]] = [[by_place.get((arm, phase)) for phase in phases] for arm in arms]
    for place, model in enumerate(model for model in models if model.arm is None):
        if place >= len(grid):
            grid.append([None] * len(phases))
        grid[place].append(model)
    return grid


def _label(model: Model) -> str:
    return only_baseline(model.name) if model.is_baseline else model.name


STUDY_FIGURES: Mapping[str, Callable[[Results], Drawing | None]] = {
    "roc": draw_roc,
    "confusion": draw_confusion,
    "learning": draw_learning,
}
"""The figures by name, in the order of the report; None where the run has no data for one."""
