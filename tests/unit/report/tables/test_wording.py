from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.split import Assignment, Split
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.tables.wording import summary, what_was_run
from nephrograde.report.text.arms import network_name
from nephrograde.report.text.baselines import baseline_in_words
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def test_summary_counts_and_warns(record: Results) -> None:
    who, best, question = summary(record)
    assert who.startswith("40 synthetic patients (")
    assert "28 for training and 12 for testing" in who
    assert "by 9 models (3 arms on 3 phases)" in who
    assert "as the highest of 9 models on the same patients, it is optimistic." in best
    assert ", the best of 2 baselines out of fold, reached 0." in best
    assert question.startswith("The AUC of weak-1-cmp minus that of strong-cmp is ")
    assert "(paired DeLong test, P\N{NO-BREAK SPACE}" in question


def test_every_kind_of_network_has_a_name_in_both_languages() -> None:
    networks = ("resnet18", "frozen:mine", "tuned:mine")
    assert [network_name(one) for one in networks] == ["ResNet-18", "frozen mine", "fine-tuned mine"]
    with speaking("zh"):
        assert [network_name(one) for one in networks] == ["ResNet-18", "冻结的mine", "微调的mine"]


@pytest.mark.parametrize("baseline", ["clinical", "radiomics"])
def test_every_baseline_is_called_one(record: Results, baseline: str) -> None:
    estimates = tuple(
        (baseline if model == "size" else model, split, estimate)
        for model, split, estimate in record.estimates
        if model != "volume"
    )
    texts = summary(dataclasses.replace(record, estimates=estimates))
    assert f"The baseline on {baseline_in_words(baseline)} reached 0." in texts[1]


def test_highest_auc_is_the_highest(record: Results) -> None:
    values = {
        model: estimate.value
        for model, split, estimate in record.estimates
        if (split, estimate.measure) == ("test", "auc") and model not in BASELINES
    }
    assert f"On the test set, {max(values, key=lambda name: values[name])} has the highest AUC" in summary(record)[1]


def test_baselines_alone_are_summed_up(record: Results) -> None:
    rows = tuple(row for row in record.scores.rows if row.model in {"size", "volume"})
    estimates = tuple(row for row in record.estimates if row[0] in {"size", "volume"})
    texts = summary(dataclasses.replace(record, scores=Scores(rows), estimates=estimates, study=None))
    assert len(texts) == 1
    assert ", the best of 2 baselines out of fold, reached 0." in texts[0]


def test_best_baseline_is_chosen_out_of_fold_whatever_the_test_set_says(record: Results) -> None:
    for best, other in (("size", "volume"), ("volume", "size")):
        values = {(best, "oof"): 0.9, (other, "oof"): 0.5, (best, "test"): 0.5, (other, "test"): 0.9}
        estimates = tuple(
            (model, split, dataclasses.replace(estimate, value=values[model, split]))
            if estimate.measure == "auc" and (model, split) in values
            else (model, split, estimate)
            for model, split, estimate in record.estimates
        )
        run = dataclasses.replace(record, estimates=estimates)
        assert run.chosen_baseline == best
        assert f"The baseline on {baseline_in_words(best)}, the best of" in summary(run)[1]


def test_without_out_of_fold_scores_no_baseline_is_called_the_best(record: Results) -> None:
    run = dataclasses.replace(record, estimates=tuple(row for row in record.estimates if row[1] == "test"))
    assert run.chosen_baseline is None
    assert "AUC of the baselines: tumour size 0." in summary(run)[1]


def test_nothing_computed_leaves_the_count(record: Results) -> None:
    texts = summary(dataclasses.replace(record, estimates=(), comparisons=()))
    assert len(texts) == 1


def test_run_is_told_in_words(record: Results) -> None:
    terms = dict(what_was_run(record))
    assert "one axial slice per patient" in terms["Arm weak-1"]
    assert "3 axial slices" in terms["Arm weak-3"]
    assert terms["Arm strong"].startswith("strong: 3D ResNet-18 on image and mask")
    assert terms["Windows"] == "−200 to 300 HU, all phases"
    assert "3 folds of 9–10 patients" in terms["Split"]
    assert terms["Learning"].startswith("weak-1 and strong: AdamW")
    assert "weak-3: AdamW, learning rate 0.001 with 5 epochs of warm-up and cosine decay" in terms["Learning"]
    assert "Initial weights: random." in terms["Learning"]


def test_settings_of_another_study_are_told_too(record: Results, make_study: Callable[..., Study]) -> None:
    study = make_study(
        arm=[{"name": "cheap", "supervision": "point"}],
        split={"folds": 2, "column": "set"},
        window={"cmp": {"low": 0.0, "high": 250.0}},
        fit={"balanced": False, "weights_3d": {"path": "w.pth", "sha256": "0" * 64}},
    )
    terms = dict(what_was_run(dataclasses.replace(record, study=study, split=Split({}))))
    assert terms["Arm cheap"].startswith("weak: 3D ResNet-18 on the image")
    assert "one click in the tumour (level “point”)" in terms["Arm cheap"]
    assert terms["Split"].startswith("given by the column “set” of the cohort table; 2 folds within the training set")
    assert terms["Windows"] == "cmp 0 to 250 HU; np and up −200 to 300 HU"
    assert "no class balancing" in terms["Learning"]
    assert "Initial weights: from file." in terms["Learning"]


def test_equal_folds_and_strata_are_told(record: Results, make_study: Callable[..., Study]) -> None:
    study = make_study(split={"folds": 2, "stratify": ["centre"]})
    split = Split({"a": Assignment("train", 0), "b": Assignment("train", 1), "c": Assignment("test", None)})
    terms = dict(what_was_run(dataclasses.replace(record, study=study, split=split)))
    assert "stratified by the outcome and centre" in terms["Split"]
    assert "2 folds of 1 patients" in terms["Split"]


def test_foreign_scores_have_no_run(record: Results) -> None:
    assert what_was_run(dataclasses.replace(record, study=None)) == []
