"""The geometry of a scan."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nephrograde.quality.geometry import check_geometry
from nephrograde.volume.volume import Volume, make_volume, slice_axis

ORDINARY = ((128, 128, 40), (0.8, 0.8, 5.0))


def _volume(size: tuple[int, int, int], spacing_mm: tuple[float, float, float], direction=None) -> Volume:
    return make_volume(np.zeros(size, dtype=np.int16), spacing_mm=spacing_mm, direction=direction)


def _codes(volume: Volume) -> list[str]:
    return [fault.code for fault in check_geometry(volume)]


def test_an_ordinary_scan_has_no_fault() -> None:
    assert _codes(_volume(*ORDINARY)) == []


@pytest.mark.parametrize(
    ("size", "spacing_mm", "code"),
    [
        ((16, 16, 40), (2.1, 2.1, 5.0), "pixel-size"),
        ((16, 16, 40), (0.2, 0.2, 2.5), "pixel-size"),
        ((16, 16, 40), (0.8, 0.9, 5.0), "pixel-not-square"),
        ((16, 16, 40), (0.8, 0.8, 8.0), "thick-slices"),
        ((16, 16, 40), (0.4, 0.4, 7.0), "anisotropic"),
        ((16, 16, 9), (1.6, 1.6, 12.0), "few-slices"),
        ((16, 16, 19), (0.8, 0.8, 5.0), "short-coverage"),
    ],
)
def test_each_oddity_has_its_code(
    size: tuple[int, int, int], spacing_mm: tuple[float, float, float], code: str
) -> None:
    assert code in _codes(_volume(size, spacing_mm))


def test_limits_themselves_are_let_through() -> None:
    assert _codes(_volume((16, 16, 20), (2.0, 2.0, 5.0))) == []
    assert _codes(_volume((16, 16, 14), (0.5, 0.5, 7.5))) == []


def test_a_tilted_scan_is_oblique() -> None:
    def turned(angle_deg: float) -> Volume:
        sine, cosine = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
        return _volume(*ORDINARY, direction=np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]))

    assert _codes(turned(4.9)) == []
    (fault,) = check_geometry(turned(12.0))
    assert fault.code == "oblique"
    assert "12° askew" in fault.message


def test_a_coronal_series_is_not_axial() -> None:
    coronal = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    volume = _volume((128, 200, 40), (0.8, 0.8, 5.0), direction=coronal)
    assert slice_axis(volume) == 1
    (fault,) = check_geometry(volume)
    assert (fault.code, "coronal" in fault.message) == ("not-axial", True)


def test_the_stack_of_a_dicom_series_is_its_third_axis_even_where_voxels_are_cubes() -> None:
    coronal = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    volume = _volume((128, 128, 128), (1.0, 1.0, 1.0), direction=coronal)
    assert slice_axis(volume) == 2
    as_dicom = dataclasses.replace(volume, native=dataclasses.replace(volume.native, source="dicom"))
    assert slice_axis(as_dicom) == 1


def test_a_file_without_orientation_is_not_asked_for_it() -> None:
    volume = _volume((128, 40, 128), (0.8, 5.0, 0.8))
    assert "not-axial" in _codes(volume)
    unsaid = dataclasses.replace(volume, native=dataclasses.replace(volume.native, is_oriented=False))
    assert "not-axial" not in _codes(unsaid)
