from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.cohort.split import Assignment, Split
from nephrograde.errors import ScoresError
from nephrograde.evaluate.baseline import fit_baseline
from nephrograde.evaluate.metrics import auc
from nephrograde.evaluate.scores import Scores


def cohort(n: int = 60) -> tuple[dict[str, float], dict[str, bool], Split]:
    chance = np.random.default_rng(1)
    ids = [f"P{k:02}" for k in range(n)]
    is_high = {patient: k % 3 == 0 for k, patient in enumerate(ids)}
    sizes = {patient: float(np.exp(1.2 + 0.6 * is_high[patient] + 0.4 * chance.normal())) for patient in ids}
    places = {p: Assignment("test", None) if k >= 45 else Assignment("train", k % 5) for k, p in enumerate(ids)}
    return sizes, is_high, Split(places)


def test_every_patient_is_scored_once_out_of_fold_or_as_test_patient() -> None:
    sizes, is_high, split = cohort()
    rows = fit_baseline(sizes, is_high, split, model="size")
    scores = Scores(rows)
    assert scores.models == ("size",)
    assert scores.of("size", "oof").patient_ids == split.train_ids()
    assert scores.of("size", "test").patient_ids == split.test_ids()
    assert all(row.fold == split.assignments[row.patient_id].fold for row in rows)
    assert all(row.is_high == is_high[row.patient_id] for row in rows)
    assert all(type(row.p_high) is float for row in rows)


def test_larger_tumours_are_more_suspicious() -> None:
    sizes, is_high, split = cohort()
    rows = [row for row in fit_baseline(sizes, is_high, split, model="size") if row.split == "test"]
    by_size = sorted(rows, key=lambda row: sizes[row.patient_id])
    assert [row.p_high for row in by_size] == sorted(row.p_high for row in rows)
    assert auc([row.p_high for row in rows], [row.is_high for row in rows]).value > 0.7


def test_the_unit_of_the_values_does_not_matter() -> None:
    sizes, is_high, split = cohort()
    in_cm = fit_baseline(sizes, is_high, split, model="size")
    in_mm = fit_baseline({patient: 10 * size for patient, size in sizes.items()}, is_high, split, model="size")
    assert [row.p_high for row in in_mm] == pytest.approx([row.p_high for row in in_cm], abs=1e-6)


def test_a_patients_own_fold_does_not_learn_from_the_patient() -> None:
    sizes, is_high, split = cohort()
    first = split.fold_ids(0)
    turned = {p: not high if p in first else high for p, high in is_high.items()}
    before = {r.patient_id: r.p_high for r in fit_baseline(sizes, is_high, split, model="size")}
    after = {r.patient_id: r.p_high for r in fit_baseline(sizes, turned, split, model="size")}
    assert all(before[patient] == after[patient] for patient in first)
    assert all(before[patient] != after[patient] for patient in split.test_ids())


def test_test_patients_get_the_mean_of_the_folds_and_change_nothing_else() -> None:
    sizes, is_high, split = cohort()
    rows = fit_baseline(sizes, is_high, split, model="size")
    train_only = {patient: size for patient, size in sizes.items() if patient in split.train_ids()}
    assert fit_baseline(train_only, is_high, split, model="size") == tuple(row for row in rows if row.split == "oof")
    alone = fit_baseline({**train_only, "P50": sizes["P50"]}, is_high, split, model="size")
    assert alone[-1].p_high == pytest.approx(next(r.p_high for r in rows if r.patient_id == "P50"), abs=1e-12)


@pytest.mark.parametrize("value", [0.0, -3.0, math.nan, math.inf])
def test_patients_without_a_usable_value_are_left_out(value: float) -> None:
    sizes, is_high, split = cohort()
    sizes["P03"] = value
    del sizes["P50"]
    scored = {row.patient_id for row in fit_baseline(sizes, is_high, split, model="size")}
    assert scored == set(is_high) - {"P03", "P50"}


def test_a_fold_may_have_nobody_to_score() -> None:
    sizes, is_high, split = cohort()
    kept = {
        patient: size
        for patient, size in sizes.items()
        if patient in split.train_ids() and patient not in split.fold_ids(2)
    }
    assert {row.fold for row in fit_baseline(kept, is_high, split, model="volume")} == {0, 1, 3, 4}


def test_one_grade_among_the_learning_patients_is_refused() -> None:
    sizes, is_high, split = cohort()
    low = {patient: size for patient, size in sizes.items() if not is_high[patient]}
    with pytest.raises(ScoresError, match=r"Baseline size, fold 0: the 24 learning patients .* not of both grades"):
        fit_baseline(low, is_high, split, model="size")


def test_equal_values_give_equal_probabilities() -> None:
    sizes, is_high, split = cohort()
    rows = fit_baseline(dict.fromkeys(sizes, 4.0), is_high, split, model="size")
    assert len({row.p_high for row in rows if row.split == "test"}) == 1
