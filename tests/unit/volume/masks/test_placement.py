"""A mask with the matrix of its image but another geometry is reported, unless the image agrees with the geometry."""

import numpy as np
import pytest

from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.volume import orient, write_image

SIZE = (48, 48, 24)
SPACING = (1.4, 1.4, 3.0)
ORIGIN = (-90.0, -80.0, -60.0)


@pytest.fixture(scope="module")
def tumour():
    x, y, z = np.ogrid[:48, :48, :24]
    return (x - 16) ** 2 + (y - 26) ** 2 + ((z - 11) * 2) ** 2 < 8**2


@pytest.fixture(scope="module")
def image(tumour):
    """A body of 40 HU in fat and air, with a tumour of 90 HU off its middle."""
    x, y, _ = np.ogrid[:48, :48, :24]
    hu = np.full(SIZE, -1000.0)
    hu[((x - 24) ** 2 + (y - 24) ** 2 < 21**2) & np.ones(SIZE, bool)] = 40
    hu[tumour] = 90
    return (hu + np.random.default_rng(0).normal(0, 8, SIZE)).astype(np.int16)


def read(tmp_path, image, mask, *, direction=None, spacing=SPACING, origin=ORIGIN):
    path = tmp_path / "m.nii.gz"
    write_image(mask, path, spacing_mm=spacing, origin_mm=origin, direction=direction)
    native = Grid(image.shape, SPACING, ORIGIN, np.eye(3), source="file")
    return read_marks(path, orient(image, native))


def flip(axis):
    """The geometry that runs along one axis the other way over the same body."""
    direction, origin = np.eye(3), np.array(ORIGIN)
    direction[axis, axis] = -1
    origin[axis] += (SIZE[axis] - 1) * SPACING[axis]
    return {"direction": direction, "origin": tuple(origin)}


SWAPPED = {"direction": np.eye(3)[[1, 0, 2]], "origin": ORIGIN}
WRONG = {
    "spacing 1": {"spacing": (1.0, 1.0, 1.0)},
    "another origin": {"origin": (-60.0, -60.0, -60.0)},
    "three slices off": {"origin": (-90.0, -80.0, -51.0)},
    "one slice off": {"origin": (-90.0, -80.0, -57.0)},
    "five columns off": {"origin": (-83.0, -80.0, -60.0)},
    "left and right": flip(0),
    "front and back": flip(1),
    "head and feet": flip(2),
    "rows and columns": SWAPPED,
    "other slice distance": {"spacing": (1.4, 1.4, 5.0)},
}


@pytest.mark.parametrize("geometry", WRONG.values(), ids=WRONG)
def test_a_mask_of_the_image_with_another_geometry_is_reported(tmp_path, image, tumour, geometry):
    marks = read(tmp_path, image, tumour, **geometry)
    assert [(fault.code, fault.severity) for fault in marks.faults] == [("mask-elsewhere", "warning")]
    assert not np.array_equal(marks.mask, tumour)


def test_axes_in_another_order_are_reported(tmp_path, image, tumour):
    marks = read(tmp_path, image, tumour.transpose(2, 1, 0), spacing=(1.4, 1.4, 3.0))
    assert [fault.code for fault in marks.faults] == ["mask-elsewhere"]


RIGHT = {
    "the same": {},
    "half a voxel": {"origin": (-90.7, -80.7, -61.5)},
    "rounded": {"spacing": (1.404, 1.398, 3.004)},
}


@pytest.mark.parametrize("geometry", RIGHT.values(), ids=RIGHT)
def test_a_geometry_that_is_nearly_the_same_is_not(tmp_path, image, tumour, geometry):
    assert read(tmp_path, image, tumour, **geometry).faults == ()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mask_stored_the_other_way_round_is_not(tmp_path, image, tumour, axis):
    marks = read(tmp_path, image, np.flip(tumour, axis), **flip(axis))
    assert marks.faults == ()
    np.testing.assert_array_equal(marks.mask, tumour)


def test_a_mask_with_rows_and_columns_exchanged_in_data_and_geometry_is_not(tmp_path, image, tumour):
    moved = np.roll(tumour, -6, axis=0)  # off the diagonal, so that the exchange shows
    hu = np.where(moved, 90, 40).astype(np.int16)
    hu[0] = -1000
    marks = read(tmp_path, hu, moved.transpose(1, 0, 2), **SWAPPED)
    assert marks.faults == ()
    np.testing.assert_array_equal(marks.mask, moved)


def test_a_mask_of_another_series_of_the_same_size_is_not(tmp_path, image, tumour):
    marks = read(tmp_path, image, np.roll(tumour, -3, axis=2), origin=(-90.0, -80.0, -51.0))
    assert marks.faults == ()
    np.testing.assert_array_equal(marks.mask, tumour)


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_mask_on_a_coarser_or_finer_grid_is_not(tmp_path, image, tumour, factor):
    mask = tumour[::2, ::2, ::2] if factor == 2 else tumour.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    spacing = tuple(factor * step for step in SPACING)
    assert read(tmp_path, image, mask, spacing=spacing).faults == ()


def test_a_mask_of_a_dicom_image_may_be_stored_in_any_order(tmp_path, image, tumour):
    path = tmp_path / "m.nii.gz"
    geometry = flip(1)
    write_image(
        np.flip(tumour, 1), path, spacing_mm=SPACING, origin_mm=geometry["origin"], direction=geometry["direction"]
    )
    flat = np.full_like(image, 40)  # nothing to see, so that only the geometry counts
    volume = orient(flat, Grid(image.shape, SPACING, ORIGIN, np.eye(3), source="dicom"))
    assert read_marks(path, volume).faults == ()
    write_image(tumour, path, spacing_mm=SPACING, origin_mm=(-90.0, -80.0, -51.0))
    assert [fault.code for fault in read_marks(path, volume).faults] == ["mask-elsewhere"]


def test_values_that_are_no_hu_are_compared_as_they_are(tmp_path, image, tumour):
    suv = np.where(tumour, 9.0, 1.0)
    assert read(tmp_path, suv, np.flip(tumour, 0), **flip(0)).faults == ()
    assert [fault.code for fault in read(tmp_path, suv, tumour, **flip(0)).faults] == ["mask-elsewhere"]
