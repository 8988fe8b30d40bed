"""Laws that hold for every set of scores, checked on drawn ones."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.clustered import clustered_auc, clustered_aucs, compare_clustered
from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.comparison.equivalence import compare_equivalence
from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.evaluation import Evaluation, evaluate_scores
from nephrograde.evaluation.performance.bootstrap import bootstrap_aucs
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.metrics import Confusion, accuracy, auc, confusion, sensitivity
from nephrograde.evaluation.performance.threshold import youden_threshold
from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT, Verdict
from nephrograde.evaluation.sample_size.power import (
    binormal_variance,
    detectable_difference,
    hanley_mcneil_variance,
    obuchowski_variance,
    patients_for_difference,
    patients_for_noninferiority,
)
from nephrograde.evaluation.scores.score_table import read_scores, write_scores
from nephrograde.evaluation.scores.scores import ModelScores, Score, Scores, SplitName, paired_vectors
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    import random

drawn = settings(deadline=None, max_examples=60)
probabilities = st.floats(0, 1, allow_subnormal=False) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
Samples: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


@st.composite
def samples(draw: st.DrawFn, models: int = 1) -> Samples:
    """Scores (model × patient, many of them tied) of 2 to 25 patients of both grades."""
    truths = draw(st.lists(st.booleans(), min_size=2, max_size=25))
    assume(any(truths) and not all(truths))
    rows = st.lists(probabilities, min_size=len(truths), max_size=len(truths))
    return np.array([draw(rows) for _ in range(models)]), np.array(truths)


def rank_by_counting(p_high: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The kernel of every (high, low) pair: 1 in order, 1/2 tied, 0 in disorder."""
    high, low = p_high[truths][:, np.newaxis], p_high[~truths][np.newaxis, :]
    return np.asarray((high > low) + 0.5 * (high == low), dtype=np.float64)


@given(samples())
@drawn
def test_auc_is_the_share_of_ordered_pairs(sample: Samples) -> None:
    (p_high,), truths = sample
    assert auc(p_high, truths).value == pytest.approx(rank_by_counting(p_high, truths).mean(), abs=1e-12)


@given(samples())
@drawn
def test_auc_agrees_with_scikit_learn(sample: Samples) -> None:
    from sklearn.metrics import roc_auc_score

    (p_high,), truths = sample
    assert auc(p_high, truths).value == pytest.approx(roc_auc_score(truths, p_high), abs=1e-12)


@pytest.mark.slow
@given(samples(models=3))
@drawn
def test_covariance_agrees_with_the_definition_that_counts_every_pair(sample: Samples) -> None:
    p_high, truths = sample
    assume(2 <= truths.sum() <= truths.size - 2)
    kernels = np.stack([rank_by_counting(row, truths) for row in p_high])
    expected = np.cov(kernels.mean(axis=2)) / truths.sum() + np.cov(kernels.mean(axis=1)) / (~truths).sum()
    np.testing.assert_allclose(place(p_high, truths).covariance(), expected, rtol=0, atol=1e-12)


@given(samples(models=2))
@drawn
def test_variance_of_a_difference_follows_from_the_covariance(sample: Samples) -> None:
    p_high, truths = sample
    assume(2 <= truths.sum() <= truths.size - 2)
    placements = place(p_high, truths)
    covariance = placements.covariance()
    difference, variance = placements.difference(0, 1)
    assert difference == pytest.approx(placements.aucs()[0] - placements.aucs()[1], abs=1e-12)
    assert variance == pytest.approx(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], abs=1e-12)


@given(samples())
@drawn
def test_auc_keeps_its_interval_in_bounds_and_turns_with_the_scores(sample: Samples) -> None:
    (p_high,), truths = sample
    made, turned = auc(p_high, truths), auc(-p_high, truths)
    assert turned.value == pytest.approx(1 - made.value, abs=1e-12)
    assert np.isnan(made.low) == np.isnan(made.high)
    assert np.isnan(made.low) or 0 <= made.low <= made.value <= made.high <= 1
    assert turned.low == pytest.approx(1 - made.high, abs=1e-9, nan_ok=True)


@given(samples())
@drawn
def test_auc_depends_on_the_order_of_scores_only(sample: Samples) -> None:
    (p_high,), truths = sample
    ranks = np.unique(p_high, return_inverse=True)[1].astype(float)
    assert str(auc(ranks**3, truths)) == str(auc(p_high, truths))


@given(samples())
@drawn
def test_no_other_threshold_has_a_larger_youden_index(sample: Samples) -> None:
    (p_high,), truths = sample

    def index(threshold: float) -> int:
        counts = confusion(p_high, truths, threshold=threshold)
        return counts.tp * counts.n_low + counts.tn * counts.n_high

    chosen = youden_threshold(p_high, truths)
    others = [*p_high.tolist(), *np.nextafter(p_high, 2).tolist()]
    assert index(chosen) == max(index(other) for other in others)
    lower = [other for other in others if other < chosen]
    calls = (p_high >= chosen).tolist()
    assert all(index(other) < index(chosen) for other in lower if (p_high >= other).tolist() != calls)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(1, 40))
@drawn
def test_wilson_holds_the_share_and_stays_in_bounds(tp: int, fp: int, tn: int, fn: int) -> None:
    for made in (accuracy(Confusion(tp, fp, tn, fn)), sensitivity(Confusion(tp, fp, tn, fn))):
        assert 0 <= made.low <= made.value + 1e-12
        assert made.value - 1e-12 <= made.high <= 1


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=12))
@drawn
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert [np.isnan(p) for p in adjusted] == [np.isnan(p) for p in p_values]
    both = sorted((p, q) for p, q in zip(p_values, adjusted, strict=True) if not np.isnan(p))
    assert all(p <= q + 1e-15 and q <= 1 for p, q in both)
    assert [q for _, q in both] == sorted(q for _, q in both)


@pytest.mark.slow  # statsmodels takes its time to load
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@drawn
def test_holm_agrees_with_statsmodels_to_the_last_digit(p_values: list[float]) -> None:
    assert holm(p_values) == multipletests(p_values, method="holm")[1].tolist()


@pytest.mark.slow
@given(samples(models=2))
@drawn
def test_a_comparison_turned_round_changes_its_sign_only(sample: Samples) -> None:
    p_high, truths = sample
    patient_ids = tuple(f"P{k:02}" for k in range(truths.size))
    a, b = (ModelScores(patient_ids, truths, row) for row in p_high)
    thresholds = {"a": 0.5, "b": 0.5}
    there = compare_models({"a": a, "b": b}, thresholds)
    back = compare_models({"b": b, "a": a}, thresholds)
    for one, other in zip(there, back, strict=True):
        assert one.difference == pytest.approx(-other.difference, abs=1e-12, nan_ok=True)
        assert one.low == pytest.approx(-other.high, abs=1e-12, nan_ok=True)
        assert one.p_value == pytest.approx(other.p_value, abs=1e-12, nan_ok=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Score, ...]:
    """A score table of two models in both splits, some scores missing."""
    rows: list[Score] = []
    for k in range(draw(st.integers(4, 16))):
        split: SplitName = "oof" if k % 2 else "test"
        for model in ("weak-1-cmp", "最大径"):
            if draw(st.integers(0, 5)):
                fold = k % 3 if split == "oof" else None
                rows.append(Score(f"患者 {k}", model, split, fold, k % 4 < 2, draw(probabilities)))
    assume(len({row.is_high for row in rows}) == 2 and len({row.model for row in rows}) == 2)
    return tuple(rows)


def as_text(evaluation: Evaluation) -> set[str]:
    estimates = {f"{model} {split} {estimate!r}" for model, split, estimate in evaluation.estimates}
    return estimates | {
        f"{c.measure} {c.p_value!r} {c.p_adjusted!r} {abs(c.difference)!r}" for c in evaluation.comparisons
    }


@pytest.mark.slow
@given(tables(), st.randoms(use_true_random=False))
@settings(drawn, max_examples=25)  # two whole evaluations each
def test_the_order_of_rows_changes_no_number(rows: tuple[Score, ...], chance: random.Random) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    settings_ = EvaluateSettings(bootstraps=100)
    assert as_text(evaluate_scores(Scores(rows), settings_)) == as_text(
        evaluate_scores(Scores(tuple(shuffled)), settings_)
    )


@given(tables())
@drawn
def test_a_score_table_comes_back_digit_for_digit(rows: tuple[Score, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scores_path = Path(folder, "scores.csv")
        write_scores(Scores(rows), scores_path)
        assert read_scores(scores_path) == Scores(rows)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=5))
@drawn
def test_only_finite_predictions_pass(values: list[float]) -> None:
    if np.isfinite(values).all():
        assert paired_vectors(values, [0] * len(values))[0].tolist() == values
    else:
        with pytest.raises(ScoresError, match="Prediction"):
            paired_vectors(values, [0] * len(values))


anything = st.floats(allow_nan=True, allow_infinity=True) | probabilities
areas = st.floats(0, 1)


def models_of(sample: Samples) -> dict[str, ModelScores]:
    p_high, truths = sample
    patient_ids = tuple(f"P{k:02}" for k in range(truths.size))
    return {f"m{k}": ModelScores(patient_ids, truths, row) for k, row in enumerate(p_high)}


@given(samples(), st.integers(0, 3))
@drawn
def test_turned_scores_turn_the_auc_over_rows_and_its_resamples(sample: Samples, seed: int) -> None:
    (p_high,), truths = sample
    ids = [f"P{k // 2:02}" for k in range(truths.size)]
    made, turned = clustered_auc(p_high, truths, ids), clustered_auc(-p_high, truths, ids)
    assert turned.value == pytest.approx(1 - made.value, abs=1e-12)
    assert turned.low == pytest.approx(1 - made.high, abs=1e-9, nan_ok=True)
    resampled = [
        bootstrap_aucs(models_of((scores[np.newaxis], truths)), replicates=50, seed=seed)["m0"]
        for scores in (p_high, -p_high)
    ]
    assert resampled[1].value == pytest.approx(1 - resampled[0].value, abs=1e-12)
    assert resampled[1].low == pytest.approx(1 - resampled[0].high, abs=1e-12, nan_ok=True)
    assert np.isnan(resampled[0].low) or 0 <= resampled[0].low <= resampled[0].high <= 1


@pytest.mark.slow
@given(samples(models=2), st.randoms(use_true_random=False))
@drawn
def test_neither_the_order_of_patients_nor_the_scale_of_scores_changes_a_number(
    sample: Samples, chance: random.Random
) -> None:
    p_high, truths = sample
    models = models_of(sample)
    ids = list(models["m0"].patient_ids)
    ranks = np.stack([np.unique(row, return_inverse=True)[1].astype(float) for row in p_high])
    chance.shuffle(ids)
    other = {model: patients.select(tuple(ids)) for model, patients in models_of((ranks**3, truths)).items()}
    assert str(bootstrap_aucs(models, replicates=30, seed=1)) == str(bootstrap_aucs(other, replicates=30, seed=1))
    (there,), (back,) = (compare_equivalence(given, margin=0.05) for given in (models, other))
    assert back.difference == pytest.approx(there.difference, abs=1e-12)
    assert back.p_equivalent == pytest.approx(there.p_equivalent, abs=1e-9, nan_ok=True)
    assert abs(back.patients_needed - there.patients_needed) <= 1
    rows = np.stack([patients.p_high for patients in other.values()])
    own, shuffled = (
        clustered_aucs(scores, of, [f"P{int(who[1:]) // 2}" for who in whose])
        for scores, of, whose in (
            (p_high, truths, models["m0"].patient_ids),
            (rows, other["m0"].is_high, other["m0"].patient_ids),
        )
    )
    np.testing.assert_array_equal(own.aucs, shuffled.aucs)
    np.testing.assert_array_equal(own.covariance, shuffled.covariance)


@pytest.mark.slow
@given(samples(models=3), st.data())
@drawn
def test_covariances_are_positive_semidefinite(sample: Samples, data: st.DataObject) -> None:
    p_high, truths = sample
    ids = data.draw(st.lists(st.sampled_from("ABCDEFGH"), min_size=truths.size, max_size=truths.size))
    for covariance in (place(p_high, truths).covariance(), clustered_aucs(p_high, truths, ids).covariance):
        if np.isfinite(covariance).all():
            np.testing.assert_allclose(covariance, covariance.T, rtol=0, atol=1e-15)
            assert np.linalg.eigvalsh(covariance).min() >= -1e-15


@given(samples(models=2))
@drawn
def test_one_row_a_patient_is_delong_and_twice_the_rows_are_no_more_patients(sample: Samples) -> None:
    p_high, truths = sample
    ids = [f"P{k}" for k in range(truths.size)]
    once = clustered_aucs(p_high, truths, ids)
    np.testing.assert_allclose(once.covariance, place(p_high, truths).covariance(), rtol=0, atol=1e-12)
    twice = clustered_aucs(np.tile(p_high, 2), np.tile(truths, 2), ids * 2)
    np.testing.assert_allclose(twice.covariance, once.covariance, rtol=0, atol=1e-12)


@pytest.mark.slow
@given(samples(models=2), st.floats(0.001, 0.9))
@drawn
def test_equivalence_is_both_one_sided_tests_and_the_interval_within_the_margin(sample: Samples, margin: float) -> None:
    p_high, truths = np.tile(sample[0], FEWEST_FOR_VERDICT), np.tile(sample[1], FEWEST_FOR_VERDICT)
    (row,) = compare_equivalence(models_of((p_high, truths)), margin=margin)
    assert row.n == truths.size
    if row.verdict is None:
        assert row.method.startswith("not computed: ")
        assert row.patients_needed == 0
    elif row.verdict.is_withheld:
        assert row.verdict is Verdict.TOO_RARE
        assert np.isnan(row.p_equivalent)
    else:
        assert row.p_equivalent == max(row.p_a_not_worse, row.p_b_not_worse)
        assert -1 <= row.low <= row.difference <= row.high <= 1
        assume(min(abs(row.low + margin), abs(row.high - margin)) > 1e-12)
        assert (row.p_equivalent < 0.025) == (-margin < row.low and row.high < margin)
        assert (row.patients_needed >= 2) == (abs(row.difference) < margin and row.low <= 0 <= row.high)


@given(st.lists(anything, max_size=5), st.data())
@drawn
def test_whatever_the_scores_are_only_a_scores_error_is_raised(values: list[float], data: st.DataObject) -> None:
    truths = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), dtype=bool)
    p_high = np.array([values, values[::-1]])
    ids = data.draw(st.lists(st.sampled_from(["A", "B", ""]), min_size=len(values), max_size=len(values)))
    models = models_of((p_high.reshape(2, -1), truths))
    sound = bool(np.isfinite(values).all()) and 0 < truths.sum() < truths.size
    (estimate, _) = bootstrap_aucs(models, replicates=5, seed=1).values()
    assert np.isnan(estimate.value) == (not sound)
    if np.isfinite(values).all():
        assert len(compare_equivalence(models, margin=0.05)) == 1
    for compute in (
        lambda: clustered_aucs(p_high, truths, ids),
        lambda: clustered_auc(values, truths, ids),
        lambda: compare_clustered({"a": values, "b": values[::-1]}, truths, ids),
    ):
        if sound and all(ids):
            compute()
        else:
            with pytest.raises(ScoresError):
                compute()
    if sound:
        assert np.isnan(binormal_variance(values, truths)) or binormal_variance(values, truths) >= 0
    else:
        with pytest.raises(ScoresError):
            binormal_variance(values, truths)


@given(areas | anything, areas | anything, st.floats(0, 1), st.floats(-1, 1), st.integers(0, 500))
@drawn
def test_whatever_is_planned_has_a_number_or_a_scores_error(
    auc_a: float, auc_b: float, share: float, correlation: float, n: int
) -> None:
    for compute in (
        lambda: patients_for_difference(auc_a, auc_b, correlation=correlation, high_share=share),
        lambda: patients_for_noninferiority(auc_a, n, margin=auc_b),
        lambda: detectable_difference(auc_a),
        lambda: hanley_mcneil_variance(auc_a, n, 2 * n),
        lambda: obuchowski_variance(auc_a, n, 2 * n),
    ):
        try:
            made = compute()
        except ScoresError:
            continue
        assert math.isnan(made) or 0 <= made < math.inf


@given(st.floats(0.01, 0.99), st.integers(2, 300), st.integers(2, 300))
@drawn
def test_more_patients_make_a_planned_variance_smaller(area: float, n_high: int, n_low: int) -> None:
    for variance in (hanley_mcneil_variance, obuchowski_variance):
        assert variance(area, n_high + 1, n_low) < variance(area, n_high, n_low)
        assert variance(area, n_high, n_low + 1) < variance(area, n_high, n_low)
    assert hanley_mcneil_variance(area, n_high, n_low) <= area * (1 - area) / min(n_high, n_low) + 1e-15
