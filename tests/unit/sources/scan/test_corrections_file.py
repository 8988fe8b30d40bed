"""Corrections that a page writes: what a scan reads of them, and what is refused."""

from __future__ import annotations

import json
import stat
import sys

import pytest

from nephrograde.errors import InputError, WriteError
from nephrograde.sources.scan.corrections import read_corrections
from nephrograde.sources.scan.corrections_file import Change, CorrectionsFile, EditedError


@pytest.fixture
def held(tmp_path):
    return CorrectionsFile(tmp_path / "cohort.corrections.csv")


@pytest.fixture
def change():
    count = 0

    def make(series_uid="1.2.3", phase="np", **known):
        nonlocal count
        count += 1
        base = {"id": f"{count:032x}", "reader": "li", "patient_id": "P0001", "description": "-C 5 mm"}
        return Change(**{**base, "series_uid": series_uid, "phase": phase, **known})

    return make


def journal(held):
    return [json.loads(line) for line in held.journal_path.read_text(encoding="utf-8").splitlines()]


def test_changes_are_what_a_scan_reads_and_lines_of_a_journal(held, change):
    held.change(change(), seen="")
    held.change(change("1.2.4", ""), seen=held.read().stamp)
    held.change(change("1.2.3", "ep", reader="wang"), seen=held.read().stamp)
    assert read_corrections(held.path).phases == {"1.2.3": "ep", "1.2.4": ""}
    assert {key: one.reader for key, one in held.read().by_key.items()} == {"1.2.3": "wang", "1.2.4": "li"}
    assert [(line["reader"], line["series_uid"], line["was"], line["phase"]) for line in journal(held)] == [
        ("li", "1.2.3", None, "np"),
        ("li", "1.2.4", None, ""),
        ("wang", "1.2.3", "np", "ep"),
    ]


def test_what_is_taken_back_leaves_a_table_that_corrects_nothing(held, change):
    held.change(change(), seen="")
    after = held.change(change(phase=None), seen=held.read().stamp)
    assert after.by_key == {}
    assert after.stamp
    assert read_corrections(held.path).phases == {}
    assert [line["phase"] for line in journal(held)] == ["np", None]


def test_table_that_a_person_edited_is_not_overwritten(held, change):
    held.change(change(), seen="")
    seen = held.read().stamp
    edited = held.path.read_text(encoding="utf-8").replace(",np,", ",cmp,")
    held.path.write_text(edited, encoding="utf-8")
    with pytest.raises(EditedError):
        held.change(change("1.2.4", ""), seen=seen)
    assert held.path.read_text(encoding="utf-8") == edited
    assert len(journal(held)) == 1
    held.change(change("1.2.4", ""), seen=held.read().stamp)
    assert read_corrections(held.path).phases == {"1.2.3": "cmp", "1.2.4": ""}


def test_change_that_is_sent_twice_is_one(held, change):
    one = change()
    first = held.change(one, seen="")
    assert held.change(one, seen="") == first
    assert len(journal(held)) == 1


def test_rows_and_columns_of_a_person_stay(held, change):
    held.path.write_bytes("序列备注;series_uid;Phase2;phase\n门脉期;1.2.3;x;cmp\n;1.2.9;;ep\n".encode("gb18030"))
    held.change(change(), seen=held.read().stamp)
    assert held.path.read_text(encoding="utf-8").splitlines()[0] == (
        "序列备注,series_uid,Phase2,phase,patient_id,description,part,reader,at"
    )
    assert held.path.read_text(encoding="utf-8").splitlines()[1].startswith("门脉期,1.2.3,x,np,,,,li,")
    assert read_corrections(held.path).phases == {"1.2.3": "np", "1.2.9": "ep"}


def test_row_for_all_parts_is_divided_when_one_part_changes(held, change):
    held.path.write_text("series_uid,phase\n1.2.3,\n", encoding="utf-8")
    after = held.change(change(part="2", parts=("1", "2")), seen=held.read().stamp)
    assert {key: one.phase for key, one in after.by_key.items()} == {"1.2.3.1": "", "1.2.3.2": "np"}
    after = held.change(change(part="1", parts=("1", "2"), phase=None), seen=after.stamp)
    assert {key: one.phase for key, one in after.by_key.items()} == {"1.2.3.2": "np"}


def test_series_that_gives_way_loses_its_row(held, change):
    held.change(change("1.2.3", "np"), seen="")
    after = held.change(change("1.2.4", "np", instead_of=("1.2.3",)), seen=held.read().stamp)
    assert {key: one.phase for key, one in after.by_key.items()} == {"1.2.4": "np"}
    assert journal(held)[-1]["instead_of"] == ["1.2.3"]


def test_workbook_is_read_and_not_written(held, change, tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    for row in (("series_uid", "phase"), ("1.2.3", "np")):
        book.active.append(row)
    book.save(tmp_path / "mine.xlsx")
    held = CorrectionsFile(tmp_path / "mine.xlsx")
    assert held.read().by_key["1.2.3"].phase == "np"
    before = held.path.read_bytes()
    with pytest.raises(InputError, match="workbook"):
        held.change(change("1.2.4"), seen=held.read().stamp)
    assert held.path.read_bytes() == before


def test_table_that_cannot_be_read_is_named_and_stays(held, change):
    held.path.write_text("series_uid,phase\n1.2.3,arterial\n", encoding="utf-8")
    assert [one.place for one in held.read().problems] == ["cohort.corrections.csv row 2"]
    with pytest.raises(InputError, match="arterial"):
        held.change(change(), seen=held.read().stamp)
    assert not held.journal_path.exists()


@pytest.mark.parametrize("wrong", [{"phase": "arterial"}, {"reader": "../li"}, {"id": "7"}])
def test_change_that_makes_no_sense_is_refused(held, change, wrong):
    with pytest.raises(InputError):
        held.change(change(**wrong), seen="")
    assert not held.path.exists()


def test_torn_line_of_the_journal_does_not_swallow_the_next(held, change):
    held.journal_path.write_bytes(b'{"id": "00')
    held.change(change(), seen="")
    assert json.loads(held.journal_path.read_bytes().splitlines()[1])["phase"] == "np"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of other systems")
def test_permissions_stay_and_what_cannot_be_written_is_not_saved(held, change):
    held.path.write_text("series_uid,phase\n1.2.3,\n", encoding="utf-8")
    held.path.chmod(0o600)
    held.change(change(), seen=held.read().stamp)
    assert stat.S_IMODE(held.path.stat().st_mode) == 0o600
    held.journal_path.unlink()
    held.journal_path.mkdir()
    before = held.path.read_bytes()
    with pytest.raises(WriteError):
        held.change(change("1.2.4"), seen=held.read().stamp)
    assert held.path.read_bytes() == before
    assert not list(held.path.parent.glob(".nephrograde-*"))
