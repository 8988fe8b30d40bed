"""A packed model, a patient's series with its segmentation, and servers of others."""

from __future__ import annotations

import itertools
import ssl
import subprocess
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any

import pydicom
import pytest
from tests.unit.exchange.pacs import CREDENTIALS, Front, Orthanc, free_port, running
from tests.unit.export.dicom_patient import write_patient
from tests.unit.export.small_grader import small_members

from nephrograde.exchange.destination import PASSWORD
from nephrograde.export.archive import write_archive
from nephrograde.volume.dicom.references import read_references, save_object
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.masks.written_segmentation import Origin, make_segmentation
from nephrograde.volume.read import read_volume


@pytest.fixture(scope="session")
def grader_path(make_once):
    """A grader file of two untrained networks, which needs a point; only to be read."""
    return (
        make_once("exchange-grader", lambda folder: write_archive(folder / "grader.zip", small_members()))
        / "grader.zip"
    )


_numbers = itertools.count(1)


@pytest.fixture
def new_patient(tmp_path, write_series):
    """Write a series of twelve slices, of a study that no other test has."""

    def write(name="ct", **entries):
        number = next(_numbers)
        uids = {"StudyInstanceUID": f"1.2.826.{number}", "series_uid": f"1.2.826.{number}.1"}
        objects = [f"1.2.826.{number}.1.{k + 1}" for k in range(12)]
        given = {**uids, "SOPInstanceUID": objects, "SeriesDescription": "王小明 portal", **entries}
        one = write_patient(write_series, tmp_path / "patient" / name, **given)
        for path in one.paths:
            dataset = pydicom.dcmread(path)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.save_as(path)
        return one

    return write


@pytest.fixture
def patient(new_patient):
    """A series of twelve slices."""
    return new_patient()


@pytest.fixture
def segment(tmp_path):
    """Write the mask of a patient as a segmentation of the series."""

    def write(one, name="seg.dcm", **entries):
        volume = read_volume(one.folder)
        mask = read_marks(one.mask_path, volume).mask
        assert mask is not None
        origin = Origin("", "test", "tumour", ("test", name, str(one.folder)))
        made = make_segmentation(mask, volume, read_references(one.folder), origin=origin)
        for keyword, value in entries.items():
            setattr(made, keyword, value)
        path = tmp_path / "masks" / name
        path.parent.mkdir(exist_ok=True)
        save_object(made, path)
        return path

    return write


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    """A running Orthanc, which the tests of a file share."""
    found = Orthanc(tmp_path_factory.mktemp("orthanc"))
    with running(["Orthanc", str(found.settings)], found.dicom_port):
        yield found


@pytest.fixture
def known_to_orthanc(monkeypatch):
    """The user of Orthanc, as it is told to the commands."""
    monkeypatch.setenv(PASSWORD, CREDENTIALS)


@pytest.fixture
def storescp(tmp_path):
    """Start DCMTK's receiver with some options: its port and its folder."""
    started: list[Any] = []

    def start(*options):
        port, folder = free_port(), tmp_path / f"scp-{len(started)}"
        folder.mkdir()
        words = ["storescp", *options, "-aet", "DCMTK", "-od", str(folder), str(port)]
        held = running(words, port)
        started.append(held)
        held.__enter__()
        return f"DCMTK@127.0.0.1:{port}", folder

    yield start
    for held in started:
        held.__exit__(None, None, None)


@pytest.fixture(scope="session")
def certificate(make_once):
    """A self-made certificate of this machine, and its key."""

    def write(folder):
        words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        subprocess.run([*words.split(), *names, *files], check=True, capture_output=True)

    return make_once("certificate", write)


@pytest.fixture
def https_of(certificate):
    """Put an encrypted front before a web server of this machine, as hospitals do: the address of its DICOMweb."""
    held = []

    def front(port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Front, port))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        held.append(server)
        return f"https://127.0.0.1:{server.server_address[1]}/dicom-web"

    yield front
    for server in held:
        server.shutdown()
        server.server_close()
