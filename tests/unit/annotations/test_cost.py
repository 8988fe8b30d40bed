"""Minutes per patient from the journals of all readers of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.annotations.cost import measured_minutes
from nephrograde.annotations.journal import Journal
from nephrograde.errors import InputError
from nephrograde.evaluation.ladder.minutes import MinutesSource
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from pathlib import Path

_PLACES = {"point": "1,2,3 mm", "box": "0,0,0;9,9,0 mm", "slice": "-312.5 mm"}


def _write(folder: Path, reader: str, *labels: tuple[str, str, str, float, str]) -> None:
    journal = Journal(folder, reader)
    for k, (patient, phase, kind, active_s, origin) in enumerate(labels):
        given = {"patient_id": patient, "phase": phase, "kind": kind, "value": _PLACES[kind], "origin": origin}
        journal.append({**given, "id": f"{k:032x}", "active_s": active_s})


def test_the_mean_over_patients_and_readers(tmp_path: Path) -> None:
    _write(
        tmp_path,
        "li",
        ("P1", "cmp", "point", 20.0, "drawn"),
        ("P1", "np", "point", 4.0, "drawn"),  # a correction on another phase counts for the same patient
        ("P2", "cmp", "point", 12.0, "drawn"),
        ("P2", "np", "point", 1.0, "carried"),
        ("P2", "cmp", "box", 60.0, "drawn"),
    )
    _write(tmp_path, "wang", ("P1", "cmp", "point", 36.0, "drawn"))
    found = measured_minutes(tmp_path)
    assert set(found) == {Supervision.POINT, Supervision.BOX}
    point = found[Supervision.POINT]
    assert point.value == pytest.approx((24.0 + 12.0 + 36.0) / 3 / 60)
    assert (point.source, point.n) == (MinutesSource.MEASURED, 3)
    assert found[Supervision.BOX].value == 1.0


def test_the_time_of_a_consensus_is_not_that_of_a_label(tmp_path: Path) -> None:
    _write(tmp_path, "li", ("P1", "cmp", "slice", 30.0, "drawn"))
    _write(tmp_path, "consensus", ("P1", "cmp", "slice", 300.0, "drawn"))
    assert measured_minutes(tmp_path)[Supervision.SLICE].value == 0.5


def test_the_table_of_a_reader_stands_for_its_folder(tmp_path: Path) -> None:
    _write(tmp_path, "li", ("P1", "cmp", "slice", 30.0, "drawn"))
    assert measured_minutes(tmp_path / "li.csv") == measured_minutes(tmp_path)


def test_labels_without_a_journal_were_not_measured(tmp_path: Path) -> None:
    (tmp_path / "li.csv").write_text("patient_id,cmp_slice\nP1,-3 mm\n", encoding="utf-8")
    assert measured_minutes(tmp_path / "li.csv") == {}
    assert measured_minutes(tmp_path / "missing") == {}


def test_labels_typed_without_activity_are_not_free(tmp_path: Path) -> None:
    _write(tmp_path, "li", ("P1", "cmp", "slice", 0.0, "typed"))
    assert measured_minutes(tmp_path) == {}


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "li.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(InputError):
        measured_minutes(tmp_path)
