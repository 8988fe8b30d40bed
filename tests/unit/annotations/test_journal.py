"""The journal of annotations: nothing that was acknowledged is lost, and nothing else is taken for an entry."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest

import nephrograde
from nephrograde.annotations.journal import Journal, readers_in
from nephrograde.annotations.state import replay
from nephrograde.errors import InputError, RunError, WriteError

_SOURCES = Path(nephrograde.__file__).parents[1]
_APPENDING = """
import sys, uuid
from pathlib import Path
from nephrograde.annotations.journal import Journal
journal = Journal(Path(sys.argv[1]), "li")
for number in range(int(sys.argv[2])):
    point = {"patient_id": "P1", "phase": "cmp", "kind": "point", "value": f"{number},0,0 mm"}
    print(journal.append({"id": uuid.uuid4().hex, **point}).id, flush=True)
"""


class Author:
    """Makes entries as a tab of the page does."""

    def __init__(self, session: str = "", start: int = 1) -> None:
        self.session = session
        self.numbers = count(start)

    def __call__(self, kind: str, value: str = "", *, phase: str = "cmp", **given: object) -> dict[str, object]:
        number = next(self.numbers)
        entry = {"id": f"{number:032x}", "at": f"2026-04-15T08:00:00.{number % 1000:03d}Z", "session": self.session}
        return {**entry, "patient_id": "P1", "phase": phase, "kind": kind, "value": value, **given}


def start_appending(folder: Path, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _APPENDING, str(folder), str(n)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_SOURCES)},
    )


def result_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "li.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class TestAppending:
    @pytest.mark.slow
    def test_every_acknowledged_entry_of_a_killed_process_is_there(self, tmp_path: Path) -> None:
        acknowledged = []
        for stop_after in (3, 17):
            process = start_appending(tmp_path, 10_000)
            assert process.stdout is not None
            acknowledged += [process.stdout.readline().strip() for _ in range(stop_after)]
            process.send_signal(signal.SIGKILL)
            acknowledged += process.stdout.read().split()
            process.stdout.close()
            process.wait()
        ids = [entry.id for entry in Journal(tmp_path, "li").entries()]
        assert len(acknowledged) >= 20
        assert [one for one in ids if one in set(acknowledged)] == acknowledged
        assert len(ids) <= len(acknowledged) + 2

    @pytest.mark.slow
    def test_two_processes_append_to_one_journal(self, tmp_path: Path) -> None:
        processes = [start_appending(tmp_path, 40) for _ in range(2)]
        acknowledged = [one.communicate()[0].split() for one in processes]
        ids = [entry.id for entry in Journal(tmp_path, "li").entries()]
        assert sorted(ids) == sorted(acknowledged[0] + acknowledged[1])
        assert len(ids) == 80

    def test_threads_share_a_journal(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "li")
        authors = [Author(start=1000 * k) for k in range(1, 5)]
        threads = [
            threading.Thread(target=lambda own=author: [journal.append(own("slice", "1 mm")) for _ in range(10)])
            for author in authors
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal.entries()) == len({entry.id for entry in journal.entries()}) == 40

    def test_an_entry_sent_twice_is_one_also_through_another_process(self, tmp_path: Path) -> None:
        given = Author()("point", "1,2,3 mm")
        first = Journal(tmp_path, "li").append(given)
        again = Journal(tmp_path, "li").append({**given, "value": "9,9,9 mm"})
        assert again == first
        assert len((tmp_path / "li.jsonl").read_bytes().splitlines()) == 1

    def test_a_torn_last_line_is_ignored_and_replaced(self, tmp_path: Path) -> None:
        author = Author()
        Journal(tmp_path, "li").append(author("point", "1,2,3 mm"))
        with (tmp_path / "li.jsonl").open("ab") as stream:
            stream.write('{"id": "00ff", "patient_id": "病'.encode()[:-1])
        assert len(Journal(tmp_path, "li").entries()) == 1
        Journal(tmp_path, "li").append(author("point", "4,5,6 mm"))
        assert [entry.value for entry in Journal(tmp_path, "li").entries()] == ["1,2,3 mm", "4,5,6 mm"]

    def test_a_last_entry_without_its_line_feed_is_kept_by_the_next(self, tmp_path: Path) -> None:
        author = Author()
        for value in ("1,2,3 mm", "4,5,6 mm"):
            Journal(tmp_path, "li").append(author("point", value))
        journal_path = tmp_path / "li.jsonl"
        journal_path.write_bytes(journal_path.read_bytes()[:-1])  # as some editors save a text
        Journal(tmp_path, "li").append(author("point", "7,8,9 mm"))
        assert len(Journal(tmp_path, "li").entries()) == 3

    @pytest.mark.parametrize("damage", [b"not json", b"[]", b"", b"\xff\xfe", b'{"id": 3}', b"[" * 100_000])
    def test_a_damaged_line_is_refused_by_its_number_and_nothing_is_appended(
        self, tmp_path: Path, damage: bytes
    ) -> None:
        author = Author()
        for _ in range(2):
            Journal(tmp_path, "li").append(author("point", "1,2,3 mm"))
        journal_path = tmp_path / "li.jsonl"
        lines = journal_path.read_bytes().splitlines()
        journal_path.write_bytes(b"\n".join([lines[0], damage, lines[1], b""]))
        content = journal_path.read_bytes()
        for use in (Journal(tmp_path, "li").entries, lambda: Journal(tmp_path, "li").append(author("done", "yes"))):
            with pytest.raises(InputError) as refused:
                use()
            assert [problem.place for problem in refused.value.problems] == ["li.jsonl line 2"]
        assert journal_path.read_bytes() == content

    def test_a_folder_in_place_of_the_journal_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "li.jsonl").mkdir()
        with pytest.raises(RunError):
            Journal(tmp_path, "li").entries()
        with pytest.raises(WriteError):
            Journal(tmp_path, "li").append(Author()("point", "1,2,3 mm"))

    def test_a_journal_that_was_restored_is_read_from_its_start(self, tmp_path: Path) -> None:
        author = Author()
        journal = Journal(tmp_path, "li")
        journal.append(author("point", "1,2,3 mm"))
        saved = journal.path.read_bytes()
        journal.append(author("point", "4,5,6 mm"))
        journal.path.unlink()
        assert journal.entries() == ()
        journal.path.write_bytes(saved)
        assert len(journal.entries()) == 1


class TestRefusedEntries:
    @pytest.mark.parametrize(
        ("change", "key"),
        [
            ({"id": "no"}, "id"),
            ({"at": "2026-04-15T08:00:00"}, "at"),
            ({"at": "2026-04-15T08:00:00+08:00"}, "at"),
            ({"reader": "chen"}, "reader"),
            ({"patient_id": ""}, "patient_id"),
            ({"patient_id": "P\n1"}, "patient_id"),
            ({"patient_id": "\ud800"}, "patient_id"),
            ({"phase": "../x"}, "phase"),
            ({"phase": ""}, "phase"),
            ({"kind": "polygon"}, "kind"),
            ({"kind": ["point"]}, "kind"),
            ({"value": "1,2,3 vox"}, "value"),
            ({"value": "1,2 mm"}, "value"),
            ({"value": "1,2,nan mm"}, "value"),
            ({"value": 3}, "value"),
            ({"kind": "box", "value": "1,2,3;1,2,9 mm"}, "value"),
            ({"kind": "mask", "value": "../other.nii.gz"}, "value"),
            ({"kind": "mask", "value": "/etc/passwd"}, "value"),
            ({"kind": "none", "value": "perhaps"}, "value"),
            ({"kind": "undo", "value": "the last"}, "value"),
            ({"kind": "comment", "value": "x" * 5000}, "value"),
            ({"origin": "guessed"}, "origin"),
            ({"follows": "x"}, "follows"),
            ({"active_s": -1}, "active_s"),
            ({"active_s": float("nan")}, "active_s"),
            ({"active_s": True}, "active_s"),
            ({"active_s": 10**400}, "active_s"),
            ({"version": 2}, "version"),
            ({"extra": 1}, "extra"),
        ],
    )
    def test_what_an_entry_may_not_hold_is_named_by_its_key(
        self, tmp_path: Path, change: dict[str, object], key: str
    ) -> None:
        with pytest.raises(InputError) as refused:
            Journal(tmp_path, "li").append({**Author()("point", "1,2,3 mm"), **change})
        assert [problem.place for problem in refused.value.problems] == [key]
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("reader", ["", "Li", "../li", "li\n", "con/x", "-li", "x" * 65])
    def test_a_reader_is_a_plain_name(self, tmp_path: Path, reader: str) -> None:
        with pytest.raises(InputError):
            Journal(tmp_path, reader)


class TestReplay:
    def test_undo_and_redo_without_end(self, tmp_path: Path) -> None:
        author = Author()
        journal = Journal(tmp_path, "li")
        for k in range(5):
            journal.append(author("slice", f"{k} mm"))
        seen = []
        for kind in [*["undo"] * 6, *["redo"] * 6]:
            journal.append(author(kind, phase=""))
            seen.append(replay(journal.entries())["P1"].value("cmp", "slice"))
        back = ["3 mm", "2 mm", "1 mm", "0 mm", "", ""]
        assert seen == [*back, "0 mm", "1 mm", "2 mm", "3 mm", "4 mm", "4 mm"]

    def test_a_change_after_an_undo_leaves_nothing_to_redo(self, tmp_path: Path) -> None:
        author = Author()
        journal = Journal(tmp_path, "li")
        first = journal.append(author("slice", "1 mm"))
        journal.append(author("slice", "2 mm", follows=first.id))
        journal.append(author("undo"))
        assert replay(journal.entries())["P1"].redo
        last = journal.append(author("slice", "3 mm", follows=first.id))
        journal.append(author("redo"))
        labels = replay(journal.entries())["P1"]
        assert (labels.value("cmp", "slice"), labels.redo, labels.undo) == ("3 mm", "", last.id)
        assert labels.conflicts == ()

    def test_an_undo_of_a_named_entry_and_of_one_phase(self, tmp_path: Path) -> None:
        author = Author()
        journal = Journal(tmp_path, "li")
        first = journal.append(author("slice", "1 mm"))
        journal.append(author("slice", "2 mm", phase="np"))
        journal.append(author("undo", first.id, phase=""))
        labels = replay(journal.entries())["P1"]
        assert (labels.value("cmp", "slice"), labels.value("np", "slice")) == ("", "2 mm")
        journal.append(author("redo", phase=""))
        journal.append(author("undo", phase="np"))
        labels = replay(journal.entries())["P1"]
        assert (labels.value("cmp", "slice"), labels.value("np", "slice")) == ("1 mm", "")

    def test_two_entries_that_follow_the_same_one_are_a_conflict_until_one_follows_both(self, tmp_path: Path) -> None:
        one, other = Author("tab-a"), Author("tab-b", start=500)
        journal = Journal(tmp_path, "li")
        first = journal.append(one("point", "1,1,1 mm"))
        later = journal.append(other("point", "2,2,2 mm", follows=first.id))
        earlier = journal.append(one("point", "3,3,3 mm", follows=first.id))
        labels = replay(journal.entries())["P1"]
        assert labels.value("cmp", "point") == "2,2,2 mm"
        (conflict,) = labels.conflicts
        assert (conflict.counts, conflict.others) == (later, (earlier,))
        journal.append(other("point", "2,2,2 mm", follows=f"{later.id} {earlier.id}"))
        assert replay(journal.entries())["P1"].conflicts == ()

    def test_two_first_entries_of_two_tabs_are_a_conflict_those_of_one_tab_are_not(self, tmp_path: Path) -> None:
        one, other = Author("tab-a"), Author("tab-b", start=500)
        journal = Journal(tmp_path, "li")
        journal.append(one("point", "1,1,1 mm"))
        journal.append(one("point", "2,2,2 mm"))
        assert replay(journal.entries())["P1"].conflicts == ()
        journal.append(other("point", "3,3,3 mm"))
        assert len(replay(journal.entries())["P1"].conflicts) == 1

    def test_entries_that_follow_each_other_do_not_hide_a_label(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "li")
        author = Author()
        journal.append(author("point", "1,1,1 mm", follows=f"{2:032x}"))
        journal.append(author("point", "2,2,2 mm", follows=f"{1:032x}"))
        assert replay(journal.entries())["P1"].value("cmp", "point") == "2,2,2 mm"

    def test_what_was_said_last_is_the_state_of_a_phase(self, tmp_path: Path) -> None:
        author = Author()
        journal = Journal(tmp_path, "li")
        journal.append(author("none", "yes", phase=""))
        journal.append(author("unusable", "yes", phase="np"))
        labels = replay(journal.entries())["P1"]
        assert [labels.state(phase) for phase in ("cmp", "np", "up")] == ["none", "unusable", "none"]
        journal.append(author("point", "1,1,1 mm", phase="np"))
        assert replay(journal.entries())["P1"].state("np") == ""
        journal.append(author("unusable", "", phase="np", follows=f"{2:032x}"))
        journal.append(author("none", "yes", phase="np"))
        assert replay(journal.entries())["P1"].state("np") == "none"


class TestResult:
    def test_it_has_the_columns_of_a_cohort_table(self, tmp_path: Path) -> None:
        author = Author()
        journal = Journal(tmp_path, "li", phases=("cmp", "np"))
        journal.append(author("point", "1,2,3 mm", active_s=2.5))
        journal.append(author("mask", "P1-np.nii.gz", phase="np", active_s=61.25))
        journal.append(author("unusable", "yes", phase="up", patient_id="病人2"))
        journal.append(author("comment", "=2+2\nnext", phase="", patient_id="病人2"))
        first, second = result_of(tmp_path)
        assert first["cmp_point"] == "1,2,3 mm"
        assert first["np_mask"] == "li.masks/P1-np.nii.gz"
        assert first["seconds"] == "63.8"
        assert (second["patient_id"], second["up_state"]) == ("病人2", "unusable")
        assert list(first)[:6] == ["patient_id", "cmp_point", "cmp_box", "cmp_slice", "cmp_mask", "cmp_state"]

    def test_a_result_that_cannot_be_written_costs_no_entry(self, tmp_path: Path) -> None:
        (tmp_path / "li.csv").mkdir()
        journal = Journal(tmp_path, "li")
        author = Author()
        journal.append(author("point", "1,2,3 mm"))
        assert journal.unwritten is not None
        (tmp_path / "li.csv").rmdir()
        journal.append(author("point", "1,2,3 mm"))
        assert journal.unwritten is None
        assert len(result_of(tmp_path)) == 1

    def test_lines_have_the_documented_keys(self, tmp_path: Path) -> None:
        Journal(tmp_path, "li").append(Author()("point", "1,2,3 mm"))
        line = json.loads((tmp_path / "li.jsonl").read_text(encoding="utf-8"))
        keys = "id at reader session patient_id phase kind value origin follows active_s version"
        assert list(line) == keys.split()
        assert readers_in(tmp_path) == ["li"]
