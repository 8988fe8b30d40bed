"""Cells of a map lie where the region was cut from, on every grid: what was cut is put back where it was."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from nephrograde.explanation.lattice import Cells, find_peak, on_grid
from nephrograde.sample.frames import find_frames
from nephrograde.sample.slices import cut_slices
from nephrograde.sample.target import Target
from nephrograde.sample.tumour import cut_tumour
from nephrograde.study import Arm, ImageSettings, Window
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import make_volume

IMAGE = ImageSettings(slice_px=40, slice_mm=30.0, box_voxels=(20, 16, 12), box_mm=(30.0, 24.0, 36.0), antialias=False)
WINDOW = Window(low=-500.0, high=500.0)
SLICES = Arm(name="weak", supervision=Supervision.POINT, slices=2)
BOX = Arm(name="strong", supervision=Supervision.BOX)


def oblique(turn: int, flips: tuple[int, ...] = (1, 1, 1)) -> Any:
    """Axes in another order and sense, turned by angles that are no multiples of each other."""
    order = list(itertools.permutations(range(3)))[turn % 6]
    a, b = 0.3 - 0.1 * turn, 0.15 * turn
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return (about_z @ about_x)[:, order] * np.array(flips)


def ramp(direction: Any, along: int) -> Any:
    """A scan whose values are a coordinate of the patient, in mm times 3."""
    spacing, origin = (0.9, 1.3, 2.1), (-20.0, 35.0, -60.0)
    steps = np.stack(np.meshgrid(*map(np.arange, (40, 34, 30)), indexing="ij"), axis=-1) * np.array(spacing)
    place = steps @ direction.T + origin
    return make_volume(3.0 * place[..., along], spacing_mm=spacing, origin_mm=origin, direction=direction)


def cells_of(volume: Any, arm: Arm, step: int = 1) -> list[Cells]:
    """What an arm cuts out of a scan, as maps with a cell per pixel."""
    size = volume.values.shape
    middle = volume.to_mm([0.45 * n for n in size])
    target = Target(middle, size[2] // 2 - 1, size[2] // 2 + 2, size[2] // 2)
    frames = find_frames(volume, [target], arm, IMAGE)
    if arm.slices:
        cut, _ = cut_slices(volume, target, arm, image=IMAGE, window=WINDOW)
        pictures = [one[0].T for one in cut]
    else:
        pictures = [cut_tumour(volume, None, target, image=IMAGE, window=WINDOW)[0, 0]]
    return [Cells(one.astype(np.float64), frame, one.shape, step) for one, frame in zip(pictures, frames, strict=True)]


def voxels_in(row: Cells, size: Any, *, margin: float) -> Any:
    """The voxels of a scan whose centres lie in a picture, at least some of its pixels and of theirs from the edge."""
    spans = []
    for a, b, n, pixels in zip(row.frame.low, row.frame.high, size, (*row.pixels, 1), strict=False):
        pad = margin * max((b - a) / pixels, 1.0)
        spans.append(slice(max(int(np.ceil(max(a, 0) + pad)), 0), int(np.floor(min(b, n - 1) - pad)) + 1))
    return (*spans[:2], row.frame.k) if row.frame.k is not None else tuple(spans)


@pytest.mark.parametrize("arm", [SLICES, BOX], ids=["slices", "box"])
@pytest.mark.parametrize("turn", range(6))
def test_what_was_cut_is_put_back_where_it_was(arm, turn):
    flips = [(1, 1, 1), (-1, 1, 1), (1, -1, -1)][turn % 3]
    for along in range(3):
        volume = ramp(oblique(turn, flips), along)
        size = volume.values.shape
        rows = cells_of(volume, arm)
        found = on_grid(rows, size)
        wanted = (np.asarray(volume.values) + 500.0) / 1000.0
        outside = np.ones(size, dtype=bool)
        for row in rows:
            inner = voxels_in(row, size, margin=1.0)
            assert found[inner].size > 200
            assert np.abs(found - wanted)[inner].max() < 1e-3  # the region is float16
            outside[voxels_in(row, size, margin=0.0)] = False
        assert not found[outside].any()


def test_places_of_cells_are_those_of_their_pixels():
    volume = ramp(oblique(1), 0)
    for arm in (SLICES, BOX):
        for row in cells_of(volume, arm):
            at = [n // 3 for n in row.values.shape]
            place = volume.to_mm(row.place_of(at))
            assert 3.0 * place[0] == pytest.approx(row.values[tuple(at)] * 1000 - 500, abs=0.5)


def test_the_strongest_place_is_the_middle_of_a_plateau_and_lies_inside_the_scan():
    volume = ramp(oblique(2, (-1, 1, 1)), 1)
    (row,) = cells_of(volume, BOX)
    values = np.zeros(row.values.shape)
    values[4:7, 5, 3] = 2.0
    values[9, 9, 9] = -3.0
    own = Cells(values, row.frame, row.pixels, 1)
    high, low = (find_peak([own], volume, "cmp", sign=sign) for sign in (1, -1))
    assert high is not None
    assert low is not None
    assert (high.value, low.value) == (2.0, -3.0)
    assert high.position_mm == pytest.approx(volume.to_mm(own.place_of((5, 5, 3))))
    stored = volume.native.to_mm(low.vox)
    assert np.abs(np.array(volume.native.to_index(low.position_mm)) - low.vox).max() <= 0.5
    assert np.linalg.norm(np.subtract(stored, low.position_mm)) < 1.5
    assert find_peak([Cells(-np.abs(values), row.frame, row.pixels, 1)], volume, "cmp", sign=1) is None
