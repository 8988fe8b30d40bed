from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import distance_transform_edt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import Body, SyntheticScan, draw_body, scan_patient
from nephrograde.volume.phase.evidence import PHASES

if TYPE_CHECKING:
    from nephrograde.sources.synthetic.patients import Patient

SEED = 20260415
MARGIN_MM = 12.0


def patient_of(number: int = 1, **changes: object) -> Patient:
    patients = cohort_patients(PhantomSettings(patients=12, seed=SEED, phases=PHASES))
    return replace(patients[number - 1], **changes)  # type: ignore[arg-type]


def scan_of(patient: Patient, phase: str, *, matrix_px: int = 96) -> SyntheticScan:
    return scan_patient(patient, draw_body(patient, seed=SEED), phase=phase, matrix_px=matrix_px, seed=SEED)


def mean_hu(scan: SyntheticScan, body: Body, place_mm: tuple[float, float, float]) -> float:
    """Mean of a few voxels at a position relative to the patient's position on the table."""
    at = [place + table for place, table in zip(place_mm, body.table_mm, strict=True)]
    at = [(value - first) / step for value, first, step in zip(at, scan.origin_mm, scan.spacing_mm, strict=True)]
    x, y, z = (round(value) for value in at)
    return float(scan.values_hu[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2].mean())


@pytest.mark.parametrize("phase", PHASES)
def test_severity_shows_inside_the_tumour_and_nowhere_else(phase: str) -> None:
    mild = scan_of(patient_of(visible=dict.fromkeys(PHASES, -2.0), severity=-2.0, grade=1), phase)
    grave = scan_of(patient_of(visible=dict.fromkeys(PHASES, 2.5), severity=2.5, grade=4), phase)
    assert (mild.spacing_mm, mild.origin_mm, mild.stored) == (grave.spacing_mm, grave.origin_mm, grave.stored)
    differs = mild.values_hu != grave.values_hu
    assert differs[mild.mask].mean() > 0.5
    assert not differs[_far_from(mild.mask | grave.mask, mild)].any()


@pytest.mark.parametrize("phase", ["cmp", "np"])
def test_a_grave_tumour_enhances_less_and_less_evenly(phase: str) -> None:
    scans = [scan_of(patient_of(visible={phase: severity}), phase) for severity in (-1.5, 0.0, 1.5)]
    means = [float(scan.values_hu[scan.mask].mean()) for scan in scans]
    assert means[0] > means[1] + 15 > means[2] + 30
    dead = [float((scan.values_hu[scan.mask] < 45).mean()) for scan in scans]
    assert dead[0] < dead[1] < dead[2]


def test_the_phases_look_like_phases() -> None:
    patient = patient_of(diameter_mm=20.0)
    body = draw_body(patient, seed=SEED)
    aorta = (7.0, body.anatomy.spine_y_mm - 31.0, -40.0)
    scans = {phase: scan_of(patient, phase, matrix_px=160) for phase in PHASES}
    at_aorta = {phase: mean_hu(scan, body, aorta) for phase, scan in scans.items()}
    assert at_aorta["cmp"] > 200 > at_aorta["np"] > at_aorta["ep"] > 80 > at_aorta["up"]
    healthy = next(kidney for kidney in body.kidneys if kidney.side * body.lesion.centre_mm[0] < 0)
    x, y, z = healthy.centre_mm
    cube = [np.array([x, y, z]) + body.table_mm + sign * np.array([30.0, 28.0, 50.0]) for sign in (-1, 1)]
    spread = {}
    for phase, scan in scans.items():
        low, high = (np.rint((corner - scan.origin_mm) / scan.spacing_mm).astype(int) for corner in cube)
        part = scan.values_hu[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        spread[phase] = float(np.quantile(part, 0.95) - np.quantile(part, 0.70))
    assert spread["cmp"] > 60  # bright cortex, dark medulla
    assert spread["up"] < spread["np"] < spread["cmp"]


@pytest.mark.parametrize("number", range(1, 9))
def test_the_mask_has_the_size_of_the_table(number: int) -> None:
    patient = patient_of(number)
    scan = scan_of(patient, "cmp", matrix_px=160)
    largest = scan.mask[int(np.argmax(scan.mask.sum(axis=(1, 2))))]
    rows, columns = np.nonzero(largest)
    points = np.stack([rows, columns], axis=1) * scan.spacing_mm[0]
    extent = max(np.linalg.norm(points - point, axis=1).max() for point in points[:: max(len(points) // 50, 1)])
    assert extent == pytest.approx(patient.diameter_mm, rel=0.15, abs=5.0)


@pytest.mark.parametrize("diameter_mm", [15.0, 40.0, 75.0, 110.0])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_tumour_of_any_size_lies_wholly_in_the_scan_and_in_the_body(diameter_mm: float, number: int) -> None:
    scan = scan_of(patient_of(number, diameter_mm=diameter_mm), "np", matrix_px=72)
    assert scan.mask.any()
    for axis in range(3):
        first_and_last = np.take(scan.mask, (0, -1), axis=axis)
        assert not first_and_last.any()
    assert (scan.values_hu[scan.mask] > -300).mean() > 0.99


def test_values_are_ct_numbers_with_noise_in_the_stated_range() -> None:
    patient = patient_of()
    body = draw_body(patient, seed=SEED)
    scan = scan_of(patient, "up", matrix_px=160)
    assert scan.values_hu.dtype == np.int16
    assert scan.values_hu.min() >= -1024
    assert scan.values_hu.max() <= 3071
    fat_free = np.diff(scan.values_hu.astype(float), axis=0)[:, 70:90, 70:90]
    noise = np.median(np.abs(fat_free)) / 0.6745 / np.sqrt(2)
    assert noise == pytest.approx(body.noise_hu, rel=0.35)


def test_grids_vary_between_patients_and_a_little_between_phases() -> None:
    scans = {(n, phase): scan_of(patient_of(n), phase, matrix_px=32) for n in range(1, 9) for phase in ("cmp", "np")}
    assert len({scan.spacing_mm for scan in scans.values()}) == len(scans)
    assert {scan.spacing_mm[2] for scan in scans.values()} <= {3.0, 4.0, 5.0}
    assert len({scan.stored for scan in scans.values()}) > 1
    for scan in scans.values():
        assert 315 < 32 * scan.spacing_mm[0] < 406
    for n in range(1, 9):
        centre = {}
        for phase in ("cmp", "np"):
            scan = scans[n, phase]
            middle = np.mean(np.argwhere(scan.mask), axis=0)[::-1]
            centre[phase] = middle * scan.spacing_mm + scan.origin_mm
        moved = float(np.linalg.norm(centre["cmp"] - centre["np"]))
        assert 0.1 < moved < 20.0


def test_a_scan_is_the_same_when_made_again() -> None:
    first, second = (scan_of(patient_of(3), "cmp", matrix_px=64) for _ in range(2))
    np.testing.assert_array_equal(first.values_hu, second.values_hu)
    np.testing.assert_array_equal(first.mask, second.mask)


@dataclass(frozen=True, slots=True)
class Measured:
    is_high: npt.NDArray[np.bool_]
    tumour: dict[str, npt.NDArray[np.float64]]
    outside: dict[str, npt.NDArray[np.float64]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    settings = PhantomSettings(patients=200, seed=SEED)
    patients = cohort_patients(settings)
    tumour: dict[str, list[list[float]]] = {phase: [] for phase in settings.phases}
    outside: dict[str, list[float]] = {}
    for patient in patients:
        body = draw_body(patient, seed=SEED)
        for phase in settings.phases:
            scan = scan_patient(patient, body, phase=phase, matrix_px=80, seed=SEED)
            values = scan.values_hu[scan.mask]
            tumour[phase].append([float(values.mean()), float(values.std()), float(np.quantile(values, 0.1))])
        for name, value in outside_of(scan).items():
            outside.setdefault(name, []).append(value)
    return Measured(
        np.array([patient.is_high for patient in patients]),
        {phase: np.array(rows) for phase, rows in tumour.items()},
        {name: np.array(column) for name, column in outside.items()},
    )


def _far_from(mask: npt.NDArray[np.bool_], scan: SyntheticScan) -> npt.NDArray[np.bool_]:
    spacing_mm = scan.spacing_mm[::-1]
    ends = [(int(steps.min()), int(steps.max())) for steps in np.nonzero(mask)]
    reach = [int(MARGIN_MM / step_mm) + 1 for step_mm in spacing_mm]
    near = tuple(slice(max(low - n, 0), high + n + 1) for (low, high), n in zip(ends, reach, strict=True))
    far = np.ones(mask.shape, dtype=bool)
    far[near] = distance_transform_edt(~mask[near], sampling=spacing_mm) > MARGIN_MM
    return far


def outside_of(scan: SyntheticScan) -> dict[str, float]:
    values = scan.values_hu[_far_from(scan.mask, scan)]
    soft = values[(values > -20) & (values < 100)]
    return {
        "spacing": scan.spacing_mm[0],
        "slice distance": scan.spacing_mm[2],
        "slices": float(len(scan.values_hu)),
        "origin": scan.origin_mm[2],
        "axes": float(np.dot(scan.stored, (4, 2, 1))),
        "soft tissue": float(soft.mean()),
        "soft tissue spread": float(soft.std()),
        "fat": float(values[(values > -140) & (values < -60)].mean()),
        "air": float((values < -500).mean()),
    }


@pytest.mark.parametrize(("phase", "low", "high"), [("cmp", 0.88, 0.92), ("np", 0.78, 0.88), ("up", 0.58, 0.75)])
def test_a_linear_reading_of_the_tumour_comes_near_the_oracle(
    measured: Measured, phase: str, low: float, high: float
) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    p_high = cross_val_predict(model, measured.tumour[phase], measured.is_high, cv=folds, method="predict_proba")[:, 1]
    assert low <= roc_auc_score(measured.is_high, p_high) <= high


def test_nothing_outside_the_tumour_tells_the_grade(measured: Measured) -> None:
    # Three standard errors of an uninformative AUC with 108 + 92 patients are 0.12.
    for name, column in measured.outside.items():
        assert roc_auc_score(measured.is_high, column) == pytest.approx(0.5, abs=0.12), name
