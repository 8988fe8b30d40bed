"""Arms that are given no place, or only a slice: which scans they use, and what of them they see."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.place import parse_point, parse_slice
from nephrograde.errors import VolumeError
from nephrograde.run.folder import RunFolder
from nephrograde.sample.kidneys import find_kidneys
from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.prepare import prepare_cohort
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import draw_body, scan_patient
from nephrograde.study import AnnotationSettings, Arm, CohortSettings, ImageSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.image_files import sha256_of_image
from nephrograde.volume.volume import make_volume, write_image

NONE = Arm(name="none", supervision=Supervision.NONE, slices=2)
NONE_3D = Arm(name="none-3d", supervision=Supervision.NONE)
SLICE = Arm(name="slice", supervision=Supervision.SLICE, slices=1)
POINT = Arm(name="point", supervision=Supervision.POINT, slices=1)
BOX = Arm(name="box", supervision=Supervision.BOX, slices=1)
STRONG = Arm(name="strong", supervision=Supervision.MASK)
SPACING = (5.0, 5.0, 5.0)
RIGHT, LEFT = (slice(8, 18), slice(10, 20), slice(4, 14)), (slice(42, 52), slice(10, 20), slice(8, 18))
TUMOUR = (slice(14, 18), slice(10, 14), slice(8, 12))


def study(*arms, **annotation):
    return Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=("np",)),
        arm=arms,
        image=ImageSettings(slice_px=16, slice_mm=80.0, box_voxels=(16, 16, 16), box_mm=(80.0, 80.0, 80.0)),
        annotation=AnnotationSettings(**annotation),
    )


def write_patient(folder, name="a", *, masked=True, kidneys=True):
    """A right kidney of 100 HU with a tumour of 300 HU, and a left kidney of 50 HU."""
    values = np.random.default_rng(sum(name.encode())).normal(-100, 5, (60, 30, 24)).astype(np.int16)
    organs, tumour = np.zeros(values.shape, np.uint8), np.zeros(values.shape, np.uint8)
    values[RIGHT], values[LEFT], values[TUMOUR] = 100, 50, 300
    organs[RIGHT], organs[LEFT], organs[TUMOUR] = 1, 2, 7
    tumour[TUMOUR] = 1
    paths = {kind: folder / f"{name}_{kind}.nii.gz" for kind in ("image", "mask", "kidneys")}
    for kind, written in (("image", values), ("mask", tumour), ("kidneys", organs)):
        write_image(written, paths[kind], spacing_mm=SPACING)
    mask_path, kidneys_path = paths["mask"] if masked else None, paths["kidneys"] if kidneys else None
    return Scan("np", paths["image"], mask_path, None, None, None, kidneys_path=kidneys_path)


def prepare(folder, plan, **scans):
    cases = tuple(Case(name, False, 1, {"np": scan}, {}) for name, scan in scans.items())
    return prepare_cohort(Cohort(cases, ("np",), (), None), plan, run=RunFolder(folder))


def regions(folder, prepared):
    return {region.arm: np.load(folder / "volumes" / region.file).astype(np.float64) for region in prepared.regions}


def test_slices_run_through_both_kidneys_the_right_one_first(tmp_path):
    prepared = prepare(tmp_path, study(NONE, NONE_3D), a=write_patient(tmp_path))
    seen = regions(tmp_path, prepared)
    assert seen["none"].shape == (4, 1, 16, 16)
    assert seen["none-3d"].shape == (2, 1, 16, 16, 16)
    hu = [round(500 * float(np.median(picture[0, 4:12, 4:12])) - 200) for picture in seen["none"]]
    assert hu == pytest.approx([100, 100, 50, 50], abs=3)
    right, left = (500 * box[0, 6:10, 6:10, 6:10] - 200 for box in seen["none-3d"])
    assert left.mean() == pytest.approx(50, abs=3)
    assert right.mean() > 100  # the tumour is in it
    assert [region.slices for region in prepared.regions] == ["4;11;8;15", ""]
    assert prepared.findings == ()


def test_only_the_slice_of_the_kidney_with_the_tumour_shows_it(tmp_path):
    arms = (NONE, NONE_3D, SLICE)
    prepared = prepare(tmp_path, study(*arms), a=write_patient(tmp_path))
    assert [region.tumour_rows for region in prepared.regions] == ["0;1;0;0", "", "1"]
    bare = prepare(tmp_path, study(NONE), a=write_patient(tmp_path, masked=False))
    assert [region.tumour_rows for region in bare.regions] == [""]


def test_no_patient_is_dropped_for_an_annotation_that_the_arm_does_not_need(tmp_path):
    broken = replace(write_patient(tmp_path, "c"), mask_path=tmp_path / "absent.nii.gz")
    scans = {"a": write_patient(tmp_path, "a"), "b": write_patient(tmp_path, "b", masked=False), "c": broken}
    prepared = prepare(tmp_path, study(NONE, SLICE, BOX), **scans)
    used = {arm: [one.patient_id for one in prepared.regions if one.arm == arm] for arm in ("none", "slice", "box")}
    assert used == {"none": ["a", "b", "c"], "slice": ["a"], "box": ["a"]}
    missing = [(one.patient_id, one.code) for one in prepared.findings]
    assert missing == [("b", "annotation-missing"), ("b", "annotation-missing"), ("c", "file-missing")]


def test_a_scan_without_kidneys_is_left_out_of_that_arm_alone(tmp_path):
    scan = replace(write_patient(tmp_path, kidneys=False), slice_place=parse_slice("9 vox"))
    broken = replace(write_patient(tmp_path, "b"), kidneys_path=tmp_path / "absent.nii.gz", mask_path=None)
    prepared = prepare(tmp_path, study(NONE, SLICE), a=scan, b=replace(broken, slice_place=parse_slice("9 vox")))
    assert [(one.patient_id, one.arm) for one in prepared.regions] == [("a", "slice"), ("b", "slice")]
    found = [(one.patient_id, one.code, one.column, one.severity) for one in prepared.findings]
    assert found == [("a", "kidney-not-found", "", "fatal"), ("b", "file-missing", "np_kidneys", "fatal")]


def test_one_kidney_is_a_bag_of_its_slices_alone(tmp_path):
    scan = write_patient(tmp_path)
    organs = np.zeros((60, 30, 24), np.uint8)
    organs[LEFT] = 1
    write_image(organs, scan.kidneys_path, spacing_mm=SPACING)
    prepared = prepare(tmp_path, study(NONE), a=scan)
    assert regions(tmp_path, prepared)["none"].shape == (2, 1, 16, 16)


def test_the_region_of_no_annotation_does_not_change_with_annotations(tmp_path):
    scan, plan = write_patient(tmp_path), study(NONE, POINT)
    first = prepare(tmp_path, plan, a=scan).regions
    moved = prepare(tmp_path, plan, a=replace(scan, point=parse_point("10,10,10 vox"))).regions
    assert (first[0].file == moved[0].file, first[1].file == moved[1].file) == (True, False)
    other = write_patient(tmp_path, "other")
    kidneys = prepare(tmp_path, plan, a=replace(scan, kidneys_path=other.kidneys_path)).regions
    assert kidneys[0].file == first[0].file  # another file with the same content
    assert "np_kidneys a" in prepare(tmp_path, plan, a=scan).inputs


def test_an_error_moves_only_what_is_derived_and_does_not_depend_on_the_other_patients(tmp_path):
    drawn = replace(write_patient(tmp_path, "b"), point=parse_point("16,12,10 vox"))
    scans = {"a": write_patient(tmp_path), "b": drawn}
    arms = (NONE, SLICE, POINT, BOX, STRONG)

    def names(prepared):
        return {(one.patient_id, one.arm): (one.file, one.center_mm, one.slices) for one in prepared.regions}

    exact = names(prepare(tmp_path, study(*arms), **scans))
    moved = names(prepare(tmp_path, study(*arms, error_mm=6.0), **scans))
    assert {key for key in exact if exact[key] == moved[key]} == {
        *(("a", arm) for arm in ("none", "strong")),
        *(("b", arm) for arm in ("none", "point", "strong")),
    }
    assert names(prepare(tmp_path, study(*arms, error_mm=6.0), b=drawn, a=scans["a"])) == moved
    assert names(prepare(tmp_path, study(*arms, error_mm=6.0, seed=1), **scans)) != moved


def test_the_program_finds_kidneys_with_the_tumour_in_view():
    patient = cohort_patients(PhantomSettings(patients=4, phases=("np",), seed=11))[0]
    body = draw_body(patient, seed=11)
    scan = scan_patient(patient, body, phase="np", matrix_px=96, seed=11)
    volume = make_volume(scan.values_hu.T, spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)
    kidneys = find_kidneys(volume, Scan("np", Path("a.nii"), None, None, None, None))
    truth_mm = [np.array(kidney.centre_mm) + body.table_mm for kidney in body.kidneys]
    assert len(kidneys) == 2
    for found, truth in zip(kidneys, truth_mm, strict=True):
        assert np.linalg.norm(np.array(found.center_mm) - truth) < 25.0
        assert set(found.slice_centers_mm) == set(range(found.first_slice, found.last_slice + 1))
    index = np.argwhere(scan.mask.T)
    tumour_mm = np.array(volume.to_mm(index.mean(axis=0)))
    away_mm = min(np.abs(np.array(found.center_mm) - tumour_mm)[:2].max() for found in kidneys)
    assert away_mm < 70.0  # half the width of a crop


def test_pictures_show_a_whole_slice_and_no_kidneys(tmp_path):
    picture_path = tmp_path / "a.png"
    Image.fromarray(np.full((30, 40), 128, np.uint8)).save(picture_path)
    scan = Scan("np", picture_path, None, parse_point("5,5,0 vox"), None, None, pixel_mm=1.0)
    whole, _, center = cut_pictures(scan, arm=SLICE, study=study(SLICE))
    crop, _, own = cut_pictures(scan, arm=BOX, study=study(BOX))
    assert (center[:2], own[:2]) == ((19.5, 14.5), (5.0, 5.0))
    assert whole.shape == crop.shape == (1, 1, 16, 16)
    for arm, code in ((NONE, "kidney-not-found"), (BOX.model_copy(update={"neighbours": 1}), "picture-not-volume")):
        with pytest.raises(VolumeError) as caught:
            cut_pictures(scan, arm=arm, study=study(arm))
        assert caught.value.code == code


def test_a_scan_is_hashed_once_whatever_the_number_of_arms(tmp_path, monkeypatch):
    scan, hashed = write_patient(tmp_path), []

    def counting(path):
        hashed.append(path)
        return sha256_of_image(path)

    monkeypatch.setattr("nephrograde.sample.inputs.sha256_of_image", counting)
    prepare(tmp_path / "run", study(NONE, NONE_3D, SLICE, POINT, BOX, STRONG), a=scan)
    assert sorted(hashed) == sorted([scan.image_path, scan.mask_path, scan.kidneys_path])
