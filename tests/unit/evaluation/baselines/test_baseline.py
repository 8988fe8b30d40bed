"""The fold loop that all baselines share, with the size as the plainest of them."""

from __future__ import annotations

import dataclasses
import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.split import Assignment, Split
from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.baseline import (
    Predictors,
    clinical_predictors,
    fit_baseline,
    measured_predictors,
    radiomics_predictors,
)
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.scores.scores import Scores

FloatMatrix: TypeAlias = npt.NDArray[np.float64]
N = 60
IDS = [f"P{k:02}" for k in range(N)]
IS_HIGH = {patient: k % 3 == 0 for k, patient in enumerate(IDS)}
SPLIT = Split({p: Assignment("test", None) if k >= 45 else Assignment("train", k % 5) for k, p in enumerate(IDS)})


def draw_sizes() -> dict[str, float]:
    chance = np.random.default_rng(1)
    return {patient: float(np.exp(1.2 + 0.6 * IS_HIGH[patient] + 0.4 * chance.normal())) for patient in IDS}


def of_sizes(sizes: dict[str, float]) -> Predictors:
    cases = tuple(Case(patient, IS_HIGH[patient], None, {}, {"size_cm": size}) for patient, size in sizes.items())
    return measured_predictors("size", Cohort(cases, ("cmp",), ("size_cm",), None), ())


def of_table(rows: dict[str, dict[str, float | str]]) -> Predictors:
    cases = tuple(Case(patient, IS_HIGH[patient], None, {}, row) for patient, row in rows.items())
    return clinical_predictors(
        Cohort(cases, (), ("age_years", "sex", "size_cm"), None), ["age_years", "sex", "size_cm"]
    )


def draw_table() -> dict[str, dict[str, float | str]]:
    chance = np.random.default_rng(2)
    sizes = draw_sizes()
    rows: dict[str, dict[str, float | str]] = {}
    for k, patient in enumerate(IDS):
        rows[patient] = {"age_years": float(chance.integers(40, 80)), "sex": "FM"[k % 2], "size_cm": sizes[patient]}
        rows[patient].pop(("age_years", "sex", "size_cm")[k % 7] if k % 7 < 3 else "", None)
    return rows


def draw_features() -> dict[str, dict[str, float]]:
    chance = np.random.default_rng(3)
    noise = {patient: {f"noise_{k:02}": float(chance.normal()) for k in range(30)} for patient in IDS}
    telling = {patient: float(IS_HIGH[patient] + 0.3 * chance.normal()) for patient in IDS}
    return {p: {**noise[p], "telling": telling[p], "constant": 7.0, "undefined": math.nan} for p in IDS}


def predictors_of(model: str) -> Predictors:
    if model == "size":
        return of_sizes(draw_sizes())
    return of_table(draw_table()) if model == "clinical" else radiomics_predictors(draw_features())


def changed(predictors: Predictors, patient_id: str) -> Predictors:
    """The same with other values for one patient: numbers far away, and a text that nobody else has."""
    row = tuple("X" if isinstance(value, str) else 900.0 for value in predictors.values[patient_id])
    return dataclasses.replace(predictors, values={**predictors.values, patient_id: row})


def fit(predictors: Predictors, model: str = "size") -> dict[str, float]:
    return {row.patient_id: row.p_high for row in fit_baseline(predictors, IS_HIGH, SPLIT, model=model)}


MODELS = pytest.mark.parametrize("model", ["size", "clinical", "radiomics"])


@MODELS
def test_every_patient_is_scored_once_out_of_fold_or_as_test_patient(model: str) -> None:
    rows = fit_baseline(predictors_of(model), IS_HIGH, SPLIT, model=model)
    scores = Scores(rows)
    assert scores.models == (model,)
    assert scores.of(model, "oof").patient_ids == SPLIT.train_ids()
    assert scores.of(model, "test").patient_ids == SPLIT.test_ids()
    assert all(row.fold == SPLIT.assignments[row.patient_id].fold for row in rows)
    assert all(row.is_high == IS_HIGH[row.patient_id] for row in rows)
    assert all(type(row.p_high) is float for row in rows)


@MODELS
def test_nothing_of_a_test_patient_reaches_another(model: str) -> None:
    predictors = predictors_of(model)
    before, after = fit(predictors, model), fit(changed(predictors, "P50"), model)
    assert {patient for patient in IDS if before[patient] != after[patient]} == {"P50"}


@MODELS
def test_nothing_of_a_patient_reaches_the_own_fold(model: str) -> None:
    predictors = predictors_of(model)
    before, after = fit(predictors, model), fit(changed(predictors, "P10"), model)
    assert {patient for patient in SPLIT.fold_ids(0) if before[patient] != after[patient]} == {"P10"}
    assert all(before[patient] != after[patient] for patient in SPLIT.fold_ids(1))  # which learns from the patient


@MODELS
def test_a_fold_does_not_learn_from_its_own_truths(model: str) -> None:
    first = SPLIT.fold_ids(0)
    turned = {patient: not high if patient in first else high for patient, high in IS_HIGH.items()}
    predictors = predictors_of(model)
    before = fit(predictors, model)
    after = {row.patient_id: row.p_high for row in fit_baseline(predictors, turned, SPLIT, model=model)}
    assert all(before[patient] == after[patient] for patient in first)
    assert all(before[patient] != after[patient] for patient in SPLIT.test_ids())


@MODELS
def test_what_tells_the_grade_is_found(model: str) -> None:
    p_high = fit(predictors_of(model), model)
    tests = SPLIT.test_ids()
    assert auc([p_high[patient] for patient in tests], [IS_HIGH[patient] for patient in tests]).value > 0.7


def test_larger_tumours_are_more_suspicious() -> None:
    sizes = draw_sizes()
    p_high = fit(of_sizes(sizes))
    by_size = [p_high[patient] for patient in sorted(SPLIT.test_ids(), key=lambda patient: sizes[patient])]
    assert by_size == sorted(by_size)


def test_the_unit_of_the_values_does_not_matter() -> None:
    sizes = draw_sizes()
    in_mm = fit(of_sizes({patient: 10 * size for patient, size in sizes.items()}))
    assert in_mm == pytest.approx(fit(of_sizes(sizes)), abs=1e-6)


def test_test_patients_get_the_mean_of_the_folds_and_change_nothing_else() -> None:
    sizes = draw_sizes()
    rows = fit_baseline(of_sizes(sizes), IS_HIGH, SPLIT, model="size")
    train_only = {patient: size for patient, size in sizes.items() if patient in SPLIT.train_ids()}
    oof = fit_baseline(of_sizes(train_only), IS_HIGH, SPLIT, model="size")
    assert oof == tuple(row for row in rows if row.split == "oof")
    alone = fit_baseline(of_sizes({**train_only, "P50": sizes["P50"]}), IS_HIGH, SPLIT, model="size")
    assert alone[-1].p_high == pytest.approx(next(r.p_high for r in rows if r.patient_id == "P50"), abs=1e-12)


def test_a_fold_may_have_nobody_to_score() -> None:
    kept = set(SPLIT.train_ids()) - set(SPLIT.fold_ids(2))
    predictors = of_sizes({patient: size for patient, size in draw_sizes().items() if patient in kept})
    assert {row.fold for row in fit_baseline(predictors, IS_HIGH, SPLIT, model="volume")} == {0, 1, 3, 4}


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        ("size", "Give more patients a mask or a size_cm in the table, or remove size from"),
        ("clinical", "Fill in more of age_years, sex, size_cm in the table, or remove clinical from"),
        ("radiomics", "Give more patients a mask of the phase that radiomics reads, or remove radiomics from"),
    ],
)
def test_one_grade_among_the_learning_patients_is_refused(model: str, remedy: str) -> None:
    predictors = predictors_of(model)
    low = {patient: row for patient, row in predictors.values.items() if not IS_HIGH[patient]}
    with pytest.raises(ScoresError) as caught:
        fit_baseline(dataclasses.replace(predictors, values=low), IS_HIGH, SPLIT, model=model)
    assert str(caught.value).startswith(f"Baseline {model}, fold 0: the 24 training patients")
    assert remedy in str(caught.value)


def test_equal_values_give_equal_probabilities() -> None:
    p_high = fit(of_sizes(dict.fromkeys(IDS, 4.0)))
    assert len({p_high[patient] for patient in SPLIT.test_ids()}) == 1


def test_a_column_that_all_learning_patients_lack_adds_nothing() -> None:
    rows = draw_table()
    for patient in SPLIT.train_ids():
        rows[patient].pop("age_years", None)
        rows[patient].pop("sex", None)
    tests = {patient: rows[patient] for patient in SPLIT.test_ids()}
    without = {p: {k: v for k, v in row.items() if k == "size_cm"} for p, row in rows.items()}
    known = [patient for patient in tests if "size_cm" in tests[patient]]
    found, expected = fit(of_table(rows), "clinical"), fit(of_table(without), "clinical")
    assert [found[p] for p in known] == pytest.approx([expected[p] for p in known], abs=1e-3)


def test_that_a_value_is_missing_may_tell_the_grade() -> None:
    rows: dict[str, dict[str, float | str]] = {p: {"age_years": 60.0, "size_cm": 4.0} for p in IDS}
    for patient in IDS:
        if IS_HIGH[patient]:
            del rows[patient]["age_years"]
    p_high = fit(of_table(rows), "clinical")
    assert all((p_high[patient] > 0.5) == IS_HIGH[patient] for patient in IDS)


def test_an_entry_that_no_learning_patient_has_counts_for_nothing() -> None:
    predictors = predictors_of("clinical")
    known = {**predictors.values, "P51": (60.0, "M", 1.0), "P52": (60.0, "F", 1.0), "P53": (60.0, "?", 1.0)}
    p_high = fit(dataclasses.replace(predictors, values=known), "clinical")
    assert min(p_high["P51"], p_high["P52"]) <= p_high["P53"] <= max(p_high["P51"], p_high["P52"])


def test_features_that_say_nothing_are_not_kept() -> None:
    predictors = predictors_of("radiomics")
    ids = list(SPLIT.train_ids())
    model = predictors.make_model().fit(np.array([predictors.values[i] for i in ids]), [IS_HIGH[i] for i in ids])
    kept = model.named_steps["selectkbest"].get_support(indices=True)
    names = sorted(draw_features()["P00"])
    assert len(kept) == 10
    assert names.index("telling") in kept
    assert not {names.index("constant"), names.index("undefined")} & set(kept.tolist())


def test_fewer_features_than_are_kept_are_all_used() -> None:
    rows = draw_features()
    predictors = radiomics_predictors({p: {"telling": row["telling"], "constant": 7.0} for p, row in rows.items()})
    p_high = fit(predictors, "radiomics")
    assert auc([p_high[p] for p in IDS], [IS_HIGH[p] for p in IDS]).value > 0.9


def test_a_feature_that_one_patient_lacks_is_filled_in() -> None:
    rows = draw_features()
    rows["P50"]["telling"] = math.nan
    p_high = fit(radiomics_predictors(rows), "radiomics")
    assert 0.0 < p_high["P50"] < 1.0


def optimum(columns: FloatMatrix, truths: list[bool], *, c: float) -> FloatMatrix:
    """The coefficients and the intercept of the penalised likelihood, by Newton's method to its last digit."""
    design = np.column_stack([columns, np.ones(len(truths))])
    penalty = np.diag([1.0 / c] * columns.shape[1] + [0.0])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        shares = 1.0 / (1.0 + np.exp(-design @ found))
        gradient = design.T @ (shares - np.array(truths)) + penalty @ found
        found -= np.linalg.solve((design.T * (shares * (1.0 - shares))) @ design + penalty, gradient)
    return found


@MODELS
def test_a_baseline_is_fitted_to_its_optimum(model: str) -> None:
    predictors = predictors_of(model)
    p_high = fit(predictors, model)
    for fold in range(SPLIT.folds):
        asked = [patient for patient in SPLIT.fold_ids(fold) if patient in predictors.values]
        learning = [patient for patient in SPLIT.train_ids() if patient not in SPLIT.fold_ids(fold)]
        truths = [IS_HIGH[patient] for patient in learning]
        chosen = columns_of(predictors, learning, truths, learning + asked)
        best = optimum(chosen[: len(learning)], truths, c=0.1 if model == "radiomics" else 1.0)
        log_odds = np.column_stack([chosen[len(learning) :], np.ones(len(asked))]) @ best
        assert [p_high[patient] for patient in asked] == pytest.approx(1.0 / (1.0 + np.exp(-log_odds)), abs=1e-9)


def columns_of(predictors: Predictors, learning: list[str], truths: list[bool], asked: list[str]) -> FloatMatrix:
    """The columns that the regression sees, with those of radiomics that are kept for their AUC."""
    columns = predictors.make_model()[:-1]
    rows = {patient: np.array([predictors.values[patient]], dtype=object) for patient in asked}
    columns.fit(np.concatenate([rows[patient] for patient in learning]), np.array(truths))
    found = columns.transform(np.concatenate([rows[patient] for patient in asked]))
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)
