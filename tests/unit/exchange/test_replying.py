"""Results to a destination that is not there at first, refuses, or knows some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest
from tests.unit.exchange.pacs import free_port, running, spool_of, wait_until

from nephrograde.exchange.replying import Replying
from nephrograde.exchange.sending import send

if TYPE_CHECKING:
    from nephrograde.exchange.events import Event

pytestmark = [
    pytest.mark.needs("pynetdicom", "highdicom", programs=["storescp", "openssl"]),
    pytest.mark.slow,
]


@pytest.fixture
def graded(patient, tmp_path):
    """A spool with a graded series, its key, and a folder for what arrives; the first images stand for the result."""
    spool, key = spool_of(tmp_path / "spool", patient, "sending")
    result_dir = spool.folder("sending", key) / "result"
    result_dir.mkdir()
    for path in patient.paths[:3]:
        (result_dir / f"{path.name}.dcm").write_bytes(path.read_bytes())
    (tmp_path / "arrived").mkdir()
    return spool, key, tmp_path / "arrived"


def test_results_wait_for_a_destination_that_is_down(graded):
    spool, key, arrived = graded
    port = free_port()
    events: list[Event] = []
    replying = Replying(spool, events.append, f"DCMTK@127.0.0.1:{port}", pause_s=0.1)
    try:
        wait_until(lambda: [one for one in events if one.kind == "postponed"], step=replying.step)
        assert spool.keys("sending") == [key]
        words = ["storescp", "-aet", "DCMTK", "-od", str(arrived), str(port)]
        with running(words, port):
            wait_until(lambda: spool.keys("done") == [key], step=replying.step)
    finally:
        replying.stop()
    assert len(list(arrived.iterdir())) == 3
    assert events[-1].values == {"n": 3}


def test_results_that_nobody_takes_fail_and_are_sent_after_a_retry(graded, storescp):
    spool, key, _ = graded
    events: list[Event] = []
    replying = Replying(spool, events.append, f"A@127.0.0.1:{free_port()}", pause_s=0.05, give_up_s=0.05)
    wait_until(lambda: spool.keys("failed") == [key], step=replying.step)
    replying.stop()
    reason = spool.reason_of(key)
    assert reason is not None
    assert reason.code == "not-sent"
    assert spool.retry(key) == "sending"
    to, arrived = storescp()
    again = Replying(spool, events.append, to)
    wait_until(lambda: spool.keys("done") == [key], step=again.step)
    again.stop()
    assert len(list(arrived.iterdir())) == 3


def test_what_was_acknowledged_before_a_kill_is_not_sent_again(graded, storescp):
    spool, key, _ = graded
    to, arrived = storescp()
    paths = sorted((spool.folder("sending", key) / "result").iterdir())
    send(paths[:2], to, journal=spool.folder("sending", key) / "sent.jsonl")  # and then the power failed
    for path in arrived.iterdir():
        path.unlink()
    third = pydicom.dcmread(paths[2]).SOPInstanceUID
    replying = Replying(spool, lambda _: None, to)
    wait_until(lambda: spool.keys("done") == [key], step=replying.step)
    replying.stop()
    (last,) = arrived.iterdir()
    assert pydicom.dcmread(last).SOPInstanceUID == third
