"""Where the networks of a run pool by attention, its evaluation compares the weights with the tumours."""

import itertools
from typing import Any

import pytest
from tests.without_report import evaluate_alone

from nephrograde.cohort.stage import load_inputs
from nephrograde.files import read_rows, write_rows
from nephrograde.fit.attention import RowWeight, write_attention
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import seal_fold

MODEL = "weak-1-cmp"


@pytest.mark.slow
def test_attention_is_compared_with_the_tumours(tiny_study_path, tiny_run_copy):
    run = RunFolder(tiny_run_copy)
    assert Results.read(run).attention == ()
    regions = read_rows(run.regions_path)
    for region in regions:
        if (region["arm"], region["phase"]) == ("weak-1", "cmp"):
            region["tumour_rows"] = "0;1"
    write_rows(run.regions_path, list(regions[0]), regions)
    for fold in run.folds(MODEL):
        scored: list[tuple[str, Any]] = [(row["patient_id"], row["split"]) for row in read_rows(fold.predictions_path)]
        weights = [
            RowWeight(patient, split, row, 30 + row, 0.75 if row == (split == "oof") else 0.25)
            for (patient, split), row in itertools.product(scored, (0, 1))
        ]
        write_attention(weights, fold.attention_path)
        seal_fold(fold)
    evaluate_alone(load_inputs(tiny_study_path), run, reason="attention is compared")
    found = {row.split: row for row in Results.read(run).attention}
    assert {split: (row.model, row.n_met, row.by_chance) for split, row in found.items()} == {
        "oof": (MODEL, 17, 0.5),
        "test": (MODEL, 0, 0.5),
    }
    assert (found["oof"].n, found["test"].n) == (17, 7)
    assert found["oof"].low > 0.8
    assert found["test"].high < 0.4
    evaluate_alone(load_inputs(tiny_study_path), run, reason=None)
    assert [row.split for row in Results.read(run).attention] == ["oof"]
