"""When a series is complete and what becomes of it, by a clock that the test sets; and what the spool keeps."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pydicom
import pytest
from tests.unit.exchange.pacs import header_in

from nephrograde.errors import InputError
from nephrograde.exchange.completion import Completion
from nephrograde.exchange.headers import read_header
from nephrograde.exchange.queueing import list_queue, retry_failed
from nephrograde.exchange.spool import Spool

if TYPE_CHECKING:
    from nephrograde.exchange.events import Event

pytestmark = pytest.mark.needs("highdicom")


class Desk:
    """A spool, what decides on it, and a clock."""

    def __init__(self, root, *, needs_region):
        self.now = 0.0
        self.events: list[Event] = []
        self.spool = Spool(root, limit_bytes=10**9, reserve_bytes=0)
        self.spool.open()
        self.completion = Completion(self.spool, self.events.append, needs_region, 30.0, 1800.0, clock=lambda: self.now)

    def receive(self, *paths, association="a", ends=True):
        for path in paths:
            key = self.spool.store(path.read_bytes(), header_in(path), association)
            self.completion.touch(key)
        if ends:
            self.spool.release(key, association, whole=True)
        return key

    def at(self, now):
        """What the spool holds at a time."""
        self.now = now
        self.completion.step()
        return [(one.state, one.reason.code if one.reason else "") for one in self.spool.list()]


def test_series_is_complete_when_no_sender_is_open_and_nothing_came_for_the_quiet_time(patient, tmp_path):
    desk = Desk(tmp_path / "spool", needs_region=False)
    desk.receive(*patient.paths[:6], ends=False)
    assert desk.at(10_000.0) == [("received", "")]  # its sender is still open
    desk.receive(*patient.paths[6:], association="a")
    assert desk.at(10_029.0) == [("received", "")]
    assert desk.at(10_030.0) == [("grading", "")]


def test_series_waits_for_its_region(patient, segment, tmp_path):
    desk = Desk(tmp_path / "spool", needs_region=True)
    desk.receive(*patient.paths)
    assert desk.at(0.0) == desk.at(1799.0) == [("received", "")]
    desk.receive(segment(patient))
    assert desk.at(1828.0) == [("received", ""), ("received", "")]  # the mask may not be complete
    desk.at(1829.0)
    assert desk.at(1829.0) == [("masks", ""), ("grading", "")]
    mask_path = next((tmp_path / "spool" / "grading").glob("*/mask.dcm"))
    assert pydicom.dcmread(mask_path).Modality == "SEG"


def test_series_fails_without_a_region_and_after_an_interruption(patient, tmp_path):
    desk = Desk(tmp_path / "spool", needs_region=True)
    desk.receive(*patient.paths)
    assert desk.at(1800.0) == [("failed", "region-missing")]
    other = Desk(tmp_path / "other", needs_region=False)
    key = other.receive(*patient.paths[:3], ends=False)
    other.spool.release(key, "a", whole=False)
    assert other.at(1799.0) == [("received", "")]
    assert other.at(1800.0) == [("failed", "interrupted")]


def test_what_was_open_at_a_kill_counts_as_interrupted_and_half_an_object_is_gone(patient, tmp_path):
    desk = Desk(tmp_path / "spool", needs_region=False)
    desk.receive(*patient.paths[:3], ends=False)
    (tmp_path / "spool" / "incoming" / "half.part").write_bytes(b"DICM")
    again = Desk(tmp_path / "spool", needs_region=False)  # the next start
    assert again.at(0.0) == again.at(1799.0) == [("received", "")]
    assert not list((tmp_path / "spool" / "incoming").iterdir())
    again.receive(*patient.paths[3:], association="b")
    assert again.at(1829.0) == [("grading", "")]


def test_result_of_this_program_is_no_mask(patient, segment, tmp_path):
    desk = Desk(tmp_path / "spool", needs_region=True)
    desk.receive(segment(patient, Manufacturer="nephrograde", SeriesDescription="RESEARCH USE ONLY: tumour mask"))
    assert desk.at(30.0) == [("failed", "own-result")]


def test_names_from_outside_reach_no_path(patient, tmp_path):
    desk = Desk(tmp_path / "spool", needs_region=False)
    key = desk.receive(*patient.paths)
    desk.at(30.0)
    for name in ("../failed", "", key.upper(), f"{key}/images"):
        with pytest.raises(InputError):
            retry_failed(tmp_path / "spool", name)
    with pytest.raises(InputError, match="no spool"):
        list_queue(tmp_path)
    raw = patient.paths[0].read_bytes()
    uid = str(pydicom.dcmread(patient.paths[0]).SOPInstanceUID).encode()
    lying = read_header(io.BytesIO(raw.replace(uid, b"../../etc/passwd"[: len(uid)].ljust(len(uid), b"x"))))
    assert lying is not None
    assert not lying.is_valid
