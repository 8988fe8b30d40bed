from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.out_of_fold import ledell_auc, stratified_auc
from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.scores.scores import SplitName

P_HIGH = [0.1, 0.3, 0.4, 0.2, 0.7, 0.6, 0.9, 0.65]
TRUTHS = [0, 0, 1, 1, 0, 0, 1, 1]
FOLDS = [0, 0, 0, 0, 1, 1, 1, 1]


def variance_of(estimate: Estimate) -> float:
    """Recover the variance from an interval on the logit scale."""
    odds = [math.log(bound / (1 - bound)) for bound in (estimate.low, estimate.high)]
    return float(((odds[1] - odds[0]) / 2 / 1.959963984540054 * estimate.value * (1 - estimate.value)) ** 2)


def table(folds: Sequence[int | None], truths: Sequence[int] = TRUTHS, p_high: Sequence[float] = P_HIGH) -> Scores:
    rows = [
        Score(f"P{k}", "theirs", "oof", fold, bool(truth), p)
        for k, (fold, truth, p) in enumerate(zip(folds, truths, p_high, strict=True))
    ]
    return Scores(tuple(rows))


def measures(scores: Scores) -> dict[str, Estimate]:
    found = evaluate_scores(scores, EvaluateSettings(bootstraps=100)).estimates
    return {made.measure: made for _, split, made in found if split == "oof"}


def test_the_mean_of_two_folds_by_hand() -> None:
    """Both folds rank 3 of 4 pairs correctly.

    In each fold, one high-grade patient is above both low-grade ones (placement 1) and one above one of them (1/2), and
    likewise for the low-grade patients: squares of 1/4 about 3/4, 1/8 per fold and grade. Divided by 4 patients - 2
    folds, the spread is 1/8; the variance of the mean is (2 folds x 2 grades x 1/8 / 2 patients) / 2² folds.
    """
    made = stratified_auc(P_HIGH, TRUTHS, FOLDS)
    assert made.value == 0.75
    assert variance_of(made) == pytest.approx(float(Fraction(4 * 1, 8 * 2 * 4)))
    assert (made.n, made.n_high, made.caution, made.is_reliable) == (8, 4, None, True)
    plain = ledell_auc(P_HIGH, TRUTHS, FOLDS)
    # the influence curve: 8/4 times the placements about 3/4, so squares of 4/16 in all eight patients
    error = math.sqrt(4 / 16 / 8)
    assert (plain.low, plain.high) == pytest.approx((0.75 - 1.959963984540054 * error, 1.0))


def test_patients_of_different_folds_are_not_compared() -> None:
    """All patients of fold 1 are scored above those of fold 0: pooled, two wrong pairs become right ones."""
    assert stratified_auc(P_HIGH, TRUTHS, FOLDS).value == 0.75
    assert auc(P_HIGH, TRUTHS).value == 10 / 16
    moved = [p / 10 if fold else p for p, fold in zip(P_HIGH, FOLDS, strict=True)]
    assert stratified_auc(moved, TRUTHS, FOLDS).value == 0.75


def test_one_fold_has_delongs_variance() -> None:
    chance = np.random.default_rng(3)
    truths = chance.random(60) < 0.4
    p_high = np.round(chance.random(60) * 0.5 + 0.3 * truths, 2).astype(np.float64)
    made = stratified_auc(p_high, truths, np.zeros(60, dtype=int))
    placements = place(p_high[np.newaxis], truths)
    assert made.value == pytest.approx(placements.aucs()[0], abs=1e-15)
    assert variance_of(made) == pytest.approx(placements.covariance()[0, 0], rel=1e-9)


def test_ledells_variance_as_in_the_paper() -> None:
    """Written out patient by patient: the influence curve, squared, averaged within folds and over folds."""
    chance = np.random.default_rng(4)
    truths = chance.random(90) < 0.4
    p_high = chance.random(90) * 0.5 + 0.3 * truths
    folds = chance.integers(0, 4, 90)
    share = truths.mean()
    means, aucs = [], []
    for fold in range(4):
        own = folds == fold
        high, low = p_high[own & truths], p_high[own & ~truths]
        area = np.mean([[h > one for one in low] for h in high])
        curve = [((low < h).mean() - area) / share for h in high] + [
            ((high > x).mean() - area) / (1 - share) for x in low
        ]
        means.append(np.mean(np.square(curve)))
        aucs.append(area)
    error = math.sqrt(np.mean(means) / 90)
    made = ledell_auc(p_high, truths, folds)
    assert made.value == pytest.approx(np.mean(aucs), abs=1e-12)
    assert (made.high - made.low) / 2 == pytest.approx(1.959963984540054 * error, abs=1e-12)


def test_a_fold_of_one_grade_is_left_out_and_counted() -> None:
    made = stratified_auc([*P_HIGH, 0.5], [*TRUTHS, 1], [*FOLDS, 2])
    assert (made.value, made.n, made.n_high) == (0.75, 8, 4)
    assert (made.caution, made.caution_value) == (Caution.FOLDS_LEFT_OUT, 1)


def test_without_two_patients_of_each_grade_in_a_fold_there_is_no_interval() -> None:
    made = stratified_auc([0.1, 0.4, 0.3, 0.2], [0, 1, 0, 1], [0, 0, 1, 1])
    assert (made.value, made.caution) == (0.5, Caution.SINGLE_PATIENT)
    assert math.isnan(made.low)


def test_folds_that_are_all_perfect_have_an_interval_with_a_width() -> None:
    made = stratified_auc([0.1, 0.2, 0.8, 0.9, 0.3, 0.4, 0.6, 0.7], TRUTHS, FOLDS)
    assert (made.value, made.high, made.caution) == (1.0, 1.0, Caution.SCORE_INTERVAL)
    assert made.low == auc([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], [0] * 4 + [1] * 4).low


def test_folds_without_both_grades_are_an_error() -> None:
    with pytest.raises(ScoresError) as caught:
        stratified_auc([0.1, 0.9], [0, 1], [0, 1])
    assert caught.value.reason is Reason.ONE_GRADE
    with pytest.raises(ScoresError):
        stratified_auc([0.1, 0.9], [0, 1], [0])


def test_the_primary_auc_of_out_of_fold_scores_is_stratified() -> None:
    found = measures(table(FOLDS))
    assert (found["auc"].value, found["auc"].caution) == (0.75, None)
    assert (found["auc_pooled"].value, found["auc_pooled"].caution) == (10 / 16, Caution.POOLED)
    assert found["auc_bootstrap"].caution is Caution.POOLED
    assert found["auc_ledell"].value == 0.75
    assert (found["auc_delong"].value, found["auc_delong"].caution) == (10 / 16, Caution.POOLED)


@pytest.mark.parametrize("folds", [[None] * 8, [*FOLDS[:7], None], list(range(8))])
def test_where_folds_are_of_no_use_the_pooled_auc_says_so(folds: list[int | None]) -> None:
    found = measures(table(folds))
    assert (found["auc"].value, found["auc"].caution) == (10 / 16, Caution.NO_FOLDS)
    assert not {"auc_pooled", "auc_ledell"} & found.keys()


def test_one_grade_out_of_fold_still_has_its_reason() -> None:
    oof = table([0, 0], [1, 1], [0.2, 0.7]).rows
    test = (Score("A", "theirs", "test", None, True, 0.5), Score("B", "theirs", "test", None, False, 0.4))
    found = measures(Scores((*oof, *test)))
    assert (found["auc"].reason, found["auc"].caution) == (Reason.ONE_GRADE, None)


def test_folds_stay_with_their_patients() -> None:
    """The order of the rows changes nothing, and neither does a selection of patients."""
    scores = table(FOLDS)
    backwards = Scores(tuple(reversed(scores.rows)))
    assert measures(backwards)["auc"] == measures(scores)["auc"]
    assert scores.of("theirs", "oof").select(("P7", "P0")).known_folds == (1, 0)


def test_tests_on_out_of_fold_scores_hold_for_the_fitted_folds_only() -> None:
    chance = np.random.default_rng(6)
    truths = chance.random(60) < 0.5
    splits: tuple[SplitName, ...] = ("oof", "test")
    rows = {
        split: tuple(
            Score(f"P{k}", model, split, k % 3 if split == "oof" else None, bool(high), p)
            for model in ("a", "b")
            for k, (high, p) in enumerate(zip(truths, chance.random(60), strict=True))
        )
        for split in splits
    }
    oof = evaluate_scores(Scores(rows["oof"]), EvaluateSettings(bootstraps=100))
    assert {row.measure: row.caution for row in oof.comparisons} == {
        "auc": Caution.FITTED_FOLDS,
        "accuracy": Caution.OPTIMISTIC,
        "sensitivity": Caution.OPTIMISTIC,
        "specificity": Caution.OPTIMISTIC,
    }
    assert all(row.caution is Caution.FITTED_FOLDS and row.is_reliable for row in oof.equivalences)
    test = evaluate_scores(Scores(rows["test"]), EvaluateSettings(bootstraps=100))
    assert {row.caution for row in test.comparisons} == {row.caution for row in test.equivalences} == {None}
