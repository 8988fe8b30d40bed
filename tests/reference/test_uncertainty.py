"""Agreement with crepes 0.9.1, venn-abers 1.5.4 and scikit-learn, on numbers made by ``uncertainty.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from nephrograde.evaluation.calibration.logistic import CLIP
from nephrograde.evaluation.calibration.maps import PlattMap, VennAbersMap
from nephrograde.evaluation.calibration.recalibration import learn_map
from nephrograde.evaluation.uncertainty.conformal import GradeSet, conformal_cutoffs

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("uncertainty.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-12


@pytest.mark.parametrize("error", [0.1, 0.2, 0.3, 1 / 3])
@pytest.mark.parametrize("kind", ["by-class", "marginal"])
@pytest.mark.parametrize("case", CASES)
def test_sets_hold_the_grades_whose_p_value_exceeds_the_error(case: dict[str, Any], kind: str, error: float) -> None:
    cutoffs = conformal_cutoffs(case["p_high"], case["is_high"], error=error, kind=kind)
    p_values = np.array([case["p_values"][f"{kind} {grade}"] for grade in ("high", "low")])
    is_high, is_low = p_values > error + TOLERANCE
    sets = [cutoffs.set_of(p_high) for p_high in case["new"]]
    assert [found in {GradeSet.HIGH, GradeSet.BOTH} for found in sets] == is_high.tolist()
    assert [found in {GradeSet.LOW, GradeSet.BOTH} for found in sets] == is_low.tolist()


@pytest.mark.parametrize("case", CASES)
def test_both_probabilities_of_venn_abers(case: dict[str, Any]) -> None:
    learnt = learn_map(case["p_high"], case["is_high"], "venn-abers")
    assert isinstance(learnt, VennAbersMap)
    new, expected = np.array(case["new"]), case["venn_abers"]
    low, high = learnt.bounds(new)
    np.testing.assert_allclose(low, expected["low"], atol=TOLERANCE)
    np.testing.assert_allclose(high, expected["high"], atol=TOLERANCE)
    np.testing.assert_allclose(learnt.apply(new), expected["merged"], atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_isotonic_regression_of_scikit_learn(case: dict[str, Any]) -> None:
    from sklearn.isotonic import IsotonicRegression

    new = np.array(case["new"])
    expected = IsotonicRegression(out_of_bounds="clip").fit(case["p_high"], case["is_high"]).predict(new)
    found = learn_map(case["p_high"], case["is_high"], "isotonic").apply(new)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_platt_scaling_of_scikit_learn(case: dict[str, Any]) -> None:
    from sklearn.calibration import _sigmoid_calibration

    log_odds = logit(np.clip(case["p_high"], CLIP, 1 - CLIP))
    slope, intercept = _sigmoid_calibration(log_odds, np.array(case["is_high"]))
    learnt = learn_map(case["p_high"], case["is_high"], "platt")
    assert isinstance(learnt, PlattMap)
    assert (learnt.slope, learnt.intercept) == pytest.approx((-slope, -intercept), abs=1e-4)
