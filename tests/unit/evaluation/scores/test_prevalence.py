"""Probabilities of balanced batches at the prevalence of the patients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.evaluation.scores.prevalence import correct_prior, log_odds, prior_shift, probability


@pytest.mark.parametrize("prevalence", [0.1, 0.2, 0.45, 0.9])
@pytest.mark.parametrize("p_high", [0.01, 0.3, 0.5, 0.99])
def test_the_correction_is_that_of_saerens(prevalence: float, p_high: float) -> None:
    high, low = prevalence / 0.5 * p_high, (1 - prevalence) / 0.5 * (1 - p_high)
    assert correct_prior(p_high, prevalence) == pytest.approx(high / (high + low), abs=1e-12)


def test_half_of_each_grade_needs_no_correction() -> None:
    assert prior_shift(0.5) == 0.0
    assert correct_prior(0.7, 0.5) == pytest.approx(0.7)


def test_log_odds_are_finite_and_keep_the_order() -> None:
    odds = [log_odds(p_high) for p_high in (0.0, 1e-6, 0.5, 1 - 1e-6, 1.0)]
    assert all(math.isfinite(one) for one in odds)
    assert odds == sorted(odds)
    assert [probability(one) for one in odds] == pytest.approx([1e-7, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-7], rel=1e-6, abs=0)
    assert (probability(-800.0), probability(800.0)) == (0.0, 1.0)


def test_balanced_training_on_normal_scores_is_corrected_to_the_truth() -> None:
    """Two normal distributions, for which the probability at any prevalence is known."""
    for score in np.linspace(-3, 3, 7):
        balanced = 1 / (1 + math.exp(-1.5 * score))  # means -0.75 and 0.75, variance 1
        densities = [math.exp(-0.5 * (score - mean) ** 2) for mean in (0.75, -0.75)]
        known = 0.2 * densities[0] / (0.2 * densities[0] + 0.8 * densities[1])
        assert correct_prior(balanced, 0.2) == pytest.approx(known, abs=1e-12)
