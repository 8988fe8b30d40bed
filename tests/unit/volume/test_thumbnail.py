"""Thumbnails of planes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from nephrograde.volume.thumbnail import OUTLINE_RGB, thumbnail_png


def _pixels(png: bytes) -> npt.NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_pixels_are_square_whatever_the_spacing() -> None:
    assert _pixels(thumbnail_png(np.zeros((50, 100)), pixel_mm=(4.0, 1.0), width_px=80)).shape == (160, 80, 3)
    assert _pixels(thumbnail_png(np.zeros((50, 100)), pixel_mm=(1.0, 1.0), width_px=80)).shape == (40, 80, 3)


def test_a_tall_plane_gets_a_narrower_picture() -> None:
    assert _pixels(thumbnail_png(np.zeros((400, 100)), pixel_mm=(1.0, 1.0), width_px=80)).shape == (160, 40, 3)


def test_the_window_runs_from_black_to_white_and_the_first_row_is_on_top() -> None:
    plane = np.repeat([[-500.0], [40.0], [900.0]], 30, axis=1).repeat(10, axis=0)
    pixels = _pixels(thumbnail_png(plane, pixel_mm=(1.0, 1.0), width_px=30))
    assert pixels[1, 5].tolist() == [0, 0, 0]
    assert pixels[-2, 5].tolist() == [255, 255, 255]
    assert int(pixels[15, 5, 0]) == pytest.approx(127.5, abs=3)


def test_the_outline_lies_just_outside_of_the_mask() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:20, 10:30] = True
    pixels = _pixels(thumbnail_png(np.zeros((40, 40)), pixel_mm=(1.0, 1.0), outline=mask, width_px=40))
    is_outline = (pixels == OUTLINE_RGB).all(axis=2)
    assert is_outline[9, 10:30].all()
    assert is_outline[10:20, 30].all()
    assert not is_outline[mask].any()
    assert is_outline.sum() == 2 * 20 + 2 * 10


def test_a_mask_smaller_than_a_pixel_is_seen() -> None:
    mask = np.zeros((512, 512), dtype=bool)
    mask[300, 300] = True
    pixels = _pixels(thumbnail_png(np.zeros((512, 512)), pixel_mm=(0.7, 0.7), outline=mask))
    assert (pixels == OUTLINE_RGB).all(axis=2).sum() >= 4


def test_values_that_are_no_numbers_are_drawn() -> None:
    plane = np.full((20, 20), np.nan)
    plane[0, 0] = np.inf
    assert _pixels(thumbnail_png(plane, pixel_mm=(1.0, 1.0))).shape == (160, 160, 3)


def test_what_is_no_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="not a plane"):
        thumbnail_png(np.zeros((0, 4)), pixel_mm=(1.0, 1.0))
    with pytest.raises(ValueError, match="does not fit"):
        thumbnail_png(np.zeros((4, 4)), pixel_mm=(1.0, 1.0), outline=np.zeros((4, 5), dtype=bool))
