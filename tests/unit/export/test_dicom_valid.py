"""Validators and readers of others accept every object: dicom3tools and DCMTK."""

from __future__ import annotations

import subprocess
from typing import Any

import pydicom
import pytest
from tests.unit.export.dicom_patient import TUMOUR, grader_of, write_patient

from nephrograde.export.dicom.objects import grade_to_dicom

pytestmark = [pytest.mark.needs("highdicom"), pytest.mark.slow]


@pytest.fixture(params=["mask", "point", "slice", "no frame of reference", "undeclared Chinese", "synthetic phases"])
def out_dir(request, tmp_path, write_series):
    """The objects of a grading of one kind."""
    kind, out_dir = request.param, tmp_path / "out"
    place = ",".join(map(str, TUMOUR))
    if kind == "synthetic phases":
        scans = {
            phase: write_patient(write_series, tmp_path / phase, StudyInstanceUID="1.2.840.99.7")
            for phase in ("cmp", "np")
        }
        grade_to_dicom(
            grader_of(phases=("cmp", "np"), synthetic=True),
            {phase: one.folder for phase, one in scans.items()},
            out_dir,
            mask={phase: one.mask_path for phase, one in scans.items()},
        )
        return out_dir
    entries: dict[str, Any] = {}
    if kind == "no frame of reference":
        entries = {"FrameOfReferenceUID": None}
    if kind == "undeclared Chinese":
        entries = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "王^小明".encode("gb18030").decode("latin-1")}
    patient = write_patient(write_series, tmp_path / "ct", **entries)
    places: dict[str, Any] = {"point": {"point": f"{place} vox"}, "slice": {"slice": "7 vox"}}
    given = places.get(kind, {"mask": patient.mask_path})
    supervision = kind if kind in {"point", "slice"} else "box"
    grade_to_dicom(grader_of(supervision), patient.folder, out_dir, **given)
    return out_dir


@pytest.mark.needs(programs=("dciodvfy",))
def test_dciodvfy_finds_no_error(out_dir):
    paths = sorted(out_dir.iterdir())
    assert len(paths) >= 2
    for path in paths:
        done = subprocess.run(["dciodvfy", path], capture_output=True, check=False)
        lines = (done.stdout + done.stderr).decode("utf-8", errors="replace").splitlines()
        assert [line for line in lines if line.startswith("Error")] == [], path.name


@pytest.mark.needs(programs=("dsrdump",))
def test_dcmtk_reads_the_report(out_dir):
    command = ["dsrdump", "+U8", "+Pl", out_dir / "report.dcm"]
    done = subprocess.run(command, capture_output=True, check=False)
    said = done.stdout.decode("utf-8")
    complaints = done.stderr.decode("utf-8", errors="replace").splitlines()
    assert (done.returncode, [one for one in complaints if "VR checker does not support" not in one]) == (0, [])
    assert "王^小明" in said
    for part in ("Comprehensive 3D SR", "Clear cell carcinoma of kidney", "Probability of high WHO/ISUP grade (3-4)"):
        assert part in said
    assert ("SCOORD3D" in said) != ("SCOORD:" in said)


@pytest.mark.needs(programs=("dciodvfy",))
def test_dciodvfy_notices_a_broken_report(tmp_path, write_series):
    """Its silence above would be worth nothing if it accepted everything."""
    patient = write_patient(write_series, tmp_path / "ct")
    made = grade_to_dicom(grader_of(), patient.folder, tmp_path / "out", mask=patient.mask_path)
    report = pydicom.dcmread(made.report_path)
    del report.CurrentRequestedProcedureEvidenceSequence
    report.save_as(tmp_path / "broken.dcm")
    done = subprocess.run(["dciodvfy", tmp_path / "broken.dcm"], capture_output=True, check=False)
    assert b"CurrentRequestedProcedureEvidenceSequence" in done.stderr
