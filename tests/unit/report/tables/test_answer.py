from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.split import Split
from nephrograde.evaluation.ledger import Opening
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.tables.answer import (
    Doubt,
    answer_sentences,
    caution_sentence,
    common_notes,
    find_answer,
    main_rows,
    named_models,
    withheld,
)
from nephrograde.report.tables.out_of_fold import out_of_fold_words
from nephrograde.report.tables.paper import paper_rows
from nephrograde.report.text.language import speaking
from nephrograde.report.text.numbers import decimal, p_value
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study

OPENING = Opening("2026-05-04T09:30:00+00:00", "ab" * 32, "look", "nephrograde run", "i")


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def with_auc(run: Results, model: str, split: str, value: float) -> Results:
    estimates = tuple(
        (name, where, dataclasses.replace(made, value=value))
        if (name, where, made.measure) == (model, split, "auc")
        else (name, where, made)
        for name, where, made in run.estimates
    )
    return dataclasses.replace(run, estimates=estimates)


def test_leader_is_chosen_out_of_fold_and_its_rival_is_the_best_baseline(record: Results) -> None:
    run = with_auc(with_auc(record, "strong-up", "oof", 1.1), "size", "oof", 1.1)
    answer = find_answer(run)
    assert answer is not None
    assert (answer.leader, answer.rival, answer.is_primary) == ("strong-up", "size", False)
    assert (answer.n, answer.n_high) == (12, sum(run.scores.of("strong-up", "test").is_high))
    assert answer.difference == run.auc_difference("strong-up", "size")
    assert answer.doubts == (Doubt.CHOSEN_OUT_OF_FOLD, Doubt.FEW_PATIENTS)
    assert named_models(run) == ("strong-up", "size")


def test_primary_comparison_is_the_answer_where_one_was_named(
    record: Results, make_study: Callable[..., Study]
) -> None:
    study = make_study(evaluate={"primary": ["weak-3-np", "strong-np"]})
    run = dataclasses.replace(record, study=study)
    answer = find_answer(run)
    assert answer is not None
    assert (answer.leader, answer.rival, answer.is_primary) == ("weak-3-np", "strong-np", True)
    assert answer.doubts == (Doubt.FEW_PATIENTS,)
    assert named_models(run)[:2] == ("weak-3-np", "strong-np")
    assert named_models(run)[2] == run.chosen_baseline


def test_highest_auc_on_the_same_patients_is_called_optimistic(record: Results) -> None:
    estimates = tuple(row for row in record.estimates if row[1] == "test")
    answer = find_answer(dataclasses.replace(record, estimates=estimates))
    assert answer is not None
    networks = [row for row in paper_rows(estimates, "test") if not row.is_baseline]
    assert answer.auc.value == max(row.auc.value for row in networks)
    assert Doubt.CHOSEN_ON_SAME in answer.doubts


def test_page_without_a_test_set_says_so_first(record: Results) -> None:
    scores = Scores(tuple(row for row in record.scores.rows if row.split == "oof"))
    alone = dataclasses.replace(record, scores=scores)
    assert answer_sentences(alone)[0] == out_of_fold_words(alone).lead
    assert "the test set was kept closed" in out_of_fold_words(alone).lead  # it has test patients
    without = dataclasses.replace(alone, split=Split({}))
    assert "there is no test set" in out_of_fold_words(without).lead


def test_a_reopened_test_set_is_a_doubt(record: Results) -> None:
    again = find_answer(dataclasses.replace(record, openings=(OPENING, OPENING)))
    assert again is not None
    assert Doubt.REOPENED in again.doubts


def test_answer_has_its_numbers_and_at_most_two_sentences_and_a_caution(record: Results) -> None:
    answer = find_answer(record)
    assert answer is not None
    assert answer.difference is not None
    for language in ("en", "zh"):
        with speaking(language):
            said = answer_sentences(record)
            assert len(said) <= 2
            for number in (answer.auc.value, answer.difference.difference):
                assert decimal(number) in said[-1]
            assert answer.leader in caution_sentence(record)


def test_nothing_computed_is_no_answer(record: Results) -> None:
    empty = dataclasses.replace(record, estimates=(), comparisons=())
    assert find_answer(empty) is None
    assert answer_sentences(empty) == []
    assert caution_sentence(empty) == ""


def test_main_table_has_predictive_values_and_p_against_size(record: Results) -> None:
    rows = main_rows(record, paper_rows(record.estimates, "test"))
    found = {one.row.model: one for one in rows}
    pair = record.auc_difference("weak-1-cmp", "size")
    ppv = record.estimate("weak-1-cmp", "ppv")
    assert pair is not None
    assert ppv is not None
    assert found["weak-1-cmp"].p_size == p_value(pair.p_value)
    assert found["size"].p_size == "–"
    assert found["weak-1-cmp"].ppv.counts == f"{ppv.part}/{ppv.whole}"


def test_withheld_curves_are_one_line_in_the_language_of_the_page(record: Results) -> None:
    assert len(withheld(record)) == 1
    assert "30" in withheld(record)[0]
    with speaking("zh"):
        assert "校准曲线" in withheld(record)[0]
    assert withheld(dataclasses.replace(record, calibration=())) == []


def test_a_note_of_several_models_is_printed_once(record: Results) -> None:
    rows = [dataclasses.replace(row, note="few") for row in paper_rows(record.estimates, "test")[:2]]
    assert common_notes(rows) == [("all models", "few")]
    assert common_notes([rows[0], dataclasses.replace(rows[1], note="")]) == [(rows[0].model, "few")]
    assert not math.isnan(rows[0].auc.value)
