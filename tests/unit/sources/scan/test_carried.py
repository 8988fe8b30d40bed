"""Which columns and cells of a joined table reach the pseudonymised cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import InputError
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.sheet import clean_heading
from nephrograde.sources.identity.identity import Identity
from nephrograde.sources.scan.choose import Choice
from nephrograde.sources.scan.grades import parse_columns, read_grades
from nephrograde.sources.scan.paths import ScanPaths
from nephrograde.sources.scan.pseudonyms import Person
from nephrograde.sources.scan.tally import Tally
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.phase.evidence import PhaseAnswer
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from pathlib import Path

NAMING = (
    *("Name", "Patient name", "Full name", "Surname", "First name", "initials", "Init.", "patientname", "pt name"),
    *(
        "Mother maiden name",
        "患者姓名",
        "姓名拼音",
        "Nachname",
        "Vorname",
        "Patientenname",
        "Nom",
        "Prénom",
        "Apellidos",
    ),
    *("Nombre", "Фамилия", "ФИО", "氏名", "이름", "DOB", "Date of birth", "出生日期", "Geburtsdatum", "Дата рождения"),
    *(
        "生年月日",
        "MRN",
        "Hospital number",
        "Patient",
        "No.",
        "序号",
        "CaseNo",
        "门诊号",
        "登记号",
        "病理号",
        "标本号",
        "医保号",
    ),
    *("就诊卡号", "Study ID", "Accession", "SSN", "NHS number", "Personnummer", "PESEL", "Fødselsnummer", "AHV", "NIP"),
    *("カルテ番号", "환자번호", "주민등록번호", "UID", "身份证", "Email", "E-mail", "Telefon", "联系电话", "随访电话"),
    *("Address", "家庭住址", "zip code", "邮编", "联系人", "工作单位", "国籍", "主管医生", "手术医生", "Pathologist"),
    *("Operateur", "备注", "Pathology report", "病理诊断", "病理日期", "入院日期", "file", "Pfad", "N", "Column 1"),
)
CLINICAL = (
    *(
        "age_years",
        "Age (years)",
        "年龄",
        "年龄（岁）",
        "Alter",
        "wiek",
        "возраст",
        "나이",
        "sex",
        "Gender",
        "性别",
        "Płeć",
    ),
    *(
        "size_cm",
        "Tumor size (cm)",
        "肿瘤最大径(cm)",
        "Tumorgröße in mm",
        "размер опухоли",
        "volume_ml",
        "centre",
        "医院",
    ),
    *("split", "is_high", "grade", "Fuhrman grade", "pT stage", "T分期", "histology", "necrosis", "side", "BMI"),
    *("eGFR", "cmp_mask", "np_box", "up_point", "ep_slice", "高血压"),
)


def grades_of(folder: Path, text: str) -> Path:
    path = folder / "grades.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("heading", NAMING)
def test_a_column_whose_meaning_is_unknown_is_not_carried_over(tmp_path: Path, heading: str) -> None:
    grades = read_grades(grades_of(tmp_path, f"patient_id,isup_grade,{heading}\nA7,2,Meier Anna\nA8,3,Zhang San\n"))
    assert grades.columns == ("isup_grade",)
    assert heading in grades.left_out + grades.unknown
    assert set(grades.rows["a7"][1]) == {"isup_grade"}


@pytest.mark.parametrize("heading", CLINICAL)
def test_a_clinical_column_is_carried_over(tmp_path: Path, heading: str) -> None:
    grades = read_grades(grades_of(tmp_path, f"patient_id,isup_grade,{heading}\nA7,2,4\nA8,3,5\n"))
    assert grades.columns == ("isup_grade", clean_heading(heading))
    assert grades.rows["a7"][1][clean_heading(heading)] == "4"


def test_a_column_is_carried_over_on_request_unless_it_identifies(tmp_path: Path) -> None:
    path = grades_of(tmp_path, "patient_id,isup_grade,ФИО,氏名,prior therapy,copy,score\nA7,2,a,b,none,A7,1\n")
    grades = read_grades(path, columns=parse_columns(["points=score"], ["prior therapy", "isup_grade"]))
    assert grades.columns == ("isup_grade", "prior therapy", "points")
    assert grades.left_out == ("patient_id", "ФИО", "氏名", "copy")
    for heading in (
        "ФИО",
        "氏名",
        "copy",
        "patient_id",
        "手术日期",
        "NHS number",
        "Pathology no",
        "病理号",
        "Study ID",
    ):
        with pytest.raises(InputError, match=f"--keep {heading}"):
            read_grades(path, columns=parse_columns([], [heading]))
    with pytest.raises(InputError, match="may identify"):
        read_grades(path, columns={"who": "ФИО"})
    with pytest.raises(InputError, match="no column 'nonesuch'"):
        read_grades(path, columns=parse_columns([], ["nonesuch"]))


def test_a_kept_column_that_means_the_grade_still_is_the_grade(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "patient_id,分级\nA7,3\n"), columns=parse_columns([], ["分级"]))
    assert grades.rows["a7"][1] == {"isup_grade": "3"}


@pytest.mark.parametrize(
    ("cell", "is_kept"),
    [
        *(("radical", True), ("12", True), ("4.25", True), ("pT1a N0 M0", True), ("2 x 3 x 4", True)),
        *(("Иванова Мария", False), ("Ivanova", False), ("00771122", False), ("771122", False), ("A person", True)),
        *(
            ("maria@example.ru", False),
            ("+41 44 123 45 67", False),
            ("13912345678", False),
            ("see (030) 1234-567", False),
        ),
        *(("born 1961-02-03", False), ("1961-02-03", False)),
    ],
)
def test_a_cell_that_identifies_is_emptied_and_noted(tmp_path: Path, cell: str, *, is_kept: bool) -> None:
    grades = read_grades(
        grades_of(tmp_path, f"patient_id,isup_grade,centre\n00771122,3级,{cell}\n7,3,left\n8,3,left\n")
    )
    header = SeriesHeader(series_uid="1.2", patient_id="00771122", modality="CT")
    choice = Choice(header, PhaseAnswer("cmp", 0.95, ()), chosen=True, reason=Statement.of("only-series"))
    tally = Tally(grades)
    who = Identity(names=("Иванова^Мария",), numbers=("00771122",), birth_dates=("19610203",))
    tally.add(Person("P0001", "00771122", (header,), shares_id=False), [choice], {header.key: "a.series"}, who)
    (row,) = tally.cohort_rows
    assert (row["isup_grade"], row["centre"]) == ("3级", cell if is_kept else "")
    notes = tally.result(ScanPaths(tmp_path / "cohort.csv")).notes
    assert any("cells of centre were left empty" in note for note in notes) != is_kept
    with speaking("zh"):
        assert not any("left empty" in told(note) for note in notes)


def test_a_mask_path_that_names_the_patient_is_kept_and_said(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "patient_id,isup_grade,cmp_mask\nKH-98765,3,masks/Kowalska.nii.gz\n"))
    header = SeriesHeader(series_uid="1.2", patient_id="KH-98765", modality="CT")
    choice = Choice(header, PhaseAnswer("cmp", 0.95, ()), chosen=True, reason=Statement.of("only-series"))
    tally = Tally(grades)
    person = Person("P0001", "KH-98765", (header,), shares_id=False)
    tally.add(person, [choice], {header.key: "a.series"}, Identity(names=("Kowalska^Anna",)))
    assert tally.cohort_rows[0]["cmp_mask"] == "masks/Kowalska.nii.gz"
    notes = tally.result(ScanPaths(tmp_path / "cohort.csv")).notes
    assert any("paths in cmp_mask" in note for note in notes)
    with speaking("zh"):
        assert not any("share" in told(note) or "paths" in told(note) for note in notes)


def with_mask(folder: Path, cell: str, *, scanned_dir: Path | None = None) -> Tally:
    """A patient whose mask is named in the joined table, in the tables that a scan writes to the folder."""
    grades = read_grades(grades_of(folder, f"patient_id,isup_grade,cmp_mask\nKH-98765,3,{cell}\n"))
    header = SeriesHeader(series_uid="1.2", patient_id="KH-98765", modality="CT")
    choice = Choice(header, PhaseAnswer("cmp", 0.95, ()), chosen=True, reason=Statement.of("only-series"))
    tally = Tally(grades, paths=ScanPaths((scanned_dir or folder) / "cohort.csv"))
    person = Person("P0001", "KH-98765", (header,), shares_id=False)
    tally.add(person, [choice], {header.key: "a.series"}, Identity(names=("Kowalska^Anna",), numbers=("KH-98765",)))
    return tally


@pytest.mark.parametrize(
    ("cell", "link"),
    [
        ("masks/Kowalska.nii.gz", "P0001-cmp-mask.nii.gz"),
        ("Kowalska_Anna/mask.NRRD", "P0001-cmp-mask.nrrd"),
        ("masks/KH98765", "P0001-cmp-mask"),
        ("masks/98765.mha", "P0001-cmp-mask.mha"),
    ],
)
def test_a_mask_whose_path_names_the_patient_is_linked_under_the_pseudonym(
    tmp_path: Path, cell: str, link: str
) -> None:
    (tmp_path / cell).parent.mkdir(parents=True)
    (tmp_path / cell).write_bytes(b"mask")
    for _ in range(2):  # a second scan replaces the link
        tally = with_mask(tmp_path, cell)
        assert tally.cohort_rows[0]["cmp_mask"] == f"cohort.series/{link}"
        assert (tmp_path / tally.cohort_rows[0]["cmp_mask"]).read_bytes() == b"mask"
    assert (tmp_path / "cohort.series").stat().st_mode & 0o077 == 0
    notes = tally.result(ScanPaths(tmp_path / "cohort.csv")).notes
    assert any("Masks in cmp_mask" in note and "row 2" in note for note in notes)
    assert not any("Rename these files" in note for note in notes)
    with speaking("zh"):
        assert not any("linked" in told(note) for note in notes)


@pytest.mark.parametrize("cell", ["masks/plain.nii.gz", "masks/Kowalska.mhd"])
def test_other_masks_keep_their_path(tmp_path: Path, cell: str) -> None:
    assert with_mask(tmp_path, cell).cohort_rows[0]["cmp_mask"] == cell
    assert not (tmp_path / "cohort.series").exists()


@pytest.mark.parametrize("stem", ["plain", "Kowalska"])
def test_a_mask_is_looked_for_from_the_folder_of_the_joined_table(tmp_path: Path, stem: str) -> None:
    for folder in ("tables/masks", "work"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / f"tables/masks/{stem}.nii.gz").write_bytes(b"mask")
    tally = with_mask(tmp_path / "tables", f"masks/{stem}.nii.gz", scanned_dir=tmp_path / "work")
    cell = tally.cohort_rows[0]["cmp_mask"]
    assert cell == ("../tables/masks/plain.nii.gz" if stem == "plain" else "cohort.series/P0001-cmp-mask.nii.gz")
    assert (tmp_path / "work" / cell).read_bytes() == b"mask"
    assert not any("do not exist" in note for note in tally.result(ScanPaths(tmp_path / "work/cohort.csv")).notes)


def test_a_mask_beside_the_new_table_keeps_its_path(tmp_path: Path) -> None:
    for folder in ("tables", "work/masks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "work/masks/c1.nii.gz").write_bytes(b"mask")
    tally = with_mask(tmp_path / "tables", "masks/c1.nii.gz", scanned_dir=tmp_path / "work")
    assert tally.cohort_rows[0]["cmp_mask"] == "masks/c1.nii.gz"


@pytest.mark.parametrize("cell", ["masks/c1.nii.gz", "/nowhere/c1.nii.gz"])
def test_masks_that_do_not_exist_are_named_by_row(tmp_path: Path, cell: str) -> None:
    (tmp_path / "tables").mkdir()
    tally = with_mask(tmp_path / "tables", cell, scanned_dir=tmp_path / "work")
    notes = tally.result(ScanPaths(tmp_path / "work/cohort.csv")).notes
    (note,) = [note for note in notes if "do not exist" in note]
    assert "cmp_mask" in note
    assert "row 2" in note
    with speaking("zh"):
        assert "exist" not in told(note)
        assert "Correct" not in told(note)


def test_columns_of_unknown_meaning_are_named_with_the_way_to_keep_them(tmp_path: Path) -> None:
    tally = Tally(read_grades(grades_of(tmp_path, "patient_id,isup_grade,备注,prior therapy\nA7,3,a,b\n")))
    notes = tally.result(ScanPaths(tmp_path / "cohort.csv")).notes
    (note,) = [note for note in notes if "--keep" in note]
    assert "备注, prior therapy" in note
    with speaking("zh"):
        assert "Keep" not in told(note)
        assert "meaning" not in told(note)


@pytest.mark.parametrize(
    ("first", "second"), [("00123", "123"), ("PO01", "P\u041e01"), ("P001", "P1"), ("P001", "PO01"), ("A-1", "A–1")]
)
def test_rows_whose_ids_look_alike_are_refused(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(InputError) as refused:
        read_grades(grades_of(tmp_path, f"patient_id,isup_grade\n{first},3\nB7,2\n{second},1\n"))
    (problem,) = refused.value.problems
    assert problem.place.endswith("row 4")
    assert "row 2" in problem.what


def notes_on(tmp_path: Path, listed: str, *original_ids: str) -> list[str]:
    """The notes of a scan of patients with these ids, joined to a table that lists one."""
    tally = Tally(read_grades(grades_of(tmp_path, f"patient_id,isup_grade\nB7,2\n{listed},3\n")))
    for number, original_id in enumerate(original_ids, start=1):
        header = SeriesHeader(series_uid=f"1.{number}", patient_id=original_id, modality="CT")
        choice = Choice(header, PhaseAnswer("cmp", 0.95, ()), chosen=True, reason=Statement.of("only-series"))
        person = Person(f"P000{number}", original_id, (header,), shares_id=False)
        tally.add(person, [choice], {header.key: "a.series"}, Identity())
    notes = tally.result(ScanPaths(tmp_path / "cohort.csv")).notes
    with speaking("zh"):
        assert not any("look alike" in told(note) for note in notes)
    return [note for note in notes if "look alike" in note]


@pytest.mark.parametrize(("listed", "original_id"), [("KO77", "K\u041e77"), ("KH-0077", "KH-77"), ("KO77", "K077")])
def test_an_id_that_nearly_matches_a_row_is_named_and_not_joined(tmp_path: Path, listed: str, original_id: str) -> None:
    (note,) = notes_on(tmp_path, listed, "X1", original_id)
    assert "P0002: 3" in note
    assert original_id not in note


def test_an_id_that_is_the_same_but_for_invisible_signs_is_joined(tmp_path: Path) -> None:
    grades = read_grades(grades_of(tmp_path, "patient_id,isup_grade\nKH\u00ad77,3\n"))
    assert grades.find("ＫＨ７７\u200e") is not None


@pytest.mark.parametrize(("one", "other"), [("KH77", "kh77"), ("0077", "77"), ("KO77", "K\u041e77")])
def test_patients_of_a_scan_whose_ids_look_alike_are_named(tmp_path: Path, one: str, other: str) -> None:
    (note,) = notes_on(tmp_path, "X9", one, "Y1", other)
    assert "P0001, P0003" in note
