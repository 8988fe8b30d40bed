from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile, place, two_sided_p

TRUTHS = np.array([False, False, False, True, True, True])


def test_placements_by_hand() -> None:
    placements = place(np.array([[0.1, 0.3, 0.6, 0.3, 0.6, 0.9]]), TRUTHS)
    assert placements.of_high.tolist() == [[1.5, 2.5, 3.0]]
    assert placements.of_low.tolist() == [[3.0, 2.5, 1.5]]
    assert (placements.n_high, placements.n_low) == (3, 3)
    assert placements.aucs().tolist() == [7 / 9]


def test_covariance_of_three_models_by_hand() -> None:
    good, bad, same = [0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0.9, 0.8, 0.7, 0.3, 0.2, 0.1], [1, 3, 6, 5, 8, 9]
    covariance = place(np.array([good, bad, same], dtype=float), TRUTHS).covariance()
    assert covariance[0, 0] == pytest.approx(2 / 81, abs=1e-15)
    assert covariance[0, 2] == covariance[0, 0] == covariance[2, 2]
    assert covariance[1].tolist() == [0.0, 0.0, 0.0]


def test_two_models_of_one_ranking_differ_by_exactly_nothing() -> None:
    p_high = np.random.default_rng(7).random(201)
    truths = np.random.default_rng(8).random(201) < 0.4
    assert place(np.stack([p_high, np.exp(p_high)]), truths).difference(0, 1) == (0.0, 0.0)


def test_a_single_patient_of_a_class_has_no_variance_unless_the_auc_is_0_or_1() -> None:
    placements = place(np.array([[0.1, 0.6, 0.5], [0.1, 0.2, 0.5]]), np.array([False, False, True]))
    covariance = placements.covariance()
    assert math.isnan(covariance[0, 0])
    assert covariance[1, 1] == covariance[0, 1] == covariance[1, 0] == 0.0
    assert placements.difference(0, 1)[0] == -0.5
    assert math.isnan(placements.difference(0, 1)[1])


def test_one_class_is_refused() -> None:
    with pytest.raises(ScoresError, match="All 3 patients are high grade"):
        place(np.zeros((1, 3)), np.ones(3, dtype=bool))


def test_normal_tails() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, abs=1e-15)
    assert two_sided_p(0.0) == 1.0
    assert two_sided_p(-20.0) == pytest.approx(5.507248237212e-89, rel=1e-9)


@pytest.mark.parametrize("decimals", [1, 9])
def test_placements_are_counts_of_patients_of_the_other_grade(decimals: int) -> None:
    chance = np.random.default_rng(decimals)
    p_high, truths = chance.random((3, 41)).round(decimals), chance.random(41) < 0.4
    found = place(p_high, truths)
    for k, model in enumerate(p_high):
        high, low = model[truths], model[~truths]
        below = [sum(1.0 if other < own else 0.5 if other == own else 0.0 for other in low) for own in high]
        above = [sum(1.0 if other > own else 0.5 if other == own else 0.0 for other in high) for own in low]
        assert found.of_high[k].tolist() == below
        assert found.of_low[k].tolist() == above
