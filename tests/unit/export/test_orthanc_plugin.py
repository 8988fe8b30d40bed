"""The plug-in for Orthanc grades what has arrived, once, and stores the report in its study; Orthanc is a stub."""

import io
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pydicom
import pytest
from tests.one_file import INTEGRATIONS, imported
from tests.unit.export.dicom_patient import grader_of, write_patient

import nephrograde as ng
from nephrograde.export.dicom.objects import grade_to_dicom

pytestmark = pytest.mark.needs("highdicom")
FILE = INTEGRATIONS / "orthanc" / "nephrograde_orthanc.py"


class Archive:
    """A stub of Orthanc: the series of one study, each with its files."""

    def __init__(self):
        self.series, self.notes, self.posted, self.errors = {}, {}, [], []

    def get(self, path):
        _, kind, name, *rest = path.partition("?")[0].split("/")
        if kind == "studies":
            return json.dumps({"Series": list(self.series)}).encode()
        if kind == "instances":
            series, _, number = name.rpartition("-")
            raw = self.series[series][int(number)]
            return raw if rest == ["file"] else json.dumps(short(pydicom.dcmread(io.BytesIO(raw)))).encode()
        if rest[:1] == ["metadata"]:
            own = self.notes.get(name, {})
            return own[rest[1]] if rest[1:] else json.dumps(["LastUpdate", *own]).encode()
        first = pydicom.dcmread(io.BytesIO(self.series[name][0]))
        tags = {one: str(first.get(one, "")) for one in ("Modality", "SeriesInstanceUID", "SeriesDescription")}
        files = [f"{name}-{number}" for number in range(len(self.series[name]))]
        return json.dumps({"MainDicomTags": tags, "ParentStudy": "study", "Instances": files}).encode()

    def put(self, path, raw):
        _, _, series, _, number = path.split("/")
        self.notes.setdefault(series, {})[number] = raw


def short(dataset):
    """The tags of a file as Orthanc gives them with ``?short``."""
    return {
        f"{one.tag.group:04x},{one.tag.element:04x}": [short(item) for item in one.value]
        if one.VR == "SQ"
        else str(one.value)
        for one in dataset
        if one.tag.group != 0x7FE0
    }


@pytest.fixture
def archive():
    return Archive()


@pytest.fixture
def plugin(archive, monkeypatch):
    """The plug-in, imported beside a stub of Orthanc, with a grader that was given."""
    orthanc: Any = ModuleType("orthanc")
    orthanc.ChangeType = SimpleNamespace(ORTHANC_STARTED=1, ORTHANC_STOPPED=2, STABLE_SERIES=3)
    orthanc.RestApiGet, orthanc.RestApiPut = archive.get, archive.put
    orthanc.RestApiPost = lambda _, raw: archive.posted.append(pydicom.dcmread(io.BytesIO(raw)))
    orthanc.LogError, orthanc.LogWarning = archive.errors.append, lambda _: None
    orthanc.GetConfiguration = lambda: json.dumps({"Nephrograde": {"Grader": "grader.zip"}})
    orthanc.RegisterOnChangeCallback = lambda callback: setattr(archive, "callback", callback)
    monkeypatch.setitem(sys.modules, "orthanc", orthanc)
    monkeypatch.setattr(ng.api, "load_grader", lambda _: grader_of())
    return imported(FILE).PLUGIN


@pytest.fixture
def patient(write_series, tmp_path, archive):
    """A CT series and a segmentation of it, as files."""
    made = write_patient(write_series, tmp_path / "ct")
    written = grade_to_dicom(grader_of(), made.folder, tmp_path / "seg", mask=made.mask_path)
    archive.series["ct"] = [path.read_bytes() for path in made.paths]
    return written.segmentation_paths[0].read_bytes()


def run(archive, *arrivals):
    """Start Orthanc, let series arrive, and stop it, which waits for what is being graded."""
    for change, series in ((1, ""), *((3, one) for one in arrivals), (2, "")):
        archive.callback(change, 0, series)


@pytest.mark.slow
@pytest.mark.usefixtures("plugin")
def test_a_marked_series_is_graded_once_and_the_report_is_of_its_study(archive, patient):
    run(archive, "ct")
    assert archive.posted == []  # nothing marks the tumour yet
    archive.series["seg"] = [patient]
    run(archive, "seg", "ct", "seg")
    assert archive.errors == []
    report, capture = archive.posted
    source = pydicom.dcmread(io.BytesIO(archive.series["ct"][0]))
    assert (report.Modality, capture.SOPClassUID.name) == ("SR", "Secondary Capture Image Storage")
    assert {report.StudyInstanceUID, capture.StudyInstanceUID} == {source.StudyInstanceUID}
    assert archive.notes["ct"]["4817"].startswith(b"weak-1-cmp ")


@pytest.mark.slow
def test_what_does_not_belong_is_left_alone_and_a_failure_does_not_end_the_plugin(plugin, archive, patient, tmp_path):
    other = pydicom.dcmread(io.BytesIO(patient))
    other.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"
    stream = io.BytesIO()
    other.save_as(stream)
    archive.series["other"] = [stream.getvalue()]
    run(archive, "ct", "other")
    assert (archive.posted, archive.errors) == ([], [])
    archive.series["seg"] = [patient]
    plugin._settings["SeriesDescription"] = "nothing like it"
    run(archive, "seg")
    assert archive.posted == []
    del plugin._settings["SeriesDescription"]
    whole = archive.series["ct"]
    archive.series["ct"] = whole[:3] + whole[8:]  # half a series
    run(archive, "missing", "seg")
    assert archive.posted == []
    assert [one.split(":")[1] for one in archive.errors] == [
        " series missing is not graded",
        " series seg is not graded",
    ]
    assert not any("ZY0042" in one for one in archive.errors)
    archive.series["ct"] = whole
    run(archive, "seg")
    assert [one.Modality for one in archive.posted] == ["SR", "OT"]
