from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation import bootstrap
from nephrograde.evaluation.bootstrap import bootstrap_aucs
from nephrograde.evaluation.metrics import auc
from nephrograde.evaluation.scores import ModelScores


def drawn(n: int, *, models: int = 1, seed: int = 6) -> dict[str, ModelScores]:
    """Scores of one decimal, so that many are tied."""
    chance = np.random.default_rng(seed)
    truths = np.arange(n) % 5 < 2
    ids = tuple(f"P{k:06}" for k in range(n))
    return {
        f"m{k}": ModelScores(ids, truths, np.round((chance.random(n) + truths * chance.random(n)) / 2, 1))
        for k in range(models)
    }


def test_every_resample_has_the_auc_of_the_patients_drawn_into_it() -> None:
    (patients,) = drawn(23).values()
    truths = patients.is_high
    made = bootstrap._resample({"m": patients}, truths, replicates=50, seed=3)["m"]
    high, low = patients.p_high[truths], patients.p_high[~truths]
    ((of_high, of_low),) = bootstrap._draw(high.size, low.size, replicates=50, seed=3)
    assert (of_high.sum(axis=1) == high.size).all()
    assert (of_low.sum(axis=1) == low.size).all()
    for k in range(50):
        again = np.concatenate([np.repeat(high, of_high[k]), np.repeat(low, of_low[k])])
        expected = auc(again, [1] * high.size + [0] * low.size).value
        assert made[k] == pytest.approx(expected, abs=1e-15)


def test_the_interval_is_made_of_percentiles_of_the_resamples() -> None:
    (patients,) = drawn(23).values()
    resampled = bootstrap._resample({"m": patients}, patients.is_high, replicates=300, seed=3)["m"]
    made = bootstrap_aucs({"m": patients}, replicates=300, seed=3, confidence=0.8)["m"]
    assert (made.low, made.high) == pytest.approx(np.percentile(resampled, [10, 90]).tolist(), abs=1e-15)
    assert made.value == auc(patients.p_high, patients.is_high).value
    assert (made.measure, made.n, made.n_high, made.note) == ("auc_bootstrap", 23, 10, "")
    assert made.method == "bootstrap by patient, stratified, 300 replicates, percentile, 80 % CI"


def test_all_patients_are_drawn_equally_often() -> None:
    ((of_high, _),) = bootstrap._draw(10, 3, replicates=4000, seed=1)
    assert of_high.mean(axis=0) == pytest.approx(np.ones(10), abs=0.08)
    assert of_high.var(axis=0) == pytest.approx(np.full(10, 0.9), abs=0.12)


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
    made = bootstrap._resample(twin, models["m0"].is_high, replicates=200, seed=9)
    assert (made["a"] == made["b"]).all()
    assert (made["a"] != made["c"]).any()


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


def test_how_many_resamples_are_held_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    models = drawn(40, models=2)
    whole = bootstrap_aucs(models, replicates=203, seed=9)
    for at_once in (1, 40 * 10, 40 * 64 + 7):
        monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", at_once)
        assert bootstrap_aucs(models, replicates=203, seed=9) == whole


def test_a_very_large_table_has_fewer_replicates_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MOST_DRAWS", 40 * 300)
    small, large = drawn(40), drawn(1000)
    assert "300 replicates, percentile, 95 % CI; 2000 were asked for" in bootstrap_aucs(small, seed=1)["m0"].method
    assert "200 replicates" in bootstrap_aucs(large, seed=1)["m0"].method
    few = bootstrap_aucs(large, replicates=50, seed=1)["m0"].method
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
    assert (right.value, right.low, right.high) == (1.0, 1.0, 1.0)
    assert "exactly 0 or 1: interval unreliable" in right.note
    half = bootstrap_aucs({"m": ModelScores(ids, truths, np.array([0.1, 0.95, 0.9]))}, seed=1)["m"]
    assert (half.value, half.low, half.high) == (0.5, 0.0, 1.0)
    assert "single patient" in half.note


def test_no_replicates_are_refused() -> None:
    with pytest.raises(ScoresError, match="0 bootstrap replicates"):
        bootstrap_aucs(drawn(12), replicates=0, seed=1)


def test_no_models_have_no_estimates() -> None:
    assert bootstrap_aucs({}, seed=1) == {}
