"""The difference of two estimates on different patients."""

import math

import pytest

from nephrograde.evaluation.performance.interval import share_interval
from nephrograde.evaluation.performance.unpaired import Bounded, unpaired_difference


def wilson(part, whole):
    return Bounded(part / whole, *share_interval(part, whole, confidence=0.95))


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [  # Newcombe 1998, Stat Med 17:873, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_is_that_of_newcombe(a, b, low, high):
    found = unpaired_difference(wilson(*a), wilson(*b))
    assert list(found[1:]) == pytest.approx([low, high], abs=5e-5)


def test_what_is_not_known_stays_unknown():
    found = unpaired_difference(Bounded(0.7, math.nan, math.nan), Bounded(0.6, 0.5, 0.7))
    assert found.value == pytest.approx(0.1)
    assert math.isnan(found.low)
