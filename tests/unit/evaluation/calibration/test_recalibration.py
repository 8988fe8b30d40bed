from __future__ import annotations

import numpy as np
import pytest

from nephrograde.errors import InputError, ScoresError
from nephrograde.evaluation.calibration.maps import PlattMap
from nephrograde.evaluation.calibration.recalibration import Way, learn_map
from nephrograde.evaluation.remarks import Reason


def binormal(n: int, seed: int, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Patients whose log odds are calibrated at a slope of 1 and overconfident above it."""
    stream = np.random.default_rng(seed)
    is_high = stream.random(n) < 0.5
    log_odds = 1.5 * (stream.normal(size=n) + 1.5 * (is_high - 0.5))
    return 1.0 / (1.0 + np.exp(-slope * log_odds)), is_high


def test_platt_undoes_overconfidence() -> None:
    p_high, is_high = binormal(4000, 1, slope=3.0)
    learnt = learn_map(p_high, is_high, Way.PLATT)
    assert isinstance(learnt, PlattMap)
    assert learnt.slope == pytest.approx(1 / 3, rel=0.1)


@pytest.mark.parametrize("way", list(Way))
def test_every_way_keeps_the_order_and_gives_probabilities(way: Way) -> None:
    p_high, is_high = binormal(60, 2)
    found = learn_map(p_high, is_high, way).apply(np.linspace(0.0, 1.0, 201))
    assert (np.diff(found) >= 0.0).all()
    assert ((found >= 0.0) & (found <= 1.0)).all()


@pytest.mark.parametrize("way", list(Way))
def test_scores_that_rank_the_wrong_way_round_are_not_turned_over(way: Way) -> None:
    p_high, is_high = binormal(80, 3)
    found = learn_map(1.0 - p_high, is_high, way).apply(np.linspace(0.01, 0.99, 50))
    assert (np.diff(found) >= 0.0).all()


@pytest.mark.parametrize("way", list(Way))
def test_separated_grades_have_a_finite_map(way: Way) -> None:
    found = learn_map(np.linspace(0.0, 1.0, 20), np.arange(20) >= 10, way).apply(np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(found).all()
    assert found[0] < 0.2
    assert found[2] > 0.8


@pytest.mark.parametrize(
    ("p_high", "is_high", "reason"),
    [
        ([0.2, 0.4, 0.9], [0, 0, 0], Reason.ONE_GRADE),
        (np.linspace(0.1, 0.9, 40), [1] * 3 + [0] * 37, Reason.TOO_FEW_PATIENTS),
        ([0.4] * 20, [0, 1] * 10, Reason.PREDICTIONS_ALIKE),
        ([0.5, float("nan")], [0, 1], Reason.NOT_FINITE),
        ([], [], Reason.NO_PATIENTS),
    ],
)
def test_what_cannot_be_learnt_has_a_reason(p_high: object, is_high: object, reason: Reason) -> None:
    with pytest.raises(ScoresError) as caught:
        learn_map(p_high, is_high, "platt")  # type: ignore[arg-type]
    assert caught.value.reason == reason


def test_scores_outside_0_to_1_and_unknown_ways_are_refused() -> None:
    with pytest.raises(ScoresError, match="not a probability"):
        learn_map([0.2, 1.4], [0, 1], "platt")
    with pytest.raises(InputError, match="platt, isotonic, venn-abers"):
        learn_map([0.2, 0.4], [0, 1], "beta")
