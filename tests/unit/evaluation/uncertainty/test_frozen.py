"""A model from elsewhere is evaluated with the threshold, the map and the cutoffs that it brings along."""

import numpy as np
import pytest

from nephrograde.evaluation.calibration.maps import PlattMap
from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.performance.threshold import Threshold
from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.uncertainty.conformal import Cutoffs, SetKind, coverage_range
from nephrograde.evaluation.uncertainty.frozen import Frozen
from nephrograde.study import EvaluateSettings

SETTINGS = EvaluateSettings(bootstraps=100)


def scores_of(n=40):
    p_high = np.linspace(0.02, 0.98, n)
    is_high = np.arange(n) % 3 + np.arange(n) / n * 2 > 2
    return Scores(tuple(Score(f"P{k:02}", "m", "test", None, bool(is_high[k]), float(p_high[k])) for k in range(n)))


def evaluated(frozen):
    return evaluate_scores(scores_of(), SETTINGS, frozen={"m": frozen})


def test_threshold_map_and_cutoffs_are_used_as_they_are():
    own = Frozen(Threshold(0.31, Rule.YOUDEN, 77), PlattMap(-0.5, 2.0), Cutoffs(0.3, 0.6), 0.1, 77, 33)
    found = evaluated(own)
    assert found.thresholds["m"] == own.threshold
    patients = scores_of().of("m", "test")
    called = patients.p_high >= 0.31
    counts = {made.measure: made.value for _, _, made in found.estimates}
    assert counts["tp"] == (called & patients.is_high).sum()
    assert counts["fp"] == (called & ~patients.is_high).sum()
    (row,) = found.uncertainty.cutoffs
    assert (row.kind, row.high_from, row.low_to, row.n, row.n_high) == (SetKind.BY_CLASS, 0.3, 0.6, 77, 33)
    assert {row.way for row in found.uncertainty.recalibrations} == {Way.PLATT}
    assert found.uncertainty.patients[5].platt == pytest.approx(PlattMap(-0.5, 2.0).apply(patients.p_high)[5])
    referrals = {one.measure: one for one in found.uncertainty.referrals}
    between = (patients.p_high >= 0.3) & (patients.p_high <= 0.6)
    assert referrals["referred"].part == between.sum()
    missed = patients.is_high & (patients.p_high < 0.3)
    assert referrals["coverage_high"].part == patients.is_high.sum() - missed.sum()
    expected = coverage_range(33, error=SETTINGS.conformal_error, confidence=0.95)
    assert (referrals["coverage_high"].expected_low, referrals["coverage_high"].expected_high) == expected


def test_what_the_model_does_not_have_has_no_rows():
    found = evaluated(Frozen(Threshold(0.5, Rule.YOUDEN, 20), None, None, 0.1, 20, 9)).uncertainty
    assert (found.recalibrations, found.cutoffs, found.referrals) == ((), (), ())
    assert len(found.patients) == 40
