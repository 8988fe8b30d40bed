"""Names, numbers and dates typed into descriptions are in no table or page, but the phases are still recognised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydicom import Dataset

from nephrograde.files import read_rows, write_rows
from nephrograde.scanning import scan_export
from nephrograde.sources.identity.spelling import fold
from nephrograde.sources.scan.index import plan_index
from nephrograde.sources.scan.scan import ScanSettings, scan_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEVER = ScanSettings(look="never", workers=1)
HEIGHTS = range(0, 100, 5)


def item(**values: Any) -> list[Dataset]:
    """A sequence of one item."""
    held = Dataset()
    for keyword, value in values.items():
        setattr(held, keyword, value)
    return [held]


NAMED_ELSEWHERE: list[dict[str, Any]] = [
    {"OtherPatientNames": "Zielinska^Ewa"},
    {"OtherPatientIDs": "ZIELINSKA", "OtherPatientIDsSequence": item(PatientID="ZIELINSKA")},
    {"OtherPatientIDsSequence": item(PatientID="ZIELINSKA")},
    {"RequestAttributesSequence": item(ScheduledPerformingPhysicianName="x", RequestingPhysician="Zielinska^Ewa")},
    {"ReferencedPatientSequence": item(PatientName="Zielinska^Ewa")},
    {
        "OriginalAttributesSequence": item(
            ModifiedAttributesSequence=item(PatientName="Zielinska^Ewa"), ReasonForTheAttributeModification="CORRECT"
        )
    },
]


@pytest.mark.parametrize(
    ("header", "description", "kept"),
    [
        ({"PatientName": "Kowalska^Łucja"}, "KOWALSKA_LUCJA faza tętnicza", "faza tętnicza"),
        ({"PatientName": "Müller^Jörg"}, "MUELLER JOERG arteriell 1.0", "arteriell 1.0"),
        ({"PatientName": "Wang^Xiaoming"}, "王小明 动脉期 1.0mm", "动脉期 1.0mm"),
        ({"PatientName": "Wang^Xiaoming=王^小明"}, "WangXiaoming 动脉期", "动脉期"),
        ({"PatientName": "Чайковский^Пётр"}, "Tchaikovsky arterial", "arterial"),
        ({"PatientName": "Ivanov^Petr"}, "Иванов arterial", "arterial"),
        ({"PatientID": "PL-0098765"}, "MRN98765 arterial", "MRN arterial"),
        ({"PatientID": "00012345"}, "arterial 12345", "arterial"),
        ({"AccessionNumber": "ACC77123"}, "arterial ACC 77123", "arterial"),
        ({"PatientBirthDate": "19440514"}, "arterial 14. Mai 1944", "arterial"),
        ({"InstitutionName": "Szpital Zmyślony"}, "Szpital Zmyslony arterial", "arterial"),
        *((header, "ZIELINSKA arterial", "arterial") for header in NAMED_ELSEWHERE),
    ],
)
def test_a_description_is_cleaned_of_the_patient(
    tmp_path: Path, write_stack: Callable[..., None], header: dict[str, Any], description: str, kept: str
) -> None:
    write_stack(tmp_path / "export", HEIGHTS, uid="1.2.7", SeriesDescription=description, **header)
    scan_folder(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=NEVER)
    (row,) = read_rows(tmp_path / "out" / "series.csv")
    assert row["description"] == kept
    assert row["phase"] == "cmp"  # read from the words before they were cleaned
    assert row["chosen"] == "yes"


def test_a_name_known_from_another_file_is_removed_too(tmp_path: Path, write_stack: Callable[..., None]) -> None:
    write_stack(tmp_path / "export", HEIGHTS, uid="1.2.7.1", name="a{}", SeriesDescription="Zielinska arterial")
    write_stack(
        tmp_path / "export", HEIGHTS, uid="1.2.7.2", name="z{}", SeriesDescription="venous", PatientName="Zielinska^Ewa"
    )
    scan_folder(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=NEVER)
    assert [row["description"] for row in read_rows(tmp_path / "out" / "series.csv")] == ["arterial", "venous"]


def test_no_shared_file_of_a_scan_names_a_patient(tmp_path: Path, write_stack: Callable[..., None]) -> None:
    person = {"PatientName": "Zielinska^Ewa", "PatientID": "7654321", "PatientBirthDate": "19440514"}
    texts = {
        "SeriesDescription": "arterial ZIELINSKA 7654321",
        "ProtocolName": "Zieliñska Ewa arterial phase 14.05.1944",
        "StudyDescription": "Abdomen Ewa Zielinska venous",
        "ImageComments": "ZIELIN\u200bSKA^EWA late arterial",
        "ContrastBolusAgent": "ZIELINSKA 80 ml",
    }
    write_stack(tmp_path / "export", HEIGHTS, uid="1.2.7", **person, **texts)
    write_stack(tmp_path / "export", HEIGHTS, uid="1.2.8", name="m{}", Modality="ZIELINSKA", **person)
    for language in ("en", "zh"):
        scan_export(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=NEVER, language=language)
    private = ("cohort.key.csv", "cohort.catalogue.sqlite", "cohort.skipped.csv")
    shared = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name not in private]
    assert {"series.csv", "series.html", "series.zh.html"} <= {path.name for path in shared}
    for path in shared:
        text = fold(path.read_text(encoding="utf-8")).text.replace("\x1f", "")
        assert "zielinska" not in text, path.name
        assert "7654321" not in text, path.name
        assert "14.05.1944" not in text, path.name


def test_no_shared_file_of_a_scan_names_another_patient(tmp_path: Path, write_stack: Callable[..., None]) -> None:
    people = [("Kostka^Ewa", "7654"), ("Zielinska^Anna", "KH-98765"), ("Low^Art", "120")]
    texts = ["arterial ZIELINSKA KH98765", "low dose art KOSTKA", "arterial low dose"]
    for number, ((name, patient_id), text) in enumerate(zip(people, texts, strict=True)):
        header = {"PatientName": name, "PatientID": patient_id, "StudyInstanceUID": f"1.9.{number}"}
        words = {"SeriesDescription": text, "ProtocolName": text, "StudyDescription": text, "ImageComments": text}
        write_stack(tmp_path / "export", HEIGHTS, uid=f"1.2.{number}", name=f"{number}-{{}}", **header, **words)
    scan_export(tmp_path / "export", tmp_path / "out" / "cohort.csv", settings=NEVER)
    descriptions = [row["description"] for row in read_rows(tmp_path / "out" / "series.csv")]
    assert descriptions == ["arterial low dose", "arterial", "low dose art"]
    for name in ("series.csv", "series.html", "cohort.csv"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8").casefold()
        assert not any(one in text for one in ("zielinska", "98765", "kostka")), name


def test_a_damaged_sequence_does_not_cost_the_slice(tmp_path: Path, write_stack: Callable[..., None]) -> None:
    folder = tmp_path / "export"
    write_stack(
        folder,
        HEIGHTS,
        uid="1.2.7",
        SeriesDescription="PLANTED arterial",
        RequestAttributesSequence=item(RequestedProcedureID="MARKER42"),
    )
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\x40\x00\x75\x02SQ", b"\x40\x00\x75\x02ZQ"))
    result = scan_folder(folder, tmp_path / "out" / "cohort.csv", settings=NEVER)
    assert (result.n_series, dict(result.n_scans)) == (1, {"cmp": 1})
    (row,) = read_rows(tmp_path / "out" / "series.csv")
    assert row["description"] == "arterial"


def test_a_table_of_series_is_cleaned_with_what_its_columns_reveal(tmp_path: Path) -> None:
    columns = ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality")
    row = dict(zip(columns, ("P17", "Zielinska^Ewa", "1.2", "1.2.3", "ZIELINSKA arterial", "CT"), strict=True))
    write_rows(tmp_path / "index.csv", columns, [row])
    plan_index(tmp_path / "index.csv", tmp_path / "plan")
    (entry,) = read_rows(tmp_path / "plan" / "series.csv")
    assert (entry["description"], entry["phase"]) == ("arterial", "cmp")
