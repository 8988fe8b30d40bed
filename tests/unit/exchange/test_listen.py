"""Receiving from DCMTK: what is acknowledged, when a series is graded, and why one is not."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pydicom
import pytest
from pydicom.uid import MRImageStorage
from tests.unit.exchange.listener import Ward
from tests.unit.exchange.pacs import spool_of, wait_until
from tests.unit.export.dicom_patient import TUMOUR, grader_of

from nephrograde.cli.listening_told import event_in_words
from nephrograde.errors import ExchangeError, InputError, RunError
from nephrograde.exchange import spool_names
from nephrograde.exchange.listening import ListenSettings
from nephrograde.exchange.queueing import retry_failed
from nephrograde.exchange.sending import send
from nephrograde.exchange.tls import Tls
from nephrograde.exchange.worker import refusal_of, serve
from nephrograde.replacement import write_all

pytestmark = [
    pytest.mark.needs("pynetdicom", "highdicom", "onnxruntime", programs=["storescu", "echoscu", "openssl"]),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def shared_ward(grader_path, tmp_path_factory):
    """A listener that grades for the tests of this file, each of which brings a patient of its own."""
    one = Ward(grader_path, tmp_path_factory.mktemp("ward") / "spool")
    yield one
    one.listener.stop()


@pytest.fixture
def ward(grader_path, tmp_path):
    """Start a listener with some settings; it is stopped at the end."""
    started = []

    def start(name="spool", **settings):
        started.append(Ward(grader_path, tmp_path / name, **settings))
        return started[-1]

    yield start
    for one in started:
        one.listener.stop()


def storescu(to, *paths, options=(), aet="STORESCU"):
    """Send with DCMTK: how many objects were acknowledged, and the exit code."""
    title, _, address = to.partition("@")
    host, _, port = address.partition(":")
    words = ["storescu", "-v", "-R", "-aet", aet, "-aec", title, *options, host, port, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).count("Received Store Response (Success)"), done.returncode


def test_series_with_its_segmentation_is_graded_and_told_without_a_name(shared_ward, patient, segment, caplog):
    caplog.set_level(1)
    one, source = shared_ward, pydicom.dcmread(patient.paths[0])
    assert storescu(one.to, *patient.paths) == (12, 0)
    assert storescu(one.to, segment(patient)) == (1, 0)
    done = one.until(patient.paths[0], "done")
    answer = one.answer(done)
    assert 0 < answer["p_high"] < 1
    assert (answer["model"], answer["synthetic"]) == ("weak-1-cmp", True)
    assert pydicom.dcmread(one.result(done) / "report.dcm").StudyInstanceUID == source.StudyInstanceUID
    assert pydicom.dcmread(one.result(done) / "segmentation-1.dcm").Modality == "SEG"
    logged = [each.getMessage() for each in caplog.records if not each.name.startswith("highdicom")]  # the test's own
    said = " ".join([*map(str, one.events), *map(str, one.spool_dir.rglob("*")), *logged])
    for word in ("ZY0042", "王", source.StudyInstanceUID, source.SOPInstanceUID):
        assert word not in said
    assert (one.spool_dir.stat().st_mode & 0o077) == 0


def test_series_without_a_region_fails_and_is_taken_up_when_one_comes(shared_ward, patient, segment, nephrograde):
    one = shared_ward
    send(patient.folder, one.to)
    failed = one.until(patient.paths[0], "failed")
    assert failed.reason.code == "region-missing"
    _, out, _ = nephrograde("queue", one.spool_dir)
    assert f"{failed.key}\tfailed\t12 images\tregion-missing: the model needs a region" in out
    send(segment(patient), one.to)
    assert one.until(patient.paths[0], "done").key == failed.key


def test_masks_of_another_frame_or_series_are_no_region_and_two_are_too_many(ward, new_patient, segment):
    one = ward()
    framed, named, twice = (new_patient(name) for name in ("framed", "named", "twice"))
    other = new_patient("other", StudyInstanceUID=pydicom.dcmread(named.paths[0]).StudyInstanceUID)
    send([framed.folder, segment(framed, "frame.dcm", FrameOfReferenceUID="1.2.9")], one.to)
    send([named.folder, segment(other, "other.dcm")], one.to)
    send([twice.folder, segment(twice, "a.dcm"), segment(twice, "b.dcm")], one.to)
    for series, code in ((framed, "region-missing"), (named, "region-missing"), (twice, "region-several")):
        assert one.until(series.paths[0], "failed").reason.code == code
    assert one.told("grading") == []


@pytest.mark.parametrize("kind", ["mr", "scout", "report"])
def test_series_that_is_no_ct_fails_with_the_reason(ward, patient, kind):
    kinds: dict[str, dict[str, Any]] = {
        "mr": {"SOPClassUID": MRImageStorage, "Modality": "MR"},
        "scout": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "report": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.34", "Modality": "SR"},
    }
    for path in patient.paths[:2]:
        dataset = pydicom.dcmread(path)
        for keyword, value in kinds[kind].items():
            setattr(dataset, keyword, value)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.save_as(path)
    one = ward()
    assert send(patient.paths[:2], one.to).count("stored") == 2
    assert one.until(patient.paths[0], "failed").reason.code == {"scout": "scout"}.get(kind, "not-ct")
    assert one.told("grading") == []


@pytest.fixture
def answer_of_worker(grader_path, patient, segment, tmp_path):
    """Have the worker grade a series with its region: (its answer, the folder of the series)."""

    def grade(*, unchecked_phase):
        spool, key = spool_of(tmp_path / "spool", patient, "grading")
        folder = spool.folder("grading", key)
        (folder / "mask.dcm").write_bytes(segment(patient).read_bytes())
        answers = io.StringIO()
        given = io.StringIO(json.dumps({"key": key, "unchecked_phase": unchecked_phase}))
        serve(grader_path, spool.root, given, answers)
        return json.loads(answers.getvalue().splitlines()[-1]), folder

    return grade


@pytest.mark.parametrize(("allowed", "state"), [(False, "failed"), (True, "graded")])
def test_phase_that_cannot_be_seen_is_refused_unless_that_is_allowed(answer_of_worker, allowed, state):
    answer, folder = answer_of_worker(unchecked_phase=allowed)
    assert (answer["state"], answer.get("code")) == (state, None if allowed else "phase-unknown")
    assert bool(list(folder.rglob("report.dcm"))) is allowed


def test_nobody_is_told_of_an_option_that_a_listener_does_not_have(answer_of_worker, monkeypatch):
    monkeypatch.setattr("nephrograde.predict.refusals.LEAST_SOFT_SHARE", 2.0)
    answer, _ = answer_of_worker(unchecked_phase=True)
    assert (answer["state"], answer["code"]) == ("failed", "no-tumour")
    assert "--outside" not in answer["what"]


def test_another_phase_and_a_region_off_the_kidneys_are_refused_whatever_is_allowed(patient):
    grader = grader_of("point")
    seen = grader.grade(patient.folder, point=f"{','.join(map(str, TUMOUR))} vox")
    found = replace(seen, phase_seen="cmp", kidney_gap_mm=2.0, is_on_kidney=True)
    assert refusal_of(grader, found, unchecked_phase=False) is None
    for changed, code in (
        (replace(found, phase_seen="np"), "phase-other"),
        (replace(found, is_on_kidney=False), "region-off-kidney"),
    ):
        refused = refusal_of(grader, changed, unchecked_phase=True)
        assert refused is not None
        assert refused["code"] == code


def test_half_a_series_of_an_aborted_sender_is_graded_only_when_the_rest_has_come(shared_ward, patient, segment):
    one = shared_ward
    send(segment(patient), one.to)
    assert storescu(one.to, *patient.paths[:5], options=["--abort"])[0] == 5
    assert one.until(patient.paths[0], "failed").reason.code == "interrupted"
    send(patient.paths[5:], one.to)  # the sender goes on
    assert one.until(patient.paths[0], "done").n_images == 12


def test_repeated_series_is_neither_kept_nor_graded_again_and_a_late_slice_is_told(shared_ward, patient, segment):
    one, mask = shared_ward, segment(patient)
    send([*patient.paths[1:], mask], one.to)
    done = one.until(patient.paths[0], "done")
    first = pydicom.dcmread(one.result(done) / "report.dcm").SOPInstanceUID
    assert send([*patient.paths[1:], mask], one.to).count("stored") == 12
    one.work_on()
    assert [each.state for each in one.all(patient.paths[0])] == ["done"]
    send(patient.paths[0], one.to)
    assert one.until(patient.paths[0], "done", "failed").reason.code == "late"
    retry_failed(one.spool_dir, done.key)
    assert one.until(patient.paths[0], "done").n_images == 12
    assert pydicom.dcmread(one.result(done) / "report.dcm").SOPInstanceUID != first
    assert len(one.told("graded", done.key)) == 2


def test_killed_worker_is_started_again_and_the_series_is_graded_once(shared_ward, patient, segment):
    one, before = shared_ward, len(shared_ward.told("grading"))
    send([patient.folder, segment(patient)], one.to)
    wait_until(lambda: len(one.told("grading")) > before, step=one.listener.step)
    key, pid = one.told("grading")[-1].key, one.listener._worker.pid
    wait_until((one.spool_dir / "grading" / key / "stamp.json").exists)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    one.until_told("worker-ended")
    done = one.until(patient.paths[0], "done")
    assert (done.n_images, len(one.told("graded", key)), len(one.told("grading", key))) == (12, 1, 2)
    assert pydicom.dcmread(one.result(done) / "report.dcm").Modality == "SR"


def test_full_spool_is_told_to_the_sender(ward, patient):
    n_bytes = patient.paths[0].stat().st_size
    one = ward(limit_gb=(6.5 * n_bytes) / 1e9)
    report = send(patient.folder, one.to, attempts=1)
    assert report.count("stored") == len(list(one.spool_dir.rglob("*.dcm"))) == 6
    assert {file.what for file in report.files if file.state == "failed"} == {
        "the destination is out of resources, or did not answer"
    }
    assert one.told("full")[0].values == {"what": "spool"}


def test_objects_that_would_fill_the_memory_are_aborted(ward, patient):
    one = ward(memory_gb=2e-4)
    large = pydicom.dcmread(patient.paths[0])
    large.add_new(0x00420011, "OB", bytes(10**6))
    large.save_as(patient.paths[0])
    assert send(patient.paths[0], one.to, attempts=1).count("failed") == 1
    assert not list(one.spool_dir.rglob("*.dcm"))
    assert send(patient.paths[1], one.to).count("stored") == 1
    assert one.told("full")[0].values == {"what": "memory"}


def test_full_disk_loses_nothing_that_was_acknowledged(shared_ward, patient, segment, monkeypatch):
    one, real, written = shared_ward, write_all, []

    def full(stream, content):
        written.append(len(content))
        if len(content) > 100 and len(written) > 8:
            real(stream, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(stream, content)

    monkeypatch.setattr(spool_names, "write_all", full)
    report = send(patient.folder, one.to, attempts=1)
    (kept,) = one.all(patient.paths[0])
    assert 0 < report.count("stored") == kept.n_images < 12
    assert not list((one.spool_dir / "incoming").iterdir())
    assert storescu(one.to, patient.paths[11])[0] == 0
    monkeypatch.setattr(spool_names, "write_all", real)
    send([patient.folder, segment(patient)], one.to)
    done = one.until(patient.paths[0], "done")
    sizes = {path.stat().st_size for path in (one.spool_dir / "done" / done.key / "images").iterdir()}
    assert (done.n_images, min(sizes) > 0.9 * patient.paths[0].stat().st_size) == (12, True)


def test_other_titles_and_addresses_are_refused(ward, patient):
    one = ward(callers=("CT1",))
    echo = ["echoscu", "-aec", "NEPHROGRADE", "127.0.0.1", str(one.listener.port)]
    assert subprocess.run([*echo, "-aet", "CT1"], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*echo, "-aet", "CT2"], capture_output=True, check=False).returncode != 0
    assert subprocess.run([*echo, "-aet", "CT1", "-aec", "OTHER"], capture_output=True, check=False).returncode != 0
    assert storescu(one.to, patient.paths[0], aet="EVIL\x1b[2J") == (0, 1)  # no title at all: not even decoded
    wait_until(lambda: len(one.told("refused")) == 2)
    assert [event.values["peer"] for event in one.told("refused")] == ["CT2@127.0.0.1", "CT1@127.0.0.1"]
    two = ward("two", peers=("10.255.255.1",))
    with pytest.raises(ExchangeError):
        send(patient.paths[0], two.to, attempts=1)
    assert two.told("refused")[0].values == {"why": "address", "peer": "127.0.0.1"}


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"host": "0.0.0.0", "is_exposed": True}, {"peers": ("x",)}])  # noqa: S104
def test_no_other_address_is_bound_unasked(grader_path, tmp_path, settings):
    with pytest.raises(InputError):
        Ward(grader_path, tmp_path / "spool", **settings)
    assert not (tmp_path / "spool").exists()


def test_tls_round_trip(ward, patient, certificate):
    own = Tls(certificate_path=certificate / "cert.pem", key_path=certificate / "key.pem")
    one = ward(tls=own)
    assert send(patient.paths[:3], one.to, tls=Tls(ca_path=certificate / "cert.pem")).count("stored") == 3
    secure = ["+tla", "+cf", str(certificate / "cert.pem")]
    assert storescu(one.to, *patient.paths[3:6], options=secure) == (3, 0)
    assert storescu(one.to, patient.paths[0])[1] != 0
    mutual = ward("mutual", tls=Tls(certificate / "cert.pem", own.certificate_path, own.key_path))
    with pytest.raises(ExchangeError):
        send(patient.paths[0], mutual.to, tls=Tls(ca_path=certificate / "cert.pem"), attempts=1)
    known = Tls(certificate / "cert.pem", own.certificate_path, own.key_path)
    assert send(patient.paths[0], mutual.to, tls=known).count("stored") == 1


def test_several_senders_at_once(ward, new_patient):
    series = [new_patient(f"ct{number}") for number in range(4)]
    one = ward(quiet_s=60.0)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda each: storescu(one.to, *each.paths), series)) == [(12, 0)] * 4
    assert [one.until(each.paths[0], "received").n_images for each in series] == [12] * 4


def test_objects_that_lie_are_refused(ward, patient):
    one = ward()
    raw = patient.paths[0].read_bytes()
    uid = str(pydicom.dcmread(patient.paths[0]).SeriesInstanceUID).encode()
    patient.paths[0].write_bytes(raw.replace(uid, b"../" * (len(uid) // 3) + b"x" * (len(uid) % 3)))
    named = patient.paths[1].read_bytes()
    own = str(pydicom.dcmread(patient.paths[1]).SOPInstanceUID).encode()
    first, _, rest = named.partition(own)  # the file says another name than the object
    patient.paths[1].write_bytes(first + own[:-1] + b"9" + rest)
    report = send(patient.paths[:2], one.to, attempts=1)
    assert report.count("failed") == 2, report.files
    assert not list(one.spool_dir.rglob("*.dcm"))
    assert storescu(one.to, patient.paths[0])[0] == 0
    assert not list(one.spool_dir.rglob("*.dcm"))


def test_second_listener_on_a_spool_is_refused(ward, grader_path):
    one = ward()
    with pytest.raises(RunError, match="process"):
        Ward(grader_path, one.spool_dir)


def test_old_series_are_removed(ward, patient):
    one = ward(keep_days=0.0)
    send(patient.folder, one.to)
    one.until(patient.paths[0], "failed")
    one.listener._measured = float("-inf")
    one.until_told("removed")
    assert (one.all(patient.paths[0]), list(one.spool_dir.rglob("*.dcm"))) == ([], [])


def test_settings_name_every_mistake():
    with pytest.raises(InputError) as refused:
        ListenSettings(host="10.1.2.3", peers=("nowhere",)).access()
    assert [one.place for one in refused.value.problems] == ["--host", "--peer"]


def test_grader_that_becomes_unusable_is_told_once_and_used_when_it_is_whole_again(
    grader_path, patient, segment, tmp_path
):
    copied = tmp_path / "grader.zip"
    whole = grader_path.read_bytes()
    copied.write_bytes(whole)
    one = Ward(copied, tmp_path / "spool")
    try:
        copied.write_bytes(whole[:-1])
        send([patient.folder, segment(patient)], one.to)
        one.until_told("unusable")
        one.work_on(steps=30)
        (told,) = one.told("unusable")
        assert "grader.zip" in str(told.values["what"])
        assert one.told("worker-ended") == one.told("failed") == []
        assert f"{told.values['seconds']:g} s: " in event_in_words(told)
        copied.write_bytes(whole)
        one.listener._worker_again = 0.0  # the pause is over
        assert one.until(patient.paths[0], "done").n_images == 12
    finally:
        one.listener.stop()
