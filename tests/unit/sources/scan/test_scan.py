"""From a folder of files to a cohort table, with the real catalogue; looks are faked if pixels do not matter."""

from __future__ import annotations

import re
import shutil
import sqlite3
import stat
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread

from nephrograde.errors import InputError, RunError
from nephrograde.files import read_json, read_rows
from nephrograde.sources.scan.look import SeriesLook, look_at_series
from nephrograde.sources.scan.scan import ScanSettings, scan_folder
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.terminal import print_scan
from nephrograde.volume.dicom.series_list import SeriesList
from nephrograde.volume.phase.evidence import PHASES, Evidence
from nephrograde.volume.read import read_volume
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER = ScanSettings(look="never", workers=1)
HEIGHTS = range(0, 100, 5)
PLANTED = ("PLANTED", "19510203")


PRIVATE = re.compile(r"\.(key\.csv|skipped\.csv|sqlite)$|^P.*\.series$")


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory, write_stack: Callable[..., None]) -> Path:
    """Two patients in one flat folder, mixed with other files; read only."""
    folder = tmp_path_factory.mktemp("written") / "导出"
    one = {"PatientID": "PLANTED-007", "PatientName": "PLANTED^ZHANG", "PatientBirthDate": "19510203"}
    two = {"PatientID": "PLANTED-008", "PatientName": "PLANTED^LI", "StudyInstanceUID": "1.2.8"}
    for number, (uid, text, person) in enumerate(
        [
            ("1.2.7.1", "平扫", one),
            ("1.2.7.2", "皮髓质期", one),
            ("1.2.7.3", "皮髓质期 肺窗", one | {"ConvolutionKernel": "B70f"}),
            ("1.2.7.4", "Topogram", one),
            ("1.2.8.1", "abdomen", two),
        ]
    ):
        heights = range(2) if text == "Topogram" else HEIGHTS
        write_stack(folder, heights, uid=uid, name=f"{number}{{:03d}}", SeriesDescription=text, **person)
    (folder / "readme.txt").write_text("hello", encoding="utf-8")
    (folder / "empty").write_bytes(b"")
    return folder


@pytest.fixture
def export_dir(tmp_path: Path, written_once: Path) -> Path:
    """A copy of that folder, for a test that may write into it."""
    return Path(shutil.copytree(written_once, tmp_path / "导出", copy_function=shutil.copyfile))


class FakeLooks:
    """Replaces reading the pixels: returns what it is told about each series, and counts."""

    def __init__(self) -> None:
        self.says: dict[int, SeriesLook] = {}
        self.read: list[int] = []
        self.organs: dict[int, str] = {}

    def __call__(self, files: list[str], organs_path: Path | None) -> SeriesLook:
        number = int(Path(files[0]).name[0])
        self.read.append(number)
        if organs_path is not None:
            self.organs[number] = organs_path.name
        return self.says.get(number, SeriesLook(None, None, "", {"axial": b"A", "coronal": b"C"}))


@pytest.fixture
def looks() -> FakeLooks:
    return FakeLooks()


def by_uid(table_path: Path) -> dict[str, dict[str, str]]:
    return {row["series_uid"]: row for row in read_rows(table_path.with_name("series.csv"))}


def seen_as(phase: str, **known: Any) -> SeriesLook:
    likelihood = {one: 1.0 if one == phase else 1e-4 for one in PHASES}
    known = {"kidneys_mm": None, "fault": "", "pictures": {"axial": b"A"}} | known
    return SeriesLook(Evidence(Statement.of("image.read-as", read_as=phase), likelihood), **known)


def test_folder_becomes_a_table(export_dir: Path, tmp_path: Path) -> None:
    stages: dict[str, tuple[int, int]] = {}
    result = scan_folder(
        export_dir,
        tmp_path / "cohort.csv",
        settings=NEVER,
        progress=lambda stage, done, of: stages.update({stage: (done, of)}),
    )
    assert (result.n_patients, result.n_series, dict(result.n_scans)) == (2, 5, {"up": 1, "cmp": 1})
    assert stages["Choosing series"] == (2, 2)
    assert stages["Reading headers"][0] >= 80
    assert {skipped.count for skipped in result.skipped} == {1}
    (row,) = read_rows(result.table_path)
    assert row == {
        "patient_id": "P0001",
        "isup_grade": "",
        "up_image": "cohort.series/P0001-up.series",
        "cmp_image": "cohort.series/P0001-cmp.series",
        "np_image": "",
        "ep_image": "",
    }
    with SeriesList(tmp_path / row["cmp_image"]) as listed:
        assert len(listed) == len(HEIGHTS)
    series = by_uid(result.table_path)
    assert len(series) == 5
    assert series["1.2.7.3"]["reason"] == "sharp-kernel"
    assert series["1.2.7.4"]["reason"] == "localiser"
    assert series["1.2.8.1"]["patient_id"] == "P0002"
    assert series["1.2.8.1"]["reason"] == "phase-unknown"
    assert "No series could be chosen for 1 patient; series.csv says why: P0002." in result.notes


def test_nothing_but_the_key_and_the_catalogue_says_who(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    out_dir = tmp_path / "out"
    result = scan_folder(export_dir, out_dir / "cohort.csv", settings=ScanSettings(workers=1), look=looks)
    told = [path.name for path in out_dir.rglob("*") if path.is_file() and holds(path, PLANTED)]
    assert sorted(told) == ["cohort.catalogue.sqlite", "cohort.key.csv"]
    assert (out_dir / "cohort.skipped.csv").exists()
    names = " ".join(str(path.relative_to(out_dir)) for path in out_dir.rglob("*"))
    assert not any(word in names + str(result.notes) for word in PLANTED)
    assert read_rows(out_dir / "cohort.key.csv")[0] == {"patient_id": "P0001", "original_id": "PLANTED-007"}


def holds(path: Path, words: tuple[str, ...]) -> bool:
    content = path.read_bytes()
    return any(word.encode() in content for word in words)


def test_image_is_looked_at_where_the_words_leave_it_open(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    looks.says[4] = seen_as("ep", pictures={"axial": b"A", "coronal": b"C"})
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=ScanSettings(workers=1), look=looks)
    assert sorted(looks.read) == [0, 1, 4]
    series = by_uid(result.table_path)
    assert (series["1.2.8.1"]["phase"], series["1.2.8.1"]["chosen"]) == ("ep", "yes")
    assert "image.read-as:read_as=ep" in series["1.2.8.1"]["evidence"]
    pictures = sorted(path.name for path in result.thumbs_dir.iterdir())
    assert pictures == [f"P000{who}-{view}.png" for who in ("1-cmp", "1-up", "2-ep") for view in ("axial", "coronal")]
    scan_folder(export_dir, tmp_path / "cohort.csv", settings=ScanSettings(workers=1), look=looks)
    assert len(looks.read) == 3


def test_words_that_the_image_contradicts_are_said(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    looks.says[0] = seen_as("np")
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=ScanSettings(workers=1), look=looks)
    contradicted = [row for row in read_rows(result.series_path) if "conflict.words-image" in row["evidence"]]
    assert [(row["phase"], row["chosen"]) for row in contradicted] == [("np", "yes")]
    assert any(note.startswith("The words and the image of a series contradict each other") for note in result.notes)


def test_image_may_be_looked_at_always_or_never(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    scan_folder(export_dir, tmp_path / "a" / "cohort.csv", settings=NEVER, look=looks)
    assert looks.read == []
    scan_folder(export_dir, tmp_path / "b" / "cohort.csv", settings=ScanSettings(look="all", workers=1), look=looks)
    assert sorted(looks.read) == [0, 1, 4]


def test_series_that_cannot_be_read_gives_way(
    export_dir: Path, tmp_path: Path, looks: FakeLooks, write_stack: Callable[..., None]
) -> None:
    known = {"PatientID": "PLANTED-007", "SeriesDescription": "皮髓质期", "ConvolutionKernel": "B50f"}
    write_stack(export_dir, HEIGHTS, uid="1.2.7.5", name="5{:03d}", **known)
    table_path = tmp_path / "cohort.csv"
    scan_folder(export_dir, table_path, settings=ScanSettings(workers=1), look=looks)
    assert by_uid(table_path)["1.2.7.5"]["reason"] == "better-series | by.kernel:kernel=soft"
    shutil.rmtree(tmp_path / "cohort.looks")
    looks.says[1] = SeriesLook(None, None, "gap", {})
    scan_folder(export_dir, table_path, settings=ScanSettings(workers=1), look=looks)
    assert by_uid(table_path)["1.2.7.2"]["reason"] == "unreadable:fault=gap"
    assert by_uid(table_path)["1.2.7.5"]["reason"] == "only-series"


def test_kidneys_found_in_one_series_count_for_the_others(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    looks.says[0] = seen_as("up", kidneys_mm=(200.0, 320.0))
    looks.says[1] = seen_as("cmp")
    scan_folder(export_dir, tmp_path / "cohort.csv", settings=ScanSettings(workers=1), look=looks)
    assert by_uid(tmp_path / "cohort.csv")["1.2.7.2"]["reason"] == "kidneys-not-in-view:share_percent=0"


def test_what_an_earlier_scan_chose_is_cleared_away(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    table_path = tmp_path / "cohort.csv"
    scan_folder(export_dir, table_path, settings=ScanSettings(workers=1), look=looks)
    for path in export_dir.glob("1*"):
        path.unlink()
    scan_folder(export_dir, table_path, settings=ScanSettings(workers=1), look=looks)
    assert [path.name for path in (tmp_path / "cohort.series").iterdir()] == ["P0001-up.series"]
    assert {path.name[:8] for path in (tmp_path / "cohort.thumbs").iterdir()} == {"P0001-up"}


def test_grades_are_joined_and_who_was_not_is_said(export_dir: Path, tmp_path: Path) -> None:
    grades_path = tmp_path / "grades.csv"
    text = "patient_id,isup_grade,surgery_date,size_cm\nPLANTED-007,3,2024-02-01,4.2\nPLANTED-009,1,,2\n"
    grades_path.write_text(text, encoding="utf-8")
    settings = ScanSettings(look="never", workers=1, grades_path=grades_path)
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=settings)
    (row,) = read_rows(result.table_path)
    assert (row["isup_grade"], row["size_cm"]) == ("3", "4.2")
    assert not any(holds(path, PLANTED) for path in (result.table_path, result.series_path))
    notes = " ".join(result.notes)
    assert "grades.csv has no row for 1 patient; their grade is empty: P0002." in notes
    assert "grades.csv has 1 row without scans: row 3." in notes
    assert "Not carried over from grades.csv, because they may identify a patient: patient_id, surgery_date." in notes
    grades_path.write_text(text.replace("2024-02-01", "2020-02-01"), encoding="utf-8")
    assert read_rows(scan_folder(export_dir, tmp_path / "cohort.csv", settings=settings).table_path) == []


def test_organs_of_the_user_are_taken(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    (tmp_path / "organs" / "1.2.7.1").mkdir(parents=True)
    (tmp_path / "organs" / "1.2.7.2.nii.gz").write_bytes(b"")
    settings = ScanSettings(workers=1, organs_dir=tmp_path / "organs")
    scan_folder(export_dir, tmp_path / "cohort.csv", settings=settings, look=looks)
    assert looks.organs == {0: "1.2.7.1", 1: "1.2.7.2.nii.gz"}


def test_folder_without_dicom_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "readme.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match="contains no DICOM file"):
        scan_folder(tmp_path / "in", tmp_path / "cohort.csv", settings=NEVER)
    assert not (tmp_path / "cohort.csv").exists()


@pytest.mark.parametrize("place", ["cohort.csv", "new/cohort.csv", "../导出/cohort.csv"])
def test_key_is_not_written_into_the_export(export_dir: Path, place: str) -> None:
    before = sorted(export_dir.rglob("*"))
    with pytest.raises(InputError, match="inside the input folder"):
        scan_folder(export_dir, export_dir / place, settings=NEVER)
    assert sorted(export_dir.rglob("*")) == before


@pytest.mark.parametrize("name", ["c.xlsx", "c.pdf", "c", "c.csv.gz", ".csv", ".", ".."])
def test_table_of_another_ending_is_refused(export_dir: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"does not end in \.csv"):
        scan_folder(export_dir, tmp_path / "out" / name, settings=NEVER)
    assert not list((tmp_path / "out").iterdir())


def test_edited_table_is_kept(export_dir: Path, tmp_path: Path) -> None:
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=NEVER)
    edited = result.table_path.read_text(encoding="utf-8").replace("P0001,,", "P0001,3,")
    result.table_path.write_text(edited, encoding="utf-8")
    with pytest.raises(RunError):
        scan_folder(export_dir, tmp_path / "cohort.csv", settings=NEVER)
    assert result.table_path.read_text(encoding="utf-8") == edited


def test_damaged_look_is_taken_again(export_dir: Path, tmp_path: Path, looks: FakeLooks) -> None:
    files = {"1": [f"{export_dir}/1001"]}
    looks.says[1] = seen_as("np", kidneys_mm=(1.0, 2.0))
    first = look_at_series(files, tmp_path / "looks", look=looks)
    assert look_at_series(files, tmp_path / "looks", look=looks) == first
    (look_path,) = (tmp_path / "looks").iterdir()
    look_path.write_text("{", encoding="utf-8")
    assert look_at_series(files, tmp_path / "looks", look=looks) == first
    assert looks.read == [1, 1]


@pytest.mark.slow
def test_phantom_is_found_again_among_shuffled_files(tmp_path: Path) -> None:
    """Real pixels: the list gives the same volume as the original folder, and pictures are drawn."""
    settings = PhantomSettings(patients=2, phases=("up", "cmp"), dicom=True, matrix_px=64)
    made = read_rows(write_cohort(tmp_path / "made", settings))
    flat_dir = tmp_path / "flat"
    flat_dir.mkdir()
    files = sorted((tmp_path / "made").rglob("*.dcm"))
    for number, path in zip(np.random.default_rng(3).permutation(len(files)), files, strict=True):
        path.rename(flat_dir / f"{number:05d}")
    result = scan_folder(flat_dir, tmp_path / "cohort.csv", settings=ScanSettings(workers=1))
    rows = read_rows(result.table_path)
    assert [row["patient_id"] for row in rows] == [row["patient_id"] for row in made]
    assert dict(result.n_scans) == {"up": 2, "cmp": 2}
    assert len(list(result.thumbs_dir.glob("*.png"))) == 8
    volume = read_volume(tmp_path / rows[0]["cmp_image"])
    mask = read_volume(tmp_path / "made" / made[0]["cmp_mask"])
    assert volume.values.shape == mask.values.shape
    assert np.median(volume.values[mask.values > 0]) > 60


def test_masks_are_found_and_listed_beside_their_scans(
    export_dir: Path, tmp_path: Path, mask_bytes: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"PatientID": "PLANTED-007", "SeriesInstanceUID": "1.2.7.20", "SeriesDescription": "Tumor"}
    (export_dir / "PLANTED-007 seg").write_bytes(mask_bytes(["1.2.7.2"], SOPInstanceUID="20.1", **own))
    with zipfile.ZipFile(export_dir / "rt.zip", "w") as archive:
        archive.writestr("RT/1", mask_bytes(["1.2.7.1"], structures=True, **(own | {"SeriesInstanceUID": "1.2.7.21"})))
        archive.writestr("RT/2", mask_bytes(["1.2.7.3"], **(own | {"SeriesInstanceUID": "1.2.7.22"})))
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=NEVER)
    (row,) = read_rows(result.table_path)
    assert (row["up_mask"], row["cmp_mask"]) == (
        "cohort.series/P0001-up-mask.series",
        "cohort.series/P0001-cmp-mask.series",
    )
    for column, uid in (("up_mask", "1.2.7.21"), ("cmp_mask", "1.2.7.20")):
        with SeriesList(tmp_path / row[column]) as listed, listed.open(0) as stream:
            assert len(listed) == 1
            assert dcmread(stream).SeriesInstanceUID == uid
    series = by_uid(result.table_path)
    assert (series["1.2.7.20"]["chosen"], series["1.2.7.20"]["phase"]) == ("yes", "cmp")
    assert series["1.2.7.20"]["reason"] == "mask-taken:series=1.2.7.2"
    assert series["1.2.7.22"]["reason"] == "mask-of-unchosen:series=1.2.7.3"
    assert (dict(result.n_scans), dict(result.n_masks)) == ({"up": 1, "cmp": 1}, {"up": 1, "cmp": 1})
    assert any(note.startswith("A mask was found for 1 patient.") for note in result.notes)
    assert not any(holds(path, PLANTED) for path in (result.table_path, result.series_path))
    print_scan(result)
    assert "cmp (corticomedullary): 1 patient, 1 of them with a mask" in capsys.readouterr().out
    (export_dir / "rt.zip").unlink()
    scan_folder(export_dir, tmp_path / "cohort.csv", settings=NEVER)
    assert not (tmp_path / "cohort.series" / "P0001-up-mask.series").exists()


def test_every_file_that_was_passed_over_is_named(
    export_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        (export_dir / f"note {number}").write_text("hello", encoding="utf-8")
    result = scan_folder(export_dir, tmp_path / "cohort.csv", settings=NEVER)
    assert result.skipped_path == tmp_path / "cohort.skipped.csv"
    named = read_rows(result.skipped_path)
    names = ["empty", *(f"note {number}" for number in range(5)), "readme.txt"]
    assert [row["path"] for row in named] == [f"{export_dir.as_posix()}/{name}" for name in names]
    print_scan(result)
    told = capsys.readouterr().err
    assert str(result.skipped_path) in told
    assert "note 0" not in told
    for name in names:
        (export_dir / name).unlink()
    assert scan_folder(export_dir, tmp_path / "cohort.csv", settings=NEVER).skipped_path is None
    assert not (tmp_path / "cohort.skipped.csv").exists()


def test_patients_without_id_are_not_merged(tmp_path: Path, write_stack: Callable[..., None]) -> None:
    for number in range(3):
        known = {"PatientID": "", "PatientName": "", "StudyInstanceUID": f"1.{number}", "SeriesDescription": "平扫"}
        write_stack(tmp_path / "in", HEIGHTS, uid=f"1.{number}.1", name=f"{number}{{:03d}}", **known)
    result = scan_folder(tmp_path / "in", tmp_path / "cohort.csv", settings=NEVER)
    assert [row["patient_id"] for row in read_rows(result.table_path)] == ["P0001", "P0002", "P0003"]
    assert any(note.startswith("3 patients without PatientID: each study") for note in result.notes)


def _corrected(export_dir: Path, tmp_path: Path, *rows: str) -> tuple[dict[str, str], list[dict[str, str]], list[str]]:
    corrections_path = tmp_path / "corrections.csv"
    corrections_path.write_text("\n".join(["series_uid,phase,description", *rows]), encoding="utf-8")
    settings = ScanSettings(look="never", workers=1, corrections_path=corrections_path)
    result = scan_folder(export_dir, tmp_path / "work" / "cohort.csv", settings=settings)
    reasons = {row["series_uid"]: row["reason"] for row in read_rows(result.series_path)}
    return reasons, read_rows(result.table_path), list(result.notes)


def test_a_person_names_a_phase_that_the_headers_leave_open(export_dir: Path, tmp_path: Path) -> None:
    reasons, cohort, _ = _corrected(export_dir, tmp_path, "1.2.8.1,np,abdomen")
    assert reasons["1.2.8.1"] == "chosen-by-person"
    assert [row["np_image"] for row in cohort] == ["", "cohort.series/P0002-np.series"]


def test_a_person_chooses_another_series_of_the_phase(export_dir: Path, tmp_path: Path) -> None:
    reasons, cohort, _ = _corrected(export_dir, tmp_path, "1.2.7.3,CMP,lung kernel after all")
    assert (reasons["1.2.7.2"], reasons["1.2.7.3"]) == ("outdone-by-person", "chosen-by-person")
    with SeriesList(tmp_path / "work" / cohort[0]["cmp_image"]) as listed:
        assert {Path(str(listed.path(k))).name[0] for k in range(len(listed))} == {"2"}


def test_corrections_are_taken_from_a_series_table_of_an_older_format(export_dir: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    lines = [
        "patient_id,study_uid,series_uid,description,phase,probability,evidence,chosen,reason",
        'P0002,1.2.8,1.2.8.1,abdomen,np,0.300,"order: acquisition 1 of 2 by time",no,phase unknown',
    ]
    old.write_text("\n".join(lines), encoding="utf-8")
    settings = ScanSettings(look="never", workers=1, corrections_path=old)
    result = scan_folder(export_dir, tmp_path / "work" / "cohort.csv", settings=settings)
    assert by_uid(result.table_path)["1.2.8.1"]["reason"] == "chosen-by-person"


def test_a_person_leaves_a_series_out(export_dir: Path, tmp_path: Path) -> None:
    reasons, cohort, notes = _corrected(export_dir, tmp_path, "1.2.7.2,,", "9.9.9,np,not here")
    assert reasons["1.2.7.2"] == "left-out-by-person"
    assert cohort[0]["up_image"]
    assert not cohort[0].get("cmp_image")
    assert any("9.9.9" in note for note in notes)


def test_corrections_beside_the_table_are_read_without_being_named(export_dir: Path, tmp_path: Path) -> None:
    table_path = tmp_path / "work" / "cohort.csv"
    scan_folder(export_dir, table_path, settings=NEVER)
    corrections_path = table_path.with_name("cohort.corrections.csv")
    corrections_path.write_text("series_uid,part,phase\n1.2.8.1,,np\n", encoding="utf-8")
    result = scan_folder(export_dir, table_path, settings=NEVER)
    assert by_uid(table_path)["1.2.8.1"]["reason"] == "chosen-by-person"
    assert any("cohort.corrections.csv" in note for note in result.notes)
    corrections_path.write_text("series_uid,part,phase\n", encoding="utf-8")  # all taken back
    scan_folder(export_dir, table_path, settings=NEVER)
    assert by_uid(table_path)["1.2.8.1"]["reason"] == "phase-unknown"


def test_corrections_that_are_named_win_over_those_beside_the_table_and_a_note_says_so(
    export_dir: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "work" / "cohort.corrections.csv"
    beside.parent.mkdir()
    beside.write_text("series_uid,phase\n1.2.8.1,np\n", encoding="utf-8")
    reasons, _, notes = _corrected(export_dir, tmp_path, "1.2.8.1,ep,abdomen")
    assert reasons["1.2.8.1"] == "chosen-by-person"
    assert by_uid(beside.with_name("cohort.csv"))["1.2.8.1"]["phase"] == "ep"
    assert any("was not read" in note for note in notes)
    assert read_json(beside.with_name("cohort.scan.json"))["corrections"] == "../corrections.csv"


def test_a_person_chooses_one_part_of_a_series(tmp_path: Path, write_stack: Callable[..., None]) -> None:
    known = {"uid": "1.2.9", "SeriesDescription": "Nieren", "PatientID": "PLANTED-1"}
    for number in (1, 2):  # two acquisitions of the same region in one series
        write_stack(
            tmp_path / "in",
            HEIGHTS,
            name=f"{number}{{:03d}}",
            first=1 + 100 * number,
            AcquisitionNumber=str(number),
            AcquisitionTime=f"10{number}000",
            **known,
        )
    path = tmp_path / "out" / "cohort.corrections.csv"
    path.parent.mkdir()
    path.write_text("series_uid,part,phase\n1.2.9,2,np\n1.2.9,1,cmp\n", encoding="utf-8")
    result = scan_folder(tmp_path / "in", tmp_path / "out" / "cohort.csv", settings=NEVER)
    rows = read_rows(result.series_path)
    assert {(row["part"], row["phase"], row["reason"], row["slices"], row["step_mm"]) for row in rows} == {
        ("1", "cmp", "chosen-by-person", "20", "5"),
        ("2", "np", "chosen-by-person", "20", "5"),
    }
    path.write_text("series_uid,part,phase\n1.2.9,2,np\n1.2.9,,\n", encoding="utf-8")
    rows = read_rows(scan_folder(tmp_path / "in", tmp_path / "out" / "cohort.csv", settings=NEVER).series_path)
    assert {row["part"]: row["reason"] for row in rows} == {"1": "left-out-by-person", "2": "chosen-by-person"}


def test_corrections_that_make_no_sense_are_named_together(export_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _corrected(export_dir, tmp_path, "1.2.7.2,arterial,", "1.2.7.1,up,", "1.2.7.1,np,")
    assert [problem.place for problem in caught.value.problems] == ["corrections.csv row 2", "corrections.csv row 4"]
    (tmp_path / "other.csv").write_text("uid\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="column series_uid: is missing"):
        scan_folder(export_dir, tmp_path / "x.csv", settings=ScanSettings(corrections_path=tmp_path / "other.csv"))


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of other systems")
def test_who_is_who_is_for_the_owner_only(export_dir: Path, tmp_path: Path) -> None:
    """The key, the catalogue with its journals, what was skipped, and the lists; in folders that only they may open."""
    (export_dir / "notes.txt").write_text("no image")
    modes: dict[str, int] = {}
    connect = sqlite3.connect

    class Watched(sqlite3.Connection):
        def commit(self) -> None:
            for path in (tmp_path / "new").glob("*.sqlite*"):
                modes[path.name] = stat.S_IMODE(path.stat().st_mode)
            super().commit()

    def watch(path: Path, timeout: float) -> sqlite3.Connection:
        return connect(path, timeout=timeout, factory=Watched)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", watch)
        scan_folder(export_dir, tmp_path / "new" / "cohort.csv", settings=ScanSettings(look="never", workers=1))
    private = [path for path in (tmp_path / "new").rglob("*") if PRIVATE.search(path.name)]
    assert len(private) >= 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert modes == {"cohort.catalogue.sqlite": 0o600, "cohort.catalogue.sqlite-journal": 0o600}
    for folder in (tmp_path / "new", tmp_path / "new" / "cohort.series"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of other systems")
def test_a_folder_of_the_user_keeps_its_permissions(export_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    scan_folder(export_dir, tmp_path / "mine" / "cohort.csv", settings=ScanSettings(look="never", workers=1))
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o755
