"""Every number of the tables says as codes what its ``method`` says in English."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.evaluation.calibration.calibration import brier, calibration_intercept, calibration_slope
from nephrograde.evaluation.comparison.clustered import clustered_auc, compare_clustered
from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.comparison.equivalence import compare_equivalence
from nephrograde.evaluation.evaluation import evaluate_scores, write_statistics
from nephrograde.evaluation.performance.bootstrap import bootstrap_aucs
from nephrograde.evaluation.performance.metrics import auc, auc_delong
from nephrograde.evaluation.performance.subgroup import estimate_subgroups
from nephrograde.evaluation.remarks import Caution, Reason, Rule
from nephrograde.evaluation.scores.scores import ModelScores, Score, Scores
from nephrograde.evaluation.tables import read_estimates
from nephrograde.run.folder import RunFolder
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from pathlib import Path

TRUTHS = [0, 0, 1, 1]


def scores(p_high: list[float], truths: list[int] = TRUTHS, ids: str = "ABCD") -> ModelScores:
    return ModelScores(tuple(ids[: len(p_high)]), np.array(truths, dtype=bool), np.array(p_high))


@pytest.mark.parametrize(
    ("p_high", "truths", "caution", "is_reliable"),
    [
        ([0.1, 0.6, 0.4, 0.9], TRUTHS, None, True),
        ([0.1, 0.2, 0.4, 0.9], TRUTHS, Caution.PERFECT_AUC, False),
        ([0.1, 0.6, 0.4], [0, 0, 1], Caution.SINGLE_PATIENT, False),
    ],
)
def test_what_makes_the_plain_and_the_bootstrap_interval_unreliable(
    p_high: list[float], truths: list[int], caution: Caution | None, is_reliable: bool
) -> None:
    made = auc(p_high, truths, confidence=0.9)
    # An AUC of 1 has an interval by another method, which is reliable.
    shown = (Caution.SCORE_INTERVAL, True) if caution is Caution.PERFECT_AUC else (caution, is_reliable)
    assert (made.caution, made.is_reliable) == shown
    assert (made.reason, made.confidence) == (None, 0.9)
    assert auc_delong(p_high, truths).is_reliable == is_reliable
    drawn = bootstrap_aucs({"m": scores(p_high, truths)}, replicates=150, seed=1)["m"]
    assert (drawn.caution, drawn.is_reliable, drawn.replicates) == (caution, is_reliable, 150)
    by_row = clustered_auc(p_high, truths, list("ABCD")[: len(p_high)])
    assert (by_row.caution, by_row.is_reliable) == shown


def test_why_a_bootstrap_was_not_computed() -> None:
    models = {"nobody": scores([], []), "one grade": scores([0.1, 0.2], [0, 0])}
    made = bootstrap_aucs(models, seed=1)
    assert [row.reason for row in made.values()] == [Reason.NO_PATIENTS, Reason.ONE_GRADE]
    assert not any(row.is_reliable for row in made.values())


def test_what_calibration_says() -> None:
    assert brier([0.5], [1]).caution is Caution.ONE_PATIENT
    assert brier([0.5, 0.5], [0, 1]).caution is Caution.CONSTANT_ERROR
    assert calibration_intercept([0.2, 0.4], [1, 1]).reason is Reason.ONE_GRADE
    assert calibration_slope([0.3] * 4, TRUTHS).reason is Reason.PREDICTIONS_ALIKE
    assert calibration_slope([0.1, 0.2, 0.7, 0.8], TRUTHS).reason is Reason.SEPARATED
    moved = calibration_intercept([0.0, 1.0, 0.4, 0.6], TRUTHS)
    assert (moved.caution, moved.caution_value, moved.is_reliable) == (Caution.CLIPPED, 2, True)


def test_what_a_comparison_says() -> None:
    a = scores([0.1, 0.6, 0.4, 0.9])
    b = scores([0.2, 0.3, 0.6, 0.5])
    rows = compare_models({"a": a, "b": b, "c": a}, dict.fromkeys("abc", 0.5), confidence=0.9)
    first, alike = rows[0], rows[1]
    assert (first.confidence, first.family_size, first.dropped_a, first.reason) == (0.9, 3, 0, None)
    assert (alike.caution, alike.is_reliable) == (Caution.RANKED_ALIKE, True)
    calls = next(row for row in rows if row.measure == "accuracy")
    assert (calls.only_a, calls.only_b, calls.confidence, calls.family_size) == (0, 2, 0.9, 3)


def test_how_many_patients_were_dropped_stands_in_the_row() -> None:
    a = scores([0.1, 0.6, 0.4, 0.9])
    b = scores([0.2, 0.3, 0.6], TRUTHS[:3])
    pair = {"a": a, "b": b}
    rows = compare_models(pair, {"a": 0.5, "b": 0.5})
    assert {(row.dropped_a, row.dropped_b) for row in rows} == {(1, 0)}
    assert rows[0].reason is Reason.SINGLE_PATIENT
    row = compare_equivalence(pair, margin=0.05)[0]
    assert (row.dropped_a, row.dropped_b, row.reason, row.is_reliable) == (1, 0, Reason.SINGLE_PATIENT, False)


def test_models_that_rank_alike_cannot_be_called_equivalent() -> None:
    a = scores([0.1, 0.6, 0.4, 0.9])
    assert compare_equivalence({"a": a, "b": a}, margin=0.05)[0].reason is Reason.RANKED_ALIKE
    by_row = compare_clustered({"a": a.p_high, "b": a.p_high}, a.is_high, list("ABCD"))[0]
    assert (by_row.caution, by_row.family_size) == (Caution.RANKED_ALIKE, 1)


def test_why_a_subgroup_has_no_number() -> None:
    patients = scores([0.1, 0.6, 0.4, 0.9])
    values = {"sex": {"A": "F", "B": "F", "C": "F", "D": "M"}, "id": {name: name for name in "ABCD"}}
    rows = estimate_subgroups(patients, values, model="m", split="test", confidence=0.9, columns=("sex", "id"))
    found = {row.group: row for row in rows}
    assert (found["F"].confidence, found["F"].tested_groups, found["F"].reason) == (0.9, 0, None)
    assert (found["M"].reason, found["M"].is_reliable) == (Reason.ONE_GRADE, False)


def test_the_file_holds_the_codes(tmp_path: Path) -> None:
    stream = np.random.default_rng(4)
    rows = [
        Score(f"{split}{k}", "m", split, None if split == "test" else 0, k % 2 == 0, float(stream.random()))
        for split in ("oof", "test")
        for k in range(12)
    ]
    settings = EvaluateSettings(threshold="sensitivity", threshold_target=0.75, bootstraps=120)
    run = RunFolder(tmp_path)
    write_statistics(evaluate_scores(Scores(tuple(rows)), settings), run)
    found = {(split, made.measure): made for _, split, made in read_estimates(run.estimates_path)}
    threshold = found["test", "threshold"]
    assert (threshold.rule, threshold.rule_value) == (Rule.SENSITIVITY, 0.75)
    assert (found["test", "auc_bootstrap"].replicates, found["test", "auc_bootstrap"].confidence) == (120, 0.95)
    assert found["oof", "accuracy"].caution is Caution.OPTIMISTIC
    share = found["test", "sensitivity"]
    assert (share.part, share.whole, share.note.startswith(f"{share.part} of 6")) == (share.part, 6, True)
