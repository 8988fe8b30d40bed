"""Which slices a weak arm sees, and what is on them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import parse_slice
from nephrograde.sample.slices import choose_slices, cut_slices
from nephrograde.sample.target import Target, find_target
from nephrograde.study import Arm, ImageSettings, Window
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import make_volume


@given(first=st.integers(0, 50), length=st.integers(1, 60), at=st.integers(0, 59), count=st.integers(1, 9))
def test_slices_lie_in_the_tumour_and_hold_the_annotated_one(first, length, at, count):
    last = first + length - 1
    annotated = first + at % length
    slices = choose_slices(first, last, annotated, count)
    assert annotated in slices
    assert all(first <= k <= last for k in slices)
    assert list(slices) == sorted(set(slices))
    assert len(slices) == count or length < 2 * count


def weak(slices, **others):
    return Arm(name="weak", supervision=Supervision.BOX, slices=slices, **others)


def test_slices_spread_over_the_extent():
    assert choose_slices(0, 29, annotated=2, count=3) == (2, 15, 25)
    assert choose_slices(0, 29, annotated=29, count=3) == (5, 15, 29)


def test_each_picture_is_its_own_slice_around_its_own_centre():
    values = np.zeros((40, 40, 6), np.int16)
    for k in range(6):
        values[10 + k : 14 + k, 20:24, k] = 100 * (k + 1)
    volume = make_volume(values, spacing_mm=(1.0, 1.0, 5.0))
    centers = {k: (11.5 + k, 21.5, 5.0 * k) for k in range(6)}
    target = Target((14.0, 21.5, 12.5), 0, 5, 2, centers)
    image = ImageSettings(slice_px=16, slice_mm=16.0, antialias=False)
    pictures, slices = cut_slices(volume, target, weak(3), image=image, window=Window(low=0.0, high=600.0))
    assert slices == (1, 2, 5)
    assert pictures.shape == (3, 1, 16, 16)
    assert pictures.dtype == np.float16
    for picture, k in zip(pictures, slices, strict=True):
        assert picture.max() == pytest.approx((k + 1) / 6, abs=1e-3)
        assert picture[0, 6:10, 6:10].min() == pytest.approx((k + 1) / 6, abs=1e-3)
        assert picture.sum(dtype=np.float64) == pytest.approx(16 * (k + 1) / 6, rel=1e-3)


def test_size_survives_because_the_crop_is_in_mm():
    areas = []
    for spacing in (0.5, 1.0):
        values = np.zeros((128, 128, 3), np.int16)
        half = round(10 / spacing)
        values[64 - half : 64 + half, 64 - half : 64 + half] = 300
        volume = make_volume(values, spacing_mm=(spacing, spacing, 5.0))
        middle = volume.to_mm((63.5, 63.5, 1))
        image = ImageSettings(slice_px=32, slice_mm=32.0, antialias=False)
        pictures, _ = cut_slices(volume, Target(middle, 0, 2, 1), weak(1), image=image, window=Window(low=0, high=300))
        areas.append(float(pictures.sum(dtype=np.float64)))
    assert areas == pytest.approx([400, 400], rel=0.02)


def test_neighbours_are_channels_from_feet_to_head_and_the_last_slice_is_repeated():
    values = np.broadcast_to(100 * np.arange(6, dtype=np.int16), (20, 20, 6))
    volume = make_volume(values, spacing_mm=(1.0, 1.0, 5.0))
    image = ImageSettings(slice_px=16, slice_mm=16.0)
    window = Window(low=0.0, high=500.0)
    target = Target((9.5, 9.5, 0.0), 0, 5, 1)
    pictures, slices = cut_slices(volume, target, weak(2, neighbours=2), image=image, window=window)
    assert slices == (1, 4)
    assert pictures.shape == (2, 5, 16, 16)
    seen = np.rint(pictures.astype(np.float64).mean(axis=(2, 3)) * 5)
    assert seen.tolist() == [[0, 0, 1, 2, 3], [2, 3, 4, 5, 5]]
    alone, _ = cut_slices(volume, target, weak(2), image=image, window=window)
    assert np.array_equal(pictures[:, 2:3], alone)


def test_a_whole_slice_is_as_wide_as_the_study_says_and_around_the_middle_of_the_image():
    values = np.zeros((60, 60, 3), np.int16)
    values[5:55, 5:55] = 100
    volume = make_volume(values, spacing_mm=(8.0, 8.0, 5.0))
    arm = Arm(name="slice", supervision=Supervision.SLICE, slices=1)
    target = find_target(
        volume,
        Scan("np", Path("a.nii"), None, None, None, parse_slice("1 vox")),
        None,
        supervision=arm.supervision,
        assumed_tumour_mm=40.0,
    )
    image = ImageSettings(slice_px=60, slice_mm=80.0, whole_mm=480.0)
    pictures, slices = cut_slices(volume, target, arm, image=image, window=Window(low=0.0, high=100.0))
    assert slices == (1,)
    assert np.array_equal(pictures[0, 0], values[:, :, 1] > 0)
