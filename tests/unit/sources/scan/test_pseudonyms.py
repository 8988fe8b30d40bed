"""Names that reveal nothing about a patient, and the key that is kept separately."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.errors import InputError
from nephrograde.files import read_rows
from nephrograde.sources.deidentify.key import Key
from nephrograde.sources.scan.pseudonyms import Pseudonyms, keeps_its_id, name_persons, separate_persons
from nephrograde.sources.scan.tally import _are_several
from nephrograde.volume.dicom.header import SeriesHeader

if TYPE_CHECKING:
    from pathlib import Path


def person(patient_id: str, **known: Any) -> SeriesHeader:
    return SeriesHeader(**({"series_uid": "1", "patient_id": patient_id} | known))


def test_key_is_continued(tmp_path: Path) -> None:
    key_path = tmp_path / "cohort.key.csv"
    names = Pseudonyms(key_path)
    assert [names.name(text) for text in ("张三/1", "0017", "张三/1")] == ["P0001", "P0002", "P0001"]
    names.write()
    later = Pseudonyms(key_path)
    assert [later.name(text) for text in ("0099", "0017")] == ["P0003", "P0002"]
    later.write()
    rows = [("P0001", "张三/1"), ("P0002", "0017"), ("P0003", "0099")]
    assert [(row["patient_id"], row["original_id"]) for row in read_rows(key_path)] == rows


def test_a_key_of_deidentified_files_keeps_its_secret_and_its_days(tmp_path: Path) -> None:
    key_path = tmp_path / "cohort.key.csv"
    subject = Key(key_path).subject("0017")
    uid = Key(key_path).uid("1.2.3")
    names = Pseudonyms(key_path)
    assert (names.name("0017"), names.name("0099")) == ("P0001", "P0002")
    names.write()
    assert Key(key_path).subject("0017") == subject
    assert Key(key_path).uid("1.2.3") == uid
    assert Key(key_path).subject("0099").patient_id == "P0002"


@pytest.mark.skipif(sys.platform == "win32", reason="rights of files are another matter there")
def test_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    names = Pseudonyms(tmp_path / "key.csv")
    names.name("0017")
    names.write()
    assert stat.S_IMODE((tmp_path / "key.csv").stat().st_mode) == 0o600


def test_no_key_is_written_where_nobody_needs_a_name(tmp_path: Path) -> None:
    Pseudonyms(tmp_path / "key.csv").write()
    assert not (tmp_path / "key.csv").exists()


@pytest.mark.parametrize("text", ["patient_id,original_id\nP0001,7\nP0001,8\n", "patient_id\nP0001\n", "a,b\n1,\n"])
def test_unsound_key_is_refused_without_naming_anybody(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Pseudonyms(tmp_path / "key.csv")
    assert "P0001" not in str(caught.value)


def test_ids_are_kept_of_data_that_are_open(tmp_path: Path) -> None:
    names = Pseudonyms(tmp_path / "key.csv")
    studies = [[person("TCGA-1", is_deidentified=True)], [person("张三")], [person("P0001", is_deidentified=True)]]
    assert [one.patient_id for one in name_persons(studies, names)] == ["TCGA-1", "P0001", "P0002"]
    assert [one.patient_id for one in name_persons(studies, names, keep_ids=True)] == ["TCGA-1", "张三", "P0002"]
    assert not keeps_its_id("../x")


def test_studies_of_one_patient_come_together(tmp_path: Path) -> None:
    studies = [[person("A", study_uid="1")], [person("A", study_uid="2")], [person("B")]]
    found = list(name_persons(studies, Pseudonyms(tmp_path / "key.csv")))
    assert [(one.original_id, len(one.headers)) for one in found] == [("A", 2), ("B", 1)]
    assert not any(one.shares_id for one in found)


def test_people_under_one_id_are_told_apart(tmp_path: Path) -> None:
    one, same = person("0", patient_name="A", birth_date="19500101"), person("0", patient_name="A B")
    other = person("0", patient_name="C", birth_date="19600101")
    found = list(name_persons([[one, same], [other]], Pseudonyms(tmp_path / "key.csv")))
    assert [(len(each.headers), each.shares_id) for each in found] == [(2, True), (1, True)]
    assert len({each.patient_id for each in found}) == 2
    typo = person("0", patient_name="A", birth_date="19510101")
    assert len(separate_persons([one, typo])) == 1


def test_without_id_the_study_tells() -> None:
    assert len(separate_persons([person("", study_uid="1"), person("", study_uid="2"), person("", study_uid="1")])) == 2
    named = [person("", patient_name="A", birth_date="19500101", study_uid=uid) for uid in "12"]
    assert list(separate_persons(named)) == ["19500101 | A"]


@pytest.mark.parametrize(
    ("one", "other", "is_told"),
    [
        ({"patient_name": "王^芳"}, {"patient_name": "杨^光"}, True),
        ({"patient_name": "A^B", "sex": "M"}, {"patient_name": "A^B", "sex": "F"}, True),
        ({"patient_name": "Müller^Anna"}, {"patient_name": "ANNA MUELLER"}, False),
        ({"patient_name": "A^B"}, {"patient_name": "ANONYMOUS"}, False),
        ({"patient_name": "A^B"}, {"patient_name": ""}, False),
    ],
)
def test_two_names_or_sexes_under_one_id_are_told(one, other, is_told):
    assert _are_several([person("1", study_uid="1", **one), person("1", study_uid="2", **other)]) is is_told


KNOWN = {"patient_name": "A", "birth_date": "19500101"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        (KNOWN, {}),
        ({}, KNOWN),
        ({"patient_name": "A"}, {"patient_name": "A"}),
        ({"birth_date": "19500101"}, {"birth_date": "19500101"}),
        ({"patient_name": "A"}, {"birth_date": "19500101"}),
        (KNOWN, KNOWN | {"birth_date": "19510101"}),
        (KNOWN, KNOWN | {"patient_name": "B"}),
        (KNOWN | {"patient_name": "Anonymous"}, KNOWN | {"patient_name": "Anonymous"}),
    ],
)
def test_studies_without_id_are_never_one_patient_unless_name_and_birth_agree(
    one: dict[str, str], other: dict[str, str]
) -> None:
    headers = [person("", study_uid="1", **one), person("", study_uid="2", **other)]
    assert [len(series) for series in separate_persons(headers).values()] == [1, 1]


def test_series_that_name_nobody_go_with_their_study() -> None:
    bare = [person(number, study_uid="2") for number in ("", "0")]
    others = [{"patient_name": "B", "birth_date": "19600101"}, KNOWN]
    for one in bare:
        known = [person(one.patient_id, study_uid=uid, **who) for uid, who in zip("12", others, strict=True)]
        assert [series for name, series in separate_persons([one, *known]).items() if name.endswith("A")] == [
            [one, known[1]]
        ]
    assert len(separate_persons([person("", series_uid=uid) for uid in "12"])) == 2
