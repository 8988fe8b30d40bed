from __future__ import annotations

import math

import numpy as np
import pytest

from nephrograde.sources.synthetic.canvas import (
    LATTICE,
    Canvas,
    Grid,
    Stack,
    blank,
    cover,
    ellipsoid,
    in_scanner,
    paint,
    smooth_noise,
    window_around,
)


def canvas_of(*, turn_rad: float = 0.0, shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Canvas:
    grid = Grid((60, 50, 20), (2.0, 2.0, 5.0), (-60.0, -50.0, -50.0), shift_mm, turn_rad)
    canvas = blank(grid)
    canvas.values[:] = 0.0
    return canvas


def test_patient_frame_and_scanner_frame_agree_when_turned_and_shifted() -> None:
    canvas = canvas_of(turn_rad=0.3, shift_mm=(4.0, -7.0, 12.0))
    row, column, level = 13, 41, 6
    place = (float(canvas.x_mm[row, column]), float(canvas.y_mm[row, column]), float(canvas.z_mm[level]))
    expected = (-60.0 + 2.0 * column, -50.0 + 2.0 * row, -50.0 + 5.0 * level)
    assert in_scanner(canvas.grid, place) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("turn_rad", [0.0, 0.02, -0.03])
def test_an_ellipsoid_has_its_volume_and_its_centre(turn_rad: float) -> None:
    canvas = canvas_of(turn_rad=turn_rad, shift_mm=(3.0, 2.0, -4.0))
    window, share = cover(canvas, ellipsoid(canvas, (5.0, -3.0, 4.0), half_mm=(24.0, 15.0, 30.0), turn_rad=0.6))
    paint(canvas, window, share=share, hu=1.0)
    volume = canvas.values.sum() * 2.0 * 2.0 * 5.0
    assert volume == pytest.approx(4 / 3 * math.pi * 24 * 15 * 30, rel=0.03)
    weights = canvas.values.sum(axis=0)
    assert (weights * canvas.x_mm).sum() / weights.sum() == pytest.approx(5.0, abs=0.1)
    assert (weights * canvas.y_mm).sum() / weights.sum() == pytest.approx(-3.0, abs=0.1)


def test_the_window_loses_nothing_of_a_turned_shape() -> None:
    canvas = canvas_of(turn_rad=0.03)
    window, share = cover(canvas, ellipsoid(canvas, (0.0, 0.0, 0.0), half_mm=(40.0, 8.0, 30.0), turn_rad=1.2))
    assert share[:, 0].max() == share[:, -1].max() == share[:, :, 0].max() == share[:, :, -1].max() == 0.0
    assert share.shape == tuple(part.stop - part.start for part in window)


def test_a_shape_outside_the_scan_paints_nothing() -> None:
    canvas = canvas_of()
    for centre in ((0.0, 0.0, 500.0), (500.0, 0.0, 0.0)):
        window, share = cover(canvas, ellipsoid(canvas, centre, half_mm=(10.0, 10.0, 10.0)))
        paint(canvas, window, share=share, hu=7.0)
    assert not canvas.values.any()
    assert window_around(canvas, (0.0, 0.0, 500.0), half_mm=(1.0, 1.0, 1.0))[0] == slice(20, 20)


def test_a_lean_moves_the_upper_slices() -> None:
    canvas = canvas_of()
    stack = ellipsoid(canvas, (0.0, 0.0, 0.0), half_mm=(10.0, 10.0, 40.0), lean=(0.5, -0.25))
    top = int(np.argmax(canvas.z_mm == 20.0))
    assert (stack.x_mm[top], stack.y_mm[top]) == (10.0, -5.0)


def test_an_interrupted_stack_is_never_divided_by_zero() -> None:
    canvas = canvas_of()
    present = np.where(np.arange(20) % 2 == 0, 8.0, 0.0)
    _, share = cover(canvas, Stack(np.zeros(20), np.zeros(20), present, present))
    assert np.isfinite(share).all()


def test_noise_belongs_to_the_place_not_to_the_grid() -> None:
    lattice = np.random.default_rng(3).standard_normal((LATTICE, LATTICE, LATTICE))
    here, there = canvas_of(), canvas_of(shift_mm=(4.0, 6.0, 10.0))
    everything = (slice(0, 20), slice(0, 50), slice(0, 60))
    first = smooth_noise(here, everything, lattice=lattice, cell_mm=11.0)
    second = smooth_noise(there, everything, lattice=lattice, cell_mm=11.0)
    np.testing.assert_allclose(first[:-2, :-3, :-2], second[2:, 3:, 2:], atol=1e-5)
    assert 0.4 < first.std() < 0.8
    assert abs(first.mean()) < 0.15
