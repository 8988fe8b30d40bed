from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from nephrograde.evaluation.calibration.minorant import isotonic_with_one_more


def one_by_one(counts: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """The definition: one regression for every score, with one more high-grade patient there."""
    found = []
    for k in range(counts.size):
        more = np.eye(counts.size)[k]
        found.append(isotonic_regression((highs + more) / (counts + more), weights=counts + more).x[k])
    return np.array(found)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1, 2, 7, 60, 450])
def test_it_equals_one_regression_for_every_score(size: int, seed: int) -> None:
    stream = np.random.default_rng([size, seed])
    counts = stream.integers(1, 4, size).astype(float)
    highs = np.minimum(np.floor(stream.random(size) * (counts + 1)), counts)
    assert isotonic_with_one_more(counts, highs) == pytest.approx(one_by_one(counts, highs), abs=1e-12)


@pytest.mark.parametrize(
    "highs", [np.arange(400) > 150, np.arange(400) < 150, np.arange(400) % 2, np.ones(400), np.zeros(400)]
)
def test_it_holds_where_grades_are_separated_or_alternate(highs: np.ndarray) -> None:
    counts, highs = np.ones(highs.size), highs.astype(float)
    assert isotonic_with_one_more(counts, highs) == pytest.approx(one_by_one(counts, highs), abs=1e-12)


@pytest.mark.parametrize("pairs", range(30, 50))
def test_a_change_at_any_distance_is_found(pairs: int) -> None:
    highs = np.array([*[1.0, 0.0] * pairs, *[1.0, 1.0, 1.0, 0.0] * 20, *[0.0] * (pairs % 2)])
    for shifted in (highs, highs[1:], highs[2:]):
        found = isotonic_with_one_more(np.ones(shifted.size), shifted)
        assert found == pytest.approx(one_by_one(np.ones(shifted.size), shifted), abs=1e-12)


@pytest.mark.parametrize("seed", [2, 44, 82, 85, 185])
def test_a_change_right_behind_a_stretch_is_found(seed: int) -> None:
    """These seeds put a change at the first score behind those that are compared at once."""
    highs = (np.random.default_rng(seed).random(300) < 0.04).astype(float)
    found = isotonic_with_one_more(np.ones(300), highs)
    assert found == pytest.approx(one_by_one(np.ones(300), highs), abs=1e-12)
