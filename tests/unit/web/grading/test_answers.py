"""From an upload to the answer, as a program talks to the server."""

from __future__ import annotations

import io
import json

import numpy as np
import pydicom
import pytest
from tests.unit.export.small_grader import JOINT_PHASES, JOINT_VALUES
from tests.unit.web.grading.conftest import JOINT_MODEL, MODEL, SIZE, told

from nephrograde.volume.read import read_volume

FAR = "900,900,900 mm"
pytestmark = [pytest.mark.needs("starlette", "uvicorn", "onnxruntime"), pytest.mark.slow]


def test_nifti_is_graded_as_by_the_grader_itself(visit, nifti, grader_path, tmp_path):
    import nephrograde as ng

    user, content = visit(), nifti(tmp_path)
    scan, read = user.upload(content)
    series = read.json()["series"][0]
    assert (series["kind"], series["size"], series["problem"]) == ("nifti", [48, 40, 14], None)
    answer = user.grade(scan).json()["answer"]
    (tmp_path / "same.nii.gz").write_bytes(content)
    expected = ng.load_grader(grader_path).grade(tmp_path / "same.nii.gz", point="18,10,-265 mm")
    assert answer["p_high"] == pytest.approx(expected.p_high, abs=1e-6)
    assert answer["call"] == expected.call
    assert answer["warnings"] == [text.rpartition(".nii.gz: ")[2] for text in expected.warnings]


@pytest.mark.needs("highdicom")
def test_dicom_zip_gives_objects_of_the_same_study_and_no_name_in_the_answer(visit, dicom_zip, served, tmp_path):
    desk, _ = served
    user = visit()
    scan, read = user.upload(dicom_zip({"SeriesDescription": "Arterial 5.0"}, {"SeriesDescription": "Delayed 5.0"}))
    series = read.json()["series"]
    assert [one["phase"] for one in series] == ["cmp", "ep"]
    done = user.grade(scan)
    assert done.json()["files"] == ["picture.png", "overlay.png", "overlay.nii.gz", "report.dcm", "capture.dcm"]
    assert not any(word in done.text for word in ("ZY0042", "小明", str(desk.room.folder), ".series"))
    address = f"/api/gradings/{done.json()['id']}"
    report = pydicom.dcmread(io.BytesIO(user.ask("GET", f"{address}/report.dcm").content))
    assert (report.PatientID, report.Modality) == ("ZY0042", "SR")
    capture = user.ask("GET", f"{address}/capture.dcm")
    assert pydicom.dcmread(io.BytesIO(capture.content)).StudyInstanceUID == report.StudyInstanceUID
    assert "ZY0042" not in capture.headers["content-disposition"]
    for name in ("picture.png", "overlay.png"):
        assert user.ask("GET", f"{address}/{name}").content.startswith(b"\x89PNG")
    (tmp_path / "map.nii.gz").write_bytes(user.ask("GET", f"{address}/overlay.nii.gz").content)
    found = np.abs(read_volume(tmp_path / "map.nii.gz").values)
    assert found.shape == SIZE
    assert found[:, :, 7].max() > 0 == found[:, :, [*range(7), *range(8, SIZE[2])]].max()


def test_scan_is_removed_with_the_answer_unless_it_is_to_be_kept(visit, nifti, tmp_path, served):
    desk, _ = served
    user = visit()
    scan, _ = user.upload(nifti(tmp_path))
    assert user.grade(scan).status_code == 200
    assert user.ask("GET", f"/api/scans/{scan}").status_code == 200
    own = {"scan": scan, "series": 1, "point": FAR}
    outside = user.ask("POST", "/api/gradings", json={"model": MODEL, "scans": {"cmp": own}})
    address = f"/api/gradings/{outside.json()['id']}"
    assert told(user.wait(address)) == (422, "annotation-outside")
    assert told(user.ask("GET", f"{address}/report.pdf")) == (422, "annotation-outside")
    assert user.ask("GET", f"/api/scans/{scan}").status_code == 200
    answer = user.grade(scan, keep=False)
    assert answer.status_code == 200
    assert user.ask("GET", f"/api/scans/{scan}").status_code == 404
    assert user.ask("GET", f"/api/gradings/{answer.json()['id']}/picture.png").status_code == 200
    kept = [path.name for path in desk.room.folder.rglob("*") if path.name.startswith(("slices", "1.nii"))]
    assert kept == []


def pages_of(content, folder, absent):
    """The text of each page of a PDF that the server printed."""
    import subprocess

    if content.status_code == 422 and ("WeasyPrint" in content.text or "font" in content.text):
        absent("pdf", f"no PDF can be made here: {content.json()['reason']}")
    assert content.status_code == 200, content.text
    (folder / "page.pdf").write_bytes(content.content)
    words = ["pdftotext", "-layout", folder / "page.pdf", "-"]
    said = subprocess.run(words, capture_output=True, check=True).stdout.decode()
    return said.split("\f")[:-1]


@pytest.mark.needs("weasyprint", "highdicom", programs=["pdftotext"])
def test_joint_model_reads_phases_and_values_and_prints_one_page_that_names_nobody(
    joint_path, served, visit, dicom_zip, mask, tmp_path, absent
):
    import nephrograde as ng

    user = visit()
    scan, read = user.upload(dicom_zip({"SeriesDescription": "Arterial"}, {"SeriesDescription": "native"}))
    assert [one["phase"] for one in read.json()["series"]] == ["cmp", "up"]
    for number in (1, 2):
        assert user.ask("PUT", f"/api/scans/{scan}/series/{number}/mask", content=mask).status_code == 204
    chosen = {one: {"scan": scan, "series": k, "mask": True} for k, one in enumerate(JOINT_PHASES, 1)}
    values = dict(zip(JOINT_VALUES, (61, 2.5), strict=True))
    asked = {"model": JOINT_MODEL, "scans": chosen, "clinical": values, "keep": True}
    sent = user.ask("POST", "/api/gradings", json=asked)
    answer = user.wait(f"/api/gradings/{sent.json()['id']}").json()
    series = {one: tmp_path / f"series-{k}" for k, one in enumerate(JOINT_PHASES, 1)}
    (tmp_path / "mask.nii.gz").write_bytes(mask)
    masks, grader = dict.fromkeys(series, tmp_path / "mask.nii.gz"), ng.load_grader(joint_path)
    expected = grader.grade_phases(series, mask=masks, clinical=values)
    assert answer["answer"]["p_high"] == pytest.approx(expected.p_high, abs=1e-6)
    assert expected.p_high != grader.grade_phases(series, mask=masks, clinical=dict.fromkeys(values, 9)).p_high

    address = f"/api/gradings/{answer['id']}"
    made = [name for name in answer["files"] if name.endswith(".dcm")]
    assert made == ["report.dcm", "capture.dcm", "segmentation-1.dcm", "segmentation-2.dcm"]
    report, capture, *masked = (
        pydicom.dcmread(io.BytesIO(user.ask("GET", f"{address}/{name}").content)) for name in made
    )
    assert [one.Modality for one in (report, capture, *masked)] == ["SR", "OT", "SEG", "SEG"]
    assert all(str(one.SOPInstanceUID) in str(report) for one in masked)
    assert user.ask("GET", f"{address}/segmentation-3.dcm").status_code == 404

    kept = served[0]._gradings[answer["id"]].folder / "answer.json"
    long = json.loads(kept.read_text(encoding="utf-8"))
    long["warnings"] = [f"warning {k} " + 40 * "of many words " for k in range(30)]
    kept.write_text(json.dumps(long), encoding="utf-8")
    (page,) = pages_of(user.ask("GET", f"{address}/report.pdf?lang=zh"), tmp_path, absent)
    assert "warning 0" in page
    assert "仅供研究使用" in page.replace(" ", "")
    assert f"{expected.p_high:.3f}" in page
    assert not any(word in page for word in ("ZY0042", "小明"))


def test_mask_that_was_sent_is_used(visit, nifti, mask, grader_path, tmp_path):
    import nephrograde as ng

    user = visit()
    (tmp_path / "same.nii.gz").write_bytes(nifti(tmp_path))
    (tmp_path / "mask.nii.gz").write_bytes(mask)
    scan, _ = user.upload((tmp_path / "same.nii.gz").read_bytes())
    assert told(user.grade(scan, place={"mask": True})) == (422, "no-region")
    assert user.ask("PUT", f"/api/scans/{scan}/series/1/mask", content=mask).status_code == 204
    assert user.ask("GET", f"/api/scans/{scan}").json()["series"][0]["has_mask"]
    answer = user.grade(scan, place={"mask": True}).json()["answer"]
    expected = ng.load_grader(grader_path).grade(tmp_path / "same.nii.gz", mask=tmp_path / "mask.nii.gz")
    assert answer["p_high"] == pytest.approx(expected.p_high, abs=1e-6)
    assert str(tmp_path) not in str(answer)
