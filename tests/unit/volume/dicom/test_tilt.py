"""A straightened sheared stack, compared with the same object on a rectangular grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series import read_series

Array = npt.NDArray[Any]
Writer = Callable[..., list[Path]]
PIXEL_MM = (0.8, 0.8)


def _tilted(degrees: float, count: int = 12, step_mm: float = 2.5) -> tuple[Array, tuple[float, ...], Array]:
    """Slice positions of a table moving along z under a gantry tilted about x; orientation; every voxel's position."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    positions = np.array([(-20.0, 30.0, step_mm * k) for k in range(count)])
    columns, rows = np.meshgrid(np.arange(50), np.arange(40), indexing="ij")
    in_plane = columns[..., None] * PIXEL_MM[1] * np.array([1, 0, 0]) + rows[..., None] * PIXEL_MM[0] * np.array(
        [0, c, s]
    )
    return positions, (1, 0, 0, 0, c, s), in_plane[:, :, None] + positions


def _write(series_dir: Path, write_series: Writer, degrees: float, of: Callable[[Array], Array]) -> None:
    positions, orientation, places = _tilted(degrees)
    write_series(
        series_dir,
        values=np.rint(of(places)).astype(np.uint16),
        positions_mm=[tuple(map(float, position)) for position in positions],
        orientation=orientation,
        pixel_mm=PIXEL_MM,
    )


@pytest.mark.parametrize("degrees", [15.0, -20.0, 3.0])
def test_every_voxel_shows_what_lies_at_its_place(tmp_path: Path, write_series: Writer, degrees: float) -> None:
    def ramp(places: Array) -> Array:
        return np.asarray(2000 + places @ np.array([3.0, -7.0, 11.0]))

    _write(tmp_path, write_series, degrees, ramp)
    values, grid, faults, *_ = read_series(tmp_path)
    assert [(fault.code, fault.severity) for fault in faults] == [("dicom-tilt", "warning")]
    assert f"{abs(degrees):.1f}°" in faults[0].message
    np.testing.assert_allclose(grid.direction.T @ grid.direction, np.eye(3), atol=1e-9)
    assert grid.spacing_mm[2] == pytest.approx(2.5 * np.cos(np.radians(degrees)))
    steps = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1) * grid.spacing_mm
    expected = ramp(steps @ grid.direction.T + grid.origin_mm) - 1024
    inside = values > -1024  # outside it, and half a pixel around it, nothing was measured
    inner = inside & np.roll(inside, 1, axis=1) & np.roll(inside, -1, axis=1)
    assert inner.sum() > 0.9 * 50 * 40 * 12
    assert np.abs(values - expected)[inner].max() <= 1.01  # rounding of two pixels and of their mean


def test_no_slice_loses_its_edge(tmp_path: Path, write_series: Writer) -> None:
    _write(tmp_path, write_series, 25.0, lambda places: np.full(places.shape[:3], 1500.0))
    values, grid, *_ = read_series(tmp_path)
    measured = (values == 1500 - 1024).sum(axis=(0, 1))
    assert (measured >= 50 * 39).all()
    assert grid.size[0] == 50
    assert grid.size[1] > 40
    assert values.min() == -1024


def test_more_than_a_gantry_tilts_is_refused(tmp_path: Path, write_series: Writer) -> None:
    _write(tmp_path, write_series, 50.0, lambda places: np.full(places.shape[:3], 1500.0))
    with pytest.raises(VolumeError) as caught:
        read_series(tmp_path)
    assert caught.value.code == "dicom-tilt"
    assert "50.0°" in caught.value.message
