from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.evaluation.comparison.compare import Comparison
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.remarks import Caution, Reason, Rule
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import read_estimates
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.paper import (
    beside_table,
    fatal_findings,
    fit_table,
    pair_table,
    paper_rows,
    paper_table,
    threshold_table,
    warning_counts,
)
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def counted(model: str, **counts: float) -> list[tuple[str, str, Estimate]]:
    nan = math.nan
    return [(model, "test", Estimate(name, value, nan, nan, 90, 42, "count")) for name, value in counts.items()]


def test_counts_stand_beside_every_proportion() -> None:
    estimates = [
        ("weak-1-cmp", "test", Estimate("auc", 0.907, 0.8423, 0.9718, 90, 42, "DeLong")),
        ("weak-1-cmp", "test", Estimate("accuracy", 77 / 90, 0.768, 0.914, 90, 42, "Wilson", part=77, whole=90)),
        ("weak-1-cmp", "test", Estimate("sensitivity", 36 / 42, 0.722, 0.933, 90, 42, "Wilson", part=36, whole=42)),
        ("weak-1-cmp", "test", Estimate("specificity", 41 / 48, 0.728, 0.928, 90, 42, "Wilson", part=41, whole=48)),
        *counted("weak-1-cmp", tp=36, fp=7, tn=41, fn=6),
    ]
    headings, rows = paper_table(estimates)
    assert headings[0] == "Model"
    assert len(headings) == 5
    assert rows == [
        (
            "weak-1-cmp",
            "0.907 [0.842–0.972]",
            "0.856 [0.77–0.91] (77/90)",
            "0.857 [0.72–0.93] (36/42)",
            "0.854 [0.73–0.93] (41/48)",
        )
    ]


def test_baselines_come_last_and_keep_their_order(whole_run: Path) -> None:
    estimates = read_estimates(whole_run / "statistics" / "estimates.csv")
    rows = paper_rows([*(row for row in estimates if row[0] == "size"), *estimates])
    assert [row.model for row in rows][-2:] == ["size", "volume"]
    assert [row.is_baseline for row in rows] == [False] * 9 + [True] * 2


def test_splits_are_not_mixed(record: Results) -> None:
    assert {row.n for row in paper_rows(record.estimates, "test")} == {12}
    assert {row.n for row in paper_rows(record.estimates, "oof")} == {28}


def test_number_that_was_not_computed_is_a_dash_with_its_reason() -> None:
    nan = math.nan
    estimates = [("a", "test", Estimate("auc", nan, nan, nan, 5, 0, "method", reason=Reason.ONE_GRADE))]
    row = paper_rows(estimates)[0]
    assert row.auc.text == "–"
    assert row.note == "not computed: patients of one grade only"


def test_unreliable_auc_keeps_its_note() -> None:
    estimates = [("a", "test", Estimate("auc", 1.0, 1.0, 1.0, 5, 2, "DeLong", caution=Caution.PERFECT_AUC))]
    assert paper_rows(estimates)[0].note == "an AUC is exactly 0 or 1: unreliable"


def test_this_run_stands_below_its_printed_row(record: Results) -> None:
    rows = beside_table(record)
    assert [row.label for row in rows] == [
        "weak, one slice, corticomedullary",
        "weak-1-cmp",
        "strong, 3D, corticomedullary",
        "strong-cmp",
    ]
    assert rows[0].printed is not None
    assert rows[0].printed.auc == 0.907
    assert rows[1].ours is not None
    assert rows[1].ours.model == "weak-1-cmp"


def test_every_pair_is_a_row_and_the_papers_question_is_marked(record: Results) -> None:
    table = pair_table(record)
    assert table.measures == ("AUC", "Accuracy", "Sensitivity", "Specificity")
    assert len(table.rows) == 55
    key = [(row.model_a, row.model_b) for row in table.rows if row.is_key]
    assert len(key) == 9
    assert ("weak-1-cmp", "strong-cmp") in key
    assert ("weak-1-cmp", "weak-1-np") not in key
    assert ("size", "volume") not in key


def test_dropped_patients_and_missing_tests_are_remarked(record: Results) -> None:
    nan = math.nan
    pairs = (
        Comparison("a", "b", "auc", 0.1, -0.1, 0.3, 1.0, 0.0004, 0.0008, 80, "paired DeLong", dropped_a=10),
        Comparison(
            "a", "b", "sensitivity", nan, nan, nan, nan, nan, nan, 0, "method", reason=Reason.NO_COMMON_PATIENTS
        ),
        Comparison("a", "c", "auc", 0.1, -0.1, 0.3, 1.0, 0.3, 0.3, 90, "paired DeLong"),
    )
    first, second = pair_table(dataclasses.replace(record, comparisons=pairs)).rows
    assert first.cells[0].p == "<0.001"
    assert first.cells[0].bounds == "[−0.100 to 0.300]"
    assert first.n == "80/0"
    assert first.remarks[0] == "AUC: patients scored by only one model were excluded: 10 of a"
    assert first.remarks[1] == "Sensitivity: not computed: no common patients"
    assert second.cells[1].difference == "–"
    assert second.remarks == ()


def test_findings_are_listed_and_warnings_counted(record: Results) -> None:
    assert [(finding.patient_id, finding.phase) for finding in fatal_findings(record)] == [("张伟-01", "np")]
    first, second = warning_counts(record)
    assert (first.code, first.scans, first.patients) == ("mask-border", 2, 2)
    assert first.example.startswith("the mask touches")
    assert second.code == "not-hu"


def test_thresholds_name_rule_and_patients(record: Results) -> None:
    rows = threshold_table(record)
    assert len(rows) == 11
    assert rows[0].method == "Youden’s index on out-of-fold predictions"
    assert rows[0].n == 28


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"rule": Rule.YOUDEN}, "Youden’s index on out-of-fold predictions"),
        ({"rule": Rule.SENSITIVITY, "rule_value": 0.9}, "sensitivity ≥ 0.9 on out-of-fold predictions"),
        ({"rule": Rule.SPECIFICITY, "rule_value": 0.85}, "specificity ≥ 0.85 on out-of-fold predictions"),
        (
            {"rule": Rule.COST, "rule_value": 2.0},
            "lowest cost (missed : false alarm 2:1) on out-of-fold predictions",
        ),
        (
            {"rule": Rule.FIXED, "caution": Caution.OUT_OF_FOLD_ONE_GRADE},
            "fixed (out-of-fold rows of one grade only)",
        ),
    ],
)
def test_rules_are_written_for_people(record: Results, written: dict[str, Any], words: str) -> None:
    estimates = tuple(
        (model, split, dataclasses.replace(estimate, **written))
        for model, split, estimate in record.estimates
        if estimate.measure == "threshold" and model == "size"
    )
    assert [row.method for row in threshold_table(dataclasses.replace(record, estimates=estimates))] == [words]


def test_fits_are_summed_over_folds(record: Results) -> None:
    rows = {row.model: row for row in fit_table(record)}
    assert len(rows) == 9
    assert rows["weak-3-np"].precision == "bf16, fp32"
    assert rows["weak-3-np"].refits == ("fold 1: bf16 gave a non-finite loss in epoch 2",)
    assert rows["weak-1-cmp"].time == "3 min 04 s"
    assert rows["weak-1-cmp"].epochs == "4"


def test_fit_without_a_card_has_empty_cells(record: Results) -> None:
    bare = tuple(dataclasses.replace(fit, card={}) for fit in record.fits)
    row = fit_table(dataclasses.replace(record, fits=bare))[0]
    assert (row.best_epochs, row.time, row.device) == ("", "", "")


@pytest.mark.slow
@pytest.mark.parametrize(("p_high", "word"), [(0.6, "high"), (0.4, "low")])
def test_a_threshold_outside_of_the_scores_is_a_warning_of_the_row(
    p_high: float, word: str, tmp_path: Path, write_evaluation: Callable[[Path, Scores], None]
) -> None:
    rows = [Score(f"T{k}", "mine", "test", None, k >= 5, p_high + k / 1000) for k in range(10)]
    rows += [Score(f"T{k}", "fair", "test", None, k >= 5, 0.45 + k / 100) for k in range(10)]
    write_evaluation(tmp_path / "run", Scores(tuple(rows)))
    found = {row.model: row for row in paper_rows(Results.read(tmp_path / "run").estimates)}
    assert found["fair"].warning == ""
    assert found["mine"].warning.endswith(f"all patients are called {word}")
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if 'class="warning"' in line]
    assert len(lines) == 2  # in the first table of the page, and in that with the accuracy
    assert lines[0].startswith('<tr><th scope="row" class="name">mine<span class="warning">Warning: the threshold is')
    chinese = write_report(tmp_path / "run", "zh").read_text(encoding="utf-8")
    assert 'class="name">mine<span class="warning">警告：阈值' in chinese
    assert f"warning: {found['mine'].warning}" in paper_table(Results.read(tmp_path / "run").estimates)[1][0][0]


def test_scores_of_the_other_grade_are_not_reported_without_a_word():
    estimates = [
        ("inverted", "test", Estimate("auc", 0.105, 0.039, 0.252, 40, 20, "DeLong")),
        ("poor", "test", Estimate("auc", 0.417, 0.079, 0.857, 40, 20, "DeLong")),
        ("size", "test", Estimate("auc", 0.105, 0.039, 0.252, 40, 20, "DeLong")),  # a baseline has no p_high of its own
    ]
    warnings = {row.model: row.warning for row in paper_rows(estimates)}
    assert warnings["inverted"].endswith("p_high may be the probability of the other grade")
    assert warnings["poor"] == warnings["size"] == ""
    with speaking("zh"):
        assert "另一级别" in paper_table(estimates)[1][0][0]
