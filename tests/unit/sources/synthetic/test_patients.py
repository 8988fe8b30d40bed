from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from nephrograde.sources.synthetic.patients import Patient, draw_patients

PHASES = ("cmp", "np", "up")


def draw(count: int = 200, high: int = 92, *, oracle_auc: float = 0.92, seed: int = 20260415) -> list[Patient]:
    return draw_patients(count, high, oracle_auc=oracle_auc, phases=PHASES, seed=seed)


def auc_of(patients: list[Patient], scores: list[float]) -> float:
    return float(roc_auc_score([patient.is_high for patient in patients], scores))


@pytest.mark.parametrize("count", [30, 60, 300])
@pytest.mark.parametrize("oracle_auc", [0.7, 0.92])
def test_the_oracle_has_the_auc_that_was_asked_for(count: int, oracle_auc: float) -> None:
    patients = draw(count, round(0.46 * count), oracle_auc=oracle_auc)
    assert auc_of(patients, [patient.severity for patient in patients]) == pytest.approx(oracle_auc, abs=0.015)


@pytest.mark.parametrize("seed", [1, 2, 20260415])
def test_the_phases_show_less_and_less_of_it(seed: int) -> None:
    patients = draw(seed=seed)
    visible = {phase: auc_of(patients, [patient.visible[phase] for patient in patients]) for phase in PHASES}
    assert visible["cmp"] == pytest.approx(0.91, abs=0.015)
    assert 0.80 < visible["np"] < 0.89
    assert 0.65 < visible["up"] < 0.79


@pytest.mark.parametrize("seed", [1, 2, 20260415])
def test_size_alone_gives_about_070(seed: int) -> None:
    patients = draw(seed=seed)
    assert auc_of(patients, [patient.diameter_mm for patient in patients]) == pytest.approx(0.70, abs=0.04)


def test_sizes_by_grade_are_those_of_the_literature() -> None:
    patients = draw(1000, 460)

    def sizes(grade: int) -> npt.NDArray[np.float64]:
        return np.array([patient.diameter_mm for patient in patients if patient.grade == grade])

    assert sizes(1).mean() == pytest.approx(31, abs=4)
    assert sizes(1).std() == pytest.approx(11, abs=4)
    assert sizes(4).mean() == pytest.approx(64, abs=6)
    assert sizes(4).std() == pytest.approx(30, abs=8)
    assert min(patient.diameter_mm for patient in patients) >= 15
    assert max(patient.diameter_mm for patient in patients) <= 110


def test_grades_follow_severity_within_each_class() -> None:
    patients = draw()
    by_grade = {grade: [p.severity for p in patients if p.grade == grade] for grade in (1, 2, 3, 4)}
    assert max(by_grade[1]) < min(by_grade[2])
    assert max(by_grade[3]) < min(by_grade[4])
    assert len(by_grade[1]) + len(by_grade[2]) == 108


def test_number_age_sex_and_hospital_tell_nothing() -> None:
    patients = draw(1000, 460)
    columns = {
        "number": [float(patient.number) for patient in patients],
        "age": [float(patient.age_years) for patient in patients],
        "sex": [float(patient.sex == "M") for patient in patients],
        "centre": [float(patient.centre == "A") for patient in patients],
    }
    for name, column in columns.items():
        assert auc_of(patients, column) == pytest.approx(0.5, abs=0.055), name


def test_ages_and_sexes_are_plausible() -> None:
    patients = draw()
    assert all(28 <= patient.age_years <= 88 for patient in patients)
    assert {patient.sex for patient in patients} == {"F", "M"}
    assert {patient.centre for patient in patients} == {"A", "B"}


def test_another_seed_is_another_cohort_and_the_same_seed_the_same() -> None:
    assert draw(seed=5) == draw(seed=5)
    assert [p.grade for p in draw(seed=5)] != [p.grade for p in draw(seed=6)]
