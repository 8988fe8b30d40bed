"""A DataFrame read by column holds what it holds read by cell, or is left to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import nephrograde as ng
from nephrograde.errors import ScoresError
from nephrograde.evaluation.score_frame import read_frame
from nephrograde.evaluation.scores.score_table import open_scores, parse_groups, parse_scores
from nephrograde.evaluation.scores.scores import NO_FOLD, SPLITS, Score, ScoreColumns, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLEAN: dict[str, list[list[Any]]] = {
    "patient_id": [["P1", "P2 ", "P3\u200b", " P1"], [1, 2, 30], [1.5, 2.0]],
    "model": [["a", "b"], ["a", " a"], [1, 2]],
    "is_high": [[0, 1], [0.0, 1.0], [True, False], ["yes", "否", "１．０", "High"]],
    "p_high": [[0.1, 0.25, 1 / 3, 0.0, 1.0], [0, 1], [0.5, -0.0], ["0.5", " 0,25 ", "０.５", "1e-3", "\uff10,5"]],
    "split": [["oof", "test"], ["Test ", "折外"]],
    "fold": [[0, 1, 2], [0.0, np.nan], ["1", "1.0", "", "２"], [None, "3"], [None]],
    "sex": [["F", "M"], ["F", " F", None], [1, 2], [0.5, np.nan]],
}
DIRTY: dict[str, list[Any]] = {
    "patient_id": ["", None, np.nan, "\u200b", 1, 1.0, True, "1", "'=P1", -0.0],
    "model": ["", None, 1, "1", "a\u200b"],
    "is_high": [2, "2", "", None, np.nan, -0.0, "1.5", "true", 1, True],
    "p_high": [
        "",
        None,
        np.nan,
        "nan",
        np.inf,
        -0.0,
        -0.1,
        1.5,
        "1,5",
        "1_0",
        "'0.5",
        "'=0.5",
        "½",
        "²",
        True,
        "0.5\u200b",
    ],
    "split": ["", None, "train", 1, "ＴＥＳＴ"],
    "fold": [-1, "-1", 1.5, "1.5", 1e10, 10**10, "", True, "1.00", "②", -0.0, np.nan, "x"],
    "sex": ["", 1, 1.0, True, "1", "F"],
}
TABLE = pd.DataFrame(
    {
        "patient_id": ["A", "B", "C", "D"],
        "model": "m",
        "split": ["oof", "oof", "test", "test"],
        "is_high": [0, 1, 0, 1],
        "p_high": [0.1, 0.2, 0.3, 0.4],
    }
)
DTYPES: list[Any] = [
    "object",
    "category",
    "float32",
    "int8",
    "bool",
    "Int64",
    "Float64",
    "boolean",
    "string",
    "datetime64[ns]",
]


def drawn(seed: int) -> pd.DataFrame:
    """A table of 1 to 7 rows whose columns are clean, or hold one or two dirty cells, in several types."""
    chance = np.random.default_rng(seed)
    count = int(chance.integers(1, 8))
    columns = {}
    for name, pools in CLEAN.items():
        if name in {"split", "fold", "sex"} and chance.random() < 0.3:
            continue
        pool = pools[chance.integers(len(pools))]
        cells = [pool[chance.integers(len(pool))] for _ in range(count)]
        if chance.random() < 0.1:
            cells[chance.integers(count)] = DIRTY[name][chance.integers(len(DIRTY[name]))]
        column = pd.Series(cells)
        if chance.random() < 0.2:
            try:
                column = column.astype(DTYPES[chance.integers(len(DTYPES))])
            except (TypeError, ValueError, OverflowError, RuntimeWarning):
                column = column.astype("object")
        columns[name] = column
    if chance.random() < 0.7:  # else, most tables hold a patient twice
        columns["patient_id"] = pd.Series(
            [f"P{k}" for k in chance.permutation(count)] if chance.random() < 0.5 else chance.permutation(count)
        )
    frame = pd.DataFrame(columns)
    return frame[list(chance.permutation(list(columns)))]


def by_cell(frame: pd.DataFrame) -> tuple[Scores, dict[str, dict[str, str]]]:
    sheet = open_scores(frame)
    return parse_scores(sheet), parse_groups(sheet, ("sex",))


@pytest.mark.slow
def test_what_is_read_by_column_is_what_is_read_by_cell() -> None:
    read = refused = 0
    for seed in range(400):
        frame = drawn(seed)
        found = read_frame(frame, None, ("sex",))
        try:
            scores, groups = by_cell(frame)
        except ScoresError:
            assert found is None, frame
            refused += 1
            continue
        if found is not None:
            read += 1
            assert found.scores == scores
            assert found.scores.models == scores.models
            assert repr(tuple(found.scores.rows)) == repr(tuple(scores.rows)), frame
            assert found.groups == groups
            for model in scores.models:
                for split in SPLITS:
                    ours, theirs = found.scores.of(model, split), scores.of(model, split)
                    assert (ours.patient_ids, ours.folds) == (theirs.patient_ids, theirs.folds)
                    assert ours.p_high.tobytes() == theirs.p_high.tobytes()
                    assert ours.is_high.tolist() == theirs.is_high.tolist()
    assert read > 60
    assert refused > 60


@pytest.mark.parametrize(
    "column",
    [
        {},
        {"p_high": [0.25, 0.5, 0.75, 1.0]},
        {"p_high": np.array([0.25, 0.5, 0.75, 1.0], dtype=np.float32)},
        {"p_high": ["0.25", "0,5", "0.75", "1"]},
        {"patient_id": [1, 2, 3, 4]},
        {"is_high": [True, False, True, False]},
        {"fold": [0.0, 1.0, np.nan, np.nan]},
        {"fold": None},
        {"model": pd.Categorical(["m", "m", "n", "n"])},
        {"概率": [0.25, 0.5, 0.75, 1.0], "p_high": "p_high"},
    ],
)
def test_usual_tables_are_read_by_column(column: dict[str, Any]) -> None:
    frame = TABLE.assign(**column)
    if "概率" in column:
        frame = frame.drop(columns="p_high")
    assert read_frame(frame) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"p_high": [0.5, "", 0.5, 0.5]},
        {"p_high": [0.5, 1.5, 0.5, 0.5]},
        {"patient_id": ["A", "\u200b", "C", "D"]},
        {"model": ["m", "m", " ", "m"]},
        {"is_high": [0.0, 1.0, -0.0, 1.0]},  # the number is 0, but its text "-0.0" is none of those for low grade
        {"patient_id": ["A", "B", "A", "D"], "split": "test"},
        {"patient_id": ["A", "B", "A", "D"]},
        {"patient_id": ["A", "B", "A", "D"], "model": ["m", "m", "n", "n"], "is_high": [0, 0, 1, 1]},
        {"sex": ["F", None, "M", "M"], "patient_id": ["A", "B", "A", "B"], "model": ["m", "m", "n", "n"]},
    ],
)
def test_mistakes_are_named_as_they_are_in_a_file(changed: dict[str, Any], tmp_path: Path) -> None:
    frame = TABLE.assign(**changed)
    frame.to_csv(tmp_path / "scores.csv", index=False)
    said = []
    for given in (frame, tmp_path / "scores.csv"):
        with pytest.raises(ScoresError) as caught:
            ng.evaluate(given, bootstraps=100, subgroups=("sex",))
        said.append(str(caught.value))
    rows = {f"Row {k}": f"Row {k + 1}" for k in (4, 3, 2, 1)}  # a file has a row of headings
    for number, moved in rows.items():
        said[0] = said[0].replace(f"{number},", f"{moved},").replace(number.lower() + ")", moved.lower() + ")")
    assert said[0].replace("the DataFrame", "scores.csv") == said[1]


def test_a_group_named_like_a_column_of_scores_and_lesions_are_left_to_the_cells() -> None:
    frame = pd.DataFrame({"patient_id": ["A", "B"], "model": "m", "is_high": [0, 1], "p_high": [0.2, 0.4]})
    assert read_frame(frame, None, ("sex",)) is not None
    assert read_frame(frame, None, ("model",)) is None
    assert read_frame(frame.assign(lesion_id=1)) is None
    assert read_frame(frame, {"p_high": "nowhere"}) is None
    assert read_frame(frame.iloc[:0]) is None


def columns_of(rows: Sequence[Score]) -> ScoreColumns:
    patients, models = list({row.patient_id: 0 for row in rows}), list({row.model: 0 for row in rows})
    return ScoreColumns(
        patients,
        models,
        patient_of=np.array([patients.index(row.patient_id) for row in rows]),
        model_of=np.array([models.index(row.model) for row in rows]),
        split_of=np.array([SPLITS.index(row.split) for row in rows]),
        folds=np.array([NO_FOLD if row.fold is None else row.fold for row in rows]),
        is_high=np.array([row.is_high for row in rows]),
        p_high=np.array([row.p_high for row in rows]),
    )


def test_rows_by_column_are_the_rows() -> None:
    rows = tuple(Score(f"P{k % 4}", "ab"[k // 4], "oof", k % 3 or None, k % 2 == 0, k / 8) for k in range(8))
    columns = columns_of(rows)
    assert columns == rows
    assert hash(columns) == hash(rows)
    assert (columns[2:5], columns[-1], len(columns)) == (rows[2:5], rows[-1], 8)
    assert Scores(columns) == Scores(rows)
    assert Scores(columns).out_of_fold() == Scores(rows).out_of_fold()


def test_contradicting_rows_by_column_are_refused_as_rows_are() -> None:
    rows = [Score("A", "m", "test", None, True, 0.5), Score("A", "n", "test", None, False, 1.5)]
    said = []
    for given in (rows, columns_of(rows)):
        with pytest.raises(ScoresError) as caught:
            Scores(given)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "2 problems" in said[0]
