"""Columns in the wrong unit and values that nobody has; the real numbers of KiTS23 pass."""

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.plausibility import clinical_values, doubt_against_masks, doubt_columns
from nephrograde.cohort.table import read_table

SIZES_CM = (1.4, 2.2, 3.1, 3.9, 4.8, 5.5, 6.7, 9.2, 14.0)
AGES = (19.0, 34.0, 48.0, 55.0, 61.0, 66.0, 70.0, 79.0, 88.0)


def cohort(**columns):
    """A cohort with these columns of numbers; None is an empty cell."""
    n = len(next(iter(columns.values())))
    cases = (
        Case(f"P{i}", False, 1, {}, {name: cells[i] for name, cells in columns.items() if cells[i] is not None})
        for i in range(n)
    )
    return Cohort(tuple(cases), (), tuple(columns), None)


def spheres(sizes, factor=0.8):
    return tuple(factor * np.pi / 6 * size**3 for size in sizes)


def codes(**columns):
    return [(doubt.column, doubt.code) for doubt in doubt_columns(cohort(**columns))]


def test_ordinary_numbers_pass():
    assert codes(size_cm=SIZES_CM, volume_ml=spheres(SIZES_CM), age_years=AGES) == []
    assert codes(size_cm=(24.0, None), age_years=(0.0, 104.0)) == []
    assert codes(sex=("m", "f"), bmi=(900.0, -3.0)) == []


@pytest.mark.parametrize("factor", [10, 0.1, 0.01])
def test_sizes_in_another_unit(factor):
    assert codes(size_cm=[size * factor for size in SIZES_CM]) == [("size_cm", "implausible-size")]
    median = 4.8 * factor
    assert f"is {median:.4g} cm" in doubt_columns(cohort(size_cm=[size * factor for size in SIZES_CM]))[0].message


def test_small_masses_in_mm():
    assert codes(size_cm=[12.0, 18.0, 21.0, 25.0, 33.0]) == [("size_cm", "implausible-size")]


@pytest.mark.parametrize("odd", [48.0, 0.0, -3.0])
def test_single_sizes_that_no_tumour_has_are_listed_by_patient(odd):
    (doubt,) = doubt_columns(cohort(size_cm=[*SIZES_CM, odd]))
    assert doubt.code == "implausible-size"
    assert f"P9 {odd:g}" in doubt.message


@pytest.mark.parametrize(
    "ages", [[age * 12 for age in AGES], [2020 - age for age in AGES], [age / 100 for age in AGES]]
)
def test_ages_in_another_unit(ages):
    assert codes(age_years=ages) == [("age_years", "implausible-age")]


@pytest.mark.parametrize("odd", [1957.0, -1.0, 999.0])
def test_single_ages_that_nobody_has(odd):
    assert codes(age_years=[*AGES, odd]) == [("age_years", "implausible-age")]


@pytest.mark.parametrize("factor", [1000, 0.001])
def test_volumes_in_another_unit(factor):
    volumes = [volume * factor for volume in spheres(SIZES_CM)]
    assert codes(volume_ml=volumes) == [("volume_ml", "implausible-volume")]
    assert codes(volume_ml=volumes, size_cm=SIZES_CM) == [("volume_ml", "implausible-volume")]


def test_volumes_that_do_not_fit_the_sizes():
    assert codes(volume_ml=spheres(SIZES_CM, 12), size_cm=SIZES_CM) == [("volume_ml", "implausible-volume")]


@pytest.mark.parametrize("factor", [10, 0.1, 2.54])
def test_a_column_against_masks_in_another_unit(factor):
    table = {f"P{i}": size * factor for i, size in enumerate(SIZES_CM)}
    masks = {f"P{i}": size * 1.1 for i, size in enumerate(SIZES_CM)}
    assert [doubt.code for doubt in doubt_against_masks("size_cm", table, masks, "cm")] == ["size-against-mask"]
    assert doubt_against_masks("size_cm", {p: value / factor for p, value in table.items()}, masks, "cm") == []


def test_a_column_against_the_masks_of_other_patients():
    table = {f"P{i}": size for i, size in enumerate(SIZES_CM)}
    masks = {f"P{i}": size for i, size in enumerate(SIZES_CM[::-1])}
    assert [doubt.code for doubt in doubt_against_masks("size_cm", table, masks, "cm")] == ["size-against-mask"]


def test_a_single_row_in_mm_is_named():
    table = {f"P{i}": size for i, size in enumerate(SIZES_CM)}
    masks = dict(table)
    table["P1"] *= 10
    (doubt,) = doubt_against_masks("size_cm", table, masks, "cm")
    assert "1 of 9 patients (table/mask: P1 22/2.2 cm)" in doubt.message


def test_patients_without_a_mask_or_a_value_are_left_out():
    assert doubt_against_masks("size_cm", {"P1": 3.0, "P2": 0.0}, {"P2": 3.0, "P3": 4.0}, "cm") == []


def test_the_real_numbers_of_kits_pass(shared_data):
    rows = read_table(shared_data / "kits_shape" / "cohort.csv")
    columns = {name: [float(row[name]) for row in rows] for name in ("size_cm", "volume_ml", "age_years")}
    real = cohort(**columns)
    assert len(clinical_values(real, "size_cm")) == 199
    assert doubt_columns(real) == []
