"""Early fusion: a place in the patient is the same voxel in every channel, whatever grid and position its scan has."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.place import Point
from nephrograde.run.folder import RunFolder
from nephrograde.sample.channels import ABSENT, DIFFERENCE_HU
from nephrograde.sample.early import OtherPhase, cut_early
from nephrograde.sample.prepare import prepare_cohort, read_prepared
from nephrograde.sample.region import Views
from nephrograde.sample.scanned import Scanned
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study, Window
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import Volume, make_volume, write_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK_MM = np.array([4.0, -6.0, 103.0])
BLOBS = np.random.default_rng(3).uniform((-40, -40, 65), (40, 40, 135), (30, 3))
SIGNS = np.random.default_rng(4).choice((-1.0, 1.0), 30)


class Lattice(NamedTuple):
    """The voxels of a scan: their size, number and the tilt of their axes, around a place in the patient."""

    spacing_mm: tuple[float, float, float]
    size: tuple[int, int, int]
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    middle_mm: tuple[float, float, float] = (0.0, 0.0, 100.0)


REFERENCE = Lattice((1.6, 1.6, 3.0), (56, 56, 30))
OBLIQUE = Lattice((1.5, 1.8, 2.5), (64, 56, 40), (7.0, -5.0, 11.0))
SHIFTED = Lattice((1.3, 1.9, 2.2), (76, 50, 45), middle_mm=(5.0, -3.0, 104.3))
POINT = Point((float(MARK_MM[0] + 5), float(MARK_MM[1] - 4), float(MARK_MM[2])), "mm")


def turn(turn_deg: tuple[float, float, float]) -> NDArray[np.float64]:
    a, b, c = np.radians(turn_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def patient_at(places_mm: NDArray[np.float64], contrast: float) -> NDArray[np.float64]:
    """HU of a patient with blobs of both signs and one bright mark, whose brightness depends on the contrast."""
    values = np.full(places_mm.shape[:-1], 20.0)
    for blob, sign in zip(BLOBS, SIGNS, strict=True):
        values += sign * contrast * 60 * np.exp(-((places_mm - blob) ** 2).sum(axis=-1) / (2 * 7.0**2))
    return np.asarray(values + 500 * np.exp(-((places_mm - MARK_MM) ** 2).sum(axis=-1) / (2 * 3.0**2)))


@cache
def scan_of(
    lattice: Lattice,
    *,
    contrast: float = 1.0,
    moved_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    moved_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Volume:
    """A scan of the patient, who lies moved."""
    direction, spacing = turn(lattice.turn_deg), np.array(lattice.spacing_mm)
    index = np.stack(np.meshgrid(*map(np.arange, lattice.size), indexing="ij"), axis=-1).astype(np.float32)
    origin = np.array(lattice.middle_mm) - direction @ ((np.array(lattice.size) - 1) / 2 * spacing)
    places = index * spacing @ direction.T + origin
    about = np.array([0.0, 0.0, 100.0])
    as_before = (places - about - moved_mm) @ turn(moved_deg) + about  # the inverse of the motion
    x, y, z = origin.tolist()
    values = patient_at(as_before, contrast).astype(np.float32)
    return make_volume(values, spacing_mm=lattice.spacing_mm, origin_mm=(x, y, z), direction=direction)


def study_of(arm: Arm, **windows: Window) -> Study:
    wide = Window(low=-400.0, high=800.0)
    return Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp", "np", "up")),
        arm=(arm,),
        image=ImageSettings(
            slice_px=48, slice_mm=48.0, box_voxels=(48, 48, 24), box_mm=(48.0, 48.0, 48.0), antialias=False
        ),
        window=windows or {"default": wide},
    )


def arm_of(slices: int | None, **further: Any) -> Arm:
    given: dict[str, Any] = {"phases": ("cmp", "np", "up"), "fusion": "early", **further}
    return Arm(name="early", supervision=Supervision.POINT, slices=slices, **given)


def cut(arm: Arm, first: Volume, *others: tuple[str, Volume], is_hu: bool = True) -> Any:
    scan = Scan("cmp", Path("cmp.nii.gz"), None, POINT, None, None)
    views = Views(Scanned(first, scan), study_of(arm))
    return cut_early(views, arm, [OtherPhase(phase, volume, True) for phase, volume in others], is_hu=is_hu)


def brightest(channel: NDArray[np.float16]) -> NDArray[np.intp]:
    """The middle of the brightest voxels, which is more exact than one voxel of a smooth mark."""
    values = channel.astype(float)
    bright = np.argwhere(values > values.max() * 0.8)
    weights = values[tuple(bright.T)]
    return np.asarray((bright * weights[:, None]).sum(axis=0) / weights.sum())


@pytest.mark.parametrize("slices", [1, None])
def test_a_mark_is_at_the_same_voxel_in_all_channels(slices: int | None) -> None:
    first = scan_of(REFERENCE)
    region = cut(arm_of(slices), first, ("np", scan_of(OBLIQUE)), ("up", scan_of(SHIFTED)))
    assert region.phases == ("cmp", "np", "up")
    assert region.faults == ()
    (picture,) = region.pictures
    assert picture.shape == ((3, 48, 48) if slices else (3, 48, 48, 24))
    places = [brightest(channel) for channel in picture]
    np.testing.assert_allclose(places[1], places[0], atol=0.25)
    np.testing.assert_allclose(places[2], places[0], atol=0.25)
    # In the picture, the mark is where the grid of the first scan says: 5 mm and 4 mm from the point in the middle.
    away = np.array([4.0, -5.0]) if slices else np.array([-5.0, 4.0, 0.0])
    step = np.array([1.0, 1.0]) if slices else np.array([1.0, 1.0, 2.0])
    np.testing.assert_allclose((places[0] - (np.array(picture.shape[1:]) - 1) / 2) * step, away, atol=1.0)


def test_the_first_phase_is_seen_as_by_an_arm_on_it_alone() -> None:
    first = scan_of(REFERENCE)
    for slices, neighbours in ((2, 1), (None, 0)):
        arm = arm_of(slices, neighbours=neighbours)
        region = cut(arm, first, ("np", scan_of(OBLIQUE)))
        views = Views(Scanned(first, Scan("cmp", Path("c"), None, POINT, None, None)), study_of(arm))
        alone, numbers, center_mm = views.cut(first, arm)
        assert (region.slices, region.center_mm) == (numbers, center_mm)
        shown = region.pictures[:, : alone.shape[1]]
        np.testing.assert_allclose(shown.astype(float), alone.astype(float), atol=1e-3)


@pytest.mark.parametrize("antialias", [True, False])
def test_two_phases_on_one_grid_have_equal_channels(antialias: bool) -> None:
    first = scan_of(REFERENCE)
    arm = arm_of(None)
    study = study_of(arm)
    image = study.image.model_copy(update={"antialias": antialias, "box_mm": (96.0, 96.0, 96.0)})
    study = study.model_copy(update={"image": image})
    views = Views(Scanned(first, Scan("cmp", Path("c"), None, POINT, None, None)), study)
    pictures = cut_early(views, arm, [OtherPhase("np", first, True)], is_hu=True).pictures
    np.testing.assert_array_equal(pictures[:, 0], pictures[:, 1])
    np.testing.assert_allclose(pictures[:, :1].astype(float), views.cut(first, arm)[0].astype(float), atol=2e-3)


def test_a_patient_who_moved_is_registered() -> None:
    first = scan_of(REFERENCE, contrast=1.0)
    other = scan_of(OBLIQUE, contrast=1.6, moved_mm=(4.0, -5.0, -9.0), moved_deg=(0.0, 0.0, 4.0))
    by_position = cut(arm_of(None), first, ("np", other))
    rigid = cut(arm_of(None, registration="rigid"), first, ("np", other))
    for region, is_close in ((by_position, False), (rigid, True)):
        places = [brightest(channel) for channel in region.pictures[0][:2]]
        away_mm = np.abs(places[1] - places[0]) * (1.0, 1.0, 2.0)
        assert bool((away_mm < 1.0).all()) is is_close
    assert rigid.faults == ()
    again = cut(arm_of(None, registration="rigid"), first, ("np", other))
    np.testing.assert_array_equal(rigid.pictures, again.pictures)


def test_a_phase_that_lies_elsewhere_counts_as_missing() -> None:
    elsewhere = scan_of(REFERENCE._replace(middle_mm=(0.0, 0.0, 900.0)))
    for registration in ("position", "rigid"):
        region = cut(arm_of(1, registration=registration), scan_of(REFERENCE), ("up", elsewhere))
        assert region.phases == ("cmp",)
        assert [(phase, fault.code) for phase, fault in region.faults] == [("up", "phase-outside")]
        assert (region.pictures[:, 1:] == ABSENT).all()


def test_a_region_that_cannot_be_registered_is_taken_by_position() -> None:
    thin = scan_of(Lattice((1.6, 1.6, 3.0), (56, 56, 3), middle_mm=(0.0, 0.0, 103.0)))
    region = cut(arm_of(1, registration="rigid"), scan_of(REFERENCE), ("np", thin))
    assert region.phases == ("cmp", "np")
    assert [(phase, fault.code, fault.severity) for phase, fault in region.faults] == [
        ("np", "phase-not-registered", "warning")
    ]
    by_position = cut(arm_of(1), scan_of(REFERENCE), ("np", thin))
    np.testing.assert_array_equal(region.pictures, by_position.pictures)


def test_differences_are_in_hu_and_need_both_phases() -> None:
    first = scan_of(REFERENCE)
    lower = make_volume(first.values - 60, spacing_mm=first.spacing_mm, origin_mm=first.origin_mm)
    arm = arm_of(1, differences=("cmp-up", "cmp-np"))
    region = cut(arm, first, ("up", lower))
    assert region.pictures.shape[1] == 5
    difference = region.pictures[0, 3].astype(float)
    np.testing.assert_allclose((difference - 0.5) * 2 * DIFFERENCE_HU, 60, atol=0.2)
    assert (region.pictures[:, 4] == ABSENT).all()
    assert (cut(arm, first, ("up", lower), is_hu=False).pictures[:, 3] == ABSENT).all()
    # Beyond the end of one of the scans there is no difference.
    part = make_volume(lower.values[:42], spacing_mm=first.spacing_mm, origin_mm=first.origin_mm)
    ended = cut(arm, first, ("up", part)).pictures[0]
    assert (ended[3, :, -1] == 0.5).all()
    assert (ended[2, :, -1] < ended[2, :, 0].min()).all()


def written(folder: Path, phase: str, volume: Volume, **places: Any) -> Scan:
    path = folder / f"{phase}.nii.gz"
    write_image(
        volume.values, path, spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm, direction=volume.direction
    )
    return Scan(phase, path, None, places.get("point"), None, None)


def cohort_of(*scans: Scan) -> Cohort:
    cases = (Case("P1", False, 1, {scan.phase: scan for scan in scans}, {}),)
    return Cohort(cases, ("cmp", "np", "up"), (), None)


def test_a_patient_has_one_region_and_others_keep_theirs(tmp_path: Path) -> None:
    early, alone = arm_of(1), Arm(name="alone", supervision=Supervision.POINT, slices=1)
    scans = [
        written(tmp_path, "cmp", scan_of(REFERENCE), point=POINT),
        written(tmp_path, "up", scan_of(OBLIQUE), point=POINT),
    ]
    study = study_of(early)
    both = study.model_copy(update={"arm": (alone, early)})
    before = prepare_cohort(
        cohort_of(*scans), study.model_copy(update={"arm": (alone,)}), run=RunFolder(tmp_path / "a")
    )
    steps: list[int] = []
    run = RunFolder(tmp_path / "b")
    prepared = prepare_cohort(cohort_of(*scans), both, run=run, advance=lambda: steps.append(1))
    assert len(steps) == 3
    assert [one for one in prepared.regions if one.arm == "alone"] == list(before.regions)
    (region,) = [one for one in prepared.regions if one.arm == "early"]
    assert (region.phase, region.file.startswith("P1-cmp+np+up-early.")) == ("cmp+up", True)
    (model,) = [model for model in both.models() if model.arm.name == "early"]
    assert prepared.patients(model) == {"cmp": {"P1"}, "np": set(), "up": {"P1"}}
    assert prepared.files("early", model.phase) == {"P1": region.file}
    assert read_prepared(run) == prepared
    assert prepare_cohort(cohort_of(*scans), both, run=run) == prepared
    pictures = np.load(run.volumes_dir / region.file)
    assert (pictures[:, 1] == ABSENT).all()
    assert (pictures[:, [0, 2]] >= 0).all()


def test_what_the_region_depends_on_names_it(tmp_path: Path) -> None:
    scans = [
        written(tmp_path, "cmp", scan_of(REFERENCE), point=POINT),
        written(tmp_path, "up", scan_of(OBLIQUE), point=POINT),
    ]

    def name(arm: Arm, *given: Scan, **windows: Window) -> str:
        prepared = prepare_cohort(cohort_of(*given), study_of(arm, **windows), run=RunFolder(tmp_path / "run"))
        (region,) = prepared.regions
        return region.file

    first = name(arm_of(1), *scans)
    others = {
        name(arm_of(1, registration="rigid"), *scans),
        name(arm_of(1, differences=("cmp-up",)), *scans),
        name(arm_of(1, phases=("up", "cmp")), *scans),
        name(arm_of(1), *scans, up=Window(low=0.0, high=100.0)),
        name(arm_of(1), scans[0]),
    }
    assert first not in others
    assert len(others) == 5
    assert name(arm_of(1), *scans) == first


def test_the_region_is_placed_on_the_first_phase_with_an_annotation(tmp_path: Path) -> None:
    bare, marked = (
        written(tmp_path, "cmp", scan_of(REFERENCE)),
        written(tmp_path, "up", scan_of(OBLIQUE), point=POINT),
    )
    prepared = prepare_cohort(cohort_of(bare, marked), study_of(arm_of(1)), run=RunFolder(tmp_path / "run"))
    (region,) = prepared.regions
    assert region.phase == "cmp+up"
    assert prepared.findings == ()
    on_up = Views(Scanned(scan_of(OBLIQUE), marked), study_of(arm_of(1)))
    assert region.slices == str(on_up.cut(scan_of(OBLIQUE), arm_of(1))[1][0])
    none = prepare_cohort(
        cohort_of(bare, replace(marked, point=None)), study_of(arm_of(1)), run=RunFolder(tmp_path / "run")
    )
    assert none.regions == ()
    assert [(one.phase, one.code) for one in none.findings] == [
        ("cmp", "annotation-missing"),
        ("up", "annotation-missing"),
    ]


def test_a_wrong_annotation_is_reported_though_another_phase_has_one(tmp_path: Path) -> None:
    outside = Point((0.0, 0.0, 900.0), "mm")
    scans = [
        written(tmp_path, "cmp", scan_of(REFERENCE), point=outside),
        written(tmp_path, "up", scan_of(OBLIQUE), point=POINT),
    ]
    prepared = prepare_cohort(cohort_of(*scans), study_of(arm_of(1)), run=RunFolder(tmp_path / "run"))
    assert [region.phase for region in prepared.regions] == ["cmp+up"]
    assert [(one.phase, one.code, one.severity) for one in prepared.findings] == [
        ("cmp", "annotation-outside", "warning")
    ]


def test_a_mask_that_is_carried_to_the_first_phase_is_reported_once(tmp_path: Path) -> None:
    volume = scan_of(REFERENCE)
    mask = np.zeros(volume.values.shape, dtype=bool)
    mask[26:34, 24:32, 12:18] = True
    write_image(mask, tmp_path / "mask.nii.gz", spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)
    up = replace(written(tmp_path, "up", volume), mask_path=tmp_path / "mask.nii.gz")
    arm = Arm(name="early", supervision=Supervision.BOX, slices=1, phases=("cmp", "up"), fusion="early")
    alone = Arm(name="alone", supervision=Supervision.BOX, slices=1)
    scans = cohort_of(written(tmp_path, "cmp", scan_of(OBLIQUE)), up)
    for arms in ((arm,), (arm, alone)):
        study = study_of(arm).model_copy(update={"arm": arms})
        prepared = prepare_cohort(scans, study, run=RunFolder(tmp_path / f"run-{len(arms)}"))
        (region,) = [one for one in prepared.regions if one.arm == "early"]
        assert region.tumour_volume_ml == pytest.approx(8 * 8 * 6 * 1.6 * 1.6 * 3 / 1000)
        found = [(one.phase, one.code) for one in prepared.findings if one.code.startswith("mask-carried")]
        assert len(found) == 1
        assert found[0][0] == "cmp"


def test_a_mask_is_the_last_channel(tmp_path: Path) -> None:
    volume = scan_of(REFERENCE)
    mask = np.zeros(volume.values.shape, np.uint8)
    mask[25:35, 22:30, 12:18] = 1
    write_image(mask, tmp_path / "mask.nii.gz", spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)
    arm = Arm(name="early", supervision=Supervision.MASK, phases=("cmp", "up"), fusion="early")
    scan = replace(written(tmp_path, "cmp", volume), mask_path=tmp_path / "mask.nii.gz")
    prepared = prepare_cohort(
        cohort_of(scan, written(tmp_path, "up", scan_of(OBLIQUE))), study_of(arm), run=RunFolder(tmp_path / "run")
    )
    (region,) = prepared.regions
    assert region.phase == "cmp+up"
    pictures = np.load(tmp_path / "run" / "volumes" / region.file)
    assert pictures.shape == (1, 3, 48, 48, 24)
    assert set(np.unique(pictures[:, 2]).tolist()) == {0.0, 1.0}
    assert region.tumour_volume_ml == pytest.approx(10 * 8 * 6 * 1.6 * 1.6 * 3 / 1000)
