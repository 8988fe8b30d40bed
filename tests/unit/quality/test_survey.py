"""Checks of a whole cohort: planted faults are found, files written, and records kept."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.place import Box, parse_box, parse_point, parse_slice
from nephrograde.files import read_rows
from nephrograde.organs.enhancement import measure_enhancement
from nephrograde.quality.scan_quality import find_kidney_level
from nephrograde.quality.survey import check_quality
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.study import Arm, CohortSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import read_findings
from nephrograde.volume.read import read_volume
from nephrograde.volume.thumbnail import REGION_RGBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.quality.cohort_quality import CohortQuality

PHASES = ("cmp", "up")
STUDY = Study(
    cohort=CohortSettings(table=Path("cohort.csv"), phases=PHASES),
    arm=(Arm(name="weak-1", supervision=Supervision.BOX, slices=1), Arm(name="strong", supervision=Supervision.MASK)),
)


def _edit(image_path: Path, change: Any) -> None:
    image = SimpleITK.ReadImage(str(image_path))
    edited = SimpleITK.GetImageFromArray(change(SimpleITK.GetArrayFromImage(image)))
    edited.SetOrigin(image.GetOrigin())
    edited.SetSpacing(image.GetSpacing())
    edited.SetDirection(image.GetDirection())
    SimpleITK.WriteImage(edited, str(image_path))


def _with_metal(values: Any) -> Any:
    values[10:13, 48:54, 40:44] = 3071
    return values


def _cut(values: Any) -> Any:
    return np.ascontiguousarray(values[:, :, 30:])


def _case(images_dir: Path, patient: str, grade: int) -> Case:
    scans = {
        phase: Scan(phase, images_dir / f"{phase}.nii.gz", images_dir / f"{phase}_mask.nii.gz", None, None, None)
        for phase in PHASES
    }
    return Case(patient, grade > 2, grade, scans, {})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Five synthetic patients: one each with metal, exchanged phases, a shifted mask and a narrow field of view, and
    one who is a copy of another."""
    folder = tmp_path_factory.mktemp("quality")
    write_cohort(folder, PhantomSettings(patients=4, phases=PHASES, matrix_px=96, seed=3))
    images = folder / "images"
    cases = {name: _case(images / name, name, grade) for name, grade in zip(_names(4), (1, 2, 3, 4), strict=True)}
    shutil.copytree(images / "SYN-0004", images / "copy")
    cases["SYN-0005"] = _case(images / "copy", "SYN-0005", 4)
    _edit(images / "SYN-0001" / "cmp.nii.gz", _with_metal)
    swapped = cases["SYN-0002"].scans
    cases["SYN-0002"] = replace(
        cases["SYN-0002"],
        scans={
            "cmp": replace(swapped["up"], phase="cmp"),
            "up": replace(swapped["cmp"], phase="up"),
        },
    )
    _edit(images / "SYN-0003" / "cmp_mask.nii.gz", lambda mask: np.roll(mask, 25, axis=1))
    for name in ("up.nii.gz", "up_mask.nii.gz"):
        _edit(images / "SYN-0003" / name, _cut)
    (images / "SYN-0004" / "up.nii.gz").write_bytes(b"")
    return Cohort(tuple(cases.values()), PHASES, (), None)


def _names(count: int) -> list[str]:
    return [f"SYN-{number:04d}" for number in range(1, count + 1)]


@pytest.fixture(scope="module")
def quality_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("found")


@pytest.fixture(scope="module")
def quality(cohort: Cohort, quality_dir: Path) -> CohortQuality:
    return check_quality(cohort, STUDY, quality_dir)


def test_planted_faults_are_found_and_nothing_else(quality: CohortQuality) -> None:
    found = defaultdict(set)
    for finding in quality.findings:
        if finding.code != "pixel-size":  # 96 pixels across a whole body are coarse
            found[finding.patient_id, finding.phase].add(finding.code)
    assert found.pop(("SYN-0003", "cmp")) & {"mask-fat", "mask-air"}
    assert found == {
        ("SYN-0001", "cmp"): {"metal"},
        ("SYN-0002", "cmp"): {"phase-suspect"},
        ("SYN-0002", "up"): {"phase-suspect"},
        ("SYN-0003", "up"): {"truncated"},
        ("SYN-0004", "up"): {"file-empty"},
        ("SYN-0005", "cmp"): {"duplicate-image"},
    }


@pytest.mark.slow
def test_another_process_checks_the_same(
    cohort: Cohort, quality: CohortQuality, quality_dir: Path, tmp_path: Path, hiring: Callable[[], int]
) -> None:
    done: list[int] = []
    assert check_quality(cohort, STUDY, tmp_path, advance=lambda: done.append(1)) == quality
    written = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path, quality_dir)
    ]
    assert written[0] == written[1]
    assert len(done) == 10
    assert hiring() == 1


def test_regions_of_the_arms_are_drawn_and_listed(quality: CohortQuality, quality_dir: Path) -> None:
    rows = {(row["patient_id"], row["phase"]): row for row in read_rows(quality_dir / "scans.csv")}
    image = STUDY.image
    edges = "x".join(f"{edge:g}" for edge in image.box_mm)
    row = rows["SYN-0001", "cmp"]
    assert row["regions"] == f"weak-1:{image.slice_mm:g}x{image.slice_mm:g}:0;strong:{edges}:1"
    with Image.open(quality_dir / row["thumb"]) as thumb:
        picture = np.asarray(thumb.convert("RGB"))
    assert [bool((picture == rgb).all(axis=2).any()) for rgb in REGION_RGBS] == [True, True, False]
    assert rows["SYN-0004", "up"]["regions"] == ""


def test_the_level_of_the_kidneys_is_where_they_were_found(cohort: Cohort, quality: CohortQuality) -> None:
    volume = read_volume(cohort.cases[0].scans["up"].image_path)
    kidneys = measure_enhancement(volume)
    assert kidneys is not None
    assert quality.scans["SYN-0001", "up"].kidney_level == find_kidney_level(volume, kidneys)


def test_files_hold_what_was_found(quality: CohortQuality, quality_dir: Path) -> None:
    assert tuple(read_findings(quality_dir / "quality.csv")) == quality.findings
    scans = read_rows(quality_dir / "scans.csv")
    assert [(row["patient_id"], row["phase"]) for row in scans] == [(name, p) for name in _names(5) for p in PHASES]
    pictures = [quality_dir / row["thumb"] for row in scans if row["thumb"]]
    assert len(set(pictures)) == 9
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert next(row for row in scans if not row["thumb"])["patient_id"] == "SYN-0004"
    counts = {(row["what"], row["name"]): row for row in read_rows(quality_dir / "counts.csv")}
    assert counts["readable", "up"]["n"] == "4"
    assert counts["usable", "strong-up"]["grade_4"] == "1"


def _times_of_kept(quality_dir: Path) -> dict[str, int]:
    kept = [*(quality_dir / "cache").iterdir(), *(quality_dir / "thumbs").iterdir()]
    return {path.name: path.stat().st_mtime_ns for path in kept}


def test_a_second_look_examines_no_scan_again(cohort: Cohort, quality: CohortQuality, quality_dir: Path) -> None:
    before = _times_of_kept(quality_dir)
    assert len(before) == 10 + 9
    calls: list[int] = []
    again = check_quality(cohort, STUDY, quality_dir, advance=lambda: calls.append(1))
    assert again == quality
    assert len(calls) == 10
    assert _times_of_kept(quality_dir) == before


def test_each_scan_takes_one_processor(cohort: Cohort, tmp_path: Path, blas_threads: Callable[[], set[int]]) -> None:
    seen: set[int] = set()
    check_quality(_one_scan(cohort, mask_path=None), STUDY, tmp_path, advance=lambda: seen.update(blas_threads()))
    assert seen == {1}


def _one_scan(cohort: Cohort, **changes: Any) -> Cohort:
    case = cohort.cases[0]
    return replace(cohort, cases=(replace(case, scans={"up": replace(case.scans["up"], **changes)}),))


def test_places_outside_the_image_are_named_and_not_counted(cohort: Cohort, tmp_path: Path) -> None:
    one = _one_scan(cohort, mask_path=None, point=parse_point("900,0,0 mm"), box=parse_box("30,30,5;40,40,9 vox"))
    quality = check_quality(one, STUDY, tmp_path)
    assert [finding.code for finding in quality.findings if finding.severity == "fatal"] == ["annotation-outside"]
    assert quality.scans["SYN-0001", "up"].supervision == ("box",)
    assert {one.name: one.n for one in quality.counts if one.what == "usable" and one.n} == {"weak-1-up": 1}


def test_a_box_without_area_and_a_slice_of_another_grid_are_named(cohort: Cohort, tmp_path: Path) -> None:
    point = Box((40.0, 40.0, 5.0), (40.0, 40.0, 9.0), "vox")
    one = _one_scan(cohort, mask_path=None, box=point, slice_place=parse_slice("500 vox"))
    quality = check_quality(one, STUDY, tmp_path)
    assert quality.scans["SYN-0001", "up"].place_z_mm is None
    fatal = [(finding.code, finding.column) for finding in quality.findings if finding.severity == "fatal"]
    assert fatal == [("annotation-outside", "up_slice"), ("annotation-empty", "up_box")]
    assert quality.scans["SYN-0001", "up"].supervision == ()


@pytest.mark.slow
def test_kidneys_come_from_the_program_or_from_a_mask_of_the_table(cohort: Cohort, tmp_path: Path) -> None:
    arm = Arm(name="none", supervision=Supervision.NONE, slices=1)
    study = STUDY.model_copy(update={"arm": (arm,)})
    tumour_path = cohort.cases[0].scans["up"].mask_path
    for kidneys_path, usable, codes in (
        (None, 1, set()),
        (tumour_path, 1, set()),
        (tmp_path / "gone.nii.gz", 0, {"file-missing"}),
    ):
        quality = check_quality(_one_scan(cohort, kidneys_path=kidneys_path), study, tmp_path)
        assert {one.n for one in quality.counts if one.name == "none-up"} == {usable}
        assert {one.code for one in quality.findings if one.column == "up_kidneys"} == codes


def test_a_mask_that_cannot_be_read_leaves_the_image(cohort: Cohort, tmp_path: Path) -> None:
    quality = check_quality(_one_scan(cohort, mask_path=tmp_path / "gone.nii.gz"), STUDY, tmp_path)
    assert "file-missing" in {finding.code for finding in quality.findings}
    assert quality.scans["SYN-0001", "up"].is_readable
    assert quality.scans["SYN-0001", "up"].supervision == ()


@pytest.mark.slow
def test_what_no_scan_refers_to_any_more_is_removed(cohort: Cohort, tmp_path: Path) -> None:
    check_quality(_one_scan(cohort), STUDY, tmp_path)
    before = set(tmp_path.rglob("*.png"))
    check_quality(_one_scan(cohort, box=parse_box("30,30,5;40,40,9 vox")), STUDY, tmp_path)
    after = set(tmp_path.rglob("*.png"))
    assert len(before) == len(after) == 1
    assert before != after
    next(iter(after)).unlink()
    check_quality(_one_scan(cohort, box=parse_box("30,30,5;40,40,9 vox")), STUDY, tmp_path)
    assert set(tmp_path.rglob("*.png")) == after


def test_pictures_serve_arms_on_slices(cohort: Cohort, tmp_path: Path) -> None:
    from PIL import Image

    grey = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(grey).save(tmp_path / name)
    (tmp_path / "c.png").write_bytes(b"\x89PNG")
    cases = tuple(
        replace(cohort.cases[k], scans={"up": Scan("up", tmp_path / name, None, None, None, None)})
        for k, name in enumerate(("a.png", "b.png", "c.png"))
    )
    quality = check_quality(replace(cohort, cases=cases), STUDY, tmp_path / "quality")
    found = [(finding.patient_id, finding.code) for finding in quality.findings]
    assert found == [("SYN-0003", "file-unreadable"), ("SYN-0002", "duplicate-image")]
    assert {one.name: one.n for one in quality.counts if one.what == "usable" and one.n} == {"weak-1-up": 2}
    assert len(list((tmp_path / "quality" / "thumbs").iterdir())) == 2
    both = _one_scan(cohort, image_path=tmp_path / "a.png", further_paths=(tmp_path / "b.png",), mask_path=None)
    found_both = check_quality(both, STUDY, tmp_path / "both")
    assert found_both.findings == ()
    assert found_both.scans["SYN-0001", "up"].size == (80, 60, 2)


def test_nothing_of_a_person_is_written(tmp_path: Path, write_series: Any) -> None:
    values = np.random.default_rng(0).integers(0, 2000, (32, 32, 6)).astype(np.int16)
    secrets = {"PatientName": "Geheim^Gerda", "PatientBirthDate": "19431224", "PatientID": "HOSP-778899"}
    for name in ("a", "b"):
        positions = [(0.0, 0.0, 5.0 * k) for k in range(6)]
        write_series(tmp_path / name, values=values[::-1] if name == "a" else values, positions_mm=positions, **secrets)
    cases = tuple(
        Case(patient, False, 1, {"up": Scan("up", tmp_path / name, None, None, None, None)}, {})
        for patient, name in (("P1", "a"), ("P2", "b"))
    )
    quality = check_quality(Cohort(cases, PHASES, (), None), STUDY, tmp_path / "quality")
    twice = [finding for finding in quality.findings if finding.code == "patient-twice"]
    assert [(finding.patient_id, "name, birth date and sex" in finding.message) for finding in twice] == [("P2", True)]
    for path in (tmp_path / "quality").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(secret in content for secret in (b"Geheim", b"Gerda", b"19431224", b"HOSP-778899"))
