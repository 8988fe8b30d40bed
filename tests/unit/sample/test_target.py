"""Where the tumour is, by supervision level, on volumes whose answer can be computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.errors import VolumeError
from nephrograde.sample.human_error import DERIVED, EXACT, HumanError
from nephrograde.sample.target import find_target, uses_mask
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import make_volume

VOLUME = make_volume(np.zeros((40, 40, 20), np.int16), spacing_mm=(2.0, 2.0, 5.0), origin_mm=(-40.0, -40.0, 100.0))


def scan(**annotations):
    return Scan(
        phase="cmp",
        image_path=Path("a.nii"),
        mask_path=None,
        point=parse_point(annotations["point"]) if "point" in annotations else None,
        box=parse_box(annotations["box"]) if "box" in annotations else None,
        slice_place=parse_slice(annotations["slice_place"]) if "slice_place" in annotations else None,
    )


def target(supervision, mask=None, *, error=EXACT, **annotations):
    level = Supervision(supervision)
    return find_target(VOLUME, scan(**annotations), mask, supervision=level, assumed_tumour_mm=40.0, error=error)


def off_by(size_mm, patient_id="P1", *, phase="cmp", seed=1):
    return HumanError(dict.fromkeys(DERIVED, size_mm), seed, patient_id, phase)


def tumour():
    """A tumour on slices 4–9: columns 10–19, rows 20–25, largest on slice 6, where it is wider."""
    mask = np.zeros((40, 40, 20), bool)
    mask[10:20, 20:26, 4:10] = True
    mask[10:24, 20:26, 6] = True
    return mask


def test_a_mask_gives_middle_extent_and_the_largest_slice():
    found = target("mask", tumour())
    assert found.center_mm == VOLUME.to_mm((16.5, 22.5, 6.5))
    assert (found.first_slice, found.last_slice, found.annotated_slice) == (4, 9, 6)


def test_a_box_from_a_mask_has_a_rectangle_per_slice():
    found = target("box", tumour())
    assert found.center_on(6) == VOLUME.to_mm((16.5, 22.5, 6.0))
    assert found.center_on(4) == VOLUME.to_mm((14.5, 22.5, 4.0))
    assert found.center_on(15) == found.center_mm


def test_a_point_from_a_mask_lies_in_the_tumour_and_forgets_its_extent():
    ring = np.zeros((40, 40, 20), bool)
    ring[10:21, 10:21, 8] = True
    ring[13:18, 13:18, 8] = False
    found = target("point", ring)
    index = np.round(VOLUME.to_index(found.center_mm)).astype(int)
    assert ring[tuple(index)]
    assert (found.first_slice, found.last_slice) == (4, 12)  # 40 mm in slices of 5 mm
    assert found.slice_centers_mm == {}


def test_the_persons_own_annotation_wins_over_the_mask():
    found = target("box", tumour(), box="2,2,12;4,4,14 vox")
    assert (found.first_slice, found.last_slice, found.annotated_slice) == (12, 14, 13)
    assert target("point", tumour(), point="1,1,15 vox").annotated_slice == 15


def test_a_rectangle_on_one_slice_is_taken_to_be_as_high_as_wide():
    found = target("box", box="10,10,8;20,20,8 vox")
    assert (found.first_slice, found.last_slice, found.annotated_slice) == (6, 10, 8)  # 20 mm wide, ±10 mm


def test_a_point_is_derived_from_a_box():
    found = target("point", box="10,10,6;20,20,10 vox")
    assert found.center_mm == VOLUME.to_mm((15, 15, 8))
    assert (found.first_slice, found.last_slice) == (4, 12)


def test_a_named_slice_replaces_the_derived_one():
    found = target("mask", tumour(), slice_place="8 vox")
    assert found.annotated_slice == 8
    assert target("mask", tumour(), slice_place="155 mm").annotated_slice == 11


def test_the_extent_ends_with_the_image():
    found = target("point", point="20,20,1 vox")
    assert (found.first_slice, found.last_slice) == (0, 5)


@pytest.mark.parametrize("supervision", ["slice", "point", "box", "mask"])
def test_a_missing_annotation_is_named(supervision):
    with pytest.raises(VolumeError, match=f"cmp_{supervision}") as caught:
        target(supervision)
    assert caught.value.code == "annotation-missing"


def test_a_more_expensive_level_is_never_made_from_a_cheaper_one():
    with pytest.raises(VolumeError, match="no box"):
        target("box", point="20,20,8 vox")
    with pytest.raises(VolumeError, match="no mask"):
        target("mask", box="2,2,12;4,4,14 vox")


@pytest.mark.parametrize("annotations", [{"point": "0,0,9999 mm"}, {"point": "5,5,5 vox", "slice_place": "99 vox"}])
def test_a_place_outside_the_image_is_named(annotations):
    with pytest.raises(VolumeError, match="unit") as caught:
        target("point", **annotations)
    assert caught.value.code == "annotation-outside"


@pytest.mark.parametrize(
    ("annotations", "readers"),
    [
        ({}, ["slice", "point", "box", "mask"]),
        ({"slice_place": "8 vox"}, ["point", "box", "mask"]),
        ({"point": "20,20,8 vox"}, ["box", "mask"]),
        ({"box": "2,2,12;4,4,14 vox"}, ["mask"]),
    ],
)
def test_a_mask_is_read_where_nothing_cheaper_is_given(annotations, readers):
    levels = [level for level in Supervision if uses_mask(scan(**annotations), Supervision(level))]
    assert levels == readers


@pytest.mark.parametrize(
    ("annotations", "k"),
    [
        ({"slice_place": "8 vox", "point": "1,1,15 vox"}, 8),
        ({"point": "1,1,15 vox"}, 15),
        ({"box": "2,2,12;4,4,14 vox"}, 13),
        ({}, 6),
    ],
)
def test_a_slice_comes_from_the_cheapest_annotation_and_has_no_place_on_it(annotations, k):
    found = target("slice", tumour(), **annotations)
    assert found.annotated_slice == k
    assert found.center_mm == VOLUME.to_mm((19.5, 19.5, k))
    assert (found.first_slice, found.last_slice) == (max(k - 4, 0), min(k + 4, 19))  # 40 mm in slices of 5 mm
    assert found.slice_centers_mm == {}


@pytest.mark.parametrize("annotations", [{"slice_place": "20 vox"}, {"slice_place": "90 mm"}, {"point": "0,0,9999 mm"}])
def test_a_slice_beyond_the_image_is_named(annotations):
    with pytest.raises(VolumeError) as caught:
        target("slice", **annotations)
    assert caught.value.code == "annotation-outside"


def test_a_place_that_the_arm_is_not_given_may_be_wrong():
    assert target("slice", slice_place="8 vox", point="0,0,9999 mm").annotated_slice == 8


@pytest.mark.parametrize("supervision", ["slice", "point", "box"])
def test_a_derived_place_is_off_by_what_patient_phase_and_seed_give(supervision):
    def places(**given):
        return [target(supervision, tumour(), error=off_by(8.0, f"P{number}", **given)) for number in range(10)]

    assert places() == places()
    assert places() not in (places(seed=2), places(phase="np"), [target(supervision, tumour())] * 10)
    assert any(place != places()[0] for place in places())
    assert target("mask", tumour(), error=off_by(8.0)) == target("mask", tumour())


def test_the_size_of_the_error_is_its_standard_deviation_along_each_axis():
    exact = np.array(target("point", box="15,15,8;25,25,12 vox").center_mm)
    moved = [target("point", box="15,15,8;25,25,12 vox", error=off_by(3.0, f"P{i}")).center_mm for i in range(400)]
    assert (np.array(moved) - exact).std(axis=0) == pytest.approx([3.0, 3.0, 3.0], rel=0.1)
    assert (np.array(moved) - exact).mean(axis=0) == pytest.approx([0.0, 0.0, 0.0], abs=0.5)


def test_what_a_person_drew_is_not_moved():
    given = {"slice_place": "8 vox", "point": "20,20,8 vox", "box": "2,2,12;4,4,14 vox"}
    for level in DERIVED:
        assert target(level, **given, error=off_by(20.0)) == target(level, **given)


def test_a_derived_place_stays_inside_the_image():
    for number in range(50):
        error = off_by(90.0, f"P{number}")
        found = target("point", tumour(), error=error)
        assert all(0 <= i <= n - 1 for i, n in zip(VOLUME.to_index(found.center_mm), (40, 40, 20), strict=True))
        for level in ("slice", "box"):
            found = target(level, tumour(), error=error)
            assert 0 <= found.first_slice <= found.annotated_slice <= found.last_slice <= 19


def test_the_corners_of_a_derived_box_move_its_rectangles_and_its_ends():
    error = off_by(1.0)
    low, high = error.draw_mm(Supervision.BOX, 2)
    found, exact = target("box", tumour(), error=error), target("box", tumour())
    middle = (low + high) / 2
    assert found.center_mm == pytest.approx(np.array(exact.center_mm) + middle)
    assert found.center_on(6) == pytest.approx(np.array(exact.center_on(6)) + middle * (1, 1, 0))
    assert set(found.slice_centers_mm) == set(range(found.first_slice, found.last_slice + 1))
