"""From an upload to the answer, as a program talks to the server."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from tests.unit.web.grading.conftest import ORIGIN_MM, SIZE, SPACING_MM, body, told

from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

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
    answer = user.grade(scan, keep=False)
    assert answer.status_code == 200
    assert user.ask("GET", f"/api/scans/{scan}").status_code == 404
    assert user.ask("GET", f"/api/gradings/{answer.json()['id']}/picture.png").status_code == 200
    kept = [path.name for path in desk.room.folder.rglob("*") if path.name.startswith(("slices", "1.nii"))]
    assert kept == []


@pytest.mark.needs("weasyprint", programs=["pdftotext"])
def test_page_for_printing_is_one_page_that_names_nobody(visit, dicom_zip, tmp_path, absent):
    import subprocess

    user = visit()
    scan, _ = user.upload(dicom_zip({"SeriesDescription": "Arterial"}))
    answer = user.grade(scan)
    printed = user.ask("GET", f"/api/gradings/{answer.json()['id']}/report.pdf?lang=zh")
    if printed.status_code == 422 and ("WeasyPrint" in printed.text or "font" in printed.text):
        absent("pdf", f"no PDF can be made here: {printed.json()['reason']}")
    assert printed.status_code == 200, printed.text
    (tmp_path / "page.pdf").write_bytes(printed.content)
    text = subprocess.run(["pdftotext", "-layout", tmp_path / "page.pdf", "-"], capture_output=True, check=True)
    said = text.stdout.decode()
    assert said.count("\f") == 1
    assert "仅供研究使用" in said.replace(" ", "")
    assert f"{answer.json()['answer']['p_high']:.3f}" in said
    assert not any(word in said for word in ("ZY0042", "小明"))


def test_mask_that_was_sent_is_used(visit, nifti, grader_path, tmp_path):
    import nephrograde as ng

    user = visit()
    (tmp_path / "same.nii.gz").write_bytes(nifti(tmp_path))
    write_image((body() > 80).astype(np.uint8), tmp_path / "mask.nii.gz", spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM)
    scan, _ = user.upload((tmp_path / "same.nii.gz").read_bytes())
    assert told(user.grade(scan, place={"mask": True})) == (422, "no-region")
    mask = (tmp_path / "mask.nii.gz").read_bytes()
    assert user.ask("PUT", f"/api/scans/{scan}/series/1/mask", content=mask).status_code == 204
    assert user.ask("GET", f"/api/scans/{scan}").json()["series"][0]["has_mask"]
    answer = user.grade(scan, place={"mask": True}).json()["answer"]
    expected = ng.load_grader(grader_path).grade(tmp_path / "same.nii.gz", mask=tmp_path / "mask.nii.gz")
    assert answer["p_high"] == pytest.approx(expected.p_high, abs=1e-6)
    assert str(tmp_path) not in str(answer)
