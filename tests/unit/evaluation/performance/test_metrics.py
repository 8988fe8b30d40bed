from __future__ import annotations

import math

import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import newcombe_bounds
from nephrograde.evaluation.performance.metrics import (
    Confusion,
    Estimate,
    accuracy,
    auc,
    auc_delong,
    confusion,
    npv,
    ppv,
    sensitivity,
    specificity,
)
from nephrograde.evaluation.remarks import Caution


def test_auc_of_six_patients_by_hand() -> None:
    made = auc([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0, 0, 0, 1, 1, 1])
    # One of nine pairs is in disorder; both sets of placements are 1, 1, 2/3 with variance 1/27.
    assert made.value == 8 / 9
    reach = 1.959963984540054 * math.sqrt(2 / 81)
    # The odds of 8/9 are 8, and the error of their logarithm is that of the AUC divided by 8/81.
    odds = [8 * math.exp(side * reach * 81 / 8) for side in (-1, 1)]
    assert (made.low, made.high) == pytest.approx([ratio / (1 + ratio) for ratio in odds], abs=1e-12)
    assert (made.n, made.n_high, made.method, made.note) == (6, 3, "DeLong on the logit scale, 95 % CI", "")
    assert str(made) == "0.889 (0.261–0.995)"


def test_the_plain_interval_of_six_patients_by_hand() -> None:
    made = auc_delong([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0, 0, 0, 1, 1, 1])
    assert made.low == pytest.approx(8 / 9 - 1.959963984540054 * math.sqrt(2 / 81), abs=1e-12)
    assert (made.measure, made.value, made.high) == ("auc_delong", 8 / 9, 1.0)
    assert (made.n, made.n_high, made.method, made.note) == (6, 3, "DeLong, 95 % CI", "")


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    narrow = auc([0.1, 0.6, 0.5, 0.9], [0, 0, 1, 1], confidence=0.8)
    wide = auc([0.1, 0.6, 0.5, 0.9], [0, 0, 1, 1], confidence=0.9)
    assert wide.low < narrow.low
    assert wide.method == "DeLong on the logit scale, 90 % CI"


def test_ties_count_half() -> None:
    assert auc([0.5, 0.5, 0.5], [0, 1, 1]).value == 0.5
    assert auc([0.2, 0.5, 0.5, 0.7], [0, 0, 1, 1]).value == 3.5 / 4


@pytest.mark.parametrize(("p_high", "value"), [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.8, 0.9, 0.1, 0.2], 0.0)])
def test_a_perfect_auc_has_newcombe_s_interval_and_no_plain_one(p_high: list[float], value: float) -> None:
    made = auc(p_high, [0, 0, 1, 1])
    assert (made.low, made.high) == newcombe_bounds(value, 2, 2, z=normal_quantile(0.95))
    assert made.high - made.low > 0.5
    assert (made.method, made.caution, made.is_reliable) == (
        "Newcombe's method 5, 95 % CI", Caution.SCORE_INTERVAL, True,
    )  # fmt: skip
    plain = auc_delong(p_high, [0, 0, 1, 1])
    assert (plain.value, math.isnan(plain.low), plain.caution) == (value, True, Caution.ZERO_VARIANCE)


def test_equal_scores_have_newcombe_s_interval() -> None:
    made = auc([0.5] * 8, [0, 1] * 4)
    assert made.value == 0.5
    assert made.low == pytest.approx(1 - made.high, abs=1e-12)
    assert made.low < 0.3
    assert made.caution is Caution.SCORE_INTERVAL


def test_a_single_patient_of_a_class_has_no_interval_even_if_all_are_ranked_correctly() -> None:
    for made in (auc([0.1, 0.9], [0, 1]), auc_delong([0.1, 0.9], [0, 1])):
        assert (made.value, made.caution, math.isnan(made.low)) == (1.0, Caution.SINGLE_PATIENT, True)


def test_one_patient_of_a_class_has_no_interval() -> None:
    made = auc([0.1, 0.6, 0.5], [0, 0, 1])
    assert made.value == 0.5
    assert math.isnan(made.low)
    assert math.isnan(made.high)
    assert made.note == "no interval: one class has a single patient"
    assert str(made) == "0.500"


@pytest.mark.parametrize(("truth", "grade"), [(0, "low"), (1, "high")])
def test_one_class_is_refused(truth: int, grade: str) -> None:
    with pytest.raises(ScoresError, match=f"All 2 patients are {grade} grade. An AUC needs patients of both"):
        auc([0.1, 0.2], [truth, truth])


def test_what_was_not_computed_shows_no_number() -> None:
    assert str(Estimate("auc", math.nan, math.nan, math.nan, 3, 0, "not computed: one grade")) == "not computed"


def test_a_prediction_at_the_threshold_is_called_high() -> None:
    counts = confusion([0.5, 0.5, 0.49, 0.49, 0.49], [1, 0, 1, 0, 0], threshold=0.5)
    assert counts == Confusion(tp=1, fp=1, tn=2, fn=1)
    assert (counts.n, counts.n_high, counts.n_low) == (5, 2, 3)


def test_shares_have_wilson_intervals_and_counts() -> None:
    counts = Confusion(tp=35, fp=8, tn=43, fn=6)
    z = 1.959963984540054
    for made, part, whole in (
        (accuracy(counts), 78, 92),
        (sensitivity(counts), 35, 41),
        (specificity(counts), 43, 51),
        (ppv(counts), 35, 43),
        (npv(counts), 43, 49),
    ):
        share = part / whole
        centre = (share + z**2 / (2 * whole)) / (1 + z**2 / whole)
        reach = z * math.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2)) / (1 + z**2 / whole)
        assert made.value == share
        assert (made.low, made.high) == pytest.approx((centre - reach, centre + reach), abs=1e-12)
        assert (made.n, made.n_high) == (92, 41)
        assert made.note == f"{part} of {whole}"


def test_a_share_of_nobody_is_refused() -> None:
    with pytest.raises(ScoresError, match="There is no high-grade patient, and so no sensitivity"):
        sensitivity(Confusion(tp=0, fp=1, tn=1, fn=0))
    with pytest.raises(ScoresError, match="There is no low-grade patient, and so no specificity"):
        specificity(Confusion(tp=1, fp=0, tn=0, fn=1))
    with pytest.raises(ScoresError, match="There is no patient, and so no accuracy"):
        accuracy(Confusion(0, 0, 0, 0))
    with pytest.raises(ScoresError, match=r"No patient is called high, and so there is no PPV\. Lower the threshold"):
        ppv(Confusion(tp=0, fp=0, tn=1, fn=1))
    with pytest.raises(ScoresError, match=r"No patient is called low, and so there is no NPV\. Raise the threshold"):
        npv(Confusion(tp=1, fp=1, tn=0, fn=0))


def test_predictive_values_change_with_the_share_of_high_grade_and_sensitivity_does_not() -> None:
    common, rare = Confusion(tp=40, fp=10, tn=40, fn=10), Confusion(tp=4, fp=10, tn=40, fn=1)
    assert (ppv(common).measure, ppv(common).value, ppv(rare).value) == ("ppv", 0.8, 4 / 14)
    assert (npv(common).measure, npv(common).value, npv(rare).value) == ("npv", 0.8, 40 / 41)
    assert sensitivity(common).value == sensitivity(rare).value == 0.8
