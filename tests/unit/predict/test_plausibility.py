"""A scan of another phase, and a region that is not on a kidney, are said; whatever cannot be known is None."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import parse_point, parse_slice
from nephrograde.predict.grading import Grading, Performance, ScanRead
from nephrograde.predict.plausibility import Tumour, judge_scan
from nephrograde.predict.seeing import see
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.study import Arm, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.read import read_volume
from nephrograde.volume.roi import measure_tumour
from nephrograde.volume.volume import Volume, make_volume

if TYPE_CHECKING:
    from pathlib import Path

STUDY = Study.model_validate(
    {
        "cohort": {"table": "cohort.csv", "phases": ["cmp", "np"]},
        "arm": ({"name": "weak-1", "supervision": "point", "slices": 1},),
        "image": {"slice_px": 16},
    }
)


@pytest.fixture(scope="module")
def cohort_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, PhantomSettings(patients=8, phases=("cmp", "np"), matrix_px=96))
    return folder / "images" / "SYN-0002"


@pytest.fixture(scope="module")
def scan(cohort_dir: Path) -> Volume:
    return read_volume(cohort_dir / "np.nii.gz")


@pytest.fixture(scope="module")
def tumour(cohort_dir: Path, scan: Volume) -> Tumour:
    mask = delineate(cohort_dir / "np_mask.nii.gz", scan, STUDY.masks).mask
    assert mask is not None
    x, y, z = np.argwhere(mask).mean(axis=0)
    return Tumour(scan.to_mm((x, y, z)), measure_tumour(mask, scan).diameter_mm / 2)


def test_the_phase_of_the_model_and_a_tumour_on_a_kidney_raise_no_doubt(scan: Volume, tumour: Tumour) -> None:
    found = judge_scan(scan, tumour, phase="np")
    assert (found.phase_seen, found.is_on_kidney, found.faults) == ("np", True, ())


def test_another_phase_is_named_with_its_probability(cohort_dir: Path, tumour: Tumour, scan: Volume) -> None:
    arterial = read_volume(cohort_dir / "cmp.nii.gz")
    found = judge_scan(arterial, tumour, phase="up")
    assert [fault.code for fault in found.faults] == ["phase-suspect"]
    assert found.phase_seen == "cmp"
    assert found.phase_probability is not None
    assert 0.25 < found.phase_probability <= 1


def test_a_region_beside_the_kidneys_is_said_with_its_distance(scan: Volume, tumour: Tumour) -> None:
    x, y, z = tumour.center_mm
    found = judge_scan(scan, Tumour((x, y - 120.0, z), 10.0), phase="np")
    assert [fault.code for fault in found.faults] == ["region-off-kidney"]
    assert found.is_on_kidney is False
    assert found.kidney_gap_mm is not None
    assert found.kidney_gap_mm > 20


def test_the_side_is_that_of_the_patient_wherever_the_image_was_turned(scan: Volume, tumour: Tumour) -> None:
    x, y, z = tumour.center_mm
    middle = scan.to_mm(((scan.values.shape[0] - 1) / 2, 0, 0))[0]
    own, other = ("left", "right") if x > middle else ("right", "left")  # x grows to the left of the patient
    assert judge_scan(scan, tumour, phase="np").kidney_side == own
    turned = make_volume(scan.values[::-1].copy(), spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)
    mirrored = Tumour((2 * middle - x, y, z), tumour.radius_mm)
    assert judge_scan(turned, mirrored, phase="np").kidney_side == other
    assert judge_scan(scan, Tumour((middle, y, z), 200.0), phase="np").kidney_side is None
    assert judge_scan(scan, Tumour((x, y - 120.0, z), 10.0), phase="np").kidney_side is None
    one = scan.values.copy()
    half = slice(None, one.shape[0] // 2) if own == "left" else slice(one.shape[0] // 2, None)
    one[half] = -1000  # with the other kidney
    alone = make_volume(one, spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)
    assert judge_scan(alone, tumour, phase="np").kidney_side is None


def test_a_phase_of_ones_own_is_not_compared(scan: Volume, tumour: Tumour) -> None:
    found = judge_scan(scan, tumour, phase="delayed-20-min")
    assert (found.phase_seen, found.phase_probability, found.is_on_kidney) == (None, None, True)


def test_without_a_kidney_nothing_is_known(tumour: Tumour) -> None:
    noise = np.random.default_rng(1).normal(40, 20, (60, 60, 40))
    found = judge_scan(make_volume(noise, spacing_mm=(4.0, 4.0, 5.0)), tumour, phase="np")
    assert [fault.code for fault in found.faults] == ["kidney-not-found"]
    assert (found.phase_seen, found.is_on_kidney) == (None, None)


def test_what_is_seen_carries_its_own_judgement(cohort_dir: Path, tumour: Tumour) -> None:
    point = parse_point(",".join(f"{value:.1f}" for value in tumour.center_mm) + " mm")
    seen = see(Scan("np", cohort_dir / "np.nii.gz", None, point, None, None), STUDY.arm[0], STUDY)
    assert seen.judge().is_on_kidney
    with_mask = see(
        Scan("np", cohort_dir / "np.nii.gz", cohort_dir / "np_mask.nii.gz", None, None, None), STUDY.arm[0], STUDY
    )
    assert with_mask.judge().kidney_gap_mm == 0


def make_grading(**changes: Any) -> Grading:
    standard = Grading(
        model="weak-1-np",
        phase="np",
        p_high=0.5,
        p_high_of_folds=(0.4, 0.6),
        call="high",
        threshold=0.45,
        threshold_rule="youden",
        image="np.nii.gz",
        size=(9, 9, 9),
        spacing_mm=(1.0, 1.0, 1.0),
        center_mm=(0.0, 0.0, 0.0),
        slices=(4,),
        warnings=(),
        synthetic=False,
        folds_high=1,
        performance=Performance(0.8, 0.7, 0.9, 0.95, 90, 41, "test"),
        phase_seen="np",
        phase_probability=0.98,
        kidney_gap_mm=3.0,
        is_on_kidney=True,
    )
    return replace(standard, **changes)


def test_the_answer_says_how_good_the_model_was() -> None:
    assert "AUC 0.800 (95 % CI 0.700–0.900) on 90 test patients (41 high grade)" in make_grading().as_text()
    oof = Performance(None, None, None, None, 50, 0, "oof")
    assert "AUC not computed on 50 training patients, scored out of fold" in make_grading(performance=oof).as_text()
    assert make_grading().as_dict()["performance"]["n_high"] == 41


def test_the_answer_says_how_sure_the_model_may_be() -> None:
    known = {"p_calibrated": 0.4137, "grade_set": "both", "set_error": 0.1, "is_referred": True}
    lines = make_grading(**known).as_text().splitlines()
    assert "recalibrated: p(high) = 0.414" in lines
    assert "with an error of 0.1, either grade is plausible: a patient to refer to biopsy" in lines
    assert make_grading(**known).as_dict()["grade_set"] == "both"
    decided = make_grading(**known | {"grade_set": "low", "is_referred": False}).as_text()
    assert "with an error of 0.1, only low grade is plausible\n" in decided
    assert "recalibrated" not in make_grading().as_text()
    assert "plausible" not in make_grading().as_text()


def test_the_answer_says_where_the_region_is() -> None:
    assert "the region is on a kidney; by its kidneys, the scan is nephrographic" in make_grading().as_text()
    text = make_grading(phase_seen=None, kidney_gap_mm=31.6, is_on_kidney=False).as_text()
    assert "the region is 32 mm from the nearest kidney" in text
    nothing = {"kidney_gap_mm": None, "is_on_kidney": None}
    assert "by its kidneys, the scan is nephrographic" in make_grading(**nothing).as_text()
    assert "kidney" not in make_grading(**nothing, phase_seen=None).as_text()
    assert "slices 4 through the kidneys" in make_grading(supervision="none").as_text()
    assert "region: both kidneys" in make_grading(supervision="none", slices=()).as_text()


@pytest.mark.parametrize("level", ["none", "slice"])
def test_a_model_without_a_place_sees_the_scan_alone(cohort_dir: Path, level: str) -> None:
    arm = Arm(name="bare", supervision=Supervision(level), slices=1)
    scan = Scan("np", cohort_dir / "np.nii.gz", None, None, None, parse_slice("20 vox") if level == "slice" else None)
    seen = see(scan, arm, STUDY)
    assert len(seen.region) == len(seen.slices) == (2 if level == "none" else 1)
    judged = seen.judge()
    assert (judged.phase_seen, judged.kidney_gap_mm, judged.is_on_kidney) == ("np", None, None)


def test_folds_that_disagree_are_told_from_those_that_agree() -> None:
    assert [make_grading(folds_high=n).folds_agree for n in (0, 1, 2)] == [True, False, True]


@pytest.mark.parametrize(("p_high", "is_outside"), [(0.5, False), (0.6, False), (0.61, True), (0.2, True)])
def test_a_probability_outside_the_folds_is_explained(p_high: float, is_outside: bool) -> None:
    grading = make_grading(p_high=p_high)
    assert ("it may lie outside" in grading.as_text()) == is_outside
    with speaking("zh"):
        line = told(grading.as_text()).splitlines()[1]
    assert ("可能在此范围之外" in line) == is_outside
    assert "folds" not in line


def scan_read(**changes: Any) -> ScanRead:
    standard = ScanRead("np", "np.nii.gz", (9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (4, 5), (96.0, 96.0))
    return replace(standard, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"p_calibrated": 0.4, "set_error": 0.1, "grade_set": "both", "is_referred": True},
        {"p_calibrated": 0.4, "set_error": 0.1, "grade_set": "none", "is_referred": True},
        {"p_calibrated": 0.4, "set_error": 0.1, "grade_set": "low"},
        {"p_calibrated": 0.4, "set_error": 0.1, "grade_set": "high"},
        {"slices": (3, 4, 5), "region_mm": (96.0, 96.0), "picture": "np.png"},
        {"slices": (), "region_mm": (96.0, 96.0, 96.0)},
        {"supervision": "none", "region_mm": (96.0, 96.0)},
        {"supervision": "none", "slices": (), "region_mm": (96.0, 96.0, 96.0)},
        {"supervision": "slice", "region_mm": (400.0, 400.0)},
        {"phase": "np+cmp", "scans": (scan_read(phase_seen="np", phase_probability=0.9),)},
        {"phase": "np+cmp", "scans": (scan_read(kidney_gap_mm=0.0, is_on_kidney=True),)},
        {"phase": "np", "scans": (scan_read(kidney_gap_mm=9.0, phase_seen="np", phase_probability=0.9),)},
    ],
)
def test_the_whole_answer_has_its_chinese(changes: dict[str, Any]) -> None:
    with speaking("zh"):
        said = told(make_grading(**changes).as_text())
    names = r"np\.(nii\.gz|png)|weak-1-np|p\(high\)|youden|(?<![a-z])(np|cmp|mm)(?![a-z])"
    assert not re.search("[a-z]{2,}", re.sub(names, "", said)), said
