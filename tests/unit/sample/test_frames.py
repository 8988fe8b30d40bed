"""Frames are where the regions are cut, and are drawn there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.sample.frames import annotation_marks, draw_frames, find_frames
from nephrograde.sample.region import Views
from nephrograde.sample.scanned import Scanned
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study, Window
from nephrograde.vocabulary import Supervision
from nephrograde.volume.thumbnail import OUTLINE_RGB, REGION_RGBS
from nephrograde.volume.volume import make_volume

SHAPE, SPACING_MM = (90, 80, 40), (1.0, 2.0, 3.0)
IMAGE = ImageSettings(slice_mm=40.0, slice_px=20, box_mm=(40.0, 40.0, 30.0), box_voxels=(20, 20, 20), whole_mm=120.0)
BOX = parse_box("30,20,12;50,35,20 vox")


@pytest.fixture(scope="module", params=[0, 1, 2])
def ramp(request):
    """A scan whose values are the indices along one axis, and which axis it is."""
    values = np.indices(SHAPE)[request.param].astype(np.int16)
    return request.param, make_volume(values, spacing_mm=SPACING_MM)


def study_of(arm):
    return Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=("np",)),
        image=IMAGE,
        arm=(arm,),
        window={"np": Window(low=0.0, high=100.0)},
    )


def scan_of(**places):
    return Scan("np", Path("np.nii"), None, places.get("point"), places.get("box"), places.get("slice"))


def seen(volume, scan, arm, mask=None):
    """The region of an arm in the values of the scan, and its frames."""
    study = study_of(arm)
    views = Views(Scanned(volume, scan, mask), study)
    region, slices, _ = views.cut(volume, arm)
    return region * 100.0, slices, find_frames(volume, views.targets(volume, arm), arm, study.image)


@pytest.mark.parametrize("count", [1, 3])
def test_squares_are_where_slices_are_cut(ramp, count):
    axis, volume = ramp
    region, slices, frames = seen(volume, scan_of(box=BOX), Arm(name="a", supervision=Supervision.BOX, slices=count))
    assert [frame.k for frame in frames] == list(slices)
    for row, frame in zip(region, frames, strict=True):
        assert frame.size_mm == (40.0, 40.0)
        across = row[0].mean(axis=0) if axis == 0 else row[0].mean(axis=1)
        if axis == 2:
            assert across.mean() == pytest.approx(frame.k, abs=0.1)
            continue
        half = (frame.high[axis] - frame.low[axis]) / 40  # half a pixel of twenty
        assert across[0] == pytest.approx(frame.low[axis] + half, abs=0.1)
        assert across[-1] == pytest.approx(frame.high[axis] - half, abs=0.1)


def test_box_is_where_it_is_cut(ramp):
    axis, volume = ramp
    mask = np.zeros(SHAPE, dtype=bool)
    mask[30:51, 20:36, 12:21] = True
    region, _, (frame,) = seen(volume, scan_of(), Arm(name="a", supervision=Supervision.MASK), mask)
    others = tuple(one for one in range(3) if one != axis)
    along, half = region[0, 0].mean(axis=others), (frame.high[axis] - frame.low[axis]) / 40
    assert frame.size_mm == (40.0, 40.0, 30.0)
    assert along[0] == pytest.approx(frame.low[axis] + half, abs=0.1)
    assert along[-1] == pytest.approx(frame.high[axis] - half, abs=0.1)


@pytest.mark.parametrize(
    ("level", "places", "size_mm"),
    [
        (Supervision.POINT, {"point": parse_point("40,28,16 vox")}, 40.0),
        (Supervision.BOX, {"box": BOX}, 40.0),
        (Supervision.SLICE, {"slice": parse_slice("16 vox")}, 120.0),
    ],
)
def test_every_level_has_its_size(ramp, level, places, size_mm):
    _, volume = ramp
    _, _, (frame,) = seen(volume, scan_of(**places), Arm(name="a", supervision=level, slices=1))
    assert (frame.k, frame.size_mm) == (16, (size_mm, size_mm))
    width = frame.high[0] - frame.low[0], frame.high[1] - frame.low[1]
    assert width == pytest.approx((size_mm / SPACING_MM[0], size_mm / SPACING_MM[1]))
    assert [frame.meets(k) for k in (15, 16, 17)] == [False, True, False]


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_sheet_has_a_picture_per_slice_and_three_planes_of_a_box(ramp):
    _, volume = ramp
    scan = scan_of(box=BOX)
    _, _, squares = seen(volume, scan, Arm(name="a", supervision=Supervision.BOX, slices=3))
    sheet = pixels(draw_frames(volume, squares, scan=scan, mask=None, is_hu=True))
    one = pixels(draw_frames(volume, squares[:1], scan=scan, mask=None, is_hu=True))
    assert sheet.shape[1] > 2.9 * (one.shape[1] - 6)
    for rgb in (REGION_RGBS[0], OUTLINE_RGB):
        assert (one == rgb).all(axis=2).any()
    mask = np.zeros(SHAPE, dtype=bool)
    mask[30:51, 20:36, 12:21] = True
    _, _, boxes = seen(volume, scan_of(), Arm(name="a", supervision=Supervision.MASK), mask)
    planes = pixels(draw_frames(volume, boxes, scan=scan_of(), mask=mask, is_hu=False))
    assert planes.shape[1] > 2.9 * 320
    thirds = np.array_split((planes == REGION_RGBS[0]).all(axis=2), 3, axis=1)
    assert all(third.any() for third in thirds)


def test_point_and_box_are_marked_on_their_slices_only(ramp):
    _, volume = ramp
    scan = scan_of(point=parse_point("40,28,16 vox"), box=BOX)
    counts = {k: [mark.is_cross for mark in annotation_marks(volume, scan, k)] for k in (5, 12, 16)}
    assert counts == {5: [], 12: [False], 16: [True, False]}
