"""Tango's score interval against published values and against the test that it inverts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.paired_shares import share_difference_interval


@pytest.mark.parametrize(
    ("only_a", "only_b", "n", "confidence", "expected"),
    [
        # Airway hyper-responsiveness before and after transplantation, Fagerland 2014 (Stat Med 33:2850); six digits:
        # R package ratesci, scorepairci(c(1, 1, 7, 12), skew = FALSE, bcf = FALSE).
        (1, 7, 21, 0.95, (-0.517232, -0.026003)),
        # Complete response before and after consolidation, Fagerland, Lydersen & Laake 2017, chapter 8.
        (6, 16, 161, 0.95, (-0.1240, -0.0054)),
        # R package PropCIs, scoreci.mp(25, 28, 618, 0.90).
        (28, 25, 618, 0.90, (-0.0148, 0.0247)),
    ],
)
def test_the_interval_is_that_of_others(
    only_a: int, only_b: int, n: int, confidence: float, expected: tuple[float, float]
) -> None:
    found = share_difference_interval(only_a, only_b, n, confidence=confidence)
    assert found == pytest.approx(expected, abs=6e-7 if only_a == 1 else 6e-5)


def score_statistic(only_a: int, only_b: int, n: int, delta: float) -> float:
    """The score statistic with the other proportion fitted numerically, as the definition says."""
    rest = n - only_a - only_b

    def loss(share_b: float) -> float:
        shares = (share_b + delta, share_b, 1 - delta - 2 * share_b)
        return -sum(k * math.log(max(p, 1e-300)) for k, p in zip((only_a, only_b, rest), shares, strict=True))

    low, high = max(0.0, -delta), (1 - delta) / 2
    fitted = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return float((only_a - only_b - n * delta) / math.sqrt(n * (2 * fitted + delta * (1 - delta))))


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(5, 2, 30), (0, 4, 41), (12, 12, 90), (1, 0, 8)])
def test_the_bounds_are_where_the_score_test_begins_to_reject(only_a: int, only_b: int, n: int) -> None:
    low, high = share_difference_interval(only_a, only_b, n)
    assert score_statistic(only_a, only_b, n, low) == pytest.approx(1.959963984540054, abs=1e-4)
    assert score_statistic(only_a, only_b, n, high) == pytest.approx(-1.959963984540054, abs=1e-4)


def test_models_that_never_disagree_have_an_interval_of_a_width() -> None:
    z_squared = 1.959963984540054**2
    bound = z_squared / (20 + z_squared)
    assert share_difference_interval(0, 0, 20) == pytest.approx((-bound, bound), abs=1e-12)


def test_the_interval_holds_the_difference_stays_in_range_and_turns_with_the_models() -> None:
    chance = np.random.default_rng(1)
    for _ in range(200):
        n = int(chance.integers(1, 60))
        only_a = int(chance.integers(0, n + 1))
        only_b = int(chance.integers(0, n - only_a + 1))
        low, high = share_difference_interval(only_a, only_b, n)
        assert -1 <= low <= (only_a - only_b) / n <= high <= 1
        assert share_difference_interval(only_b, only_a, n) == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.parametrize("counts", [(0, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ScoresError, match="disagreements among"):
        share_difference_interval(*counts)
