"""The interval of the difference of two proportions that were observed on the same patients.

Only the patients on whom the two models disagree tell them apart, and the usual interval (difference ± z standard
errors) is too short where they are few, and has no width where there are none. Tango's interval consists of all
differences that a score test does not reject, so it stays within −1 and 1 and has a width even for two models that call
everyone alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

_HALVINGS = 55
"""After these, the bounds are exact to the last digits of a float."""


def share_difference_interval(only_a: int, only_b: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the score interval of a paired difference of two proportions, a minus b.

    Args:
        only_a: Number of patients for whom only a is right.
        only_b: Number of patients for whom only b is right.
        n: Number of all patients, with those on whom both are right or both are wrong.
        confidence: Coverage probability of the interval.

    Returns:
        The low and the high bound, within −1 to 1.

    Raises:
        ScoresError: No patient, a negative count, or more disagreements than patients.

    Source:
        Tango 1998, Stat Med 17:891. It holds its level better than other closed forms at small n (Fagerland, Lydersen &
        Laake 2014, Stat Med 33:2850).

    >>> [round(bound, 3) for bound in share_difference_interval(1, 7, 21)]
    [-0.517, -0.026]
    """
    if n < 1 or min(only_a, only_b) < 0 or only_a + only_b > n:
        raise ScoresError(
            f"{only_a} and {only_b} disagreements among {n} patients. Give counts of 0 or more that do not exceed n."
        )
    z = normal_quantile(confidence)
    difference = (only_a - only_b) / n

    def is_rejected(delta: float) -> bool:
        distance = only_a - only_b - n * delta
        return distance * distance > z * z * _variance(only_a, only_b, n, delta)

    return _last_kept(is_rejected, -1.0, difference), _last_kept(is_rejected, 1.0, difference)


def _last_kept(is_rejected: Callable[[float], bool], outer: float, inner: float) -> float:
    """Find by bisection the farthest value from ``inner``, which is kept, that is not rejected."""
    if not is_rejected(outer):
        return outer
    for _ in range(_HALVINGS):
        middle = (outer + inner) / 2.0
        outer, inner = (middle, inner) if is_rejected(middle) else (outer, middle)
    return inner


def _variance(only_a: int, only_b: int, n: int, delta: float) -> float:
    """Variance of the difference of the counts if the true difference is delta, by constrained maximum likelihood."""
    linear = (2 * n - only_a + only_b) * delta - only_a - only_b
    constant = -only_b * delta * (1.0 - delta)
    only_b_share = (math.sqrt(max(linear * linear - 8.0 * n * constant, 0.0)) - linear) / (4.0 * n)
    return n * max(2.0 * only_b_share + delta * (1.0 - delta), 0.0)
