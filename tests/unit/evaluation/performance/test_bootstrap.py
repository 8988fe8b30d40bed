from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.bootstrap import bootstrap_aucs
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.remarks import Caution
from nephrograde.evaluation.scores.scores import ModelScores


def drawn(n: int, *, models: int = 1, seed: int = 6) -> dict[str, ModelScores]:
    """Scores of one decimal, so that many are tied."""
    chance = np.random.default_rng(seed)
    truths = np.arange(n) % 5 < 2
    ids = tuple(f"P{k:06}" for k in range(n))
    return {
        f"m{k}": ModelScores(ids, truths, np.round((chance.random(n) + truths * chance.random(n)) / 2, 1))
        for k in range(models)
    }


def one_resample(models: dict[str, ModelScores], *, seed: int) -> dict[str, float]:
    """The AUC of each model in a single resample, which is both ends of its interval."""
    made = bootstrap_aucs(models, replicates=1, seed=seed)
    assert all(estimate.low == estimate.high for estimate in made.values())
    return {model: estimate.low for model, estimate in made.items()}


def sorted_resamples(
    models: dict[str, ModelScores], *, replicates: int, seed: int, step: int = 1
) -> dict[str, list[float]]:
    """The AUCs of each model in all resamples, in order: ends of intervals that leave out 0, 1, 2 … at either side.

    With a ``step`` of 2, these are every second AUC, and so on.
    """
    ends: dict[str, list[float]] = {model: [] for model in models}
    for left_out in range(step // 2, (replicates + 1) // 2, step):
        made = bootstrap_aucs(models, replicates=replicates, seed=seed, confidence=1 - 2 * left_out / (replicates - 1))
        for model, estimate in made.items():
            ends[model] += [estimate.low, estimate.high]
    return {model: sorted(values) for model, values in ends.items()}


def counters(patients: ModelScores) -> dict[str, ModelScores]:
    """Models whose AUC tells how often one patient was drawn: that patient is ranked first or last, the others tie."""
    ranked = {}
    for k, patient in enumerate(patients.patient_ids):
        p_high = np.full(len(patients), 0.5)
        p_high[k] = 1.0 if patients.is_high[k] else 0.0
        ranked[patient] = ModelScores(patients.patient_ids, patients.is_high, p_high)
    return ranked


def times_drawn(aucs: dict[str, float], patients: ModelScores) -> npt.NDArray[np.int64]:
    """How often each patient is in a resample, from the AUCs of the :func:`counters`."""
    n_high = int(patients.is_high.sum())
    in_class = np.where(patients.is_high, n_high, len(patients) - n_high)
    times = (2 * np.array([aucs[patient] for patient in patients.patient_ids]) - 1) * in_class
    assert times == pytest.approx(times.round(), abs=1e-9)
    return times.round().astype(np.int64)


def test_every_resample_has_the_auc_of_the_patients_drawn_into_it() -> None:
    (patients,) = drawn(23).values()
    truths = patients.is_high
    for seed in range(50):
        made = one_resample({"m": patients, **counters(patients)}, seed=seed)
        times = times_drawn(made, patients)
        assert times[truths].sum() == truths.sum()
        assert times[~truths].sum() == (~truths).sum()
        expected = auc(np.repeat(patients.p_high, times), np.repeat(truths, times)).value
        assert made["m"] == pytest.approx(expected, abs=1e-15)


def test_the_interval_is_made_of_percentiles_of_the_resamples() -> None:
    (patients,) = drawn(23).values()
    resampled = sorted_resamples({"m": patients}, replicates=300, seed=3)["m"]
    assert len(set(resampled)) > 20
    for confidence in np.linspace(0.05, 0.95, 40):
        made = bootstrap_aucs({"m": patients}, replicates=300, seed=3, confidence=confidence)["m"]
        expected = np.percentile(resampled, [50 - 50 * confidence, 50 + 50 * confidence]).tolist()
        assert (made.low, made.high) == pytest.approx(expected, abs=1e-14)
    made = bootstrap_aucs({"m": patients}, replicates=300, seed=3, confidence=0.8)["m"]
    assert made.value == auc(patients.p_high, patients.is_high).value
    assert (made.measure, made.n, made.n_high, made.note) == ("auc_bootstrap", 23, 10, "")
    assert made.method == "bootstrap by patient, stratified, 300 replicates, percentile, 80 % CI"


@pytest.mark.slow
def test_all_patients_are_drawn_equally_often() -> None:
    patients = ModelScores(tuple(f"P{k:02}" for k in range(13)), np.arange(13) < 10, np.zeros(13))
    ranked = counters(patients)
    made = sorted_resamples(ranked, replicates=4000, seed=1, step=20)
    aucs = [{patient: made[patient][k] for patient in ranked} for k in range(200)]
    times = np.array([times_drawn(one, patients)[:10] for one in aucs])
    assert times.mean(axis=0) == pytest.approx(np.ones(10), abs=0.08)
    assert times.var(axis=0) == pytest.approx(np.full(10, 0.9), abs=0.12)


def test_in_many_patients_the_interval_is_near_delong_s() -> None:
    (patients,) = drawn(400).values()
    made = bootstrap_aucs({"m": patients}, seed=1)["m"]
    delong = auc(patients.p_high, patients.is_high)
    assert (made.low, made.high) == pytest.approx((delong.low, delong.high), abs=0.006)


def test_other_models_in_the_table_change_no_interval() -> None:
    models = drawn(40, models=3)
    fewer = {"x": models["m0"].select(models["m0"].patient_ids[5:30]), **models}
    together = bootstrap_aucs(fewer, replicates=200, seed=9)
    assert list(together) == ["x", "m0", "m1", "m2"]
    for model, patients in fewer.items():
        assert bootstrap_aucs({model: patients}, replicates=200, seed=9)[model] == together[model]


def test_models_of_the_same_patients_see_the_same_resamples() -> None:
    models = drawn(40, models=2)
    twin = {"a": models["m0"], "b": models["m0"], "c": models["m1"]}
    made = sorted_resamples(twin, replicates=200, seed=9)
    assert made["a"] == made["b"]
    assert made["a"] != made["c"]


def test_the_order_of_patients_changes_nothing() -> None:
    (patients,) = drawn(40).values()
    shuffled = patients.select(tuple(np.random.default_rng(1).permutation(patients.patient_ids).tolist()))
    assert bootstrap_aucs({"m": patients}, replicates=200, seed=9) == bootstrap_aucs(
        {"m": shuffled}, replicates=200, seed=9
    )


def test_another_seed_gives_another_interval() -> None:
    models = drawn(40)
    made = {str(bootstrap_aucs(models, replicates=200, seed=seed)) for seed in range(3)}
    assert len(made) == 3


def test_how_many_resamples_are_held_at_once_changes_nothing() -> None:
    models = drawn(40, models=2)
    whole = bootstrap_aucs(models, replicates=203, seed=9)
    for at_once in (1, 40 * 10, 40 * 64 + 7):
        assert bootstrap_aucs(models, replicates=203, seed=9, draws_at_once=at_once) == whole


def test_a_very_large_table_has_fewer_replicates_and_says_so() -> None:
    most = 40 * 300
    small, large = drawn(40), drawn(1000)
    less = bootstrap_aucs(small, seed=1, most_draws=most)["m0"].method
    assert "300 replicates, percentile, 95 % CI; 2000 were asked for" in less
    assert "200 replicates" in bootstrap_aucs(large, seed=1, most_draws=most)["m0"].method
    few = bootstrap_aucs(large, replicates=50, seed=1, most_draws=most)["m0"].method
    assert few == "bootstrap by patient, stratified, 50 replicates, percentile, 95 % CI"


@pytest.mark.parametrize(
    ("p_high", "is_high", "reason"),
    [
        ([], [], "No patient to evaluate"),
        ([0.5, 0.6], [True, True], "All 2 patients are high grade"),
        ([0.5, math.nan], [False, True], "Prediction 2 is nan"),
    ],
)
def test_a_model_that_cannot_be_resampled_keeps_its_estimate_and_says_why(
    p_high: list[float], is_high: list[bool], reason: str
) -> None:
    ids = tuple(f"P{k}" for k in range(len(p_high)))
    poor = ModelScores(ids, np.array(is_high, dtype=bool), np.array(p_high))
    made = bootstrap_aucs({"poor": poor, **drawn(12)}, replicates=100, seed=1)
    assert math.isnan(made["poor"].value)
    assert math.isnan(made["poor"].low)
    assert made["poor"].method.startswith(f"not computed: {reason}")
    assert (made["poor"].n, made["poor"].n_high) == (len(p_high), sum(is_high))
    assert not math.isnan(made["m0"].low)


def test_an_auc_of_1_and_a_single_patient_are_flagged() -> None:
    ids = ("A", "B", "C")
    truths = np.array([False, False, True])
    right = bootstrap_aucs({"m": ModelScores(ids, truths, np.array([0.1, 0.2, 0.9]))}, seed=1)["m"]
    assert (right.value, math.isnan(right.low), math.isnan(right.high)) == (1.0, True, True)
    assert right.caution is Caution.PERFECT_AUC
    half = bootstrap_aucs({"m": ModelScores(ids, truths, np.array([0.1, 0.95, 0.9]))}, seed=1)["m"]
    assert (half.value, math.isnan(half.low), math.isnan(half.high)) == (0.5, True, True)
    assert half.caution is Caution.SINGLE_PATIENT


def test_no_replicates_are_refused() -> None:
    with pytest.raises(ScoresError, match="0 bootstrap replicates"):
        bootstrap_aucs(drawn(12), replicates=0, seed=1)


def test_no_models_have_no_estimates() -> None:
    assert bootstrap_aucs({}, seed=1) == {}
