"""What the server refuses, with the reason and a status that says whose turn it is."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import struct
import zipfile
import zlib
from multiprocessing import Pipe

import numpy as np
import pytest
from tests.unit.web.grading.conftest import SIZE, told

from nephrograde.errors import VolumeError, WriteError, about_writing
from nephrograde.predict.refusals import OVERRIDE

pytestmark = [pytest.mark.needs("starlette", "uvicorn", "onnxruntime"), pytest.mark.slow]


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def bomb():
    """A member that claims to unpack to 300 GB."""
    content = bytearray(zipped(slice=bytes(200)))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFF00)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"no scan at all", "unknown-content", id="text"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(100), "picture", id="picture"),
        pytest.param(b"NRRD0004\ndata file: /etc/passwd\n", "unknown-content", id="nrrd"),
    ],
)
def test_other_content_is_refused_at_once(visit, content, code):
    assert told(visit().ask("POST", "/api/scans", content=content)) == (415, code)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(zipped(letter=b"Dear colleague"), "no-scan", id="letter"),
        pytest.param(zipped(slice=b"x" * 3000)[:-40], "no-zip", id="cut"),
        pytest.param(bomb(), "zip-bomb", id="bomb"),
        pytest.param(zipped(picture=b"\x89PNG\r\n\x1a\n" + bytes(100)), "no-scan", id="picture"),
    ],
)
def test_archives_without_a_scan(visit, content, code):
    _, reply = visit().upload(content)
    assert told(reply) == (422, code)


def test_series_that_cannot_be_graded(visit, dicom_zip):
    user = visit()
    assert told(user.upload(dicom_zip({"Modality": "MR"}))[1]) == (422, "not-ct")
    half = dicom_zip({"SeriesDescription": "Arterial"}, leave_out=(4, 5, 6, 9))
    assert told(user.upload(half)[1]) == (422, "dicom-gap")


def test_scans_of_two_patients_in_one_archive(visit, dicom_zip):
    content = dicom_zip({"PatientID": "A"}, {"PatientID": "B"})
    assert told(visit().upload(content)[1]) == (422, "several-patients")


def test_values_that_are_not_hu(visit, nifti, tmp_path):
    from nephrograde.volume.volume import write_image

    path = tmp_path / "mr.nii.gz"
    write_image(np.random.default_rng(1).integers(0, 900, SIZE).astype(np.int16), path, spacing_mm=(4, 4, 5))
    user = visit()
    scan, _ = user.upload(path.read_bytes())
    assert told(user.grade(scan, place={"point": "20,20,7 vox"})) == (422, "not-ct")


def test_no_option_is_named_that_a_page_does_not_have():
    from nephrograde.web.grading.answering import reason_of

    error = VolumeError("not-hu", "its values are not HU.", f"Give the CT as it was exported. {OVERRIDE}")
    assert reason_of(error, "/spool") == ("not-hu", "its values are not HU. Give the CT as it was exported.", 422)


def test_gradings_that_do_not_fit(visit, dicom_zip):
    user = visit()
    scan, _ = user.upload(dicom_zip({"SeriesDescription": "Nephrographic phase"}, {"SeriesDescription": "x"}))
    assert user.ask("GET", f"/api/scans/{scan}").json()["series"][0]["phase"] == "np"
    assert told(user.grade(scan)) == (422, "wrong-phase")
    assert user.grade(scan, accept_phase=True).status_code == 200
    assert told(user.grade(scan, series=2, place={})) == (422, "no-region")
    assert told(user.grade(scan, series=2, place={"point": "900,900,900 mm"})) == (422, "annotation-outside")
    assert told(user.grade(scan, series=2, place={"point": "here"})) == (422, "place")
    assert told(user.grade(scan, series=3)) == (404, "unknown")
    assert told(user.grade(scan, phase="np")) == (422, "wrong-phase")
    assert told(user.grade(scan, series=2, model="weak-9-cmp")) == (422, "no-model")


def test_reasons_are_told_in_the_language_that_is_asked_for(visit):
    reply = visit().ask("POST", "/api/scans?lang=zh", content=b"no scan at all")
    assert reply.json()["reason"].startswith("上传的内容")


def test_models_are_described_in_the_language_that_is_asked_for(visit):
    model, _ = visit().ask("GET", "/api/service?lang=zh").json()["models"]
    assert model["performance"] == "在其研究中：6例测试患者（高级别3例）的AUC为0.700（95% CI 0.500–0.900）"


def test_uploads_beyond_the_limits(desk_of, visit, nifti, tmp_path):
    content = nifti(tmp_path)
    with desk_of(upload_bytes=len(content) - 1, slots=0) as (desk, app):
        for sent in (content, in_pieces(content, lambda _: asyncio.sleep(0))):  # the second one without its length
            assert told(visit(app).ask("POST", "/api/scans", content=sent)) == (413, "too-large")
        assert desk.room.held_bytes == 0
    with desk_of(user_scans=1, slots=0) as (_, app):
        user = visit(app)
        user.ask("POST", "/api/scans", content=content)
        full = user.ask("POST", "/api/scans", content=content)
        assert told(full) == (429, "user-full")
        assert int(full.headers["retry-after"]) > 0
    with desk_of(disk_bytes=len(content) + 10, slots=0) as (desk, app):
        desk.room.reserve("somebody else", 20)
        assert told(visit(app).ask("POST", "/api/scans", content=content)) == (503, "full")
        desk.room.release("somebody else", 20)
        assert desk.room.held_bytes == 0


def test_upload_that_becomes_too_large(nifti, tmp_path):
    from nephrograde.web.grading.opening import open_upload
    from nephrograde.web.grading.refusal import Refusal

    path = tmp_path / "upload.nii.gz"
    path.write_bytes(nifti(tmp_path))
    with pytest.raises(Refusal) as refused:
        open_upload(path, room_bytes=20_000, step=lambda _: None)
    assert (refused.value.code, refused.value.status) == ("too-large", 413)


def test_slices_are_those_of_the_scan(visit, nifti, tmp_path):
    from tests.unit.web.grading.conftest import body

    user = visit()
    scan, _ = user.upload(nifti(tmp_path))
    address = f"/api/scans/{scan}/series/1"
    assert user.ask("GET", address).json()["size"] == list(SIZE)
    shown = np.frombuffer(user.ask("GET", f"{address}/slices/5").content, "<i2").reshape(SIZE[1], SIZE[0])
    assert (shown == body()[:, :, 5].T).all()
    assert user.ask("GET", f"{address}/slices/{SIZE[2]}").status_code == 404
    assert user.ask("GET", f"{address}/coronal/%2e%2e%2fetc").status_code == 404


def test_random_bytes_never_end_the_server(visit, nifti, dicom_zip, tmp_path):
    """Whatever is changed in an upload, it is read or refused, and the next one is graded."""
    generator = np.random.default_rng(7)
    whole = [nifti(tmp_path), dicom_zip({"SeriesDescription": "Arterial"})]
    plain = bytearray(zlib.decompress(whole[0], 31))
    user = visit()
    for turn in range(12):
        content = bytearray([*whole, plain][turn % 3])
        for _ in range(int(generator.integers(1, 30))):
            near_start = generator.random() < 0.6
            content[int(generator.integers(0, 400 if near_start else len(content)))] = int(generator.integers(256))
        if turn % 5 == 4:
            del content[int(generator.integers(len(content))) :]
        sent = user.ask("POST", "/api/scans", content=bytes(content))
        if sent.status_code == 202:
            reply = user.wait(f"/api/scans/{sent.json()['id']}")
            assert reply.status_code in {200, 413, 422}, reply.text
            user.ask("DELETE", f"/api/scans/{sent.json()['id']}")
        else:
            assert sent.status_code == 415, sent.text
    scan, _ = user.upload(whole[0])
    assert user.grade(scan).status_code == 200


async def in_pieces(content, before_each):
    """A body that comes a megabyte at a time."""
    for at in range(0, len(content), 2**20):
        await before_each(at)
        yield content[at : at + 2**20]


def test_slow_upload_does_not_expire_on_its_way(desk_of, visit, nifti, tmp_path):
    content = nifti(tmp_path) + bytes(5 << 20)
    with desk_of(keep_s=0.2, slots=0) as (_, app):
        sent = visit(app).ask("POST", "/api/scans", content=in_pieces(content, lambda _: asyncio.sleep(0.1)))
    assert sent.status_code == 202, sent.text


def test_upload_that_is_removed_on_its_way_is_received_no_further(desk_of, visit, nifti, tmp_path):
    content = nifti(tmp_path) + bytes(5 << 20)
    with desk_of(slots=0) as (desk, app):

        async def remove(at):
            if at == 2 << 20:
                (held,) = desk.scans(next(iter(desk._scans.values())).owner)
                desk.remove_scan(held.owner, held.id)

        user = visit(app)
        taken, reserve = [], desk.room.reserve

        def noting(owner, n_bytes):
            taken.append(n_bytes)
            reserve(owner, n_bytes)

        desk.room.reserve = noting
        assert told(user.ask("POST", "/api/scans", content=in_pieces(content, remove))) == (410, "cancelled")
        assert sum(taken) < 3 << 20
        assert desk.room.held_bytes == 0


def test_full_disk_is_told_as_such_and_takes_no_place_of_the_queue(desk_of, visit, nifti, tmp_path, monkeypatch):
    from pathlib import Path

    content = nifti(tmp_path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*_args, **_more):
        raise full

    with desk_of(jobs=1, slots=0) as (desk, app):
        user = visit(app)
        with monkeypatch.context() as patched:
            patched.setattr(desk.room, "new_folder", refuse)
            assert told(user.ask("POST", "/api/scans", content=content)) == (503, "full")
        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", refuse)
            reply = user.ask("POST", "/api/scans", content=content)
        assert told(reply) == (503, "full")
        assert int(reply.headers["retry-after"]) > 0
        assert desk.room.held_bytes == 0
        assert user.ask("POST", "/api/scans", content=content).status_code == 202


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(OSError(errno.ENOSPC, ""), (503, "full"), id="disk"),
        pytest.param(WriteError.of("capture.dcm", OSError(errno.EDQUOT, "")), (422, "refused"), id="no cause"),
        pytest.param(OSError(errno.EIO, ""), (500, "failed"), id="device"),
    ],
)
def test_process_says_whether_the_disk_is_full(monkeypatch, error, expected):
    from nephrograde.web.grading import opening, worker

    def fail(*_args, **_more):
        raise error

    monkeypatch.setattr(opening, "open_upload", fail)
    refused = worker._reply(None, {"what": "open", "path": "x", "room_bytes": 0}, Pipe()[0])["refused"]
    assert (refused["status"], refused["code"]) == expected


def test_file_that_cannot_be_written_as_the_disk_is_full(monkeypatch):
    from pathlib import Path

    from nephrograde.web.grading import opening, worker

    def fail(*_args, **_more):
        with about_writing(Path("capture.dcm")):
            raise OSError(errno.ENOSPC, "", "capture.dcm")

    monkeypatch.setattr(opening, "open_upload", fail)
    refused = worker._reply(None, {"what": "open", "path": "x", "room_bytes": 0}, Pipe()[0])["refused"]
    assert (refused["status"], refused["code"]) == (503, "full")
