"""One scale for single networks and their mean: what is thresholded out of fold and on new patients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.performance.threshold import sensitivity_threshold
from nephrograde.evaluation.scores.scale import ModelScale, NetworkScores, fit_scale

Vector = NDArray[Any]


def expit(odds: Vector) -> Vector:
    return np.asarray(1 / (1 + np.exp(-odds)))


def made(
    n: int = 210,
    *,
    share: float = 0.45,
    prevalence: float | None = None,
    seed: int = 7,
    level: float = 0.6,
    spread: float = 0.3,
    n_new: int = 90,
    separation: float = 1.7,
) -> tuple[list[NetworkScores], Vector, Vector]:
    """Five networks of different level and spread, overconfident and with noise of their own; the new patients."""
    rng = np.random.default_rng(seed)
    folds = np.arange(n) % 5
    is_high, new_high = rng.permutation(n) < share * n, rng.permutation(n_new) < share * n_new
    old, new = (separation * truth - separation / 2 + rng.normal(size=truth.size) for truth in (is_high, new_high))
    networks, of_new = [], []
    for k in range(5):
        add, times = level * rng.normal(), 2.0 * np.exp(spread * rng.normal())
        own = old[folds == k]
        p_new = expit(add + times * (new + 0.7 * rng.normal(size=n_new)))
        p_own = expit(add + times * (own + 0.7 * rng.normal(size=own.size)))
        truths = is_high[folds == k]
        networks.append(NetworkScores(k, prevalence or share, True, p_own, truths.tolist(), p_new))
        of_new.append(p_new)
    return networks, np.array(of_new), new_high


def applied(scale: ModelScale, networks: list[NetworkScores], of_new: Vector) -> tuple[Vector, Vector, Vector]:
    """Out-of-fold scores, their truths, and the scores of the new patients."""
    held_out = [scale.of_held_out(p, one.fold) for one in networks for p in one.p_high]
    truths = [truth for one in networks for truth in one.is_high]
    return np.array(held_out), np.array(truths), np.array([scale.of_ensemble(column) for column in of_new.T])


@pytest.mark.slow
def test_a_threshold_means_the_same_out_of_fold_and_for_the_mean() -> None:
    reached, before = [], []
    for seed in range(40):
        networks, of_new, new_high = made(seed=seed, n_new=400)
        held_out, truths, ensemble = applied(fit_scale("m", networks), networks, of_new)
        threshold = sensitivity_threshold(held_out, truths, target=0.9)
        reached.append((ensemble[new_high] >= threshold).mean())
        raw = np.concatenate([one.p_high for one in networks])
        threshold = sensitivity_threshold(raw, truths, target=0.9)
        before.append((of_new.mean(axis=0)[new_high] >= threshold).mean())
    assert 0.88 <= np.mean(reached) <= 0.92
    assert np.mean(before) > 0.94


def test_no_network_ranks_its_patients_differently() -> None:
    networks, of_new, _ = made(n=60, seed=3)
    scale = fit_scale("m", networks)
    for one in networks:
        found = [scale.of_held_out(p, one.fold) for p in one.p_high]
        assert np.array_equal(np.argsort(found), np.argsort(one.p_high))
    assert all(row.slope > 0 for row in scale.rows)
    single = np.array([scale.of_networks(column) for column in of_new.T])
    assert np.array_equal(np.argsort(single[:, 2]), np.argsort(of_new[2]))


@pytest.mark.slow
def test_the_mean_is_as_good_as_that_of_the_raw_probabilities() -> None:
    gains = []
    for seed in range(20):
        networks, of_new, new_high = made(seed=seed, n_new=400)
        ensemble = applied(fit_scale("m", networks), networks, of_new)[2]
        gains.append(auc(ensemble, new_high).value - auc(of_new.mean(axis=0), new_high).value)
    assert np.mean(gains) > -0.001


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.45])
def test_probabilities_are_calibrated_for_new_patients(share: float) -> None:
    observed, expected = [], []
    for seed in range(40):
        networks, of_new, new_high = made(share=share, seed=seed, n_new=400)
        ensemble = applied(fit_scale("m", networks), networks, of_new)[2]
        observed.append(new_high.mean())
        expected.append(ensemble.mean())
    assert abs(np.mean(observed) - np.mean(expected)) < 0.02


def test_the_truth_of_new_patients_and_their_order_play_no_part() -> None:
    networks, _, _ = made()
    shuffled = [one._replace(new=np.asarray(one.new)[::-1]) for one in networks]
    assert fit_scale("m", networks).ensemble.slope == pytest.approx(fit_scale("m", shuffled).ensemble.slope)


def test_networks_that_agree_are_not_stretched() -> None:
    networks, _, _ = made(level=0.0, spread=0.0)
    alike = [one._replace(p_high=expit(np.linspace(-2, 2, 42)), new=expit(np.linspace(-2, 2, 30))) for one in networks]
    assert fit_scale("m", alike).ensemble.slope == pytest.approx(1.0)


def test_plain_batches_need_no_prior_correction() -> None:
    networks, _, _ = made(share=0.2, prevalence=0.25)
    assert [row.prior_shift for row in fit_scale("m", networks).networks] == pytest.approx([-np.log(3)] * 5)
    plain = fit_scale("m", [one._replace(is_balanced=False) for one in networks])
    assert {row.prior_shift for row in plain.networks} == {0.0}
    assert {row.prevalence for row in plain.networks} == {0.25}


def test_few_patients_change_little() -> None:
    few = [NetworkScores(k, 0.5, True, [0.3 + k / 9], [k == 1], [0.5, 0.6]) for k in range(2)]
    scale = fit_scale("m", few)
    assert all(0.5 < row.slope < 2 and abs(row.intercept) < 1 for row in scale.networks)


@pytest.mark.parametrize("truths", [[True, True], [False, False]])
def test_one_grade_leaves_only_the_prior_correction(truths: list[bool]) -> None:
    networks = [NetworkScores(k, 0.2, True, [0.2, 0.9], truths, [0.1 + k / 2, 0.9]) for k in range(2)]
    scale = fit_scale("m", networks)
    assert [(row.intercept, row.slope) for row in scale.rows] == [(0.0, 1.0)] * 3
    assert scale.of_held_out(0.5, 1) == pytest.approx(0.2)


@pytest.mark.parametrize("given", [0.0, 0.5, 1.0])
def test_equal_scores_stay_finite(given: float) -> None:
    networks = [NetworkScores(k, 0.3, True, [given] * 4, [True, False] * 2, [given] * 3) for k in range(3)]
    scale = fit_scale("m", networks)
    assert 0 < scale.of_ensemble([given] * 3) < 1
    assert scale.ensemble.slope == 1.0


def test_without_new_patients_or_with_one_network_the_mean_is_not_stretched() -> None:
    networks, _, _ = made()
    assert fit_scale("m", [one._replace(new=[]) for one in networks]).ensemble.slope == 1.0
    alone = fit_scale("m", networks[:1])
    assert (alone.ensemble.slope, len(alone.networks)) == (1.0, 1)


def test_a_network_worse_than_chance_is_not_turned_round() -> None:
    networks, _, _ = made()
    wrong = [one._replace(is_high=[not truth for truth in one.is_high]) for one in networks]
    assert all(row.slope > 0 for row in fit_scale("m", wrong).rows)
