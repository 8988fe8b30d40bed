"""A background that is not air, and a body of impossible width, are named; sound scans and crops are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.volume.check import check_volume
from nephrograde.volume.volume import make_volume

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]
SIDE = 128
X, Y, _ = np.mgrid[:SIDE, :SIDE, :24]
OUTSIDE = np.hypot(X - 63.5, Y - 63.5) > 64


def body(*, width: float = 50, height: float = 36) -> Array:
    """A trunk of fat and soft tissue with gas in it, 24 slices."""
    away = ((X - 64) / width) ** 2 + ((Y - 64) / height) ** 2
    hu = np.where(away < 0.8, 40.0, np.where(away < 1, -100.0, -1000.0))
    hu[np.hypot(X - 80, Y - 60) < 5] = -1000
    return hu + np.random.default_rng(3).normal(0, 10, hu.shape)


def codes(hu: Array, spacing_mm: tuple[float, float, float] = (3.0, 3.0, 5.0)) -> list[str]:
    return [fault.code for fault in check_volume(make_volume(np.rint(hu).astype(np.int16), spacing_mm=spacing_mm))]


FILLED: dict[str, Callable[[Array], Array]] = {
    "air of 0": lambda hu: np.where(hu < -900, 0, hu),
    "air of 0 around the body": lambda hu: np.where((hu < -500) & (np.hypot(X - 64, Y - 64) > 30), 0, hu),
    "air of -3000": lambda hu: np.where(hu < -900, -3000, hu),
    "air of -2048, and what lies outside": lambda hu: np.where((hu < -900) | OUTSIDE, -2048, hu),
    "air of 40": lambda hu: np.where(hu < -900, 40, hu),
    "clipped to a window": lambda hu: np.clip(hu, -200, 300),
    "clipped to a lung window": lambda hu: np.clip(hu, -500, 1500),
}


@pytest.mark.parametrize("name", FILLED)
def test_a_background_that_is_not_air_is_named(name: str) -> None:
    assert codes(FILLED[name](body())) == ["air-replaced"]


def test_negative_values_that_were_lost_are_named() -> None:
    assert "not-hu" in codes(np.clip(body(), 0, None))


SOUND: dict[str, Callable[[Array], Array]] = {
    "as scanned": lambda hu: hu,
    "clipped to air": lambda hu: np.clip(hu, -1000, 1000),
    "clipped at -1024": lambda hu: np.where(hu < -900, -1024, hu),
    "padded outside the circle": lambda hu: np.where(OUTSIDE, -2000, hu),
    "padded at an end": lambda hu: np.where(np.arange(24) < 4, -3024, hu),
    "a crop of the body": lambda hu: hu[40:90, 45:85],
    "a field of view filled by the body": lambda hu: np.where(OUTSIDE, -3024, np.where(hu < -900, 40, hu)),
    "a crop in fat": lambda hu: np.where(hu < -50, -100, hu),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_scans_and_crops_are_not(name: str) -> None:
    hu = SOUND[name](body(width=60, height=58) if "filled" in name else body())
    if "filled" in name:
        hu = np.where(OUTSIDE, hu, np.where(hu < -900, np.random.default_rng(1).normal(40, 10, hu.shape), hu))
    assert codes(hu) == []


@pytest.mark.parametrize(
    ("pixel_mm", "expected"), [(0.7, ["body-size"]), (1.0, ["body-size"]), (2.0, []), (4.0, []), (9.0, ["body-size"])]
)
def test_a_body_of_impossible_width_is_named(pixel_mm: float, expected: list[str]) -> None:
    assert codes(body(), (pixel_mm, pixel_mm, 5.0)) == expected
    assert codes(body()[64:], (pixel_mm, pixel_mm, 5.0)) == []  # cut off, so its width is not known
    assert codes(np.swapaxes(body(), 0, 1), (pixel_mm, pixel_mm, 5.0)) == expected
    many = np.repeat(np.repeat(body(), 3, 0), 2, 1)
    assert codes(many, (pixel_mm / 3, pixel_mm / 2, 5.0)) == expected
