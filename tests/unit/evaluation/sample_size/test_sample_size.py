"""Sample sizes against published values, the R packages of their authors, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nephrograde.errors import InputError, ScoresError
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.plan import PlanSettings, make_plan
from nephrograde.evaluation.sample_size.model_size import (
    ScoreDistribution,
    benefit_variance,
    cox_snell_of_auc,
    development,
    highest_cox_snell,
    scores_of_auc,
    slope_variance,
    validation,
)
from nephrograde.evaluation.sample_size.sample_size import (
    Criterion,
    auc_difference,
    auc_equivalence,
    auc_noninferiority,
    auc_precision,
    normal_scores_variance,
)

QUANTILES = (np.arange(20_001) + 0.5) / 20_001
Z = 1.959963984540054


def by_criterion(rows):
    return {row.criterion: row.n for row in rows}


def test_a_development_as_computed_by_pmsampsize():
    # pmsampsize 1.1 (Ensor, Martin & Riley): prevalence 0.174, 24 parameters, R² 0.288: 623, 662 and 221.
    made = by_criterion(development(0.174, predictors=24, r_squared=0.288))
    assert made[Criterion.SHRINKAGE] == 623
    assert made[Criterion.OPTIMISM] == 662
    assert made[Criterion.OVERALL_RISK] == 221


def test_a_development_from_an_auc_as_computed_by_pmsampsize():
    # The same with a C statistic of 0.89 instead: 615, 660 and 221.
    made = by_criterion(development(0.174, predictors=24, r_squared=cox_snell_of_auc(0.89, 0.174)))
    assert (made[Criterion.SHRINKAGE], made[Criterion.OPTIMISM], made[Criterion.OVERALL_RISK]) == (615, 660, 221)


def test_the_published_example_of_a_development():
    # Riley 2020, BMJ 368:m441: pre-eclampsia, 5 % events, 30 parameters, R² 0.05.
    made = by_criterion(development(0.05, predictors=30, r_squared=0.05))
    assert made[Criterion.OVERALL_RISK] == 73
    assert made[Criterion.MEAN_ERROR] == 544
    assert made[Criterion.SHRINKAGE] == 5249


def test_the_mean_error_is_for_up_to_thirty_predictors():
    assert Criterion.MEAN_ERROR not in by_criterion(development(0.4, predictors=31, r_squared=0.2))


def test_the_highest_r_squared():
    assert highest_cox_snell(0.5) == pytest.approx(0.75)  # 1 − exp(2 · log 0.5)


def test_an_auc_as_computed_by_pmvalsampsize():
    # pmvalsampsize 0.1.0 (Ensor): prevalence 0.018, C statistic 0.8, width 0.1: 4,252.
    assert auc_precision(0.8, 0.018).n == 4252


def test_observed_to_expected_as_computed_by_pmvalsampsize():
    # Width 1: 905 there, which tries standard errors in steps of 0.0001; the exact one needs 905.03.
    made = by_criterion(validation(scores_of_auc(0.8, 0.018), 0.8, widths=(1.0, 0.2, 0.1, 0.2)))
    assert made[Criterion.OBSERVED_EXPECTED] in {905, 906}


@pytest.mark.parametrize(
    ("log_odds", "theirs"),
    [
        (stats.norm(-5, 2.5).ppf(QUANTILES), 4544),
        (np.log(1 / (1 / stats.beta(0.5, 0.5).ppf(QUANTILES) - 1)), 1644),
    ],
    ids=["normal", "beta"],
)
def test_a_calibration_slope_as_computed_by_pmvalsampsize(log_odds, theirs):
    # They draw a million log odds at random; here the distribution is integrated.
    n = slope_variance(ScoreDistribution(log_odds, log_odds, 0.018)) / (0.1 / Z) ** 2
    assert n == pytest.approx(theirs, rel=0.004)


def test_the_variance_of_a_net_benefit_by_hand():
    # weight = 1.5 · 2/3 = 1: 0.09 / 0.4 + 0.16 / 0.6 + 0.04 / 0.24.
    assert benefit_variance(0.9, 0.8, 0.4, 0.4) == pytest.approx(0.225 + 0.16 / 0.6 + 0.04 / 0.24)


def test_the_variance_of_a_net_benefit_by_simulation():
    rng = np.random.default_rng(8)
    n, high, threshold = 400, 0.4, 0.3
    is_high = rng.random((4000, n)) < high
    called = rng.random((4000, n)) < np.where(is_high, 0.85, 0.3)
    odds = threshold / (1 - threshold)
    share = is_high.mean(axis=1)
    benefit = ((called & is_high).mean(axis=1) - odds * (called & ~is_high).mean(axis=1)) / share
    assert benefit.var() * n == pytest.approx(benefit_variance(0.85, 0.7, high, threshold), rel=0.1)


def test_the_scores_of_an_auc_have_it_and_are_calibrated():
    scores = scores_of_auc(0.8, 0.3)
    both = np.concatenate([scores.low, scores.high])
    truth = np.repeat([False, True], both.size // 2)
    assert place(both[None], truth).aucs().item() == pytest.approx(0.8, abs=0.002)
    risk = scores.mean(1 / (1 + np.exp(-scores.low)), 1 / (1 + np.exp(-scores.high)))
    assert risk == pytest.approx(0.3, abs=1e-4)


def test_non_inferiority_is_reached_with_exactly_so_many_patients():
    n = auc_noninferiority(0.85, 0.4, margin=0.05).n
    needed = ((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / 0.05) ** 2
    variances = [
        normal_scores_variance(0.85, m * 0.4, m * 0.6) for m in (n - 1, n)
    ]  # correlation 0.5: 2 · V · (1 − 0.5)
    assert variances[1] * needed <= 1 < variances[0] * needed


def test_equivalence_needs_more_than_non_inferiority():
    one = auc_noninferiority(0.85, 0.4, margin=0.05).n
    two = auc_equivalence(0.85, 0.4, margin=0.05).n
    ratio = ((1.959964 + stats.norm.ppf(0.9)) / (1.959964 + stats.norm.ppf(0.8))) ** 2
    assert two / one == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize(("auc", "high"), [(0.75, 0.4), (0.85, 0.4), (0.9, 0.2)])
def test_the_planned_power_is_reached(auc, high):
    rng = np.random.default_rng(int(1000 * auc))
    n = auc_difference(auc, high, difference=0.08).n
    apart = [[math.sqrt(2) * stats.norm.ppf(area)] for area in (auc, auc - 0.08)]
    shown = 0
    for _ in range(300):
        truth = rng.random(n) < high
        scores = math.sqrt(0.55) * rng.normal(size=n) + math.sqrt(0.45) * rng.normal(size=(2, n)) + apart * truth
        difference, variance = place(scores, truth).difference(0, 1)
        shown += difference / math.sqrt(variance) > Z
    assert 0.73 < shown / 300 < 0.87


def test_an_interval_is_as_wide_as_planned():
    rng = np.random.default_rng(5)
    n = auc_precision(0.85, 0.4).n
    widths = []
    for _ in range(100):
        truth = rng.random(n) < 0.4
        scores = rng.normal(size=n) + math.sqrt(2) * stats.norm.ppf(0.85) * truth
        widths.append(2 * Z * math.sqrt(place(scores[None], truth).covariance().item()))
    assert np.mean(widths) == pytest.approx(0.1, abs=0.004)


def test_the_variance_without_discrimination_is_wilcoxons():
    assert normal_scores_variance(0.5, 10, 20) == pytest.approx(31 / 12 / 200)


def test_a_plan_holds_what_was_asked_for():
    plan = make_plan(PlanSettings(auc=0.85, high=0.4))
    assert list(plan.parts) == ["test_set"]
    assert [row.criterion for row in plan.test_set] == [Criterion.AUC_PRECISION]
    full = make_plan(PlanSettings(auc=0.85, high=0.4, difference=0.05, margin=0.05, predictors=5, threshold=0.4))
    assert list(full.parts) == ["test_set", "development", "validation"]
    assert [row.criterion for row in full.validation][-1] is Criterion.NET_BENEFIT
    content = full.as_dict()
    assert content["test_set"]["n"] == max(row.n for row in full.test_set)
    assert content["test_set"]["decided_by"] == "equivalence"
    assert content["assumed"]["r_squared"] == pytest.approx(cox_snell_of_auc(0.85, 0.4))


def test_everything_out_of_range_is_said_at_once():
    with pytest.raises(InputError) as refused:
        PlanSettings(auc=1.2, high=40, power=80, margin=-0.05, predictors=0, threshold=1)
    places = [problem.place for problem in refused.value.problems]
    assert places == ["plan.auc", "plan.high", "plan.margin", "plan.power", "plan.threshold", "plan.predictors"]
    with pytest.raises(InputError, match="without predictors"):
        PlanSettings(auc=0.8, high=0.4, r_squared=0.2)
    with pytest.raises(InputError, match="no model exceeds"):
        PlanSettings(auc=0.8, high=0.4, predictors=3, r_squared=0.8)


def test_what_needs_too_many_patients_is_refused():
    with pytest.raises(ScoresError, match="ten million"):
        auc_precision(0.7, 0.4, width=1e-6)
    with pytest.raises(ScoresError, match="ten million"):
        auc_noninferiority(0.7, 0.4, margin=1e-5)
