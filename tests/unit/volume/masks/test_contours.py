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


def slices_of(filled):
    return np.flatnonzero(filled.any(axis=(0, 1))).tolist()


TALL = Grid((40, 40, 44), (1.4, 1.4, 3.0), (0.0, 0.0, 0.0), np.eye(3), source="memory")


def squares(*places):
    """Squares of 8 × 8 pixels on slices of ``TALL``, each by its lower corner and slice."""
    return [square(0, 8, 0.0) * [1.4, 1.4, 1] + [1.4 * (u + 0.5), 1.4 * (u + 0.5), 3.0 * k] for u, k in places]


@pytest.mark.parametrize(
    "places",
    [
        [(5, 10), (20, 30)],
        [(5, 10), (5, 30)],
        [(5, 3), (20, 18), (5, 40)],
        [(5, 3), (5, 18), (5, 33)],
        [(5, 10), (20, 12)],
        [(5, 10), (5, 11), (5, 12), (20, 30)],
        [(5, 10), (5, 11), (5, 12), (20, 12), (20, 30)],
        [(5, 10)],
    ],
)
def test_a_lesion_stays_on_the_slices_it_is_outlined_on(places):
    filled = fill_contours(squares(*places), TALL)
    assert filled.sum() == 64 * len(places)
    assert slices_of(filled) == sorted({k for _, k in places})


def test_slices_left_out_between_contours_of_one_tumour_are_filled():
    assert slices_of(fill_contours(squares((5, 10), (5, 12), (5, 14)), TALL)) == [9, 10, 11, 12, 13, 14]
    assert slices_of(fill_contours(squares((5, 10), (5, 11), (5, 13), (5, 14)), TALL)) == [10, 11, 12, 13, 14]


def test_a_lesion_keeps_its_slices_beside_one_outlined_on_others():
    filled = fill_contours(squares((5, 10), (5, 12), (5, 14), (20, 11), (20, 13)), TALL)
    assert slices_of(filled[5:14]) == [9, 10, 11, 12, 13, 14]
    assert slices_of(filled[20:]) == [10, 11, 12, 13]


def test_thick_slices_are_filled_on_an_image_of_thin_ones():
    thin = Grid((40, 40, 60), (1.4, 1.4, 1.0), (0.0, 0.0, 0.0), np.eye(3), source="memory")
    contours = [one * [1.0, 1.0, 5 / 3] for one in squares((5, 2), (5, 3), (5, 4), (20, 7))]
    assert slices_of(fill_contours(contours, thin)) == [*range(8, 23), *range(33, 38)]


def wheel(radius, center, points=60, start=0.0):
    angle = start + np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([center[0] + radius * np.cos(angle), center[1] + radius * np.sin(angle), np.full(points, 4)])


REPEATS = {
    "another first point": lambda points: np.roll(points, 7, axis=0),
    "reversed": lambda points: points[::-1],
    "other rounding": lambda points: points + np.array([0.002, 0, 0]),
    "one decimal": lambda points: points.round(1),
    "points twice": lambda points: np.repeat(points, 2, axis=0),
    "closed": lambda points: np.concatenate([points, points[:1]]),
    "half the points": lambda points: points[::2],
    "more points": lambda _: wheel(6.3, (9, 9), 240, start=0.01),
    "whole numbers": lambda points: points.round(0),
    "a little smaller": lambda _: wheel(5.9, (9, 9)),
}


@pytest.mark.parametrize("is_exclusive", [False, True])
@pytest.mark.parametrize("change", REPEATS.values(), ids=REPEATS)
def test_a_contour_drawn_again_does_not_cancel_itself(change, is_exclusive):
    once = wheel(6.3, (9, 9))
    wanted = fill_contours([once], GRID).sum()
    for copies in ([once, change(once)], [change(once), once], [once, change(once), once], [once, change(once)] * 2):
        got = fill_contours(copies, GRID, is_exclusive=is_exclusive).sum()
        assert got == pytest.approx(wanted, rel=0.12)


def test_a_hole_that_is_drawn_again_stays_a_hole():
    outer, hole = wheel(8, (9, 9)), wheel(3, (9, 9))
    wanted = fill_contours([outer], GRID).sum() - fill_contours([hole], GRID).sum()
    for contours in ([outer, hole, hole[::-1]], [hole, outer, np.roll(outer, 3, axis=0)], [outer, hole] * 3):
        assert fill_contours(contours, GRID).sum() == wanted


def test_contours_that_overlap_in_part_mark_what_any_of_them_marks():
    one, other = square(1.5, 9.5, 4.0), square(6.5, 14.5, 4.0)
    assert fill_contours([one, other], GRID).sum() == 64 + 64 - 9
    assert fill_contours([one, other, square(3.5, 14.5, 4.0)], GRID).sum() == 64 + 121 - 36
    assert fill_contours([one, other], GRID, is_exclusive=True).sum() == 64 + 64 - 18


def test_a_hole_in_overlapping_contours_is_cut_from_both():
    contours = [square(1.5, 12.5, 4.0), square(4.5, 17.5, 4.0), square(7.5, 9.5, 4.0)]
    assert fill_contours(contours, GRID).sum() == 121 + 169 - 64 - 4


def test_a_contour_in_two_pieces_is_whole():
    left, right = square(1.5, 6.5, 4.0), square(1.5, 6.5, 4.0)
    left[1:3, 0] = 4.0
    right[[0, 3], 0] = 4.0
    assert fill_contours([left, right], GRID).sum() == 25
    right[[0, 3], 0] = 2.7
    assert fill_contours([left, right], GRID).sum() == 25


def test_a_hole_of_type_xor_is_cut():
    contours = [square(1.5, 16.5, 4.0), square(4.5, 13.5, 4.0), square(7.5, 9.5, 4.0)]
    assert fill_contours(contours, GRID, is_exclusive=True).sum() == 15**2 - 9**2 + 2**2


def test_contours_beyond_the_image_are_cut():
    filled = fill_contours([square(-5.5, 3.5, 4.0)], GRID)
    assert filled.sum() == 16


def test_contours_on_sagittal_planes_are_filled_there():
    contour = square(2.5, 6.5, 4.0)[:, [2, 0, 1]]
    filled = fill_contours([contour], GRID)
    assert np.flatnonzero(filled.any(axis=(1, 2))).tolist() == [4]
    assert filled.sum() == 4 * 2


@pytest.mark.slow
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
