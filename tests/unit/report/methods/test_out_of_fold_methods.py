"""What the methods and the checklists say of a run whose test set was not opened."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.checklist import FilledItem, fill_checklists
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.tables.out_of_fold import out_of_fold_words
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

APART = "chosen without the test patients"


@pytest.fixture(scope="module")
def tested(whole_run: Path) -> Results:
    return Results.read(whole_run)


@pytest.fixture(scope="module")
def unopened(tested: Results) -> Results:
    scores = Scores(tuple(row for row in tested.scores.rows if row.split == "oof"))
    estimates = tuple(row for row in tested.estimates if row[1] == "oof")
    return dataclasses.replace(tested, scores=scores, estimates=estimates)


def item(run: Results, key: str, number: str) -> FilledItem:
    found = next(checklist for checklist in fill_checklists(run) if checklist.key == key)
    return next(one for one in found.items if one.number == number)


def test_thresholds_are_said_to_be_chosen_on_the_same_patients(tested: Results, unopened: Results) -> None:
    assert APART in statistics.thresholds(tested)
    told = statistics.thresholds(unopened)
    assert APART not in told
    assert out_of_fold_words(unopened).calls in told
    assert told in methods_paragraph(unopened)
    with speaking("zh"):
        assert out_of_fold_words(unopened).calls in statistics.thresholds(unopened)
        assert "未使用测试患者" not in statistics.thresholds(unopened)


@pytest.mark.parametrize(("key", "number"), [("claim", "38"), ("tripod-ai", "15")])
def test_items_say_so_too(unopened: Results, key: str, number: str) -> None:
    answer = item(unopened, key, number).answer
    assert out_of_fold_words(unopened).calls in answer
    assert APART not in answer


def test_thresholds_of_the_same_patients_are_not_evidence_against_leakage(tested: Results, unopened: Results) -> None:
    assert item(tested, "probast-ai", "E 4.5").filled_by == "run"
    assert item(unopened, "probast-ai", "E 4.5").filled_by == "author"
    assert "thresholds" in item(unopened, "probast-ai", "E 4.5").missing[0]


def test_tests_of_aucs_are_within_folds_and_of_the_fitted_models(tested: Results, unopened: Results) -> None:
    assert "within folds" not in statistics.comparisons(tested)
    told = statistics.comparisons(unopened)
    assert "DeLong’s paired test within folds" in told
    assert "models as fitted only" in told
    with speaking("zh"):
        assert "折内" in statistics.comparisons(unopened)


def test_what_is_pooled_over_the_folds_is_called_pooled(tested: Results, unopened: Results) -> None:
    assert "pooled" not in statistics.measures(tested)
    assert "AUC pooled over the folds with an interval from a bootstrap" in statistics.measures(unopened)
    without = tuple(row for row in unopened.estimates if row[2].measure != "auc_pooled")
    foldless = dataclasses.replace(unopened, estimates=without)
    assert statistics.measures(foldless).count("pooled over the folds") == 2
    assert "within folds" not in statistics.comparisons(foldless)


@pytest.mark.slow
def test_no_test_patients_are_claimed(unopened: Results) -> None:
    for key, number in (("clear", "42"), ("metrics", "24"), ("metrics", "25")):
        assert item(unopened, key, number).filled_by == "run"
        assert "test patients" not in item(unopened, key, number).answer
    assert "test patients" not in statistics.baselines(unopened)
    with speaking("zh"):
        assert "测试患者" not in statistics.baselines(unopened)
