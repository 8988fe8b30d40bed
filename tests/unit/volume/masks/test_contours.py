"""Filling of contours, against squares that can be counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.contours import fill_contours

GRID = Grid((20, 20, 6), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), np.eye(3), source="memory")


def square(low, high, z):
    return np.array([(low, low, z), (high, low, z), (high, high, z), (low, high, z)], float)


def test_a_contour_in_a_contour_is_a_hole_and_one_in_it_is_not():
    contours = [square(1.5, 16.5, 4.0), square(4.5, 13.5, 4.0), square(7.5, 9.5, 4.0)]
    filled = fill_contours(contours, GRID)
    assert filled.sum() == 15**2 - 9**2 + 2**2
    assert filled[:, :, 2].sum() == filled.sum()


def test_the_same_contour_twice_is_one():
    contours = [square(1.5, 6.5, 4.0), square(1.5, 6.5, 4.0)]
    assert fill_contours(contours, GRID).sum() == 25


def test_a_keyhole_cuts_its_hole():
    keyhole = np.array(
        [
            (1.5, 1.5),
            (10.5, 1.5),
            (10.5, 10.5),
            (1.5, 10.5),
            (1.5, 1.5),
            (4.5, 4.5),
            (4.5, 7.5),
            (7.5, 7.5),
            (7.5, 4.5),
            (4.5, 4.5),
        ]
    )
    contour = np.column_stack([keyhole, np.full(len(keyhole), 4.0)])
    assert fill_contours([contour], GRID).sum() == 81 - 9


def test_contours_through_voxel_centres_keep_their_area():
    assert fill_contours([square(2.0, 7.0, 4.0)], GRID).sum() == 25


@pytest.mark.parametrize(("heights", "slices"), [([3.0], [1]), ([3.0, 5.0], [1, 2]), ([2.0, 6.0], [0, 1, 2, 3])])
def test_a_contour_stands_for_a_slab(heights, slices):
    contours = [square(2.5, 5.5, z) for z in heights]
    filled = fill_contours(contours, GRID)
    assert len(np.flatnonzero(filled.any(axis=(0, 1)))) == len(slices)


def test_contours_of_two_tumours_leave_the_gap_between_them():
    filled = fill_contours([square(2.5, 5.5, z) for z in (0.0, 2.0, 8.0, 10.0)], GRID)
    assert np.flatnonzero(filled.any(axis=(0, 1))).tolist() == [0, 1, 4, 5]


def test_contours_beyond_the_image_are_cut():
    filled = fill_contours([square(-5.5, 3.5, 4.0)], GRID)
    assert filled.sum() == 16


def test_contours_on_sagittal_planes_are_filled_there():
    contour = square(2.5, 6.5, 4.0)[:, [2, 0, 1]]
    filled = fill_contours([contour], GRID)
    assert np.flatnonzero(filled.any(axis=(1, 2))).tolist() == [4]
    assert filled.sum() == 4 * 2


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-3, 22), st.floats(-3, 22)), min_size=3, max_size=9),
)
def test_a_voxel_is_marked_where_its_centre_lies_inside(corners):
    contour = np.column_stack([np.array(corners), np.full(len(corners), 4.0)])
    filled = fill_contours([contour], GRID)[:, :, 2]
    for i, j in np.ndindex(20, 20):
        inside = even_odd(corners, i, j)
        near = np.abs(distance_to_edges(corners, i, j)) < 1e-6
        assert near or filled[i, j] == inside


def even_odd(corners, x, y):
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 <= y) != (y1 <= y) and x >= x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside


def distance_to_edges(corners, x, y):
    distances = []
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        along = np.array([x1 - x0, y1 - y0])
        t = np.clip(((x - x0) * along[0] + (y - y0) * along[1]) / max(along @ along, 1e-12), 0, 1)
        distances.append(np.hypot(x0 + t * along[0] - x, y0 + t * along[1] - y))
    return min(distances)
