from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.errors import InputError, ScoresError
from nephrograde.evaluation.remarks import Reason
from nephrograde.evaluation.uncertainty.conformal import (
    Cutoffs,
    GradeSet,
    SetKind,
    conformal_cutoffs,
    coverage_range,
    fewest_for,
)


def test_the_cutoff_of_a_grade_is_its_kth_score() -> None:
    high, low = np.linspace(0.5, 0.95, 19), np.linspace(0.05, 0.5, 19)
    found = conformal_cutoffs(np.concatenate([high, low]), [1] * 19 + [0] * 19, error=0.1)
    assert found == Cutoffs(high_from=high[1], low_to=low[-2])  # 0.1 × (19 + 1) = 2


def test_one_patient_more_than_the_fewest_is_never_ruled_out() -> None:
    scores = np.linspace(0.1, 0.9, 18)
    found = conformal_cutoffs(scores, np.arange(18) % 2 == 0, error=0.1)
    assert found == Cutoffs(high_from=scores[0], low_to=scores[-1])
    assert fewest_for(0.1) == 9


def test_equal_scores_leave_both_grades_plausible() -> None:
    for kind in SetKind:
        found = conformal_cutoffs([0.3] * 40, [0, 1] * 20, error=0.2, kind=kind)
        assert found.set_of(0.3) is GradeSet.BOTH


def test_a_marginal_cutoff_is_the_same_for_either_grade_despite_rounding() -> None:
    # 1 − (1 − 0.1) < 0.1 in floating point: the low-grade patient at the cutoff must stay plausible
    p_high, is_high = [0.1] * 9 + [0.95], [0] * 9 + [1]
    found = conformal_cutoffs(p_high, is_high, error=0.1, kind="marginal")
    assert found.set_of(0.1) in {GradeSet.LOW, GradeSet.BOTH}


@pytest.mark.parametrize("kind", list(SetKind))
@pytest.mark.parametrize("error", [0.1, 0.2, 0.3])
def test_exchangeable_scores_are_missed_as_often_as_asked_for(kind: SetKind, error: float) -> None:
    stream = np.random.default_rng(5)
    missed: dict[bool, list[bool]] = {True: [], False: []}
    is_high = np.arange(89) % 3 == 0  # 20 of 30 high-grade and 39 of 59 low-grade patients are for calibration
    is_new = (np.arange(89) // 3) % 3 == 0
    for _ in range(400):
        p_high = stream.beta(2.0 + 2.0 * is_high, 4.0 - 2.0 * is_high)
        cutoffs = conformal_cutoffs(p_high[~is_new], is_high[~is_new], error=error, kind=kind)
        for one, truth in zip(p_high[is_new], is_high[is_new], strict=True):
            missed[bool(truth)].append(cutoffs.set_of(one) in {GradeSet.NONE, GradeSet.LOW if truth else GradeSet.HIGH})
    calibrated = {grade: int((is_high[~is_new] == grade).sum()) for grade in (True, False)}
    if kind is SetKind.MARGINAL:
        found = {sum(calibrated.values()): missed[True] + missed[False]}
    else:
        found = {calibrated[grade]: missed[grade] for grade in (True, False)}
    for n, some in found.items():
        expected = math.floor(error * (n + 1) + 1e-9) / (n + 1)  # without ties
        assert np.mean(some) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("is_high", "kind", "reason"),
    [
        ([0] * 30, "by-class", Reason.ONE_GRADE),
        ([1] * 3 + [0] * 40, "by-class", Reason.TOO_FEW_PATIENTS),
        ([1] * 3 + [0] * 4, "marginal", Reason.TOO_FEW_PATIENTS),
        ([], "by-class", Reason.NO_PATIENTS),
    ],
)
def test_what_has_no_sets_has_a_reason(is_high: list[int], kind: str, reason: Reason) -> None:
    with pytest.raises(ScoresError) as caught:
        conformal_cutoffs(np.linspace(0.1, 0.9, len(is_high)), is_high, error=0.1, kind=kind)
    assert caught.value.reason == reason


def test_three_patients_of_a_grade_still_have_marginal_sets() -> None:
    found = conformal_cutoffs(np.linspace(0.1, 0.9, 43), [1] * 3 + [0] * 40, error=0.1, kind="marginal")
    # the strangest are 0.1 and 0.119 of high grade and 0.9 and 0.881 of low grade; the fourth of 43 is still plausible
    assert (found.high_from, found.low_to) == pytest.approx((0.1 + 0.8 / 42, 0.9 - 0.8 / 42))


def test_errors_and_kinds_are_checked() -> None:
    for wrong in ({"error": 0.0}, {"error": 1.5}, {"error": "0.1"}, {"kind": "by-grade"}):
        with pytest.raises(InputError):
            conformal_cutoffs([0.2, 0.7], [0, 1], **wrong)
    with pytest.raises(ScoresError, match="not a probability"):
        conformal_cutoffs([-0.2, 0.7], [0, 1], error=0.4)


def test_the_range_of_coverage_narrows_with_calibration_patients() -> None:
    few, many = (coverage_range(n, error=0.1, confidence=0.95) for n in (30, 3000))
    assert few[0] < many[0] < 0.9 < many[1] < few[1]
