"""Masks on grids that differ from the image's."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.grid import Grid
from nephrograde.volume.overlay import bounding_box, bring_over

TARGET = Grid((40, 44, 20), (0.8, 0.8, 2.5), (-16.0, -17.0, 100.0), np.eye(3), source="file")


def _ball(
    grid: Grid, center_mm: tuple[float, float, float], radius_mm: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    steps = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1) * grid.spacing_mm
    places = steps @ grid.direction.T + grid.origin_mm
    return np.asarray(((places - center_mm) ** 2).sum(axis=-1) < radius_mm**2)


def test_the_same_grid_costs_nothing() -> None:
    mask = _ball(TARGET, (0.0, 0.0, 120.0), 8.0)
    rounded = Grid(TARGET.size, (0.8001, 0.8, 2.5), (-16.01, -17.0, 100.0), TARGET.direction, source="file")
    assert bring_over(mask, TARGET, TARGET) is mask
    assert bring_over(mask, rounded, TARGET) is mask


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        Grid((30, 30, 30), (1.1, 1.2, 1.3), (-15.3, -16.1, 101.0), np.eye(3), source="file"),
        Grid((64, 70, 60), (0.5, 0.5, 0.8), (-16.2, -17.3, 99.0), np.eye(3), source="file"),
        Grid((8, 8, 6), (4.1, 4.2, 10.3), (-15.3, -16.1, 101.0), np.eye(3), source="file"),
        Grid(
            (60, 60, 60),
            (0.9, 0.9, 0.9),
            (-30.0, -20.0, 90.0),
            np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]]),
            source="file",
        ),
    ],
)
def test_every_voxel_takes_the_nearest_one_of_the_mask(source: Grid) -> None:
    mask = _ball(source, (1.0, -2.0, 121.0), 9.0)
    brought = bring_over(mask, source, TARGET)
    expected = np.zeros(TARGET.size, bool)
    for index in np.ndindex(TARGET.size):
        i, j, k = (int(np.floor(value + 0.5)) for value in source.to_index(TARGET.to_mm(index)))
        if 0 <= i < source.size[0] and 0 <= j < source.size[1] and 0 <= k < source.size[2]:
            expected[index] = mask[i, j, k]
    assert expected.any()
    np.testing.assert_array_equal(brought, expected)


def test_a_shift_of_a_whole_voxel_is_not_taken_for_the_same_grid() -> None:
    mask = _ball(TARGET, (0.0, 0.0, 120.0), 8.0)
    shifted = Grid(TARGET.size, TARGET.spacing_mm, (-15.2, -17.0, 100.0), TARGET.direction, source="file")
    brought = bring_over(mask, shifted, TARGET)
    np.testing.assert_array_equal(brought[1:], mask[:-1])


def test_a_tumour_partly_outside_keeps_its_part() -> None:
    source = Grid((40, 44, 20), TARGET.spacing_mm, (8.0, -17.0, 100.0), TARGET.direction, source="file")
    mask = _ball(source, (15.0, 0.0, 120.0), 6.0)
    brought = bring_over(mask, source, TARGET)
    assert 0 < brought.sum() < mask.sum()


def test_a_tumour_outside_is_refused_with_both_extents() -> None:
    source = Grid((10, 10, 10), (1.0, 1.0, 1.0), (100.0, 0.0, 110.0), np.eye(3), source="file")
    with pytest.raises(VolumeError, match=r"spans x -16 to 15.*the tumour spans x 100 to 109") as caught:
        bring_over(np.ones((10, 10, 10), bool), source, TARGET)
    assert caught.value.code == "mask-outside"
    assert "same size" not in caught.value.remedy


@pytest.mark.parametrize("apart_mm", [0.7, 1.3, 5.0])
def test_a_tumour_just_outside_is_outside(apart_mm: float) -> None:
    source = Grid((4, 4, 4), (1.0, 1.0, 1.0), (15.6 + apart_mm, 0.0, 110.0), np.eye(3), source="file")
    with pytest.raises(VolumeError) as caught:
        bring_over(np.ones((4, 4, 4), bool), source, TARGET)
    assert caught.value.code == "mask-outside"


def test_a_mask_that_lost_its_geometry_is_recognised() -> None:
    source = Grid(TARGET.size, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3), source="file")
    with pytest.raises(VolumeError, match="copy that of the image"):
        bring_over(np.ones(TARGET.size, bool), source, TARGET)


def test_a_speck_between_the_voxels_is_refused() -> None:
    source = Grid((200, 220, 250), (0.1, 0.1, 0.1), (-10.0, -10.0, 100.0), np.eye(3), source="file")
    mask = np.zeros(source.size, bool)
    mask[104, 104, 112] = True
    with pytest.raises(VolumeError, match="1 marked voxels are so small") as caught:
        bring_over(mask, source, TARGET)
    assert caught.value.code == "mask-empty"


def test_bounding_box_of_one_voxel() -> None:
    mask = np.zeros((4, 5, 6), bool)
    mask[3, 0, 5] = True
    assert bounding_box(mask) == ((3, 0, 5), (3, 0, 5))


@pytest.mark.parametrize("far_mm", [1e25, -1e25])
def test_a_mask_farther_away_than_integers_reach_is_outside(far_mm: float) -> None:
    mask = np.ones((2, 2, 2), dtype=bool)
    source = Grid((2, 2, 2), (1.0, 1.0, 1.0), (far_mm, 0.0, 0.0), np.eye(3), source="file")
    target = Grid((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3), source="file")
    with np.errstate(all="raise"), pytest.raises(VolumeError) as caught:
        bring_over(mask, source, target)
    assert caught.value.code == "mask-outside"
