"""Late fusion: whose outcome enters which score, missing phases, and the regression that a new patient is scored by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.late import FusionRow, fuse_late, join
from nephrograde.evaluation.scores.prevalence import log_odds, probability
from nephrograde.evaluation.scores.scores import Score
from nephrograde.study import Arm, CohortSettings, Study
from nephrograde.vocabulary import Supervision

PHASES = ("cmp", "np")
WITHOUT_NP = {"P03", "P40"}
STUDY = Study(
    cohort=CohortSettings(table=Path("cohort.csv"), phases=PHASES),
    arm=(Arm(name="weak-1", supervision=Supervision.BOX, slices=1, phases=PHASES, fusion="late"),),
)


def make_scores(*, patients: int = 44, training: int = 36) -> list[Score]:
    """Two models of one phase each; some patients have no scan of the second."""
    chance = np.random.default_rng(3)
    rows = []
    for number in range(patients):
        name, is_high = f"P{number:02}", number % 2 == 0
        split, fold = ("oof", number // 2 % 3) if number < training else ("test", None)
        for phase, signal in zip(PHASES, (1.0, 2.0), strict=True):
            value = signal * (is_high - 0.5) + chance.normal()
            if phase == "cmp" or name not in WITHOUT_NP:
                rows.append(Score(name, f"weak-1-{phase}", split, fold, is_high, probability(value)))  # type: ignore[arg-type]
    return rows


def cohort_of(scores: list[Score]) -> Cohort:
    truths = {row.patient_id: row.is_high for row in scores}
    return Cohort(tuple(Case(name, high, None, {}, {}) for name, high in truths.items()), PHASES, (), None)


def fused(scores: list[Score]) -> tuple[dict[str, float], list[FusionRow]]:
    made = fuse_late(scores, STUDY, cohort_of(scores))
    assert {row.model for row in made.scores} <= {"weak-1-cmp+np"}
    return {row.patient_id: row.p_high for row in made.scores}, made.rows


def test_every_patient_with_a_phase_has_one_score_in_the_same_split_and_fold() -> None:
    scores = make_scores()
    places = {row.patient_id: (row.split, row.fold, row.is_high) for row in scores}
    made = fuse_late(scores, STUDY, cohort_of(scores)).scores
    assert {row.patient_id: (row.split, row.fold, row.is_high) for row in made} == places
    assert len(made) == len(places)


def test_the_own_outcome_does_not_enter_the_own_score() -> None:
    scores = make_scores()
    before, _ = fused(scores)
    own = next(row for row in scores if row.patient_id == "P07")
    turned = [replace(row, is_high=not row.is_high) if row.patient_id == "P07" else row for row in scores]
    after, _ = fused(turned)
    folds = {row.patient_id: row.fold for row in scores}
    same_fold = [name for name in before if folds[name] == own.fold]
    assert [after[name] for name in same_fold] == [before[name] for name in same_fold]
    assert all(after[name] != before[name] for name in before if folds[name] != own.fold)


def test_the_truth_of_test_patients_plays_no_part() -> None:
    scores = make_scores()
    turned = [replace(row, is_high=not row.is_high) if row.split == "test" else row for row in scores]
    assert fused(turned) == fused(scores)


def test_the_calibration_of_a_phase_changes_nothing() -> None:
    scores = make_scores()
    moved = [
        replace(row, p_high=probability(0.7 + 0.4 * log_odds(row.p_high))) if row.model == "weak-1-np" else row
        for row in scores
    ]
    before, after = fused(scores)[0], fused(moved)[0]
    assert [after[name] for name in before] == pytest.approx(list(before.values()), abs=1e-9)


def test_a_new_patient_is_scored_by_the_stored_regression() -> None:
    scores = make_scores()
    found, rows = fused(scores)
    assert [(row.column, row.kind) for row in rows] == [
        ("intercept", "intercept"),
        ("cmp", "number"),
        ("np", "number"),
        ("np", "missing"),
    ]
    assert {row.n for row in rows} == {36}
    for name in ("P36", "P40"):
        values = {row.model.removeprefix("weak-1-"): log_odds(row.p_high) for row in scores if row.patient_id == name}
        assert found[name] == join(rows, values)
    typical = next(row.fill for row in rows if (row.column, row.kind) == ("np", "number"))
    absent = next(row.coefficient / row.spread for row in rows if row.kind == "missing")
    with_np = log_odds(join(rows, {"cmp": 1.0, "np": typical}))
    assert log_odds(join(rows, {"cmp": 1.0})) == pytest.approx(with_np + absent, abs=1e-9)


def test_both_phases_are_joined_as_a_logistic_regression_would() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scores = [row for row in make_scores() if row.patient_id not in WITHOUT_NP]
    found, _ = fused(scores)
    odds = {(row.patient_id, row.model[7:]): log_odds(row.p_high) for row in scores}
    truths = {row.patient_id: row.is_high for row in scores if row.split == "oof"}
    table = np.array([[odds[name, phase] for phase in PHASES] for name in truths])
    scaler = StandardScaler().fit(table)
    model = LogisticRegression(tol=1e-10, max_iter=1000).fit(scaler.transform(table), list(truths.values()))
    own = scaler.transform([[odds["P38", phase] for phase in PHASES]])
    assert found["P38"] == pytest.approx(model.predict_proba(own)[0, 1], abs=1e-6)


def test_a_phase_without_scores_leaves_the_model_out() -> None:
    assert fused([row for row in make_scores() if row.model == "weak-1-cmp"]) == ({}, [])


def test_one_grade_is_refused() -> None:
    with pytest.raises(ScoresError, match=r"weak-1-cmp\+np"):
        fused([row for row in make_scores() if row.is_high or row.fold == 1])
