from __future__ import annotations

import dataclasses
import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.evaluation.calibration.benefit import BenefitPoint
from nephrograde.evaluation.calibration.calibration import CalibrationPoint
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.report.figures.curves import draw_evidence_figures
from nephrograde.report.figures.study_figures import COLOURS
from nephrograde.report.figures.top import draw_top_figures
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.figures.svg import Drawing

NAN = math.nan


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    """A run without the curves that each test brings along, with enough patients for calibration curves."""
    run = Results.read(whole_run)
    rows = (dataclasses.replace(row, patient_id=f"{row.patient_id}-{k}") for k in range(10) for row in run.scores.rows)
    return dataclasses.replace(run, calibration=(), net_benefit=(), scores=Scores(tuple(rows)))


def draw(run: Results, **curves: Any) -> dict[str, Drawing]:
    return draw_evidence_figures(dataclasses.replace(run, **curves))


def calibration(*models: str, split: str = "test", low: float = 0.1) -> tuple[CalibrationPoint, ...]:
    return tuple(
        CalibrationPoint(model, split, predicted, 0.9 * predicted, low, 0.95)
        for model in models
        for predicted in (0.8, 0.2, 0.5)
    )


def benefit(*models: str, split: str = "test", net_benefit: float = 0.3) -> tuple[BenefitPoint, ...]:
    return tuple(
        BenefitPoint(model, split, threshold, net_benefit - threshold / 4, 0.4 - threshold, 12, 5)
        for model in models
        for threshold in (0.6, 0.1, 0.3)
    )


def test_each_phase_has_its_panel_and_every_line_its_name(record: Results) -> None:
    models = ("weak-1-cmp", "strong-cmp", "weak-1-np", "size")
    drawings = draw(record, calibration=calibration(*models), net_benefit=benefit(*models))
    assert list(drawings) == ["calibration", "benefit"]
    for drawing in drawings.values():
        ET.fromstring(drawing.svg)  # noqa: S314 (our own SVG)
        assert [drawing.svg.count(f">{phase}</text>") for phase in ("Corticomedullary", "Nephrographic")] == [1, 1]
        assert [drawing.svg.count(f">{name}</text>") for name in ("weak-1", "strong", "size only")] == [2, 1, 2]
        assert "SYNTHETIC DATA" in drawing.svg
    assert drawings["benefit"].svg.count(">Treat all</text>") == 2
    assert ">Treat all</text>" not in drawings["calibration"].svg


def test_a_model_has_the_colour_of_its_roc_curve_even_where_others_are_missing(record: Results) -> None:
    svg = draw(record, net_benefit=benefit("strong-cmp"))["benefit"].svg
    assert COLOURS[2] in svg
    assert COLOURS[0] not in svg


def test_rows_behind_a_figure_go_with_it_in_order(record: Results) -> None:
    points = (*calibration("size", "weak-1-cmp"), *calibration("size", split="oof"))
    drawing = draw(record, calibration=points)["calibration"]
    assert [(row["model"], row["predicted"]) for row in drawing.data] == [
        (model, predicted) for model in ("weak-1-cmp", "size") for predicted in (0.2, 0.5, 0.8)
    ]
    assert {row["split"] for row in drawing.data} == {"test"}
    assert {row["data"] for row in drawing.data} == {"synthetic"}
    real = dataclasses.replace(record, study=None)
    drawing = draw(real, net_benefit=benefit("size"))["benefit"]
    columns = {"model", "split", "threshold", "net_benefit", "treat_all", "n", "n_high", "low", "high"}
    assert set(drawing.data[0]) == columns
    assert "SYNTHETIC DATA" not in drawing.svg


def test_calibration_curves_of_few_patients_are_withheld(record: Results) -> None:
    highs = [row for row in record.scores.rows if row.split == "test" and row.is_high and row.model == "weak-1-cmp"]
    dropped = {row.patient_id for row in highs[29:]}
    rows = (row for row in record.scores.rows if row.patient_id not in dropped or row.model != "weak-1-cmp")
    fewer = dataclasses.replace(record, scores=Scores(tuple(rows)))
    curves: dict[str, Any] = {"calibration": calibration("weak-1-cmp", "size"), "net_benefit": benefit("weak-1-cmp")}
    drawings = draw(fewer, **curves)
    assert {row["model"] for row in drawings["calibration"].data} == {"size"}
    assert {row["model"] for row in drawings["benefit"].data} == {"weak-1-cmp"}
    assert "calibration" not in draw(fewer, calibration=calibration("weak-1-cmp"))


def test_named_models_share_one_panel_under_their_whole_names(record: Results) -> None:
    models = ("weak-1-cmp", "strong-np", "size")
    run = dataclasses.replace(record, calibration=calibration(*models), net_benefit=benefit(*models))
    drawings = draw_top_figures(run, ("strong-np", "size"))
    assert list(drawings) == ["roc-named", "calibration-named", "benefit-named"]
    for drawing in drawings.values():
        assert {row["model"] for row in drawing.data} == {"strong-np", "size"}
        assert ">strong-np" in drawing.svg


def test_nothing_to_draw_is_no_figure(record: Results) -> None:
    assert draw(record) == {}
    nowhere = (CalibrationPoint("size", "test", 0.5, NAN, NAN, NAN),)
    elsewhere = benefit("size", split="oof")
    assert draw(record, calibration=nowhere, net_benefit=elsewhere) == {}
    assert draw(record, net_benefit=benefit("size", net_benefit=NAN)) == {}
    assert draw(record, net_benefit=benefit("a model without scores")) == {}


def test_curve_without_a_band_is_drawn_without_it(record: Results) -> None:
    points = calibration("weak-1-cmp", low=NAN)
    assert ">weak-1</text>" in draw(record, calibration=points)["calibration"].svg


def test_baselines_alone_fill_one_panel_and_losses_are_drawn(record: Results) -> None:
    drawing = draw(record, net_benefit=benefit("volume", net_benefit=-0.5))["benefit"]
    assert ">Test set</text>" in drawing.svg
    assert ">volume only</text>" in drawing.svg


def test_words_say_what_the_curves_show(record: Results) -> None:
    curves: dict[str, Any] = {"calibration": calibration("weak-1-cmp"), "net_benefit": benefit("weak-1-cmp")}
    bare = dataclasses.replace(record, estimates=(), **curves)
    drawings = draw_evidence_figures(bare)
    assert drawings["calibration"].description.endswith("Calibration slope: weak-1-cmp –.")
    assert drawings["benefit"].description.endswith("weak-1-cmp 0.225 (0.30).")
    with speaking("zh"):
        drawings = draw_evidence_figures(bare)
    assert ">阈值概率</text>" in drawings["benefit"].svg
    assert ">皮髓质期</text>" in drawings["calibration"].svg
    assert "校准斜率" in drawings["calibration"].description


def test_more_networks_than_a_panel_holds_go_on_in_the_next(record: Results) -> None:
    names = [f"radiologist number {k} of twenty" for k in range(8)]
    rows = tuple(Score(f"P{k}", name, "test", None, k % 2 == 0, 0.5) for name in names for k in range(60))
    foreign = dataclasses.replace(record, scores=Scores(rows), study=None, estimates=())
    drawing = draw(foreign, calibration=calibration(*names))["calibration"]
    assert drawing.svg.count(">Test set</text>") == 2
    assert drawing.svg.count(">radiologis… twenty</text>") == 8
    assert names[7] in drawing.description
