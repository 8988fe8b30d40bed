"""The difference between two estimates on different patients, from their intervals alone."""

from __future__ import annotations

from typing import NamedTuple

from nephrograde.evaluation.performance.interval import recovered_reach


class Bounded(NamedTuple):
    """A number with its interval."""

    value: float
    low: float
    high: float


def unpaired_difference(a: Bounded, b: Bounded) -> Bounded:
    """Estimate a − b for two independent estimates, with the interval that follows from both intervals.

    Nothing but the intervals is needed, so that an estimate of which only the interval was published can be compared.
    They may be asymmetric, as those of an AUC are; both must have the same coverage probability, which is then that of
    the difference as well. The method is MOVER, the "method of variance estimates recovery".

    Args:
        a: The estimate on some patients.
        b: The estimate on others.

    Returns:
        The difference; NaN as far as something is not known.

    Source:
        Newcombe 1998, Stat Med 17:873, method 10; Zou & Donner 2008, Stat Med 27:1693.

    >>> found = unpaired_difference(Bounded(0.7, 0.6, 0.78), Bounded(0.85, 0.8, 0.89))
    >>> [round(one, 3) for one in found]
    [-0.15, -0.258, -0.056]
    """
    difference = a.value - b.value
    return Bounded(
        difference,
        difference - recovered_reach(a.value - a.low, b.high - b.value, 0.0),
        difference + recovered_reach(a.high - a.value, b.value - b.low, 0.0),
    )
