from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

import matplotlib as mpl
import numpy as np
import pytest

from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.report.figures.roc import GRID
from nephrograde.report.figures.study_figures import STUDY_FIGURES, draw_figures
from nephrograde.report.figures.svg import printable
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.figures.svg import Drawing


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def only(record: Results, *models: str) -> Results:
    rows = tuple(row for row in record.scores.rows if row.model in models)
    return dataclasses.replace(record, scores=Scores(rows))


def draw(name: str, record: Results) -> Drawing:
    """One figure; the others are not drawn."""
    drawing = STUDY_FIGURES[name](record)
    assert drawing is not None
    return drawing


@pytest.mark.slow
def test_each_phase_has_its_panel_and_each_curve_its_auc(record: Results) -> None:
    svg = draw("roc", record).svg
    for phase in ("Corticomedullary", "Nephrographic", "Unenhanced"):
        assert svg.count(f">{phase}</text>") == 1
    assert svg.count(">size only ") == 3
    estimate = record.estimate("weak-1-np", "auc")
    assert estimate is not None
    assert f"{estimate.value:.3f} [" in svg


def test_a_persons_own_style_changes_nothing(record: Results) -> None:
    small = only(record, "size")
    before = draw("roc", small).svg
    with mpl.rc_context({"font.size": 22, "axes.facecolor": "black"}):
        assert draw("roc", small).svg == before
        assert mpl.rcParams["font.size"] == 22


def test_counts_of_the_confusion_matrix_are_those_of_the_estimates(record: Results) -> None:
    drawing = draw("confusion", only(record, "weak-1-cmp"))
    for measure in ("tp", "fp", "tn", "fn"):
        estimate = record.estimate("weak-1-cmp", measure)
        assert estimate is not None
        assert f">{estimate.value:.0f}</text>" in drawing.svg
    assert "weak-1-cmp: " in drawing.description


def test_figures_without_data_are_left_out(record: Results) -> None:
    bare = dataclasses.replace(only(record, "size"), fits=(), estimates=())
    assert set(draw_figures(bare)) == {"roc"}
    low_only = Scores(tuple(row for row in record.scores.rows if not row.is_high))
    assert draw_figures(dataclasses.replace(record, scores=low_only, fits=(), estimates=())) == {}


@pytest.mark.slow
def test_more_models_than_a_panel_holds_go_on_in_the_next(record: Results) -> None:
    stream = np.random.default_rng(0)
    rows = tuple(
        Score(f"P{k}", f"model {m}", "test", None, k % 2 == 0, float(stream.random()))
        for m in range(8)
        for k in range(9)
    )
    foreign = dataclasses.replace(record, scores=Scores(rows), study=None, fits=(), estimates=())
    assert draw("roc", foreign).svg.count(">Test set</text>") == 2


def test_long_names_are_cut_beside_a_curve_and_whole_in_words(record: Results) -> None:
    name = "a radiologist of twenty years"
    rows = tuple(dataclasses.replace(row, model=name) for row in record.scores.rows if row.model == "size")
    drawing = draw("roc", dataclasses.replace(record, scores=Scores(rows), study=None, fits=(), estimates=()))
    assert ">a radiolo… years</text>" in drawing.svg
    assert name in drawing.description


def test_one_phase_lies_in_a_row(record: Results) -> None:
    models = [f"{arm}-cmp" for arm in ("weak-1", "weak-3", "strong")]
    drawing = draw("confusion", only(record, *models, "size"))
    width, height = (float(text) for text in drawing.svg.split('viewBox="0 0 ')[1].split('"')[0].split(" "))
    assert width > 3 * height


def test_more_baselines_than_arms_still_have_a_place(record: Results) -> None:
    svg = draw("confusion", only(record, "weak-1-cmp", "weak-1-np", "size", "volume")).svg
    assert svg.count(" only</text>") == 2


def test_empty_history_draws_an_empty_panel(record: Results) -> None:
    bare = tuple(dataclasses.replace(fit, history=()) for fit in record.fits if fit.model == "strong-cmp")
    drawing = draw("learning", dataclasses.replace(only(record, "strong-cmp"), fits=bare))
    assert "strong-cmp 3 folds" in drawing.description


def test_inline_drawing_prefixes_its_names_and_drops_what_a_page_does_not_need(record: Results) -> None:
    drawing = draw("roc", only(record, "size"))
    assert drawing.inline.startswith('<svg aria-hidden="true"')
    assert 'id="roc-figure_1"' in drawing.inline
    assert "xmlns" not in drawing.inline
    assert "<title>" not in drawing.inline
    assert "<title>" in drawing.svg


def test_control_characters_and_other_scripts_can_be_drawn(record: Results) -> None:
    rows = tuple(dataclasses.replace(row, model="模型\x07 $a_") for row in record.scores.rows if row.model == "size")
    foreign = dataclasses.replace(record, scores=Scores(rows), study=None, fits=(), estimates=())
    shown = printable("模型\x07 $a_")
    assert f">{shown}</text>" in draw("roc", foreign).svg


def test_rows_behind_the_roc_curves_are_the_curves_and_their_bands(record: Results) -> None:
    rows = draw("roc", only(record, "weak-1-cmp", "size")).data
    of = {part: [row for row in rows if row["part"] == part] for part in ("curve", "band")}
    assert len(rows) == len(of["curve"]) + len(of["band"])
    assert {row["model"] for row in of["curve"]} == {"weak-1-cmp", "size"}
    assert {row["model"] for row in of["band"]} == {"weak-1-cmp"}
    assert [row["false_positive_rate"] for row in of["band"]] == pytest.approx(list(GRID))
    assert all(row["sensitivity"] is None and row["low"] <= row["high"] for row in of["band"])  # type: ignore[operator]
    points = [row for row in of["curve"] if row["model"] == "size"]
    estimate = record.estimate("size", "auc")
    assert estimate is not None
    heights, places = ([cast("float", row[name]) for row in points] for name in ("sensitivity", "false_positive_rate"))
    area = np.trapezoid(heights, places)
    assert area == pytest.approx(estimate.value)
    assert {row["data"] for row in rows} == {"synthetic"}


def test_rows_behind_the_other_figures_are_counts_and_losses(record: Results) -> None:
    drawings = draw_figures(only(record, "weak-1-cmp", "strong-cmp"))
    counts = drawings["confusion"].data[0]
    expected = [record.estimate("weak-1-cmp", measure) for measure in ("tp", "fp", "tn", "fn")]
    assert [counts[measure] for measure in ("tp", "fp", "tn", "fn")] == [one.value for one in expected if one]
    epochs = drawings["learning"].data
    fits = [fit for fit in record.fits if fit.model in {"weak-1-cmp", "strong-cmp"}]
    assert len(epochs) == sum(len(fit.history) for fit in fits)
    kept = {(row["model"], row["fold"]): row["epoch"] for row in epochs if row["kept"]}
    assert kept == {(fit.model, fit.fold): fit.card["best_epoch"] for fit in fits}
    assert all(row["stop_loss"] is None for row in epochs if row["model"] == "strong-cmp")


def test_a_model_that_was_not_fitted_leaves_its_place_empty(record: Results) -> None:
    fits = tuple(fit for fit in record.fits if (fit.model, fit.fold) != ("weak-1-np", 0) and fit.model != "weak-3-np")
    models = ("weak-1-cmp", "weak-1-np", "weak-3-cmp", "weak-3-np")
    drawing = draw("learning", dataclasses.replace(only(record, *models), fits=fits))
    assert drawing.description.endswith("weak-1-cmp 3 folds, weak-1-np 2 folds, weak-3-cmp 3 folds.")
    assert ">weak-3-np</text>" not in drawing.svg


def test_figures_speak_chinese(record: Results) -> None:
    with speaking("zh"):
        drawings = draw_figures(only(record, "weak-1-cmp", "weak-1-np"))
    for name, words in {
        "roc": ("皮髓质期", "肾实质期", "灵敏度", "1 − 特异度", "合成数据"),
        "confusion": ("真实级别", "判定级别", "低", "高"),
        "learning": ("损失", "训练轮次"),
    }.items():
        for word in words:
            assert f">{word}</text>" in drawings[name].svg
    assert drawings["learning"].description == "合成数据。各训练轮次的损失。weak-1-cmp 3折、weak-1-np 3折。"


def test_outcome_of_its_own_is_called_by_its_column(record: Results) -> None:
    assert record.study is not None
    cohort = record.study.cohort.model_copy(update={"outcome": "metastasis"})
    study = record.study.model_copy(update={"cohort": cohort})
    other = dataclasses.replace(only(record, "size"), study=study, cases=())
    svg = draw("confusion", other).svg
    assert ">0</text>" in svg
    assert ">low</text>" not in svg


def test_names_of_many_curves_are_below_the_panel_and_cover_none(record: Results) -> None:
    names = (*(f"m{k}" for k in range(6)), "size", "volume", "clinical", "radiomics")
    rows = (dataclasses.replace(row, model=name) for name in names for row in record.scores.rows if row.model == "size")
    foreign = dataclasses.replace(record, scores=Scores(tuple(rows)), study=None, fits=(), estimates=())
    figure = draw("roc", foreign).figure
    assert figure is not None
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == len(names)
    assert legend.get_window_extent().y1 < axes.get_window_extent().y0
