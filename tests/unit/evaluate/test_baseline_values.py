"""Where the baselines' numbers come from: the table first, then the mask of the first phase that has one."""

from nephrograde.cohort.table import Case, Cohort
from nephrograde.evaluate.baseline import baseline_values
from nephrograde.sample.prepare import Region


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


def test_size_is_the_tables_else_the_masks():
    assert baseline_values("size", COHORT, REGIONS) == {"A": 4.5, "B": 2.4, "D": 1.8}


def test_volume_is_the_masks_of_the_first_phase():
    assert baseline_values("volume", COHORT, REGIONS) == {"A": 30.0, "B": 12.0, "D": 7.0}
