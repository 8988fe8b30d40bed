"""Tables of reads as people have them, and what is refused about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openpyxl
import pytest

from nephrograde.errors import InputError
from nephrograde.reads.sources import gather_reads
from nephrograde.reads.table import Missing
from nephrograde.sheet import Sheet, open_sheet

if TYPE_CHECKING:
    from pathlib import Path

HEADINGS = ("patient_id", "reader", "modality", "score", "is_high")
TRUTHS = {"P1": "0", "P2": "0", "P3": "1", "P4": "1"}


def rows_of(readers=("A", "B"), modalities=("without", "with")):
    """Every reader reads every patient in every modality; higher scores for higher numbers."""
    return [
        [patient, reader, modality, str(1 + k), truth]
        for reader in readers
        for modality in modalities
        for k, (patient, truth) in enumerate(TRUTHS.items())
    ]


def sheet_of(rows, headings=HEADINGS):
    numbered = enumerate((dict(zip(headings, row, strict=True)) for row in rows), start=2)
    return Sheet("reads.csv", tuple(headings), tuple(numbered))


def scores_sheet(models=("m",), patients=TRUTHS):
    headings = ("patient_id", "model", "is_high", "p_high")
    rows = [[patient, model, truth, "0.5"] for model in models for patient, truth in patients.items()]
    return Sheet("scores.csv", headings, sheet_of(rows, headings).rows)


def problems_of(sheet, **more):
    with pytest.raises(InputError) as refused:
        gather_reads(sheet, **more)
    return [(problem.place, problem.what) for problem in refused.value.problems]


def test_a_crossed_table():
    reads = gather_reads(sheet_of(rows_of()))
    assert (reads.readers, reads.modalities, reads.patient_ids) == (("A", "B"), ("without", "with"), tuple(TRUTHS))
    assert reads.is_high.tolist() == [False, False, True, True]
    assert reads.scores.shape == (2, 2, 4)
    assert reads.scores[1, 0].tolist() == [1, 2, 3, 4]
    assert not reads.left_out
    assert not reads.missing


def test_the_order_of_rows_does_not_matter():
    rows = rows_of()
    shuffled = [rows[k] for k in np.random.default_rng(1).permutation(len(rows))]
    shuffled.sort(key=lambda row: (row[1] != "A", row[2] != "without"))
    made, other = gather_reads(sheet_of(rows)), gather_reads(sheet_of(shuffled))
    back = [other.patient_ids.index(patient) for patient in made.patient_ids]
    np.testing.assert_array_equal(other.scores[:, :, back], made.scores)


@pytest.mark.parametrize(
    "headings",
    [
        ("病例号", "阅片医师", "阅片方式", "评分", "金标准"),
        ("Case", "Rater", "Treatment", "Rating", "Truth"),
        ("Patient ID", "Radiologist", "Condition", "Confidence score", "WHO/ISUP grade"),
    ],
)
def test_usual_headings_are_recognised(headings):
    rows = rows_of()
    if "ISUP" in headings[-1]:
        rows = [[*row[:-1], {"0": "G2", "1": "III级"}[row[-1]]] for row in rows]
    reads = gather_reads(sheet_of(rows, headings))
    assert reads.is_high.tolist() == [False, False, True, True]
    assert len(reads.notes) == 1


def test_a_heading_can_be_named():
    headings = ("patient_id", "wer", "modality", "score", "is_high")
    assert gather_reads(sheet_of(rows_of(), headings), columns={"reader": "wer"}).readers == ("A", "B")
    found = problems_of(sheet_of(rows_of(), headings), columns={"reader": "nobody", "colour": "wer"})
    assert found == [
        ("reads.csv", "there is no column 'nobody'"),
        ("columns", "colour is not a column of reads"),
    ]


def test_scores_as_people_write_them():
    rows = [*rows_of(("A",), ("without",))]
    for row, text in zip(rows, ("５", "80%", "3,5", "4分"), strict=True):
        row[3] = text
    assert gather_reads(sheet_of(rows)).scores[0, 0].tolist() == [5, 80, 3.5, 4]
    for row, text in zip(rows, ("5e-05", ".5", "1.", "1E-1"), strict=True):
        row[3] = text
    assert gather_reads(sheet_of(rows)).scores[0, 0].tolist() == [5e-05, 0.5, 1, 0.1]


@pytest.mark.parametrize(
    "words", [("low", "high"), ("否", "是"), ("低级别", "高级别"), ("negative", "Positive"), ("0.0", "1.0")]
)
def test_truths_as_people_write_them(words):
    rows = [[*row[:-1], words[int(row[-1])]] for row in rows_of()]
    assert gather_reads(sheet_of(rows)).is_high.tolist() == [False, False, True, True]


def test_a_truth_in_one_row_of_a_patient_is_enough():
    rows = rows_of()
    for row in rows[4:]:
        row[-1] = ""
    assert gather_reads(sheet_of(rows)).is_high.tolist() == [False, False, True, True]


def test_a_grade_column_with_zero_and_one_holds_classes():
    headings = (*HEADINGS[:-1], "isup_grade")
    assert gather_reads(sheet_of(rows_of(), headings)).is_high.tolist() == [False, False, True, True]


def test_names_are_one_reader_without_blanks_and_case():
    rows = rows_of()
    rows[0][1], rows[0][0] = "ａ ", " p1"
    assert gather_reads(sheet_of(rows)).readers == ("a", "B")


def test_without_a_modality_there_is_one():
    rows = [row[:2] + row[3:] for row in rows_of(modalities=("x",))]
    headings = ("patient_id", "reader", "score", "is_high")
    assert len(gather_reads(sheet_of(rows, headings)).modalities) == 1


def test_a_modality_may_be_called_none():
    assert gather_reads(sheet_of(rows_of(modalities=("none", "AI")))).modalities == ("none", "AI")


def test_patients_with_a_missing_read_are_left_out_and_counted():
    extra = {"P5": "1", "P6": "0"}
    rows = [*rows_of(), *([p, r, m, "3", t] for p, t in extra.items() for r in "AB" for m in ("without", "with"))]
    rows = [row for row in rows if row[:3] != ["P5", "B", "with"]]
    next(row for row in rows if row[:3] == ["P6", "A", "without"])[3] = "N/A"
    reads = gather_reads(sheet_of(rows))
    assert reads.patient_ids == tuple(TRUTHS)
    assert reads.left_out == ("P5", "P6")
    assert reads.missing == (Missing("A", "without", 1), Missing("B", "with", 1))


def test_everything_wrong_is_said_at_once():
    rows = rows_of()
    rows[0][3] = "suspicious"
    rows[1][3] = "101"
    rows[2][1] = ""
    rows[3][-1] = "maybe"
    rows[5][0] = "1.2E+17"
    rows[6][-1] = "0"
    rows.append([*rows[7]])
    found = problems_of(sheet_of(rows))
    for row, part in (
        (2, "'suspicious' is not a score"),
        (3, "outside 0 to 100"),
        (4, "the reader is empty"),
        (5, "'maybe' is not a truth"),
        (7, "shortened"),
        (8, "the truth differs from that in row 4"),
        (18, "a second read by A, with (first in row 9)"),
    ):
        assert any(place.startswith(f"reads.csv row {row},") and part in what for place, what in found), (row, found)
    assert len(found) == 7


def test_a_reader_without_reads_in_a_modality_is_refused():
    rows = [row for row in rows_of() if row[1:3] != ["B", "with"]]
    assert problems_of(sheet_of(rows)) == [("reads.csv", "reader B has no read in modality with")]


def test_a_patient_without_truth_is_refused():
    rows = [[*row[:-1], "" if row[0] == "P2" else row[-1]] for row in rows_of()]
    assert problems_of(sheet_of(rows)) == [("reads.csv row 3, column is_high", "patient P2: the truth is empty")]


def test_too_few_patients_of_a_grade():
    rows = [row for row in rows_of() if row[0] != "P4"]
    ((place, what),) = problems_of(sheet_of(rows))
    assert place == "reads.csv"
    assert what.startswith("1 high-grade and 2 low-grade patients")


def test_missing_columns():
    rows = [[row[0], row[3]] for row in rows_of(("A",), ("x",))]
    found = problems_of(sheet_of(rows, ("patient_id", "scoer")))
    assert [what for _, what in found] == ["there is no column reader", "there is no column score"]
    rows = [row[:-1] for row in rows_of()]
    assert [what for _, what in problems_of(sheet_of(rows, HEADINGS[:-1]))] == ["there is no column with the truth"]


def test_a_model_from_a_table_of_scores():
    rows = [row[:-1] for row in rows_of()]
    reads = gather_reads(sheet_of(rows, HEADINGS[:-1]), scores_sheet(patients={**TRUTHS, "P9": "1"}))
    assert reads.model == "m"
    assert reads.model_scores is not None
    assert reads.model_scores.tolist() == [0.5] * 4
    assert reads.is_high.tolist() == [False, False, True, True]


def test_patients_without_a_score_of_the_model_are_left_out():
    rows = [*rows_of(), *(["P5", reader, modality, "2", "0"] for reader in "AB" for modality in ("without", "with"))]
    reads = gather_reads(sheet_of(rows), scores_sheet())
    assert reads.left_out == ("P5",)
    assert reads.missing == (Missing("m", "", 1),)


def test_ids_that_nearly_match_those_of_the_scores_are_named():
    patients = {"P1": "0", "p2": "0", "P03": "1", "P4": "1", "P5": "1"}
    more = [["P5", reader, modality, "2", "1"] for reader in "AB" for modality in ("without", "with")]
    reads = gather_reads(sheet_of([*rows_of(), *more]), scores_sheet(patients=patients))
    assert reads.left_out == ("P3",)
    assert any("P3 / P03" in note for note in reads.notes)
    assert not gather_reads(sheet_of(rows_of()), scores_sheet()).notes


def test_a_truth_that_differs_from_the_scores_is_refused():
    found = problems_of(sheet_of(rows_of()), scores=scores_sheet(patients={**TRUTHS, "P3": "0"}))
    assert [what for _, what in found] == ["the truth of 1 patients differs from that in the scores: p3"]


def test_which_model():
    assert gather_reads(sheet_of(rows_of()), scores_sheet(("a", "b")), model="b").model == "b"
    assert problems_of(sheet_of(rows_of()), scores=scores_sheet(("a", "b"))) == [("scores.csv", "has several models")]
    found = problems_of(sheet_of(rows_of()), scores=scores_sheet(), model="z")
    assert found == [("scores.csv", "there is no model 'z'")]


def test_the_model_may_be_a_reader_of_the_table():
    rows = [*rows_of(), *([patient, "AI", "alone", "77", truth] for patient, truth in TRUTHS.items())]
    reads = gather_reads(sheet_of(rows), model="ai")
    assert (reads.readers, reads.modalities, reads.model) == (("A", "B"), ("without", "with"), "AI")
    assert reads.model_scores is not None
    assert reads.model_scores.tolist() == [77.0] * 4
    found = problems_of(sheet_of(rows), model="nobody")
    assert ("reads.csv", "there is no reader 'nobody' who could be the model") in found


def test_a_model_with_two_scores_for_a_patient_is_refused():
    rows = [*rows_of(), *([patient, "AI", "alone", "77", truth] for patient, truth in TRUTHS.items())]
    rows.append(["P1", "AI", "again", "78", "0"])
    ((place, what),) = problems_of(sheet_of(rows), model="AI")
    assert place == "reads.csv row 22, column score"
    assert "another score" in what


def test_a_workbook_and_an_old_encoding(tmp_path: Path):
    headings = ("病例号", "阅片医师", "阅片方式", "评分", "金标准")
    rows = [[row[0], {"A": "张医生", "B": "李医生"}[row[1]], *row[2:]] for row in rows_of()]
    book = openpyxl.Workbook()
    page = book.create_sheet("阅片", 0)
    for line in (list(headings), *rows):
        page.append(line)
    book.save(tmp_path / "reads.xlsx")
    text = "\n".join(",".join(line) for line in (headings, *rows))
    (tmp_path / "reads.csv").write_text(text, encoding="gb18030")
    for name in ("reads.xlsx", "reads.csv"):
        sheet, faults = open_sheet(tmp_path / name)
        assert sheet is not None
        assert not faults
        assert gather_reads(sheet).readers == ("张医生", "李医生")
