"""A series into Orthanc and through the grader: the SR is back under the right study; and DICOMweb both ways."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pydicom
import pytest
from tests.unit.exchange.listener import Ward

import nephrograde as ng
from nephrograde.errors import ExchangeError, InputError
from nephrograde.exchange.destination import AUTHORIZATION, PASSWORD, parse_web_service
from nephrograde.exchange.retrieving import find_series, retrieve
from nephrograde.exchange.sending import send
from nephrograde.exchange.tls import Tls
from nephrograde.volume.read import read_volume

pytestmark = [
    pytest.mark.needs("pynetdicom", "dicomweb_client", "highdicom", "onnxruntime", programs=["Orthanc", "openssl"]),
    pytest.mark.slow,
]


@pytest.mark.usefixtures("known_to_orthanc")
def test_series_in_and_the_report_back_under_its_study(grader_path, new_patient, segment, tmp_path, orthanc):
    patient = new_patient()
    study = pydicom.dcmread(patient.paths[0]).StudyInstanceUID
    assert send(patient.folder, orthanc.to).count("stored") == 12
    one = Ward(grader_path, tmp_path / "spool", reply=orthanc.to)
    try:
        send([patient.folder, segment(patient)], one.to)
        done = one.until(patient.paths[0], "done")
    finally:
        one.listener.stop()
    (report,) = find_series(orthanc.url, study=study, modality="SR")
    assert (report.study_uid, report.n_images) == (study, 1)
    assert "RESEARCH USE ONLY" in report.description
    assert {each.modality for each in find_series(orthanc.url, study=study)} == {"CT", "SR", "OT", "SEG"}
    (path,) = retrieve(orthanc.url, study, report.series_uid, tmp_path / "report")
    own = sorted(one.result(done).glob("*.dcm"))
    assert pydicom.dcmread(path).SOPInstanceUID in {pydicom.dcmread(each).SOPInstanceUID for each in own}
    assert send(own, orthanc.url).count("stored") == len(own) == 3  # SR, Secondary Capture and SEG by STOW


@pytest.mark.usefixtures("known_to_orthanc")
def test_stow_and_wado_give_the_series_back(nephrograde, new_patient, tmp_path, orthanc):
    patient = new_patient()
    header = pydicom.dcmread(patient.paths[0])
    code, out, _ = nephrograde("send", patient.folder, "--to", orthanc.url)
    assert (code, "12 stored" in out) == (0, True)
    code, out, err = nephrograde("retrieve", orthanc.url, "--study", header.StudyInstanceUID)
    assert out == f"{header.StudyInstanceUID}\t{header.SeriesInstanceUID}\tCT\t12\n"
    words = ("--study", header.StudyInstanceUID, "--series", header.SeriesInstanceUID, "--out", tmp_path / "back")
    code, out, _ = nephrograde("retrieve", orthanc.url, *words)
    assert (code, "12 images" in out) == (0, True)
    assert (read_volume(tmp_path / "back").values == read_volume(patient.folder).values).all()
    assert sorted(path.name for path in (tmp_path / "back").iterdir())[0] == "000001.dcm"
    code, _, err = nephrograde("retrieve", orthanc.url, *words)
    assert (code, "holds files" in err) == (2, True)
    with pytest.raises(ExchangeError, match=r"404|no object"):
        retrieve(orthanc.url, header.StudyInstanceUID, "1.2.3", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_password_is_needed_and_told_nowhere(patient, orthanc, monkeypatch, nephrograde):
    monkeypatch.setenv(PASSWORD, "reader:not this one")
    code, out, err = nephrograde("send", patient.paths[0], "--to", orthanc.url)
    assert (code, "HTTP 401" in err) == (1, True)
    assert "not this one" not in out + err
    monkeypatch.setenv(AUTHORIZATION, "Bearer abc")
    with pytest.raises(InputError, match="is set beside"):
        send(patient.paths[0], orthanc.url)
    monkeypatch.delenv(PASSWORD)
    with pytest.raises(InputError, match="unencrypted"):
        parse_web_service("http://10.1.2.3/dicom-web", place="url").credentials()


def test_web_service_with_a_stranger_s_certificate_is_refused(patient, certificate, https_of, orthanc, monkeypatch):
    monkeypatch.setenv(PASSWORD, "reader:correct horse")
    url = https_of(orthanc.web_port)
    with pytest.raises(ExchangeError, match="cannot be trusted"):
        send(patient.paths[0], url, attempts=1)
    assert send(patient.paths[0], url, tls=Tls(ca_path=certificate / "cert.pem")).count("stored") == 1


@pytest.mark.usefixtures("known_to_orthanc")
def test_example_of_the_reference(patient, certificate, https_of, orthanc, tmp_path, monkeypatch):
    send(patient.folder, orthanc.to)
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    (code,) = [one for one in re.findall(r"(?ms)^```python\n(.*?)^```$", page) if "pacs.example" in one]
    code = code.replace("https://pacs.example/dicom-web", https_of(orthanc.web_port))
    code = code.replace("1.2.840.1", pydicom.dcmread(patient.paths[0]).StudyInstanceUID)
    names: dict[str, Any] = {"ng": ng}
    monkeypatch.chdir(tmp_path)
    exec(code.replace("hospital.pem", str(certificate / "cert.pem")), names)  # noqa: S102
    assert names["first"].modality == "CT"
    assert len(names["paths"]) == names["first"].n_images == 12
