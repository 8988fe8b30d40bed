"""Whether the patients of another hospital lie where those of the development lie."""

import math

import numpy as np
import pytest

from nephrograde.predict.cohort_range import CohortRange, Spread
from nephrograde.validation.inputs import compare_inputs, outside_patients

NAMES = ("tumour_diameter_mm", "tumour_volume_ml", "region_mean_hu", "pixel_mm")


def spread_of(values):
    low, median, high = np.percentile(values, [5, 50, 95])
    return Spread(len(values), *(float(one) for one in (values.min(), low, median, high, values.max())))


def rows_of(known, here):
    """The rows of quantities by name, in one phase."""
    quantities = {("cmp", name): {f"P{k}": float(one) for k, one in enumerate(own)} for name, own in here.items()}
    cohort_range = CohortRange({"cmp": {name: spread_of(own) for name, own in known.items()}})
    return {row.quantity: row for row in compare_inputs(quantities, cohort_range, confidence=0.95)}


def test_a_planted_shift_is_found_and_nothing_else():
    stream = np.random.default_rng(1)
    known = {name: stream.normal(50.0, 10.0, 150) for name in NAMES}
    here = {name: stream.normal(50.0 + 12.0 * (name == "region_mean_hu"), 10.0, 80) for name in NAMES}
    rows = rows_of(known, here)
    assert [name for name, row in rows.items() if row.has_drifted] == ["region_mean_hu"]
    shifted = rows["region_mean_hu"]
    spread = spread_of(known["region_mean_hu"])
    assert shifted.n_above == (here["region_mean_hu"] > spread.high).sum()
    assert shifted.n_below == (here["region_mean_hu"] < spread.low).sum()
    assert shifted.n_beyond == ((here["region_mean_hu"] > spread.most) | (here["region_mean_hu"] < spread.least)).sum()
    assert shifted.share_outside == (shifted.n_above + shifted.n_below) / 80


def test_a_wider_spread_with_the_same_middle_is_found():
    stream = np.random.default_rng(2)
    rows = rows_of({"pixel_mm": stream.normal(0, 1, 200)}, {"pixel_mm": stream.normal(0, 2.5, 60)})
    assert rows["pixel_mm"].has_drifted


@pytest.mark.slow
@pytest.mark.parametrize("n_known", [40, 200])
def test_without_drift_a_table_warns_in_few_of_many_cohorts(n_known):
    stream = np.random.default_rng(3)
    warned = 0
    for _ in range(100):
        rows = rows_of(
            {name: stream.gamma(2.0, 10.0, n_known) for name in NAMES},
            {name: stream.gamma(2.0, 10.0, 60) for name in NAMES},
        )
        warned += any(row.has_drifted for row in rows.values())
    assert warned <= 12  # 5 are expected at most


def test_p_outside_allows_for_the_sampling_of_both_cohorts():
    stream = np.random.default_rng(4)
    known, here = stream.normal(size=(20000, 40)), stream.normal(size=(20000, 30))
    low, high = np.percentile(known, [5, 95], axis=1)
    outside = ((here < low[:, None]) | (here > high[:, None])).sum(axis=1)
    values = np.linspace(-1, 1, 40)
    for k in (6, 9):
        own = np.concatenate([np.zeros(30 - k), np.full(k, 5.0)])
        found = rows_of({"pixel_mm": values}, {"pixel_mm": own})["pixel_mm"]
        assert found.p_outside == pytest.approx((outside >= k).mean(), abs=0.015)


def test_ties_are_no_drift():
    known = {"pixel_mm": np.repeat([3.0, 5.0], [90, 60]), "slices": np.full(100, 40.0)}
    here = {"pixel_mm": np.repeat([3.0, 5.0], [20, 60]), "slices": np.full(50, 40.0)}
    rows = rows_of(known, here)
    assert [(row.n_below, row.n_above, row.has_drifted) for row in rows.values()] == [(0, 0, False)] * 2
    assert math.isnan(rows["pixel_mm"].p_median)


def test_too_few_patients_are_described_and_not_tested():
    values = np.arange(19.0)
    rows = rows_of({"pixel_mm": values}, {"pixel_mm": np.full(30, 99.0)})
    row = rows["pixel_mm"]
    assert (row.n_above, row.n_beyond, row.has_drifted) == (30, 30, False)
    assert math.isnan(row.p_outside)
    assert math.isnan(rows_of({"pixel_mm": np.arange(50.0)}, {"pixel_mm": np.full(9, 99.0)})["pixel_mm"].p_outside)


def test_a_patient_is_outside_by_any_quantity():
    cohort_range = CohortRange({"cmp": {"pixel_mm": Spread(50, 0.5, 0.6, 0.7, 0.8, 0.9)}, "up": {}})
    known = CohortRange({**cohort_range.phases, "up": {"slices": Spread(50, 20, 30, 40, 50, 60)}})
    quantities = {("cmp", "pixel_mm"): {"A": 0.7, "B": 0.95, "C": 0.8}, ("up", "slices"): {"A": 20.0, "C": 40.0}}
    found = outside_patients(quantities, known, ["A", "B", "C", "D"])
    assert found == {"A": "outside", "B": "outside", "C": "inside"}
