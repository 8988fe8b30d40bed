"""Grids in patient coordinates."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.grid import Grid, Matrix


def _rotation(degrees: float) -> Matrix:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_z: Matrix = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    about_x: Matrix = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    turned: Matrix = about_z @ about_x
    return turned


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_reoriented_keeps_every_voxel_where_it_is(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    direction = (_rotation(20) * signs)[:, order]
    grid = Grid((4, 5, 6), (0.7, 0.9, 2.5), (-100.0, 20.0, -300.0), direction, source="file")
    turned = grid.reoriented()
    assert (np.diag(turned.direction) > 0.8).all()
    axes, flips = grid.axes()
    for index in product((0, 1), (0, 3), (0, 2)):
        stored = [0.0, 0.0, 0.0]
        for axis, flip, i in zip(axes, flips, index, strict=True):
            stored[axis] = grid.size[axis] - 1 - i if flip else i
        np.testing.assert_allclose(turned.to_mm(index), grid.to_mm(stored), atol=1e-9)
    np.testing.assert_allclose(turned.to_index(turned.to_mm((0.3, 2.0, -4.5))), (0.3, 2.0, -4.5), atol=1e-9)


def test_reoriented_is_none_for_an_upright_scan() -> None:
    grid = Grid((4, 5, 6), (0.7, 0.9, 2.5), (-1.0, 2.0, -3.0), np.eye(3), source="dicom")
    turned = grid.reoriented()
    assert (turned.size, turned.spacing_mm, turned.origin_mm) == (grid.size, grid.spacing_mm, grid.origin_mm)
    assert (turned.direction == np.eye(3)).all()


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (1.0, -1.0, 1.0)])
def test_a_useless_spacing_is_refused(spacing: tuple[float, float, float]) -> None:
    with pytest.raises(VolumeError, match="voxel size") as caught:
        Grid((4, 4, 4), spacing, (0.0, 0.0, 0.0), np.eye(3), source="file").require_sound()
    assert caught.value.code == "spacing-invalid"


@pytest.mark.parametrize("entry", [0.01, float("nan")])
def test_a_sheared_direction_is_refused(entry: float) -> None:
    direction = np.eye(3)
    direction[0, 2] = entry
    with pytest.raises(VolumeError, match="right angles") as caught:
        Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), direction, source="file").require_sound()
    assert caught.value.code == "affine-sheared"


def test_rounding_of_a_direction_is_let_through() -> None:
    direction = np.round(_rotation(12.3), 4)
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), direction, source="file")
    assert grid.require_sound() is grid
