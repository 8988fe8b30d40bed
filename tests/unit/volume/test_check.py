"""Checks and the table of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.errors import RunError
from nephrograde.volume.check import check_mask, check_volume
from nephrograde.volume.finding import Finding, read_findings, write_findings
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]


def _codes(values: Array) -> list[tuple[str, str]]:
    volume = make_volume(values, spacing_mm=(1.0, 1.0, 1.0))
    return [(fault.code, fault.severity) for fault in check_volume(volume)]


def test_a_sound_ct_has_no_fault(random_values: Array) -> None:
    assert _codes(random_values) == []
    assert _codes(random_values.astype(np.float32)) == []


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_a_constant_image_is_fatal(kind: type) -> None:
    assert _codes(np.full((5, 5, 5), 7, kind)) == [("constant", "fatal")]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_fatal_and_counted(random_values: Array, value: float) -> None:
    values = random_values.astype(np.float32)
    values[2, 3, 4] = values[0, 0, 0] = value
    (fault,) = check_volume(make_volume(values, spacing_mm=(1.0, 1.0, 1.0)))
    assert (fault.code, fault.severity) == ("not-finite", "fatal")
    assert "2 of 693 voxels" in fault.message


def test_two_slices_are_too_few(random_values: Array) -> None:
    assert _codes(random_values[:, :, :2]) == [("too-few-slices", "fatal")]
    assert _codes(random_values[:, :, :3]) == []


def test_an_image_without_negative_values_is_not_hu(tmp_path: Path, random_values: Array) -> None:
    write_image(random_values + 1000, tmp_path / "np.nii.gz", spacing_mm=(0.9, 0.9, 1.0))
    (fault,) = check_volume(read_volume(tmp_path / "np.nii.gz"))
    assert (fault.code, fault.severity) == ("not-hu", "warning")
    assert "np.nii.gz" not in fault.message + fault.remedy


def test_an_image_without_orientation_is_suspect(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    (tmp_path / "a.nii").write_bytes(make_nifti(random_values, codes=(0, 0)))
    (fault,) = check_volume(read_volume(tmp_path / "a.nii"))
    assert (fault.code, fault.severity) == ("no-orientation", "warning")


def test_masks() -> None:
    mask = np.zeros((8, 8, 8), bool)
    assert [(f.code, f.severity) for f in check_mask(mask)] == [("mask-empty", "fatal")]
    mask[3:5, 3:5, 3:5] = True
    assert check_mask(mask) == []


@pytest.mark.parametrize(
    ("place", "side"),
    [
        ((0, 4, 4), "right side"),
        ((7, 4, 4), "left side"),
        ((4, 0, 4), "front"),
        ((4, 7, 4), "back"),
        ((4, 4, 0), "first slice"),
        ((4, 4, 7), "last slice"),
    ],
)
def test_a_tumour_at_the_border_is_suspect(place: tuple[int, int, int], side: str) -> None:
    mask = np.zeros((8, 8, 8), bool)
    mask[place] = True
    (fault,) = check_mask(mask)
    assert (fault.code, fault.severity) == ("mask-border", "warning")
    assert fault.message == f"the tumour touches the {side} of the image."


def test_findings_come_back_as_written(tmp_path: Path) -> None:
    findings = [
        Finding("患者，一", "np", "np_image", "dicom-gap", "fatal", 'a; "b", c\nd', "Re-export."),
        Finding("P2", "cmp", "", "not-hu", "warning", "x", "y"),
    ]
    write_findings(findings, tmp_path / "volumes" / "findings.csv")
    assert read_findings(tmp_path / "volumes" / "findings.csv") == findings
    header = (tmp_path / "volumes" / "findings.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "patient_id,phase,column,code,severity,message,remedy"


def test_missing_findings_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"findings\.csv is missing"):
        read_findings(tmp_path / "findings.csv")
