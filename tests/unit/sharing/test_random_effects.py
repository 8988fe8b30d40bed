"""Random effects against numbers computed by hand, from the defining equations, and published ones."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from nephrograde.sharing.random_effects import pool_effects

# Vaccinated and unvaccinated, with and without tuberculosis, in 13 trials of BCG: Colditz 1994, JAMA 271:698.
BCG = np.array(
    [
        [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619], [33, 5036, 47, 5761],
        [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892], [29, 7470, 45, 7232],
        [17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
    ],
    dtype=float,
)  # fmt: skip


def log_odds_ratios():
    a, b, c, d = BCG.T
    return np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d


def test_the_values_that_r_computes():
    """Nine laboratories (Kacker 2004, Metrologia 41:132), by rma(method="PM") of R's metafor."""
    values = [61.0, 61.4, 62.21, 62.3, 62.34, 62.6, 62.7, 62.84, 65.9]
    made = pool_effects(
        values, [0.2025, 1.2100, 0.0900, 0.2025, 0.3844, 0.5625, 0.0676, 0.0225, 1.8225], confidence=0.95
    )
    assert made.value == pytest.approx(62.4076199113286, abs=1e-5)
    assert made.tau2 == pytest.approx(0.705395309224248, abs=1e-5)
    assert (made.high - made.value) / stats.t.ppf(0.975, 8) == pytest.approx(0.338030602684471, abs=1e-5)
    assert made.i2 == pytest.approx(1 - 8 / 24.801897741835)
    assert made.p_heterogeneity == pytest.approx(0.00167935146372742)


def test_the_bcg_trials_are_close_to_their_reml_estimate():
    """Effects and variances: van Houwelingen 2002, Stat Med 21:589, table I."""
    effects, variances = log_odds_ratios()
    assert effects[:3] == pytest.approx([-0.9387, -1.6662, -1.3863], abs=5e-5)
    assert variances[:3] == pytest.approx([0.3571, 0.2081, 0.4334], abs=5e-5)

    def restricted(tau2):
        weights = 1 / (variances + tau2)
        mean = weights @ effects / weights.sum()
        return np.log(variances + tau2).sum() + np.log(weights.sum()) + weights @ (effects - mean) ** 2

    tau2 = minimize_scalar(restricted, bounds=(0, 3), method="bounded").x
    made = pool_effects(effects, variances, confidence=0.95)
    assert made.tau2 == pytest.approx(tau2, abs=0.005)
    assert made.value == pytest.approx(np.average(effects, weights=1 / (variances + tau2)), abs=0.001)


def test_the_defining_equations():
    effects, variances = log_odds_ratios()
    made = pool_effects(effects, variances, confidence=0.9)

    def excess(tau2):
        weights = 1 / (variances + tau2)
        mean = weights @ effects / weights.sum()
        return weights @ (effects - mean) ** 2 - (effects.size - 1)

    tau2 = brentq(excess, 0, 10, xtol=1e-14)
    weights = 1 / (variances + tau2)
    mean = weights @ effects / weights.sum()
    error = math.sqrt(weights @ (effects - mean) ** 2 / (effects.size - 1) / weights.sum())
    reach = stats.t.ppf(0.95, effects.size - 1) * error
    ahead = stats.t.ppf(0.95, effects.size - 2) * math.sqrt(tau2 + error**2)
    assert (made.tau2, made.value) == pytest.approx((tau2, mean), abs=1e-5)
    assert (made.low, made.high) == pytest.approx((mean - reach, mean + reach), abs=1e-5)
    assert (made.prediction_low, made.prediction_high) == pytest.approx((mean - ahead, mean + ahead), abs=1e-5)
    assert made.weights == pytest.approx(weights / weights.sum(), abs=1e-5)


def test_hospitals_that_agree_better_than_chance_do_not_narrow_the_interval():
    made = pool_effects([1.0, 1.0, 1.001], [0.04, 0.04, 0.04], confidence=0.95)
    assert (made.tau2, made.i2) == (0.0, 0.0)
    assert made.high - made.value == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(0.04 / 3))


def test_two_hospitals_have_no_prediction_interval():
    made = pool_effects([0.0, 2.0], [0.5, 0.5], confidence=0.95)
    assert (made.value, made.tau2) == pytest.approx((1.0, 2.0**2 / 2 - 0.5), abs=1e-5)
    assert made.high == pytest.approx(1.0 + 12.7062047 * 1.0, abs=1e-4)
    assert math.isnan(made.prediction_low)


def test_equal_values_are_themselves():
    made = pool_effects([0.5, 0.5], [0.1, 0.2], confidence=0.95)
    assert (made.value, made.p_heterogeneity) == (0.5, 1.0)
    assert made.weights == pytest.approx((2 / 3, 1 / 3))
