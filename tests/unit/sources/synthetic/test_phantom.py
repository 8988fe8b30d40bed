from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import SimpleITK

from nephrograde.errors import InputError, RunError, WriteError
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

SMALL = PhantomSettings(patients=4, seed=11, phases=("cmp", "up"), matrix_px=40)


def rows_of(table_path: Path) -> list[dict[str, str]]:
    with table_path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def contents_of(cohort_dir: Path) -> dict[str, str]:
    files = (path for path in sorted(cohort_dir.rglob("*")) if path.is_file())
    return {str(path.relative_to(cohort_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def times_of(cohort_dir: Path) -> dict[str, int]:
    return {str(path.relative_to(cohort_dir)): path.stat().st_mtime_ns for path in cohort_dir.rglob("*.nii.gz")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), SMALL).parent


@pytest.fixture
def cohort_dir(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "cohort"))


def test_the_table_lists_patients_and_files(finished: Path) -> None:
    rows = rows_of(finished / "cohort.csv")
    assert list(rows[0]) == [
        *("patient_id", "isup_grade", "age_years", "sex", "size_cm", "centre"),
        *("cmp_image", "cmp_mask", "up_image", "up_mask", "severity", "synthetic"),
    ]
    assert [row["patient_id"] for row in rows] == ["SYN-0001", "SYN-0002", "SYN-0003", "SYN-0004"]
    assert {row["synthetic"] for row in rows} == {"yes"}
    assert sum(int(row["isup_grade"]) >= 3 for row in rows) == 2
    for row in rows:
        for column in ("cmp_image", "cmp_mask", "up_image", "up_mask"):
            assert (finished / row[column]).is_file()
        image, mask = (SimpleITK.ReadImage(str(finished / row[name])) for name in ("cmp_image", "cmp_mask"))
        assert image.GetSize() == mask.GetSize()
        assert image.GetOrigin() == mask.GetOrigin()


def test_everything_says_synthetic(finished: Path) -> None:
    assert "SYNTHETIC" in (finished / "README.txt").read_text(encoding="utf-8")
    assert json.loads((finished / "synthetic.json").read_text(encoding="utf-8"))["synthetic"] is True
    for path in finished.rglob("*.nii.gz"):
        assert SimpleITK.ReadImage(str(path)).GetMetaData("descrip").startswith("SYNTHETIC")


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_same_settings_give_the_same_files_with_any_number_of_workers(
    finished: Path, tmp_path: Path, workers: int
) -> None:
    write_cohort(tmp_path / "again", SMALL, workers=workers)
    assert contents_of(tmp_path / "again") == contents_of(finished)


def test_a_finished_cohort_is_kept(cohort_dir: Path) -> None:
    before, calls = times_of(cohort_dir), []
    write_cohort(cohort_dir, SMALL, advance=lambda: calls.append(1))
    assert times_of(cohort_dir) == before
    assert len(calls) == SMALL.patients


def test_an_interrupted_cohort_is_completed(cohort_dir: Path, finished: Path) -> None:
    before = times_of(cohort_dir)
    (cohort_dir / "cohort.csv").unlink()
    shutil.rmtree(cohort_dir / "images/SYN-0002")
    (cohort_dir / "images/SYN-0003/up_mask.nii.gz").unlink()
    stale_dir = cohort_dir / "images/.nephrograde-99-SYN-0002"
    stale_dir.mkdir()
    (stale_dir / "cmp.nii.gz").write_bytes(b"half")
    write_cohort(cohort_dir, SMALL)
    assert contents_of(cohort_dir) == contents_of(finished)
    after = times_of(cohort_dir)
    assert after["images/SYN-0001/cmp.nii.gz"] == before["images/SYN-0001/cmp.nii.gz"]


def test_the_table_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = SimpleITK.WriteImage

    def fails_at_the_third(image: SimpleITK.Image, path: str, *arguments: Any, **options: Any) -> None:
        if "SYN-0003" in path:
            raise OSError("disk full")
        written(image, path, *arguments, **options)

    monkeypatch.setattr(SimpleITK, "WriteImage", fails_at_the_third)
    with pytest.raises(WriteError, match="disk full"):
        write_cohort(tmp_path, SMALL, workers=1)
    assert not (tmp_path / "cohort.csv").exists()
    assert (tmp_path / "images/SYN-0002").is_dir()
    assert not (tmp_path / "images/SYN-0003").exists()


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"seed": 12}, {"patients": 3}, {"oracle_auc": 0.8}, {"dicom": True}])
def test_a_cohort_of_other_settings_is_replaced(cohort_dir: Path, tmp_path: Path, changed: dict[str, Any]) -> None:
    settings = replace(SMALL, **changed)
    write_cohort(cohort_dir, settings)
    write_cohort(tmp_path / "fresh", settings)
    assert contents_of(cohort_dir) == contents_of(tmp_path / "fresh")


@pytest.mark.slow
def test_files_of_others_among_the_images_stay(cohort_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/cmp.nii.gz").write_text("mine")
    shutil.rmtree(cohort_dir / "images/SYN-0002")
    (cohort_dir / "images/SYN-0002").symlink_to(tmp_path / "elsewhere")
    mine = [cohort_dir / "images/SYN-0001/notes.txt", cohort_dir / "images/SYN-0001/.thesis.tmp/draft.txt"]
    mine.append(cohort_dir / "images/.SYN-0003.tmp")
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    for settings in (replace(SMALL, seed=12), replace(SMALL, seed=13, dicom=True)):
        write_cohort(cohort_dir, settings)
        assert [path.read_text() for path in mine] == ["mine"] * 3
        assert (tmp_path / "elsewhere/cmp.nii.gz").read_text() == "mine"


def test_images_that_no_phantom_wrote_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "images/SYN-0001").mkdir(parents=True)
    (tmp_path / "images/SYN-0001/cmp.nii.gz").write_text("mine")
    with pytest.raises(RunError, match="not a synthetic cohort"):
        write_cohort(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    assert (tmp_path / "images/SYN-0001/cmp.nii.gz").read_text() == "mine"


def test_other_files_in_the_folder_are_left_alone(cohort_dir: Path) -> None:
    (cohort_dir / "demo.toml").write_text("mine", encoding="utf-8")
    (cohort_dir / "images/notes-SYN-0001").mkdir()
    write_cohort(cohort_dir, replace(SMALL, seed=12))
    assert (cohort_dir / "demo.toml").read_text(encoding="utf-8") == "mine"
    assert (cohort_dir / "images/notes-SYN-0001").is_dir()


def test_a_table_that_is_not_synthetic_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient_id\nP001\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"not a synthetic cohort.*another folder"):
        write_cohort(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


def test_dicom_on_request(tmp_path: Path) -> None:
    table_path = write_cohort(tmp_path, replace(SMALL, patients=2, phases=("cmp",), dicom=True))
    for row in rows_of(table_path):
        series_dir = tmp_path / row["cmp_image"]
        mask = SimpleITK.ReadImage(str(tmp_path / row["cmp_mask"]))
        assert len(list(series_dir.glob("*.dcm"))) == mask.GetSize()[2]


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        PhantomSettings(
            patients=1, seed=-1, oracle_auc=1.0, high_fraction=0.0, phases=("cmp", "cmp", "pet"), matrix_px=8
        )
    assert [problem.place for problem in caught.value.problems] == [
        *("patients", "seed", "oracle_auc", "high_fraction", "phases", "matrix_px", "phases"),
    ]
    with pytest.raises(InputError, match="phases: is empty"):
        PhantomSettings(phases=())


def test_each_class_has_a_patient_even_in_the_smallest_cohort() -> None:
    assert PhantomSettings(patients=2, high_fraction=0.01).high == 1
    assert PhantomSettings(patients=2, high_fraction=0.99).high == 1
    assert PhantomSettings(patients=306).high == 141
