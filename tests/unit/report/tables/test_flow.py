"""The flow of patients adds up, and each patient who is not scored counts under one reason."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.figures.flow_diagram import draw_flow
from nephrograde.report.tables.flow import Flow, Scored, patient_flow
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.volume.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

NO_SCAN = Finding("P900", "", "", "no-scan", "fatal", "has no image.", "Add one.")


@pytest.fixture
def record(whole_run: Path) -> Results:
    """One patient lost to a finding, one without the phase, two without a size, one without an image."""
    run = Results.read(whole_run)
    lost = {("np", "张伟-01"), ("up", "P004")}

    def is_kept(model: str, patient: str) -> bool:
        if model == "size":
            return patient not in {"P002", "P008"}
        return (model.rpartition("-")[2], patient) not in lost

    rows = tuple(row for row in run.scores.rows if is_kept(row.model, row.patient_id))
    return dataclasses.replace(run, scores=Scores(rows), findings=(*run.findings, NO_SCAN))


def scored(flow: Flow, part: str, model: str) -> Scored:
    chosen = next(one for one in flow.parts if one.part == part)
    return next(one for one in chosen.scored if one.model == model)


def test_every_step_adds_up(record: Results) -> None:
    flow = patient_flow(record)
    assert (flow.found, flow.without_scan, flow.patients.n) == (41, 1, 40)
    assert sum(part.patients.n for part in flow.parts) == flow.patients.n
    assert sum(part.patients.n_high for part in flow.parts) == flow.patients.n_high
    for part in flow.parts:
        for one in part.scored:
            assert one.patients.n + sum(n for _, n in one.reasons) == part.patients.n


def test_each_reason_has_its_code(record: Results) -> None:
    flow = patient_flow(record)
    assert scored(flow, "train", "weak-1-np").reasons == (("gap", 1),)
    assert scored(flow, "train", "weak-1-up").reasons == (("no-image", 1),)
    assert scored(flow, "train", "size").reasons == (("no-value", 1),)
    assert scored(flow, "test", "size").reasons == (("no-value", 1),)
    assert scored(flow, "train", "weak-1-cmp").reasons == ()


def test_patient_with_an_image_but_no_score_is_not_explained_away(record: Results) -> None:
    rows = tuple(row for row in record.scores.rows if (row.model, row.patient_id) != ("strong-cmp", "P001"))
    flow = patient_flow(dataclasses.replace(record, scores=Scores(rows)))
    assert scored(flow, "train", "strong-cmp").reasons == (("not-scored", 1),)


def test_score_table_starts_with_its_patients(foreign_run: Path) -> None:
    flow = patient_flow(Results.read(foreign_run))
    assert (flow.found, flow.without_scan, flow.patients.n) == (None, 0, 24)
    assert [part.part for part in flow.parts] == ["test"]
    assert [row["step"] for row in flow.rows()] == ["patients", "part", "scored", "scored"]


def test_drawing_holds_every_number_and_its_rows(record: Results) -> None:
    drawing = draw_flow(record)
    for words in ("cohort table: 41", "no image in any phase: 1", "not scored, finding gap: 1", "size"):
        assert words in drawing.description
        assert words in drawing.svg
    assert drawing.svg.count("<text") > 10  # text stays text, in the reader's font
    assert {row["reason"] for row in drawing.data} == {"", "no-scan", "gap", "no-image", "no-value"}
    with speaking("zh"):
        chinese = draw_flow(record)
    assert "队列表中的患者：41例" in chinese.svg
    assert chinese.data == drawing.data


def test_long_names_are_broken_inside_their_box(record: Results) -> None:
    def rename(name: str) -> str:
        return "模型" * 40 if name == "size" else name

    rows = tuple(dataclasses.replace(row, model=rename(row.model)) for row in record.scores.rows)
    drawing = draw_flow(dataclasses.replace(record, scores=Scores(rows)))
    lines = [line.split("<")[0] for line in drawing.svg.split(">") if "模型" in line]
    assert max(map(len, (line for line in lines if set(line.strip()) == {"模", "型"}))) <= 22
