from __future__ import annotations

import numpy as np
import pytest

from nephrograde.report.figures.roc import GRID, roc_band, roc_points


def test_points_agree_with_scikit_learn() -> None:
    from sklearn.metrics import roc_curve

    stream = np.random.default_rng(3)
    truth = stream.random(80) < 0.4
    p_high = np.round(stream.normal(0.4 + 0.2 * truth, 0.2, 80), 2).astype(np.float64)
    false_rate, true_rate, _ = roc_curve(truth, p_high, drop_intermediate=False)
    found = roc_points(p_high, truth)
    np.testing.assert_allclose(found[0], false_rate)
    np.testing.assert_allclose(found[1], true_rate)


def test_area_below_the_points_is_the_auc() -> None:
    from sklearn.metrics import auc, roc_auc_score

    stream = np.random.default_rng(4)
    truth = np.arange(50) % 3 == 0
    p_high = np.round(stream.random(50), 1)
    assert auc(*roc_points(p_high, truth)) == pytest.approx(roc_auc_score(truth, p_high))


def test_band_is_seeded_and_holds_the_curve() -> None:
    stream = np.random.default_rng(5)
    truth = np.arange(60) % 2 == 0
    p_high = stream.normal(truth * 1.2, 1.0)
    low, high = roc_band(p_high, truth, seed=1)
    again = roc_band(p_high, truth, seed=1)
    other = roc_band(p_high, truth, seed=2)
    np.testing.assert_array_equal(low, again[0])
    assert not np.array_equal(low, other[0])
    curve = np.interp(GRID, *roc_points(p_high, truth))
    assert np.mean((low <= curve + 0.02) & (curve <= high + 0.02)) > 0.95
    assert np.all(low <= high)
    assert np.all(np.diff(high) >= -1e-12)


def test_perfect_separation_has_a_band_without_width() -> None:
    low, high = roc_band(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]), seed=0)
    assert np.all(low == 1.0)
    assert np.all(high == 1.0)


def test_equal_scores_follow_the_diagonal() -> None:
    low, high = roc_band(np.full(10, 0.5), np.arange(10) < 4, seed=0)
    np.testing.assert_allclose(low, GRID, atol=1e-12)
    np.testing.assert_allclose(high, GRID, atol=1e-12)
