"""Checks of one scan, including the phase that its kidneys show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.organs import enhancement
from nephrograde.quality.acquisition import Acquisition
from nephrograde.quality.marks import each_mark
from nephrograde.quality.scan_quality import check_kidneys, check_phase, examine_scan, find_kidney_level
from nephrograde.volume.phase.evidence import Evidence
from nephrograde.volume.read import read_volume
from nephrograde.volume.statement import Statement
from nephrograde.volume.volume import make_volume

if TYPE_CHECKING:
    from pathlib import Path

Array = npt.NDArray[Any]
SEEN = enhancement.Enhancement(180.0, 60.0, 170.0, 290.0, (), (-100.0, 10.0), 1.0)


def _values() -> Array:
    """A body of soft tissue in air, 24 slices of 5 mm."""
    x, y = np.ogrid[:120, :120]
    inside = np.hypot(x - 60, y - 60) < 45
    noise = np.random.default_rng(1).normal(0, 10, (120, 120, 24))
    return (np.where(inside[:, :, None], 40, -990) + noise).astype(np.int16)


def _codes(values: Array, mask: Array | None = None, phase: str = "cmp", **how: Any) -> list[str]:
    volume = make_volume(values, spacing_mm=(1.5, 1.5, 5.0), origin_mm=(0.0, 0.0, -115.0))
    return [fault.code for fault in examine_scan(volume, mask, phase=phase, **how).faults]


def test_a_sound_scan_has_no_fault() -> None:
    mask = np.zeros((120, 120, 24), dtype=bool)
    mask[50:60, 50:60, 10:14] = True
    assert _codes(_values(), mask) == []


def test_every_check_is_made() -> None:
    values = _values()
    values[60, 60:70, 5:20] = 3071
    values[100:110, 55:65, 8:14] = -90
    mask = np.zeros(values.shape, dtype=bool)
    mask[100:110, 55:65, 8:14] = mask[119, 60, 8] = True
    acquisition = Acquisition(kernels=("B30f", "B70f"), tilt_deg=5.0)
    found = _codes(np.roll(values, 30, axis=1), np.roll(mask, 30, axis=1), acquisition=acquisition)
    assert found == ["mixed-kernel", "gantry-tilt", "truncated", "metal", "mask-border", "mask-fat"]


def test_what_needs_hu_is_left_out_where_numbers_are_no_hu() -> None:
    assert _codes(_values() + 2000, np.ones((120, 120, 24), dtype=bool)) == ["not-hu", "mask-border"]


def test_a_crop_is_not_asked_for_its_height() -> None:
    values = _values()[40:80, 40:80, :12]
    values[20, 20] = -90  # some fat
    assert _codes(values) == ["cropped"]


def test_figures_of_a_scan() -> None:
    volume = make_volume(_values(), spacing_mm=(1.5, 1.5, 5.0))
    quality = examine_scan(volume, phase="np", acquisition=Acquisition(kernels=("B30f",)))
    assert (quality.size, quality.spacing_mm, quality.kernels) == ((120, 120, 24), (1.5, 1.5, 5.0), ("B30f",))
    assert len(set(each_mark(quality.marks))) == 24
    assert quality.is_readable


def test_another_phase_is_suspected_only_where_the_image_outweighs_the_table() -> None:
    kidneys = Statement.of("image.kidneys-only", cortex_hu=180, medulla_hu=61, inside_hu=190)
    evidence = Evidence(kidneys, {"up": 0.001, "cmp": 0.01, "np": 1.0, "ep": 0.2})
    (fault,) = check_phase(evidence, phase="cmp")  # 0.01 × 0.95 against (1 + 0.2 + 0.001) × 0.05 / 3
    assert fault.code == "phase-suspect"
    assert "looks nephrographic (np, probability 0.56) where the table says corticomedullary (cmp)" in fault.message
    assert "cortex 180 HU" in fault.message
    assert check_phase(evidence, phase="np") == []
    assert check_phase(evidence, phase="ep") == []
    assert check_phase(evidence, phase="pet") == []
    likelier = Evidence(kidneys, {**evidence.likelihood, "cmp": 0.03})
    assert check_phase(likelier, phase="cmp") == []


@pytest.mark.parametrize(
    ("extent_mm", "words"),
    [
        ((-109.0, -6.0), ""),
        ((-112.0, -20.0), "the first slice"),
        ((-80.0, -4.0), "the last slice"),
        ((-115.0, 0.0), "the first and the last slice"),
    ],
)
def test_slices_that_end_inside_a_kidney_are_seen(extent_mm: tuple[float, float], words: str) -> None:
    volume = make_volume(_values(), spacing_mm=(1.5, 1.5, 5.0), origin_mm=(0.0, 0.0, -115.0))  # up to 0 mm
    faults = check_kidneys(volume, replace(SEEN, kidney_extent_mm=extent_mm))
    assert [fault.code for fault in faults] == (["kidney-cut"] if words else [])
    assert all(f"a kidney reaches {words}," in fault.message for fault in faults)


def test_the_level_of_the_kidneys_lies_in_the_image() -> None:
    for z_mm, level in ((-115.0, 14), (-800.0, 23), (300.0, 0)):
        volume = make_volume(_values(), spacing_mm=(1.5, 1.5, 5.0), origin_mm=(0.0, 0.0, z_mm))
        assert find_kidney_level(volume, SEEN) == level


@pytest.mark.slow
def test_the_hip_nail_of_a_real_scan_is_found(shared_data: Path) -> None:
    volume = read_volume(shared_data / "ct_nifti" / "example_ct.nii.gz")
    codes = [fault.code for fault in examine_scan(volume, phase="pet").faults]
    assert codes == ["pixel-size", "truncated", "metal"]


@pytest.mark.slow
def test_a_real_dicom_series_is_sound(shared_data: Path) -> None:
    volume = read_volume(shared_data / "ct_dicom" / "CRLM-CT-1004" / "image")
    assert examine_scan(volume, phase="np").faults == ()
