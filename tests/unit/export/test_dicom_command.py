"""``predict --dicom``: what is printed, and the same answer as without it."""

from __future__ import annotations

import json

import highdicom
import numpy as np
import pytest
from tests.unit.export.dicom_patient import PATIENT, TUMOUR, grader_of, write_patient

from nephrograde.export import loading as room
from nephrograde.files import read_rows
from nephrograde.volume.read import read_volume

pytestmark = pytest.mark.needs("highdicom")
POINT = f"{','.join(map(str, TUMOUR))} vox"


def groups_in(report):
    return report.content.get_planar_roi_measurement_groups()


@pytest.fixture
def predict(nephrograde, monkeypatch):
    """Run the command with a grader of this kind instead of a run: (exit code, standard output, standard error)."""

    def run(grader, *words):
        monkeypatch.setattr(room, "load", lambda *_, **__: grader)
        return nephrograde("predict", "run", *words, "--model", grader.model)

    return run


def test_objects_are_named_before_the_answer(predict, tmp_path, write_series):
    patient = write_patient(write_series, tmp_path / "ct")
    words = (patient.folder, "--mask", patient.mask_path, "--dicom", tmp_path / "out")
    code, out, err = predict(grader_of(), *words)
    assert (code, err) == (0, "")
    for name in ("report.dcm", "capture.dcm", "segmentation-1.dcm"):
        assert str(tmp_path / "out" / name) in out
    assert "high grade at the threshold 0.550" in out


def test_json_stays_json(predict, tmp_path, write_series):
    patient = write_patient(write_series, tmp_path / "ct")
    code, out, err = predict(
        grader_of("point"), patient.folder, "--point", POINT, "--dicom", tmp_path / "out", "--json"
    )
    assert (code, json.loads(out)["call"]) == (0, "high")
    assert "report.dcm" in err


def test_phases_are_written_before_images(predict, tmp_path, write_series):
    scans = {phase: write_patient(write_series, tmp_path / phase) for phase in ("cmp", "np")}
    images = [f"{phase}={one.folder}" for phase, one in scans.items()]
    masks = ["--mask", f"cmp={scans['cmp'].mask_path}"]
    code, out, _ = predict(grader_of(phases=("cmp", "np")), *images, *masks, "--dicom", tmp_path / "out")
    assert (code, "report.dcm" in out) == (0, True)


def test_refusals_are_told_in_chinese(predict, tmp_path, write_series):
    patient = write_patient(write_series, tmp_path / "ct", FrameOfReferenceUID=None)
    words = (patient.folder, "--mask", patient.mask_path, "--lang", "zh", "--dicom")
    code, _, err = predict(grader_of(), *words, tmp_path / "out")
    assert (code, "参考坐标系" in err) == (0, True)
    code, _, err = predict(grader_of(), *words, patient.folder)
    assert (code, "含有其他文件" in err) == (2, True)
    code, _, err = predict(grader_of(), patient.mask_path, "--point", POINT, "--lang", "zh", "--dicom", tmp_path / "2")
    assert (code, "不是DICOM序列" in err) == (2, True)


@pytest.mark.slow
def test_report_of_a_run_says_what_the_grader_says(nephrograde, tiny_run_dir, tiny_cohort_dir, tmp_path, write_series):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    volume = read_volume(tiny_cohort_dir / row["cmp_image"])
    values = np.asarray(volume.values)
    positions = [volume.to_mm((0, 0, k)) for k in range(values.shape[2])]
    write_series(
        tmp_path / "ct",
        values=values + 1024,
        positions_mm=positions,
        pixel_mm=(volume.spacing_mm[1], volume.spacing_mm[0]),
        **PATIENT,
    )
    mask = ("--mask", tiny_cohort_dir / row["cmp_mask"])
    words = ("predict", tiny_run_dir, tmp_path / "ct", "--model", "strong-cmp", "--json", *mask)
    code, plain, _ = nephrograde(*words)
    assert code == 0
    code, out, _ = nephrograde(*words, "--dicom", tmp_path / "out")
    assert (code, json.loads(out)) == (0, json.loads(plain))
    report = highdicom.sr.srread(tmp_path / "out" / "report.dcm")
    (group,) = groups_in(report)
    numbers = {one.name.value: one.value for one in group.get_measurements()}
    assert numbers["P_HIGH"] == json.loads(plain)["p_high"]
    assert "SYNTHETIC" in report.SeriesDescription
    x, y, _ = json.loads(plain)["center_mm"]
    corners = np.array(group.roi.value)
    assert (corners.min(axis=0)[:2] < (x, y)).all()
    assert (corners.max(axis=0)[:2] > (x, y)).all()
