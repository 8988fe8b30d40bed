"""From the folds' predictions to one score a patient and model."""

import pytest

from nephrograde.evaluation.collect import collect_scores, write_members
from nephrograde.files import read_rows, write_rows
from nephrograde.run.folder import FoldFolder


def write_predictions(folder, model, fold, rows):
    fold_folder = FoldFolder(folder / model / f"fold-{fold}")
    columns = ("patient_id", "split", "is_high", "p_high")
    write_rows(fold_folder.predictions_path, columns, [dict(zip(columns, row, strict=True)) for row in rows])
    return fold_folder


def test_held_out_rows_stay_and_test_rows_are_averaged(tmp_path):
    folds = [
        write_predictions(tmp_path, "weak-1-cmp", 0, [("A", "oof", 1, 0.9), ("T", "test", 0, 0.2)]),
        write_predictions(tmp_path, "weak-1-cmp", 1, [("B", "oof", 0, 0.1), ("T", "test", 0, 0.4)]),
        write_predictions(tmp_path, "strong-cmp", 0, [("T", "test", 0, 0.8)]),
    ]
    scores, members = collect_scores(folds)
    found = {(s.model, s.patient_id, s.split, s.fold): (s.is_high, s.p_high) for s in scores}
    assert found == {
        ("weak-1-cmp", "A", "oof", 0): (True, 0.9),
        ("weak-1-cmp", "B", "oof", 1): (False, 0.1),
        ("weak-1-cmp", "T", "test", None): (False, pytest.approx(0.3)),
        ("strong-cmp", "T", "test", None): (False, 0.8),
    }
    write_members(members, tmp_path / "members.csv")
    assert [(row["model"], row["fold"], row["p_high"]) for row in read_rows(tmp_path / "members.csv")] == [
        ("weak-1-cmp", "0", "0.2"),
        ("weak-1-cmp", "1", "0.4"),
        ("strong-cmp", "0", "0.8"),
    ]
