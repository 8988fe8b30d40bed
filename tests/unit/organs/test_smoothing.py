"""Smoothing and the pieces of a mask, against SciPy to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from nephrograde.organs.pieces import label_pieces
from nephrograde.organs.smoothing import eroded_in_plane, gaussian, gaussian_along, median_along

SHAPES = [(31, 24, 17), (3, 40, 2), (1, 1, 9), (70, 90, 8)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [0.3, 0.8, 5.4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lines_are_smoothed_as_by_scipy(shape: tuple[int, int, int], width: float, dtype: type) -> None:
    values: Any = np.random.default_rng(3).normal(size=shape).astype(dtype)
    for axis in range(3):
        expected = ndimage.gaussian_filter1d(values, width, axis=axis, truncate=2.0)
        found = gaussian_along(values, width, axis, truncate=2.0)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    widths = np.array([width, 0.0, 1.2])
    assert np.array_equal(gaussian(values, widths, truncate=1.6), ndimage.gaussian_filter(values, widths, truncate=1.6))


@pytest.mark.parametrize("window", [1, 3, 25])
def test_medians_are_those_of_scipy(window: int) -> None:
    line = np.random.default_rng(4).normal(size=19)
    assert np.array_equal(median_along(line, window), ndimage.median_filter(line, window, mode="nearest"))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_is_eroded_as_by_scipy(shape: tuple[int, int, int]) -> None:
    mask = np.random.default_rng(5).random(shape) > 0.2
    assert np.array_equal(eroded_in_plane(mask), ndimage.binary_erosion(mask, np.ones((3, 3, 1), dtype=bool)))


@pytest.mark.parametrize("shape", [*SHAPES, (5, 1, 9), (9, 7, 1), (0, 4, 4)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("width", [0.0, 1.5])  # crumbs, and lumps
def test_pieces_have_the_numbers_of_scipy(shape: tuple[int, int, int], share: float, width: float) -> None:
    values = ndimage.gaussian_filter(np.random.default_rng(6).random(shape), width)
    mask = values <= np.quantile(values, share) if values.size and share else np.zeros(shape, bool)
    expected, _ = ndimage.label(mask)
    assert np.array_equal(label_pieces(mask), expected)


def test_a_piece_that_winds_through_all_lines_is_one() -> None:
    mask = np.zeros((41, 41, 3), bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    assert label_pieces(mask).max() == ndimage.label(mask)[1] == 1
