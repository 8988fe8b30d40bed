from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.scores.score_table import read_scores, write_scores
from nephrograde.evaluation.scores.scores import ModelScores, Score, Scores, paired_vectors

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    Score("P2", "weak-1-cmp", "oof", 0, True, 0.1 + 0.2),
    Score("P1", "weak-1-cmp", "oof", 1, False, 1 / 3),
    Score("P9", "weak-1-cmp", "test", None, True, 1.0),
    Score("P9", "size", "test", None, True, 0.0),
)


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    scores_path = folder / "theirs.csv"
    scores_path.write_bytes(text.encode(encoding))
    return scores_path


def message_of(scores_path: Path) -> str:
    with pytest.raises(ScoresError) as caught:
        read_scores(scores_path)
    return str(caught.value)


def test_a_table_is_grouped_by_model_and_split_and_sorted_by_patient() -> None:
    scores = Scores(ROWS)
    assert scores.models == ("weak-1-cmp", "size")
    oof = scores.of("weak-1-cmp", "oof")
    assert oof.patient_ids == ("P1", "P2")
    assert oof.is_high.tolist() == [False, True]
    assert oof.p_high.tolist() == [1 / 3, 0.1 + 0.2]
    assert len(scores.of("size", "oof")) == 0


def test_the_values_of_a_table_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Scores(ROWS).of("size", "test").p_high[0] = 0.5


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(ScoresError, match=r"No scores of model strong-cmp\. The table has: weak-1-cmp, size\."):
        Scores(ROWS).of("strong-cmp", "test")


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    scores_path = tmp_path / "scores" / "scores.csv"
    write_scores(Scores(ROWS), scores_path)
    assert scores_path.read_bytes().decode() == (
        "patient_id,model,split,fold,is_high,p_high\n"
        "P2,weak-1-cmp,oof,0,1,0.30000000000000004\n"
        "P1,weak-1-cmp,oof,1,0,0.3333333333333333\n"
        "P9,weak-1-cmp,test,,1,1.0\n"
        "P9,size,test,,1,0.0\n"
    )
    assert read_scores(scores_path) == Scores(ROWS)
    assert [path.name for path in scores_path.parent.iterdir()] == ["scores.csv"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_foreign_table_needs_four_columns_only(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = (
        "p_high,医院,patient_id,is_high,model",
        "0.75,北京,患者一,1.0,放射科医师",
        "0.5,北京,患者二,False,放射科医师",
        "",
    )
    text = "".join(f"{row}\r\n" for row in rows)
    scores = read_scores(write(tmp_path, text.replace(",", delimiter), encoding))
    assert scores.rows == (
        Score("患者一", "放射科医师", "test", None, True, 0.75),
        Score("患者二", "放射科医师", "test", None, False, 0.5),
    )


def test_a_fold_may_be_empty_and_may_have_been_through_a_spreadsheet(tmp_path: Path) -> None:
    text = "patient_id,model,split,fold,is_high,p_high\nA,m,OOF,3.0,1,0.5\nB,m,oof,,0,0.5\n"
    assert [row.fold for row in read_scores(write(tmp_path, text)).rows] == [3, None]


def test_missing_columns_are_named_with_near_ones(tmp_path: Path) -> None:
    message = message_of(write(tmp_path, "who,model,is_hihg,value\nA,m,1,0.5\n"))
    assert message.startswith("3 problems in theirs.csv:")
    assert "there is no column is_high. Rename 'is_hihg'" in message
    assert "there is no column p_high. Add it, or name its heading with --columns" in message
    assert message.endswith("The table has: who, model, is_hihg, value.")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            "P5,m,test,,1,1.2",
            "Row 3, patient P5, model m: p_high is 1.2, not a probability. Write a number from 0 to 1.",
        ),
        ("P5,m,test,,1,nan", "Row 3, patient P5, model m: p_high is nan, not a probability."),
        ("P5,m,test,,1,-0.01", "Row 3, patient P5, model m: p_high is -0.01, not a probability."),
        ("P5,m,test,,1,high", "Row 3, patient P5, model m: p_high is high, not a number. Write a number from 0 to 1."),
        ("P5,m,test,,1,", "Row 3, patient P5, model m: p_high is empty, not a number."),
        ("P5,m,test,,3,0.5", "Row 3, patient P5, model m: is_high is 3. Write 1 (high grade) or 0 (low grade)."),
        ("P5,m,train,,1,0.5", "Row 3, patient P5, model m: split is train. Write oof (out of fold) or test"),
        ("P5,m,,,1,0.5", "Row 3, patient P5, model m: split is empty."),
        (f"P5,m,oof,{'9' * 5000},1,0.5", "Write an integer from 0, or leave it empty."),
        ("P5,m,oof,x,1,0.5", "Row 3, patient P5, model m: fold is x. Write an integer from 0, or leave it empty."),
        (",m,test,,1,0.5", "Row 3, patient ?, model m: patient_id is empty. Write the id of the patient."),
        ("P5,,test,,1,0.5", "Row 3, patient P5, model ?: model is empty. Write the name of the model."),
        ("P1,m,test,,1,0.5", "Row 3, patient P1, model m: a second test row (first in row 2). Keep one"),
        ("P1,m2,test,,0,0.5", "Row 3, patient P1, model m2: is_high is 0, but 1 for model m. Correct the one"),
        (
            "P1,m,oof,0,1,0.5",
            "Row 3, patient P1, model m: is in split oof and in split test. Keep the test patients out",
        ),
        ("P5,m,test,,1,0,93", "left over"),
    ],
)
def test_a_bad_row_is_named_with_its_remedy(tmp_path: Path, row: str, expected: str) -> None:
    text = f"patient_id,model,split,fold,is_high,p_high\nP1,m,test,,1,0.5\n{row}\n"
    message = message_of(write(tmp_path, text))
    assert message.startswith("1 problem in theirs.csv:\n")
    assert expected in message


def test_all_problems_are_counted_and_ten_are_shown(tmp_path: Path) -> None:
    rows = "".join(f"P{k},m,2,7\n" for k in range(12))
    message = message_of(write(tmp_path, f"patient_id,model,is_high,p_high\nA,m,1,7\n{rows}"))
    assert message.startswith("13 problems in theirs.csv, the first 10:\n")
    assert len(message.splitlines()) == 11


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    assert "no such file" in message_of(tmp_path / "nowhere.csv")
    (tmp_path / "theirs.csv").write_bytes(b"\xff\xff\xff\x81\x00")
    assert "1 problem in theirs.csv" in message_of(tmp_path / "theirs.csv")
    assert "no rows" in message_of(write(tmp_path, "patient_id,model,is_high,p_high\n"))


def test_rows_from_code_are_checked_too() -> None:
    with pytest.raises(ScoresError, match=r"(?s)2 problems in the scores:.*p_high is nan.*a second test row\. Keep"):
        Scores((Score("A", "m", "test", None, True, float("nan")), Score("A", "m", "test", None, True, 0.5)))


def test_select_takes_patients_in_the_order_named() -> None:
    three = ModelScores(("A", "B", "C"), np.array([True, False, True]), np.array([0.1, 0.2, 0.3]))
    two = three.select(("C", "A"))
    assert (two.patient_ids, two.p_high.tolist(), two.is_high.tolist()) == (("C", "A"), [0.3, 0.1], [True, True])
    assert three.select(("A", "B", "C")) is three


@pytest.mark.parametrize(
    ("p_high", "is_high", "expected"),
    [
        ([0.5], [0, 1], "Give one of each per patient"),
        ([[0.5]], [[1]], "Give one of each per patient"),
        ([], [], "No patient to evaluate"),
        ([0.5, float("inf")], [0, 1], "Prediction 2 is inf"),
        ([0.5, 0.5], [1, 2], "values other than 0 and 1"),
    ],
)
def test_vectors_that_do_not_belong_together_are_refused(p_high: object, is_high: object, expected: str) -> None:
    with pytest.raises(ScoresError, match=expected):
        paired_vectors(p_high, is_high)  # type: ignore[arg-type]


def test_a_column_that_is_in_its_place_is_not_to_be_renamed(tmp_path: Path) -> None:
    table_path = tmp_path / "scores.csv"
    table_path.write_text("patient_id,model,is_high,value\nP1,a,0,0.3\n", encoding="utf-8")
    with pytest.raises(ScoresError, match=r"no column p_high\. Add it, or name its heading with --columns"):
        read_scores(table_path)
