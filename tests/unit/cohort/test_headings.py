"""Headings of hospitals' tables: which column is the patient's id, the grade and the day of surgery."""

from __future__ import annotations

import pytest

from nephrograde.cohort.headings import headings_like, standard_headings

HOSPITALS = {
    "中文": {"patient_id": "病案号", "isup_grade": "WHO/ISUP 核分级", "surgery_date": "手术日期"},
    "繁體": {"patient_id": "病歷號", "isup_grade": "病理分級", "surgery_date": "手術日期"},
    "polski": {"patient_id": "Nr pacjenta", "isup_grade": "Stopień złośliwości", "surgery_date": "Data operacji"},
    "Deutsch": {"patient_id": "Patienten-Nr.", "isup_grade": "Tumorgrad", "surgery_date": "OP-Datum"},
    "español": {"patient_id": "NHC", "isup_grade": "Grado histológico", "surgery_date": "Fecha de cirugía"},
}
"""One table for each language: what its columns are called there."""


@pytest.mark.parametrize("language", HOSPITALS)
def test_the_headings_of_a_hospital_are_recognised(language: str) -> None:
    headings = HOSPITALS[language]
    assert standard_headings(["x", *headings.values(), "y"]) == headings


def test_a_heading_of_another_system_or_of_something_else_is_no_grade() -> None:
    assert headings_like("isup_grade", ["Fuhrman grade", "Gleason", "stage", "upgrade", "gradient"]) == []
