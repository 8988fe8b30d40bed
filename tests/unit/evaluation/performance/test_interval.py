"""Intervals of AUCs and of their differences: against numbers computed by others, and by their properties."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import (
    Area,
    auc_bounds,
    difference_bounds,
    newcombe_bounds,
    paired_bounds,
    tail_beyond,
)

Z = normal_quantile(0.95)
MIDDLE = Area(0.8, 0.05**2, 40, 50)
HIGH = Area(0.95, 0.02**2, 40, 50)
PERFECT = Area(1.0, 0.0, 40, 50)


def test_newcombe_s_method_5_as_the_r_package_single_case_es() -> None:
    # NAP(A = 20, 20, 26, 25, 22, 23; B = 28, 25, 24, 27, 30, 30, 29), whose interval is Newcombe's method 5.
    value = 38.5 / 42
    assert newcombe_bounds(value, 6, 7, z=Z) == pytest.approx((0.5973193600384168, 0.9859976893703788), abs=1e-9)
    narrow = newcombe_bounds(value, 6, 7, z=normal_quantile(0.9))
    assert narrow == pytest.approx((0.6591091902344411, 0.9822247870934007), abs=1e-9)


def test_newcombe_s_bounds_are_z_standard_errors_from_the_auc() -> None:
    for bound in newcombe_bounds(0.9, 41, 51, z=Z):
        per_grade = 92 / 2 - 1
        spread = 1 + per_grade * ((1 - bound) / (2 - bound) + bound / (1 + bound))
        assert abs(0.9 - bound) / math.sqrt(bound * (1 - bound) * spread / (41 * 51)) == pytest.approx(Z, abs=1e-9)


def test_with_one_patient_of_each_grade_newcombe_s_interval_is_wilson_s_of_one_pair() -> None:
    assert newcombe_bounds(1.0, 1, 1, z=Z) == pytest.approx(proportion_confint(1, 1, method="wilson"), abs=1e-9)


def test_newcombe_s_interval_is_the_same_seen_from_the_other_grade() -> None:
    low, high = newcombe_bounds(0.9, 14, 76, z=Z)
    assert newcombe_bounds(1 - 0.9, 76, 14, z=Z) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.01, 0.5, 0.97, 1.0])
@pytest.mark.parametrize(("n_high", "n_low"), [(2, 2), (3, 200), (41, 51)])
def test_the_interval_of_an_auc_has_a_width_and_stays_within_0_and_1(value: float, n_high: int, n_low: int) -> None:
    variance = value * (1 - value) / min(n_high, n_low)
    low, high = auc_bounds(Area(value, variance, n_high, n_low), z=Z)
    assert 0.0 <= low <= value <= high <= 1.0
    assert high - low > 1e-3


def test_an_auc_without_a_known_variance_has_no_interval() -> None:
    assert all(math.isnan(bound) for bound in auc_bounds(Area(0.8, math.nan, 1, 50), z=Z))
    assert all(math.isnan(bound) for bound in paired_bounds(MIDDLE, Area(0.8, math.nan, 1, 50), 0.0, z=Z))
    assert math.isnan(tail_beyond(MIDDLE, Area(0.8, math.nan, 1, 50), 0.0, limit=-0.05, level=0.025))


def test_the_interval_of_a_difference_excludes_0_exactly_where_its_test_rejects() -> None:
    for difference in (0.05, 0.3, 0.6):
        at_limit = (difference / Z) ** 2
        assert difference_bounds(difference, at_limit * 0.9999, z=Z)[0] > 0.0
        assert difference_bounds(difference, at_limit * 1.0001, z=Z)[0] < 0.0


@pytest.mark.parametrize("difference", [-0.99, -0.5, 0.0, 0.65, 0.999])
@pytest.mark.parametrize("error", [0.0, 0.01, 0.4, 1.0])
def test_bounds_of_a_difference_stay_within_minus_1_and_1(difference: float, error: float) -> None:
    low, high = difference_bounds(difference, error**2, z=Z)
    assert -1.0 <= low <= difference <= high <= 1.0


@pytest.mark.parametrize("a", [MIDDLE, HIGH, PERFECT, Area(0.02, 0.02**2, 3, 4)])
@pytest.mark.parametrize("b", [MIDDLE, HIGH, PERFECT, Area(0.02, 0.02**2, 3, 4)])
@pytest.mark.parametrize("correlation", [-1.0, 0.0, 0.7, 1.0])
def test_bounds_of_a_paired_difference_stay_within_minus_1_and_1(a: Area, b: Area, correlation: float) -> None:
    covariance = correlation * math.sqrt(a.variance * b.variance)
    low, high = paired_bounds(a, b, covariance, z=Z)
    assert -1.0 <= low <= a.value - b.value <= high <= 1.0
    back = paired_bounds(b, a, covariance, z=Z)
    assert back == pytest.approx((-high, -low), abs=1e-12)


def test_far_from_0_and_1_both_intervals_of_a_difference_agree() -> None:
    a, b = Area(0.60, 0.01**2, 2000, 2000), Area(0.55, 0.01**2, 2000, 2000)
    covariance = 0.5 * 0.01**2
    plain = difference_bounds(0.05, 0.01**2, z=Z)
    assert paired_bounds(a, b, covariance, z=Z) == pytest.approx(plain, abs=2e-4)


@pytest.mark.parametrize("limit", [-0.2, -0.05, 0.0, 0.1])
@pytest.mark.parametrize(("a", "b"), [(MIDDLE, HIGH), (HIGH, MIDDLE), (PERFECT, HIGH), (HIGH, HIGH)])
def test_p_is_below_the_level_exactly_if_the_bound_lies_above_the_limit(a: Area, b: Area, limit: float) -> None:
    covariance = 0.6 * math.sqrt(a.variance * b.variance)
    low, _ = paired_bounds(a, b, covariance, z=Z)
    p_value = tail_beyond(a, b, covariance, limit=limit, level=0.025)
    assert (p_value < 0.025) == (low > limit)
    at_p = paired_bounds(a, b, covariance, z=abs(norm.isf(p_value)))
    assert (at_p[0] if p_value <= 0.5 else at_p[1]) == pytest.approx(limit, abs=1e-6)
