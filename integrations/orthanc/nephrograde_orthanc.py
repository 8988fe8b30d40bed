"""Orthanc Python plug-in: grades a series with a packed model, and stores the report in the study. Research use only.

A CT series is graded when it and what marks its tumour have arrived: a segmentation (SEG) or a structure set (RTSTRUCT)
of the same study that refers to the series; for a model that searches for the kidneys by itself, the series alone.
The structured report and the Secondary Capture are stored beside it. In Orthanc's configuration:

    "Plugins": ["/usr/share/orthanc/plugins"],
    "PythonScript": "/etc/orthanc/nephrograde_orthanc.py",
    "Nephrograde": {"Grader": "/var/lib/nephrograde/grader.zip", "SeriesDescription": "(?i)arterial|cortico"}

``SeriesDescription`` is a regular expression that a series must contain to be graded; without it, every CT series that
is marked is graded. It needs ``pip install "nephrograde[dicom,grader]"`` in the Python of the plug-in.
"""

import json
import queue
import re
import tempfile
import threading
from pathlib import Path

import orthanc

DONE = 4817
"""The number of the metadata of a series that names the models that graded it; 1024 to 65535 are free for users."""
MARKS = {"SEG": "0008,1115", "RTSTRUCT": "3006,0010"}
"""What marks a tumour, and where it refers to the series; both name it by SeriesInstanceUID, at some depth."""
SERIES_UID = "0020,000e"


class Plugin:
    """Grades series one after the other, outside of Orthanc's own threads.

    Args:
        settings: The section ``Nephrograde`` of Orthanc's configuration.
    """

    def __init__(self, settings):
        self._settings = settings
        self._waiting = queue.Queue()
        self._grader = None
        self._thread = None

    def start(self):
        """Read the model, and begin to grade what arrives."""
        import nephrograde as ng

        self._grader = ng.load_grader(self._settings["Grader"])
        if self._grader.is_joined:
            raise ValueError(f"{self._grader.model} joins several phases, which this plug-in does not gather")
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self):
        """End after the series that is being graded."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(timeout=60)

    def on_change(self, change, _level, resource):
        """Hear of a series that has arrived; returns at once.

        Args:
            change: What has happened.
            resource: Orthanc's identifier of it.
        """
        try:
            if change == orthanc.ChangeType.ORTHANC_STARTED:
                self.start()
            elif change == orthanc.ChangeType.ORTHANC_STOPPED:
                self.stop()
            elif change == orthanc.ChangeType.STABLE_SERIES and self._grader is not None:
                self._waiting.put(resource)
        except Exception as error:  # noqa: BLE001 - Orthanc must go on without the plug-in
            orthanc.LogError(f"nephrograde: {error}")

    def _work(self):
        while (series := self._waiting.get()) is not None:
            try:
                self.handle(series)
            except Exception as error:  # noqa: BLE001 - the next series may be graded
                orthanc.LogError(f"nephrograde: series {series} is not graded: {error}")

    def handle(self, series):
        """Grade what an arrived series makes possible.

        Args:
            series: Orthanc's identifier of a CT series, or of one that marks a tumour.
        """
        modality = _tags(series).get("Modality")
        if modality == "CT":
            pairs = [(series, mark) for mark in self._marks_of(series)]
            if not pairs and self._grader.arm.supervision == "none":
                pairs = [(series, None)]
            if len(pairs) > 1:
                raise ValueError(f"{len(pairs)} series mark a tumour on it; delete all but one")
        elif modality in MARKS:
            wanted = _references(series, modality)
            pairs = [(one, series) for one in _of_study(series) if _tags(one).get("SeriesInstanceUID") in wanted]
        else:
            return
        for scan, mark in pairs:
            self._grade(scan, mark)

    def _marks_of(self, scan):
        """The series of the study that mark a tumour on a scan."""
        uid = _tags(scan)["SeriesInstanceUID"]
        found = []
        for one in _of_study(scan):
            modality = _tags(one).get("Modality")
            if modality in MARKS and uid in _references(one, modality):
                found.append(one)
        return found

    def _grade(self, scan, mark):
        """Grade a scan, unless this model has, and store the objects in its study."""
        import nephrograde as ng

        described = _tags(scan).get("SeriesDescription", "")
        if not re.search(self._settings.get("SeriesDescription", ""), described):
            return
        by = f"{self._grader.model} {self._grader.study_sha256[:12]}"
        done = _metadata(scan)
        if by in done.split("\n"):
            return
        with tempfile.TemporaryDirectory(prefix="nephrograde-") as folder:
            image = _saved(scan, Path(folder) / "image")
            given = {} if mark is None else {"mask": next(_saved(mark, Path(folder) / "mark").iterdir())}
            written = ng.grade_to_dicom(self._grader, image, Path(folder) / "answer", **given)
            for path in (written.report_path, written.capture_path):  # the mask is in the archive already
                orthanc.RestApiPost("/instances", path.read_bytes())
        orthanc.RestApiPut(f"/series/{scan}/metadata/{DONE}", "\n".join(filter(None, (done, by))).encode())
        orthanc.LogWarning(f"nephrograde: series {scan} is graded, and the report is stored. Research use only.")


def _get(path):
    return json.loads(orthanc.RestApiGet(path))


def _tags(series):
    return _get(f"/series/{series}")["MainDicomTags"]


def _of_study(series):
    return _get(f"/studies/{_get(f'/series/{series}')['ParentStudy']}")["Series"]


def _metadata(series):
    """What was noted on a series; empty if nothing was."""
    if str(DONE) not in _get(f"/series/{series}/metadata"):
        return ""
    return orthanc.RestApiGet(f"/series/{series}/metadata/{DONE}").decode()


def _references(series, modality):
    """The SeriesInstanceUIDs that a segmentation or structure set refers to."""
    first = _get(f"/series/{series}")["Instances"][0]
    tags = _get(f"/instances/{first}/tags?short")
    found = []

    def look(one):
        if isinstance(one, list):
            for item in one:
                look(item)
        elif isinstance(one, dict):
            found.extend([one[SERIES_UID]] if SERIES_UID in one else [])
            look(list(one.values()))

    look(tags.get(MARKS[modality], []))
    return found


def _saved(series, folder):
    """The files of a series in a folder."""
    folder.mkdir()
    for number, instance in enumerate(_get(f"/series/{series}")["Instances"]):
        (folder / f"{number:05d}.dcm").write_bytes(orthanc.RestApiGet(f"/instances/{instance}/file"))
    return folder


PLUGIN = Plugin(json.loads(orthanc.GetConfiguration()).get("Nephrograde", {}))
orthanc.RegisterOnChangeCallback(PLUGIN.on_change)
