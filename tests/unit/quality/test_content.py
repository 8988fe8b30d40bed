"""Metal, the edge of the image, fat and air in masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.quality.content import check_field_of_view, check_metal, find_edge
from nephrograde.volume.masks.spill import check_mask_spill
from nephrograde.volume.volume import Volume, make_volume

Array = npt.NDArray[Any]


def _volume(values: Array, spacing_mm: tuple[float, float, float] = (2.0, 2.0, 5.0)) -> Volume:
    return make_volume(values, spacing_mm=spacing_mm)


def _body(center: tuple[float, float] = (100, 100), radius: float = 70, *, size: int = 200) -> Array:
    """A round body of 40 HU in air with noise, 20 slices."""
    x, y = np.ogrid[:size, :size]
    inside = np.hypot(x - center[0], y - center[1]) < radius
    noise = np.random.default_rng(3).normal(0, 10, (size, size, 20))
    return (np.where(inside[:, :, None], 40, -990) + noise).astype(np.int16)


def _edge_codes(values: Array) -> list[str]:
    volume = _volume(values)
    return [fault.code for fault in check_field_of_view(find_edge(volume))]


def test_a_body_inside_the_image_is_whole() -> None:
    assert _edge_codes(_body()) == []
    assert _edge_codes(_body(radius=98)) == []


@pytest.mark.parametrize(
    ("center", "side"), [((60, 100), "right"), ((140, 100), "left"), ((100, 60), "front"), ((100, 140), "back")]
)
def test_a_body_over_the_edge_is_truncated_on_that_side(center: tuple[float, float], side: str) -> None:
    volume = _volume(_body(center))
    edge = find_edge(volume)
    assert (edge.share, edge.sides) == (1.0, (side,))
    (fault,) = check_field_of_view(edge)
    assert fault.code == "truncated"
    assert f"({side}) on 100 %" in fault.message


def test_a_body_over_the_edge_of_the_reconstruction_circle_is_truncated() -> None:
    x, y = np.ogrid[:200, :200]
    beyond = np.hypot(x - 99.5, y - 99.5) > 99.5
    for center, codes in (((100, 100), []), ((135, 135), ["truncated"])):
        values = _body(center, radius=60)
        assert _edge_codes(values) == []
        values[beyond] = -2000
        assert _edge_codes(values) == codes


def test_air_that_was_filled_up_to_the_skin_is_no_circle() -> None:
    values = _body()
    values[values < -500] = -1024
    assert _edge_codes(values) == []


def test_the_table_under_the_body_does_not_count() -> None:
    values = _body()
    values[:, 168:171] = 200
    assert _edge_codes(values) == []


def test_few_touching_slices_are_let_through() -> None:
    values = _body()
    values[:, :, :1] = _body((60, 100))[:, :, :1]
    assert _edge_codes(values) == []


def test_a_piece_with_tissue_on_all_sides_is_a_crop() -> None:
    assert _edge_codes(_body(radius=500)) == ["cropped"]


def test_metal_is_measured_and_counted_on_the_tumours_slices() -> None:
    values = _body()
    values[100:105, 100, 8:12] = 3071  # 5 × 1 × 4 voxels of 0.02 ml
    mask = np.zeros(values.shape, dtype=bool)
    mask[90:110, 60:80, 10:15] = True
    (fault,) = check_metal(_volume(values), mask)
    assert fault.code == "metal"
    assert "0.4 ml above 3000 HU (metal) on 4 of 20 slices, and on 2 of the tumour's 5." in fault.message


def test_dense_bone_and_a_single_bright_voxel_are_no_metal() -> None:
    values = _body()
    values[100:120, 100:120] = 2900
    values[50, 50, 5] = 3071
    assert check_metal(_volume(values)) == []


@pytest.mark.parametrize(
    ("hu", "share", "codes"),
    [
        (-90, 0.10, []),
        (-90, 0.20, ["mask-fat"]),
        (-20, 0.90, []),
        (-900, 0.005, []),
        (-900, 0.02, ["mask-air"]),
        (-900, 0.50, ["mask-air"]),
    ],
)
def test_fat_and_air_inside_a_mask(hu: int, share: float, codes: list[str]) -> None:
    values = np.full((10, 10, 10), 40)
    values.ravel()[: round(1000 * share)] = hu
    faults = check_mask_spill(_volume(values), np.ones(values.shape, dtype=bool))
    assert [fault.code for fault in faults] == codes
    assert all(f"{100 * share:.0f} % of the tumour mask" in fault.message for fault in faults)
