"""The page about readers, and its numbers as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.tables import write_table
from nephrograde.lock import only_writer_of
from nephrograde.reads.analysis import ReaderResult
from nephrograde.replacement import remove_leftovers
from nephrograde.report.figures.roc import GRID, curve_at, roc_points
from nephrograde.report.figures.svg import MUTED, RULE, finish, house_style, new_figure, y_label
from nephrograde.report.pages.page import render, write_page
from nephrograde.report.tables.readers import reader_answers, reader_counts, reader_remarks, reader_tables
from nephrograde.report.text.language import spoken, t
from nephrograde.report.text.numbers import NOTHING, decimal
from nephrograde.staging import staged

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from nephrograde.reads.analysis import ReaderAnalysis
    from nephrograde.report.figures.svg import Drawing

_COLUMNS = 3
_MODEL = "#b3261e"
_MEAN = "#0b57d0"


def write_readers_page(analysis: ReaderAnalysis, out_dir: Path) -> Path:
    """Write the page ``readers.html`` (``readers.zh.html`` in Chinese) and its numbers, ``readers.csv``.

    Args:
        analysis: The analysis.
        out_dir: Where to; created if it is missing.

    Returns:
        The path of the page, which is self-contained.
    """
    csv_path = out_dir / "readers.csv"
    html_path = out_dir / ("readers.html" if spoken() == "en" else f"readers.{spoken()}.html")
    with only_writer_of(csv_path):
        remove_leftovers(out_dir, is_ours={csv_path.name, html_path.name}.__contains__)
        with staged():
            write_table(analysis.results, ReaderResult, csv_path)
            write_page(_render(analysis), html_path)
    return html_path


def _render(analysis: ReaderAnalysis) -> str:
    from markupsafe import Markup

    drawing = draw_readers(analysis)
    return render(
        "readers.html.j2",
        is_synthetic=False,
        counts=reader_counts(analysis),
        answers=reader_answers(analysis),
        remarks=reader_remarks(analysis),
        tables=reader_tables(analysis),
        components=_components(analysis),
        roc=drawing,
        curves=Markup(drawing.inline),  # noqa: S704 (our own SVG, whose text matplotlib has escaped)
    )


def _components(analysis: ReaderAnalysis) -> list[tuple[str, str]]:
    parts = analysis.components
    rows = [
        (t("Readers"), parts.reader),
        (t("Modality × reader"), parts.modality_reader),
        (t("Error of one AUC"), parts.error),
        (t("Cov1: one reader, two modalities"), parts.cov1),
        (t("Cov2: two readers, one modality"), parts.cov2),
        (t("Cov3: two readers, two modalities"), parts.cov3),
    ]
    return [(words, decimal(value, 6)) for words, value in rows if decimal(value) != NOTHING]


def draw_readers(analysis: ReaderAnalysis) -> Drawing:
    """Draw the ROC curves of all readers in each modality, their mean, and the model.

    Args:
        analysis: The analysis.
    """
    reads = analysis.reads
    columns = min(_COLUMNS, len(reads.modalities))
    lines = -(-len(reads.modalities) // columns)
    with house_style():
        figure = new_figure(3.1 * columns + 0.3, 3.1 * lines + 0.3)
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes in grid.flat[len(reads.modalities) :]:
            axes.set_axis_off()
        for i, modality in enumerate(reads.modalities):
            axes = grid.flat[i]
            _draw_modality(axes, analysis, i)
            axes.set_title(modality)
        words = t(
            "ROC curves of {readers} readers in each modality: {modalities}.",
            readers=len(reads.readers),
            modalities=t(", ").join(reads.modalities),
        )
        return finish(figure, "readers", words, is_synthetic=False)


def _draw_modality(axes: Axes, analysis: ReaderAnalysis, modality: int) -> None:
    reads = analysis.reads
    curves = [roc_points(scores, reads.is_high) for scores in reads.scores[modality]]
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=0.8, zorder=1)
    for curve in curves:
        axes.plot(*curve, color=MUTED, linewidth=0.8, alpha=0.7, zorder=2)
    axes.plot(
        GRID,
        np.mean([curve_at(GRID, *curve) for curve in curves], axis=0),
        color=_MEAN,
        zorder=3,
        label=t("mean of the readers"),
    )
    if reads.model_scores is not None:
        axes.plot(*roc_points(reads.model_scores, reads.is_high), color=_MODEL, zorder=4, label=reads.model)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=t("1 − specificity"))
    y_label(axes, t("Sensitivity"))
    axes.legend(loc="lower right", frameon=False, fontsize=7.5)
