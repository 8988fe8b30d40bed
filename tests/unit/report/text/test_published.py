from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.report.text.published import PRINTED_ROWS, PrintedRow, deviations
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.study import Study


def solutions(row: PrintedRow, n: int) -> list[tuple[int, int, int, int]]:
    """Every (P, N, TP, TN) with P + N = n that rounds to the printed accuracy, sensitivity and specificity."""
    half = 0.0005 + 1e-9
    return [
        (p, n - p, tp, tn)
        for p in range(1, n)
        for tp in range(p + 1)
        if abs(tp / p - row.sensitivity) <= half
        for tn in range(n - p + 1)
        if abs(tn / (n - p) - row.specificity) <= half and abs((tp + tn) / n - row.accuracy) <= half
    ]


@pytest.mark.parametrize("row", PRINTED_ROWS, ids=lambda row: row.kind)
def test_printed_triples_are_impossible_with_90_patients(row: PrintedRow) -> None:
    assert solutions(row, 90) == []


def test_printed_triples_have_no_common_positives_with_92_patients() -> None:
    weak, strong = (solutions(row, 92) for row in PRINTED_ROWS)
    assert weak == [(35, 57, 30, 49), (42, 50, 36, 43), (49, 43, 42, 37)]
    assert strong == [(41, 51, 35, 43)]


def test_printed_rows_find_their_arms(make_study: Callable[..., Study]) -> None:
    found = [[one.id for one in make_study().models() if row.is_matched_by(one.arm, one.phase)] for row in PRINTED_ROWS]
    assert found == [["weak-1-cmp"], ["strong-cmp"]]


def test_a_volume_without_delineation_is_not_the_strong_row(make_study: Callable[..., Study]) -> None:
    arms = [{"name": "point-3d", "supervision": "point"}, {"name": "full", "supervision": "mask"}]
    strong = next(row for row in PRINTED_ROWS if row.kind == "strong")
    found = [one.id for one in make_study(arm=arms).models() if strong.is_matched_by(one.arm, one.phase)]
    assert found == ["full-cmp"]


def test_only_scored_baselines_are_claimed(make_study: Callable[..., Study]) -> None:
    ours = {line.topic: line.ours for line in deviations(make_study(), n_patients=9, scored=("weak-1-cmp", "size"))}
    assert ours["Baselines"].startswith("Logistic regression on tumour size, each alone")
    ours = {line.topic: line.ours for line in deviations(make_study(), n_patients=9, scored=("weak-1-cmp",))}
    assert ours["Baselines"] == "None."
    assert "Comparison" not in ours
    assert "Scoring the test set" in ours
    closed = deviations(make_study(), n_patients=9, scored=("weak-1-cmp", "size"), has_test=False)
    assert "Scoring the test set" not in {line.topic for line in closed}
    assert "Comparison" in {line.topic for line in closed}


def test_deviations_print_the_values_of_the_study(make_study: Callable[..., Study]) -> None:
    study = make_study(synthetic=False, fit={"epochs": 7, "learning_rate": 0.002}, split={"folds": 4})
    lines = {line.topic: line for line in deviations(study, n_patients=123, scored=BASELINES)}
    assert lines["Patients"].ours == "123 patients of another cohort."
    assert "learning rate 0.002" in lines["Learning"].ours
    assert "up to 7 epochs" in lines["Learning"].ours
    assert "4 folds" in lines["Split"].ours
    assert lines["Window"].ours == "−200 to 300 HU."
    assert "Outcome" not in lines
    assert "Phases" not in lines


def test_another_question_is_called_a_deviation(make_study: Callable[..., Study]) -> None:
    study = make_study(
        cohort={"table": "c.csv", "phases": ["ct", "pet", "mr_t1"], "outcome": "lung_metastasis"},
        split={"folds": 3, "column": "set"},
        window={"pet": {"low": 0.0, "high": 15.0}, "mr_t1": {"low": 1.0, "high": 99.0, "percentiles": True}},
        evaluate={"baselines": []},
    )
    lines = {line.topic: line for line in deviations(study, n_patients=25, scored=BASELINES)}
    assert "lung_metastasis" in lines["Outcome"].ours
    assert lines["Phases"].ours == "ct, pet, mr_t1."
    assert lines["Window"].ours == "ct −200 to 300 HU; pet 0 to 15; mr_t1 1 to 99 percentile of the region."
    assert "By the column “set”" in lines["Split"].ours
    assert lines["Baselines"].ours == "None."


@pytest.mark.parametrize(
    ("evaluate", "words"),
    [
        ({}, "Youden's index on out-of-fold training predictions, frozen before"),
        (
            {"threshold": "sensitivity", "threshold_target": 0.95},
            "highest threshold with a sensitivity of at least 0.95",
        ),
        ({"threshold": "specificity"}, "lowest threshold with a specificity of at least 0.9 on out-of-fold"),
        ({"threshold": "cost", "cost_ratio": 4.0}, "a missed high grade costing 4 false alarms"),
    ],
)
def test_rule_of_the_threshold_is_that_of_the_study(
    make_study: Callable[..., Study], evaluate: dict[str, object], words: str
) -> None:
    lines = {line.topic: line for line in deviations(make_study(evaluate=evaluate), n_patients=9, scored=BASELINES)}
    assert words in lines["Threshold"].ours


def test_every_baseline_of_the_study_is_named(make_study: Callable[..., Study]) -> None:
    study = make_study(evaluate={"baselines": ["size", "volume", "clinical", "radiomics"]}, fit={"patience": 0})
    lines = {line.topic: line for line in deviations(study, n_patients=9, scored=BASELINES)}
    named = "tumour size, tumour volume, clinical columns and radiomic features, each alone"
    assert named in lines["Baselines"].ours
    assert "no early stopping" in lines["Learning"].ours
