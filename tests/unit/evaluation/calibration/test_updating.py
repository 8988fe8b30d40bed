"""Whether and how the probabilities of a model should be updated for other patients."""

import math

import numpy as np
import pytest
from scipy.special import expit, logit

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.calibration import calibration_intercept, calibration_slope
from nephrograde.evaluation.calibration.updating import Update, Why, advise_update


def drawn(n, *, seed=1, intercept=0.0, slope=1.0, level=0.0, spread=1.2):
    """Patients whose true log odds are ``intercept + slope × log odds of p_high``."""
    stream = np.random.default_rng(seed)
    log_odds = stream.normal(level, spread, n)
    return expit(log_odds), stream.random(n) < expit(intercept + slope * log_odds)


def updated_by(row, p_high):
    """The probabilities by the formula of the file that a validation writes."""
    return expit(row.intercept + row.slope * logit(p_high))


def row_of(advice, update):
    row = advice.row(update)
    assert row is not None
    return row


def test_a_planted_miscalibration_is_recovered_within_its_interval():
    p_high, is_high = drawn(600, intercept=0.8, slope=0.5)
    advice = advise_update(p_high, is_high, prevalence=0.5, seed=1)
    assert (advice.suggested, advice.why) == (Update.INTERCEPT_SLOPE, Why.SUGGESTED)
    row = row_of(advice, Update.INTERCEPT_SLOPE)
    slope = calibration_slope(p_high, is_high)  # fitted by statsmodels
    assert row.slope == pytest.approx(slope.value, abs=1e-6)
    assert slope.low < 0.5 < slope.high
    alone = calibration_intercept(p_high, is_high)
    assert row_of(advice, Update.INTERCEPT).intercept == pytest.approx(alone.value, abs=1e-6)
    updated = updated_by(row, p_high)
    assert calibration_slope(updated, is_high).value == pytest.approx(1.0, abs=1e-6)
    assert calibration_intercept(updated, is_high).value == pytest.approx(0.0, abs=1e-6)
    new_p, new_is_high = drawn(4000, seed=2, intercept=0.8, slope=0.5)
    before, after = (np.mean((one - new_is_high) ** 2) for one in (new_p, updated_by(row, new_p)))
    assert row.brier_gain_corrected == pytest.approx(before - after, abs=0.02)
    assert before - after > 0.02


def test_another_proportion_alone_needs_an_intercept_that_it_explains():
    stream = np.random.default_rng(3)
    is_high = stream.random(500) < 0.2
    score = stream.normal(np.where(is_high, 0.75, -0.75), 1.0)
    p_high = expit(1.5 * score)  # calibrated where half are of high grade
    advice = advise_update(p_high, is_high, prevalence=0.5, seed=1)
    assert (advice.suggested, advice.is_prevalence_enough) == (Update.INTERCEPT, True)
    shift = logit(is_high.mean())
    assert row_of(advice, Update.PREVALENCE).intercept == pytest.approx(shift)
    assert row_of(advice, Update.INTERCEPT).intercept == pytest.approx(shift, abs=0.35)
    elsewhere = advise_update(p_high, is_high, prevalence=0.2, seed=1)
    assert elsewhere.is_prevalence_enough is False


@pytest.mark.slow
def test_a_calibrated_model_is_left_as_it_is_about_as_often_as_the_level_says():
    advice = [advise_update(*drawn(120, seed=seed), prevalence=0.5, seed=seed, replicates=50) for seed in range(100)]
    assert 90 <= sum(one.why is Why.AGREES for one in advice) <= 99  # 95 are expected
    assert all(one.suggested is Update.NONE for one in advice if one.p_any > 0.05)


def test_the_correction_takes_off_what_learning_on_the_same_patients_adds():
    p_high, is_high = drawn(80, seed=5)
    row = row_of(advise_update(p_high, is_high, prevalence=0.5, seed=1), Update.INTERCEPT_SLOPE)
    assert row.log_loss_gain_apparent > 0.0
    assert row.log_loss_gain_corrected < row.log_loss_gain_apparent - 0.005
    assert row.brier_gain_corrected < row.brier_gain_apparent


@pytest.mark.parametrize(
    ("p_high", "is_high", "why"),
    [
        ([0.2, 0.4, 0.6], [0, 0, 0], Why.ONE_GRADE),
        (np.linspace(0.1, 0.9, 18), np.arange(18) % 2, Why.TOO_FEW),
        (np.full(60, 0.3), np.arange(60) % 2, Why.PREDICTIONS_ALIKE),
        (np.linspace(0.1, 0.9, 60), np.arange(60) < 30, Why.WRONG_WAY),
        (np.linspace(0.1, 0.9, 60), np.arange(60) >= 30, Why.NOT_CONVERGED),
    ],
)
def test_where_nothing_can_be_suggested_the_advice_says_why(p_high, is_high, why):
    if why is Why.WRONG_WAY:
        is_high = np.where(np.arange(60) % 7 == 0, ~is_high, is_high)
    advice = advise_update(p_high, is_high, prevalence=0.4, seed=1, replicates=50)
    assert (advice.suggested, advice.why) == (Update.NONE, why)


def test_ten_of_a_grade_teach_an_intercept_and_no_slope():
    p_high, is_high = drawn(400, seed=7, intercept=-2.5)
    few = np.concatenate([np.flatnonzero(is_high)[:15], np.flatnonzero(~is_high)[:120]])
    advice = advise_update(p_high[few], is_high[few], prevalence=0.5, seed=1, replicates=50)
    assert [row.update for row in advice.rows] == [Update.NONE, Update.PREVALENCE, Update.INTERCEPT]
    assert advice.suggested is Update.INTERCEPT
    assert math.isnan(advice.p_slope)
    assert advice.is_imprecise


def test_no_patient_is_refused():
    with pytest.raises(ScoresError):
        advise_update([], [], prevalence=0.4, seed=1)


def test_many_patients_give_the_same_in_parts(monkeypatch):
    p_high, is_high = drawn(300, seed=9, intercept=0.5)
    whole = advise_update(p_high, is_high, prevalence=0.5, seed=1, replicates=60)
    monkeypatch.setattr("nephrograde.evaluation.calibration.updating._MOST_WEIGHTS", 3000)
    parts = advise_update(p_high, is_high, prevalence=0.5, seed=1, replicates=60)
    assert parts.corrected_gain == pytest.approx(whole.corrected_gain, rel=1e-9)
    assert parts.replicates == whole.replicates == 60
