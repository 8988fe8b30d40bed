from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.split import Assignment, Split
from nephrograde.report.tables.patients import CohortTable, cohort_table
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.volume.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.text.language import Language


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def lines(table: CohortTable | None) -> dict[str, tuple[str, ...]]:
    assert table is not None
    return {row.label: row.cells for row in table.rows}


def with_cases(record: Results, **column: list[str]) -> Results:
    """Four patients, two of them for testing, with the columns given and no study."""
    names = list(column)
    cases = tuple(
        {"patient_id": f"P{k}", "is_high": str(k % 2), "ct_image": "x"} | {name: column[name][k] for name in names}
        for k in range(4)
    )
    split = Split({f"P{k}": Assignment("train", 0) if k < 2 else Assignment("test", None) for k in range(4)})
    return dataclasses.replace(record, cases=cases, split=split, study=None, regions=())


def test_columns_are_the_splits_with_their_sizes(record: Results) -> None:
    table = cohort_table(record)
    assert table is not None
    assert table.columns == (("Training", 28), ("Test", 12), ("All", 40))


def test_counts_add_up_over_the_splits(record: Results) -> None:
    for label in ("High grade", "1", "2", "3", "4", "male", "第一医院"):
        train, test, both = (int(cell.split(" ")[0]) for cell in lines(cohort_table(record))[label])
        assert train + test == both


@pytest.mark.parametrize("language", ["en", "zh"])
def test_patients_without_a_scan_have_a_line(record: Results, language: Language) -> None:
    absent = tuple(Finding(name, "", "", "no-scan", "fatal", "no image.", "Fill it in.") for name in ("X1", "X2"))
    with speaking(language):
        before = lines(cohort_table(dataclasses.replace(record, findings=())))
        found = lines(cohort_table(dataclasses.replace(record, findings=absent)))
    label = {"en": "Left out, no image in any phase, n", "zh": "未纳入（任何期相中都没有图像），例数"}[language]
    assert found == before | {label: ("–", "–", "2")}


def test_missing_values_and_phases_are_counted(record: Results) -> None:
    found = lines(cohort_table(record))
    assert found["unenhanced (up)"][2] == "39 (98%)"
    assert found["Age, years, mean ± SD"][2].endswith("(1 missing)")
    assert found["Tumour size, cm, median [IQR]"][2].endswith("(2 missing)")


def test_numbers_are_summed_up_as_their_kind_asks(record: Results) -> None:
    found = lines(cohort_table(with_cases(record, age_years=["50", "60", "70", ""], size_cm=["1", "2", "3", "4"])))
    assert found["Age, years, mean ± SD"] == ("55.0 ± 7.1", "70.0 (1 missing)", "60.0 ± 10.0 (1 missing)")
    assert found["Tumour size, cm, median [IQR]"][2] == "2.5 [1.8–3.2]"


def test_codes_are_counted_and_not_averaged(record: Results) -> None:
    found = lines(cohort_table(with_cases(record, centre=["1", "2", "2", ""])))
    assert found["centre"] == ()
    assert found["2"] == ("1 (50%)", "1 (50%)", "2 (50%)")
    assert found["missing"] == ("0 (0%)", "1 (50%)", "1 (25%)")


def test_free_text_is_not_listed_in_full(record: Results) -> None:
    many = dataclasses.replace(
        record,
        cases=tuple({"patient_id": str(k), "is_high": "0", "note": f"text {k}"} for k in range(9)),
        split=Split({}),
        study=None,
        regions=(),
    )
    table = cohort_table(many)
    assert table is not None
    assert table.columns == (("All", 9),)
    assert lines(table)["note given (9 distinct)"] == ("9 (100%)",)


def test_column_without_a_value_is_left_out(record: Results) -> None:
    assert "centre" not in lines(cohort_table(with_cases(record, centre=["", "", "", ""])))


def test_size_comes_from_the_masks_where_the_table_has_none(record: Results) -> None:
    bare = with_cases(record, sex=["m", "f", "m", "f"])
    regions = tuple(
        {"patient_id": patient, "tumour_diameter_mm": size}
        for patient, size in (("P0", "40"), ("P0", "42"), ("P3", "30"))
    )
    found = lines(cohort_table(dataclasses.replace(bare, regions=regions)))
    label = "Tumour diameter in the mask, mm, median [IQR]"
    assert found[label] == (
        "42.0 [42.0–42.0] (1 missing)",
        "30.0 [30.0–30.0] (1 missing)",
        "36.0 [33.0–39.0] (2 missing)",
    )
    assert not any("diameter" in row for row in lines(cohort_table(bare)))


def test_outcome_without_grades_keeps_its_own_name(record: Results, whole_run: Path) -> None:
    assert record.study is not None
    cohort = record.study.cohort.model_copy(update={"outcome": "lung_metastasis", "phases": ("ct",)})
    study = record.study.model_copy(update={"cohort": cohort})
    found = lines(cohort_table(dataclasses.replace(with_cases(record), study=study)))
    assert found["Lung_metastasis = 1"] == ("1 (50%)", "1 (50%)", "2 (50%)")
    assert "WHO/ISUP grade" not in found
    assert found["ct"] == ("2 (100%)", "2 (100%)", "4 (100%)")


def test_part_of_the_grades_missing_is_said(record: Results) -> None:
    assert lines(cohort_table(with_cases(record, grade=["1", "3", "", "4"])))["not given"][2] == "1 (25%)"


def test_no_cohort_table_no_table(record: Results) -> None:
    assert cohort_table(dataclasses.replace(record, cases=())) is None
    empty = lines(cohort_table(dataclasses.replace(with_cases(record, size_cm=["", "", "1", "2"]))))
    assert empty["Tumour size, cm, median [IQR]"][0] == "– (2 missing)"
