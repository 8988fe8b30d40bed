from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.sample_size.power import (
    binormal_variance,
    check_margin,
    detectable_difference,
    difference_variance,
    hanley_mcneil_variance,
    obuchowski_variance,
    patients_for_difference,
    patients_for_noninferiority,
)


def paired_variance(n: float, *, correlation: float = 0.5) -> float:
    of_both = (hanley_mcneil_variance(area, n * 41 / 92, n * 51 / 92) for area in (0.907, 0.922))
    return difference_variance(*of_both, correlation=correlation)


def test_what_92_patients_can_show_of_the_paper_s_models() -> None:
    error = math.sqrt(paired_variance(92))
    assert 1.96 * error == pytest.approx(0.06, abs=0.005)
    assert detectable_difference(error**2) == pytest.approx(0.09, abs=0.002)


def test_hanley_and_mcneil_s_own_example() -> None:
    # 51 abnormal and 58 normal CT images: area 0.893, standard error 0.032.
    assert math.sqrt(hanley_mcneil_variance(0.893, 51, 58)) == pytest.approx(0.032, abs=0.0015)


def test_hanley_mcneil_at_one_patient_of_each_grade_is_that_of_one_coin() -> None:
    assert hanley_mcneil_variance(0.75, 1, 1) == pytest.approx(0.75 * 0.25, abs=1e-15)
    assert hanley_mcneil_variance(1.0, 5, 7) == hanley_mcneil_variance(0.0, 5, 7) == 0.0


def test_hanley_mcneil_is_the_variance_of_exponential_scores() -> None:
    # Scores exp(1) against exp(rate) have this AUC and exactly these moments.
    chance = np.random.default_rng(2)
    rate, n_high, n_low = 4.0, 6, 9
    high = chance.exponential(1.0, (20_000, n_high, 1))
    low = chance.exponential(1.0 / rate, (20_000, 1, n_low))
    made = (high > low).mean(axis=(1, 2)).var()
    assert hanley_mcneil_variance(rate / (1 + rate), n_high, n_low) == pytest.approx(made, rel=0.04)


def test_the_detectable_difference_is_found_with_the_power_named() -> None:
    error, power, alpha = 0.03, 0.9, 0.01
    difference = detectable_difference(error**2, power=power, alpha=alpha)
    assert 1 - norm.cdf(norm.ppf(1 - alpha / 2) - difference / error) == pytest.approx(power, abs=1e-12)


def test_patients_for_noninferiority_have_the_power_named() -> None:
    needed = patients_for_noninferiority(0.032**2, 92, margin=0.05)
    for n, enough in ((needed, True), (needed - 1, False)):
        error = 0.032 * math.sqrt(92 / n)
        assert (norm.cdf(0.05 / error - norm.ppf(0.975)) >= 0.8) == enough


@pytest.mark.parametrize("variance", [0.0, math.nan])
def test_without_a_variance_no_number_of_patients_is_named(variance: float) -> None:
    assert patients_for_noninferiority(variance, 92, margin=0.05) == 0
    assert math.isnan(detectable_difference(math.nan))


def test_never_fewer_than_two_patients() -> None:
    assert patients_for_noninferiority(1e-9, 92, margin=0.5) == 2


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.5, 0.9])
def test_patients_for_a_difference_are_the_fewest_that_find_it(correlation: float) -> None:
    needed = patients_for_difference(0.907, 0.922, correlation=correlation, high_share=41 / 92)
    assert detectable_difference(paired_variance(needed, correlation=correlation)) <= 0.922 - 0.907
    assert detectable_difference(paired_variance(needed - 1, correlation=correlation)) > 0.922 - 0.907


def test_a_difference_that_one_patient_of_each_grade_would_show_takes_just_those() -> None:
    assert patients_for_difference(1.0, 0.0, correlation=0.0, high_share=0.25) == 4
    # 49 · (1 / 49) is less than 1 in floating point; the one patient is there all the same.
    assert patients_for_difference(1.0, 0.0, correlation=0.0, high_share=1 / 49) == 49


def test_obuchowski_s_variance_by_hand() -> None:
    # AUC 0.5: no separation, 0.0099 · (8 + 8 · n_high / n_low) / n_high.
    assert obuchowski_variance(0.5, 40, 80) == pytest.approx(0.0099 * (8 + 8 * 40 / 80) / 40, abs=1e-15)
    separation = math.sqrt(2) * norm.ppf(0.9)
    expected = 0.0099 * math.exp(-(separation**2) / 2) * (5 * separation**2 + 8 + (separation**2 + 8) / 2) / 40
    assert obuchowski_variance(0.9, 40, 80) == pytest.approx(expected, abs=1e-15)
    assert math.isnan(obuchowski_variance(1.0, 40, 80))


def test_binormal_variance_of_normal_scores() -> None:
    chance = np.random.default_rng(3)
    truths = np.arange(3000) < 1200
    scores = chance.normal(size=3000) + 1.2 * truths
    made = binormal_variance(scores, truths)
    # A line with intercept 1.2 and slope 1; the density of the AUC's argument is f, and g = −0.6 f.
    f = math.exp(-(1.2**2) / 4) / math.sqrt(4 * math.pi)
    of_intercept, of_slope = 1 + 1200 / 1800 + 1.2**2 / 2, (1 + 1.5) / (2 * 1.5)
    assert made == pytest.approx(f**2 * (of_intercept + 0.36 * of_slope) / 1200, rel=0.05)
    delong = float(place(scores[np.newaxis], truths).covariance()[0, 0])
    assert made == pytest.approx(delong * 4 / 3, rel=0.1)
    assert binormal_variance(np.exp(scores), truths) == pytest.approx(made, abs=1e-15)


@pytest.mark.parametrize(
    ("p_high", "is_high"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),  # every point lies on an edge
        ([0.5, 0.5, 0.5], [0, 1, 1]),
        ([0.25, 0.75, 0.25, 0.75], [0, 0, 1, 1]),  # one point inside
    ],
)
def test_a_curve_without_a_line_has_no_binormal_variance(p_high: list[float], is_high: list[int]) -> None:
    assert math.isnan(binormal_variance(p_high, is_high))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detectable_difference(-0.1), "Give a number from 0 to 2"),
        (lambda: detectable_difference(0.1, power=1.0), "A power of 1.0"),
        (lambda: detectable_difference(0.1, alpha=math.nan), "a level below it"),
        (lambda: patients_for_noninferiority(math.inf, 9, margin=0.05), "The variance of the difference is inf"),
        (lambda: patients_for_noninferiority(0.1, 9, margin=0.0), "The margin is 0.0"),
        (lambda: check_margin(math.nan), "The margin is nan"),
        (lambda: patients_for_difference(0.9, 0.9, correlation=0.5, high_share=0.4), "Both AUCs are 0.9"),
        (lambda: patients_for_difference(0.9, 0.8, correlation=0.5, high_share=0.0), "The proportion of high-grade"),
        (lambda: patients_for_difference(0.9, 0.8, correlation=1.5, high_share=0.4), "The correlation of the AUCs"),
        (lambda: patients_for_difference(math.nan, 0.8, correlation=0.5, high_share=0.4), "The AUC is nan"),
        (lambda: hanley_mcneil_variance(1.1, 9, 9), "The AUC is 1.1"),
        (lambda: obuchowski_variance(0.9, 0, 9), "0 high-grade and 9 low-grade"),
        (lambda: obuchowski_variance(0.9, 9, math.nan), "Give at least one of each"),
        (lambda: binormal_variance([0.5, 0.6], [1, 1]), "patients of both grades"),
        (lambda: binormal_variance([0.5, math.nan], [0, 1]), "Prediction 2 is nan"),
    ],
)
def test_what_cannot_be_is_refused(call, message: str) -> None:
    with pytest.raises(ScoresError, match=message):
        call()
