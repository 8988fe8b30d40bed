"""A kill of the worker or of the listener loses nothing, and nothing is graded twice."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pydicom
import pytest
from tests.unit.exchange.listener import Ward
from tests.unit.exchange.pacs import answers_on, free_port, header_in, wait_until

from nephrograde.exchange.destination import Entity
from nephrograde.exchange.outgoing import Outgoing
from nephrograde.exchange.queueing import list_queue
from nephrograde.exchange.sending import send
from nephrograde.exchange.spool_names import key_of
from nephrograde.exchange.store_scu import StoreScu
from nephrograde.files import sha256_of

pytestmark = [
    pytest.mark.needs("pynetdicom", "highdicom", "onnxruntime", programs=["storescp", "storescu", "openssl"]),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.slow,
]


def test_series_that_kills_the_worker_again_and_again_fails(grader_path, patient, segment, tmp_path, monkeypatch):
    one = Ward(grader_path, tmp_path / "spool")
    try:
        one.listener._worker._words = [sys.executable, "-c", 'print("{\\"state\\": \\"ready\\"}", flush=True); input()']
        send([patient.folder, segment(patient)], one.to)
        wait_until(lambda: one.told("failed"), step=lambda: _at_once(one))
        assert one.until(patient.paths[0], "failed").reason.code == "worker-died"
        assert len(one.told("grading")) == 3
    finally:
        one.listener.stop()


def _at_once(one):
    one.listener._worker_again = 0.0
    one.listener.step()


@contextmanager
def listening(grader_path, spool_dir, reply):
    """The command in a process of its own, which the end of the block kills."""
    port = free_port()
    words = [sys.executable, "-m", "nephrograde", "listen", grader_path, "--spool", spool_dir, "--port", port]
    words += ["--quiet", "0.3", "--wait", "60", "--unchecked-phase", "--reply", reply]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: process.poll() is not None or answers_on(port))
        yield f"NEPHROGRADE@127.0.0.1:{port}"
    finally:
        process.kill()
        said = process.communicate()[1]
        assert not any(word in said for word in (b"Traceback", b"Warning", b"../")), said


def test_killed_listener_keeps_what_it_acknowledged_and_answers_once(
    grader_path, new_patient, segment, tmp_path, storescp
):
    spool_dir = tmp_path / "spool"
    reply, answered = storescp()
    half, whole = new_patient("half"), new_patient("whole")
    half_key, whole_key = (key_of(header_in(one.paths[0])) for one in (half, whole))

    def states(key):
        return [(one.state, one.n_images) for one in list_queue(spool_dir) if one.key == key]

    with listening(grader_path, spool_dir, reply) as to:
        title, _, address = to.partition("@")
        scu = StoreScu(Entity(title, "127.0.0.1", int(address.split(":")[1])), "A", tls=None, attempts=1)
        sending = scu.send([Outgoing(path, header_in(path), sha256_of(path)) for path in half.paths])
        acknowledged = [next(sending)[1].state for _ in range(5)]  # and the association stays open
        send([whole.folder, segment(whole)], to)
        wait_until(lambda: list(spool_dir.glob("grading/*/stamp.json")))
    assert acknowledged == ["stored"] * 5
    assert (states(half_key), states(whole_key)) == ([("received", 5)], [("grading", 12)])
    del sending
    lying = half.paths[11]
    own = str(pydicom.dcmread(lying).SOPInstanceUID).encode()
    lying.write_bytes(lying.read_bytes().replace(own, b"../" * (len(own) // 3) + b"x" * (len(own) % 3)))
    with listening(grader_path, spool_dir, reply) as to:
        title, _, address = to.partition("@")
        words = ["storescu", "-aec", title, *address.split(":"), str(lying)]
        assert subprocess.run(words, check=False, capture_output=True).returncode
        wait_until(lambda: states(whole_key) == [("done", 12)])
    assert states(half_key) == [("received", 5)]
    assert (spool_dir / "received" / half_key / "interrupted").exists()
    assert sorted(pydicom.dcmread(path).Modality for path in answered.iterdir()) == ["OT", "SEG", "SR"]
