"""Bring the probabilities of networks that learnt from balanced batches back to the prevalence of their patients.

A network whose batches are half high grade learns probabilities for a world in which half of the patients are high
grade. Where fewer are, all its probabilities are too high, by a constant on the scale of log odds.
"""

from __future__ import annotations

import math

EDGE = 1e-7
"""Probabilities closer to 0 or 1 than this are moved inwards to this distance before taking log odds."""


def log_odds(p_high: float) -> float:
    """Return the log odds of a probability, finite also for 0 and 1.

    Args:
        p_high: A probability.

    >>> log_odds(0.5), round(log_odds(0.75), 4), round(log_odds(1.0), 2)
    (0.0, 1.0986, 16.12)
    """
    inside = min(max(p_high, EDGE), 1.0 - EDGE)
    return math.log(inside / (1.0 - inside))


def probability(log_odds: float) -> float:
    """Return the probability of given log odds.

    >>> probability(0.0), probability(-1e9), round(probability(1.0986), 4)
    (0.5, 0.0, 0.75)
    """
    odds = math.exp(-abs(log_odds))
    return 1.0 / (1.0 + odds) if log_odds >= 0 else odds / (1.0 + odds)


def prior_shift(prevalence: float) -> float:
    """Return what is added to the log odds of a network that learnt from balanced batches.

    Args:
        prevalence: The share of high grade among the patients that it learnt from, between 0 and 1.

    Source:
        Saerens 2002, Neural Comput 14:21, eq. 2.4, with classes of equal share in training.

    >>> round(prior_shift(0.2), 4), prior_shift(0.5)
    (-1.3863, 0.0)
    """
    return math.log(prevalence / (1.0 - prevalence))


def correct_prior(p_high: float, prevalence: float) -> float:
    """Correct a probability of a network that learnt from balanced batches.

    Args:
        p_high: What the network gives.
        prevalence: The share of high grade among the patients that it learnt from, between 0 and 1.

    >>> round(correct_prior(0.5, 0.2), 4), round(correct_prior(0.8, 0.2), 4)
    (0.2, 0.5)
    """
    return probability(log_odds(p_high) + prior_shift(prevalence))
