"""Where the baselines' numbers come from: the table first, then the mask of the first phase that has one."""

import math
from typing import Any

import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.evaluation.baselines.baseline import clinical_predictors, measured_predictors, radiomics_predictors
from nephrograde.sample.prepared_scan import Region


def region(patient_id, phase, *, volume_ml, diameter_mm):
    return Region(patient_id, phase, "weak-1", "a.npy", "1", "0,0,0", volume_ml, diameter_mm)


def case(patient_id, **clinical):
    return Case(patient_id, True, 3, {}, clinical)


COHORT = Cohort((case("A", size_cm=4.5), case("B"), case("C"), case("D", size_cm="unknown")), ("cmp", "np"), (), None)
REGIONS = [
    region("A", "cmp", volume_ml=30.0, diameter_mm=50.0),
    region("B", "np", volume_ml=11.0, diameter_mm=20.0),
    region("B", "cmp", volume_ml=12.0, diameter_mm=24.0),
    region("C", "cmp", volume_ml=None, diameter_mm=None),
    region("D", "np", volume_ml=7.0, diameter_mm=18.0),
]


def measured(name, cohort=COHORT, regions=REGIONS):
    rows: Any = measured_predictors(name, cohort, regions).values
    return {patient: math.exp(logarithm) for patient, (logarithm,) in rows.items()}


def is_nan(value):
    return isinstance(value, float) and math.isnan(value)


def test_size_is_the_tables_else_the_masks():
    assert measured("size") == pytest.approx({"A": 4.5, "B": 2.4, "D": 1.8})


def test_volume_is_the_masks_of_the_first_phase():
    assert measured("volume") == pytest.approx({"A": 30.0, "B": 12.0, "D": 7.0})


def test_the_region_of_several_phases_gives_the_size_where_no_other_does():
    joined = [
        region("A", "cmp+np", volume_ml=99.0, diameter_mm=99.0),
        region("E", "np", volume_ml=5.0, diameter_mm=9.0),
    ]
    alone = [region("C", "cmp+np", volume_ml=6.0, diameter_mm=12.0)]
    cohort = Cohort((*COHORT.cases, case("E")), ("cmp", "np"), (), None)
    expected = {"A": 30.0, "B": 12.0, "C": 6.0, "D": 7.0, "E": 5.0}
    assert measured("volume", cohort, [*joined, *alone, *REGIONS]) == pytest.approx(expected)


@pytest.mark.parametrize("size_cm", [0.0, -3.0, math.nan, math.inf])
def test_patients_without_a_usable_size_are_left_out(size_cm):
    cohort = Cohort((case("A", size_cm=size_cm), case("E", size_cm=3.0)), ("cmp",), (), None)
    assert set(measured("size", cohort, ())) == {"E"}


def test_clinical_columns_are_those_that_the_table_has_in_the_order_asked_for():
    cohort = Cohort((case("A", sex="F", age_years=50.0, centre="X"),), (), ("sex", "age_years", "centre"), None)
    asked = ["age_years", "ki67", "sex", " sex ", "age_years"]
    assert clinical_predictors(cohort, asked).values == {"A": (50.0, "F")}
    assert clinical_predictors(cohort, ["ki67"]).values == {}
    assert clinical_predictors(cohort, []).values == {}


def test_a_patient_of_whom_nothing_is_known_is_left_out():
    cases = (case("A", sex="F"), case("B", centre="X"), case("C", size_cm=0.0), case("D", age_years=math.inf))
    cohort = Cohort(cases, (), ("sex", "age_years", "size_cm", "centre"), None)
    rows = clinical_predictors(cohort, ["sex", "age_years", "size_cm"]).values
    assert set(rows) == {"A"}
    assert rows["A"][0] == "F"
    assert all(is_nan(value) for value in rows["A"][1:])


def test_sizes_are_logarithms_and_a_number_for_the_sex_is_a_code():
    cases = (case("A", sex=1.0, size_cm=math.e, age_years=60.0), case("B", sex=2.0, size_cm=1.0))
    rows = clinical_predictors(
        Cohort(cases, (), ("sex", "size_cm", "age_years"), None), ["sex", "size_cm", "age_years"]
    )
    assert rows.values["A"] == pytest.approx(("1.0", 1.0, 60.0))
    assert rows.values["B"][:2] == ("2.0", 0.0)


def test_radiomics_has_the_same_columns_for_all():
    rows = radiomics_predictors({"A": {"b": 1.0}, "B": {"a": 2.0, "b": math.nan}}).values
    assert rows["A"][1] == 1.0
    assert rows["B"][0] == 2.0
    assert is_nan(rows["A"][0])
    assert is_nan(rows["B"][1])
