"""A grader file, small scans as NIfTI and DICOM, and a server of them without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
import zipfile

import httpx
import numpy as np
import pytest

from nephrograde.volume.volume import write_image

SIZE, SPACING_MM, ORIGIN_MM = (48, 40, 14), (4.0, 4.0, 5.0), (-94.0, -78.0, -300.0)
TUMOUR_MM = (18.0, 10.0, -265.0)
MODEL, JOINT_MODEL = "weak-1-cmp", "weak-1-cmp+up"
POINT = "18,10,-265 mm"
ADDRESS = "http://127.0.0.1:8000"
TOKEN = "a-token-of-the-tests"  # noqa: S105 (opens nothing else)
PATIENT = {"PatientID": "ZY0042", "PatientName": "王^小明", "SpecificCharacterSet": "GB18030"}
FINISHED = {"done", "refused"}


def body(seed: int = 1):
    """HU of an ellipse of fat and soft tissue in air, with a bright ball; column, row, slice from the feet."""
    i, j, k = np.indices(SIZE)
    x, y, z = (start + step * index for start, step, index in zip(ORIGIN_MM, SPACING_MM, (i, j, k), strict=True))
    values = np.full(SIZE, -1000.0)
    values[(x / 85) ** 2 + (y / 70) ** 2 < 1] = -100
    values[(x / 75) ** 2 + (y / 60) ** 2 < 1] = 45
    away = np.sqrt(sum((one - at) ** 2 for one, at in zip((x, y, z), TUMOUR_MM, strict=True)))
    values[away < 15] = 110
    noise = np.random.default_rng(seed).normal(0, 9, SIZE)
    return np.rint(values + noise).astype(np.int16)


@pytest.fixture(scope="session")
def grader_path(make_once):
    """A grader file of two untrained networks, for a point on the phase cmp."""

    def write(folder):
        from tests.unit.export.small_grader import small_members

        from nephrograde.export.archive import write_archive

        write_archive(folder / "grader.zip", small_members())

    return make_once("served_grader", write) / "grader.zip"


@pytest.fixture(scope="session")
def joint_path(make_once):
    """A grader file of a model that joins two phases and two clinical values."""

    def write(folder):
        from tests.unit.export.small_grader import joint_members

        from nephrograde.export.archive import write_archive

        write_archive(folder / "joint.zip", joint_members())

    return make_once("served_joint", write) / "joint.zip"


@pytest.fixture(scope="session")
def mask(tmp_path_factory):
    """The bright ball of the body as NIfTI: its bytes."""
    path = tmp_path_factory.mktemp("mask") / "mask.nii.gz"
    write_image((body() > 80).astype(np.uint8), path, spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM)
    return path.read_bytes()


@pytest.fixture(scope="session")
def nifti():
    """Make a NIfTI file: its bytes."""

    def make(folder, seed=1, **changed):
        path = folder / f"scan-{seed}.nii.gz"
        write_image(body(seed), path, **{"spacing_mm": SPACING_MM, "origin_mm": ORIGIN_MM, **changed})
        return path.read_bytes()

    return make


@pytest.fixture
def dicom_zip(write_series, tmp_path):
    """Make a zip of DICOM series, given the header entries that each has besides: its bytes."""

    def make(*series, leave_out=()):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, entries in enumerate(series, start=1):
                positions = [(ORIGIN_MM[0], ORIGIN_MM[1], ORIGIN_MM[2] + SPACING_MM[2] * k) for k in range(SIZE[2])]
                paths = write_series(
                    tmp_path / f"series-{number}",
                    values=body(number).astype(np.int32) + 1024,
                    positions_mm=positions,
                    pixel_mm=SPACING_MM[:2],
                    **{**PATIENT, "StudyInstanceUID": "1.2.840.99.7", "SeriesNumber": number, **entries},
                )
                for k, path in enumerate(paths):
                    if k not in leave_out:
                        archive.write(path, f"王小明/{number}/{path.name}")
        return packed.getvalue()

    return make


class Client:
    """One user of an application, with a cookie jar, beside an event loop of its own."""

    def __init__(self, app):
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._client = httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers)

    def ask(self, method, address, **content):
        return self._loop.run_until_complete(self._client.request(method, address, **content))

    def wait(self, address, *, patience_s=60):
        """Ask until the work is finished; returns the last reply."""
        until = time.monotonic() + patience_s
        while True:
            reply = self.ask("GET", address)
            if reply.status_code != 200 or reply.json()["state"] in FINISHED:
                return reply
            assert time.monotonic() < until, reply.json()
            time.sleep(0.02)

    def upload(self, content):
        """Send a scan, and wait until it is read: (its id, the reply)."""
        sent = self.ask("POST", "/api/scans", content=content)
        assert sent.status_code == 202, sent.text
        return sent.json()["id"], self.wait(f"/api/scans/{sent.json()['id']}")

    def grade(self, scan, *, series=1, phase="cmp", place=None, **more):
        """Ask for a grading, and wait for the answer: the last reply."""
        own = {"scan": scan, "series": series, **({"point": POINT} if place is None else place)}
        asked = {"model": MODEL, "scans": {phase: own}, "keep": True, **more}
        sent = self.ask("POST", "/api/gradings", json=asked)
        return self.wait(f"/api/gradings/{sent.json()['id']}") if sent.status_code == 202 else sent

    def leave(self):
        """Remove what is left."""
        for held in self.ask("GET", "/api/scans").json()["scans"]:
            self.ask("DELETE", f"/api/scans/{held['id']}")
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


@pytest.fixture(scope="session")
def desk_of(grader_path, tmp_path_factory):
    """Open a desk as a context: (the desk, its application)."""
    from nephrograde.web.grading.app import make_app
    from nephrograde.web.grading.limits import Limits
    from nephrograde.web.grading.models import read_models
    from nephrograde.web.grading.start import opened_desk
    from nephrograde.web.security import Access

    @contextlib.contextmanager
    def start(*paths, **limits):
        models = read_models(paths or (grader_path,))
        base_dir = tmp_path_factory.mktemp("room")
        with opened_desk(models, limits=Limits(**limits), base_dir=base_dir) as desk:
            yield desk, make_app(desk, models, Access("127.0.0.1", 8000, token=TOKEN))
        assert list(base_dir.iterdir()) == []

    return start


@pytest.fixture(scope="session")
def served(desk_of, grader_path, joint_path):
    """The server that the tests share, of both models."""
    with desk_of(grader_path, joint_path) as started:
        yield started


@pytest.fixture
def visit(served):
    """Make a user of the shared server; what is theirs is removed at the end."""
    with contextlib.ExitStack() as stack:

        def enter(app=None):
            client = Client(served[1] if app is None else app)
            stack.callback(client.leave)
            return client

        yield enter


def told(reply):
    """The code of a refusal."""
    return reply.status_code, json.loads(reply.content)["code"]
