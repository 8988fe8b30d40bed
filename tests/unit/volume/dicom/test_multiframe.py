"""Enhanced CT: one object per volume, with its geometry in functional groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless
from tests.unit.enhanced_ct import HEIGHTS, write_enhanced

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series import read_series
from nephrograde.volume.stored import read_stored, read_stored_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]


@pytest.fixture
def stored() -> Array:
    return np.random.default_rng(6).integers(0, 3000, (4, 6, 5)).astype(np.uint16)


def _hu(stored: Array) -> Array:
    """Frames in order of height, each with its own slope and intercept."""
    hu = [stored[k].astype(int) * (1 + k) - 1000 - k for k in np.argsort(HEIGHTS)]
    return np.stack(hu).T


@pytest.mark.parametrize("shared", [True, False])
def test_one_object_is_a_volume(tmp_path: Path, stored: Array, shared: bool) -> None:
    write_enhanced(stored, tmp_path / "enhanced.dcm", shared=shared)
    values, grid = read_stored(tmp_path / "enhanced.dcm")
    np.testing.assert_array_equal(values, _hu(stored))
    assert grid.spacing_mm == (0.7, 0.9, 5.0)
    assert grid.origin_mm == (-10.0, 20.0, 0.0)
    assert read_series(tmp_path).grid.size == (5, 6, 4)  # the same in a folder of its own


def test_its_frames_may_be_compressed(tmp_path: Path, stored: Array) -> None:
    dataset = write_enhanced(stored, tmp_path / "a")
    dataset.compress(RLELossless)
    assert len(list(generate_frames(dataset.PixelData, number_of_frames=4))) == 4
    dataset.save_as(tmp_path / "a")
    np.testing.assert_array_equal(read_stored(tmp_path / "a")[0], _hu(stored))


def test_parts_of_a_concatenation_make_one_volume(tmp_path: Path) -> None:
    stored = np.arange(4 * 30, dtype=np.uint16).reshape(4, 6, 5)
    write_enhanced(stored[:2], tmp_path / "1", heights=[0.0, 5.0], ConcatenationUID="1.9")
    write_enhanced(stored[2:], tmp_path / "2", heights=[10.0, 15.0], ConcatenationUID="1.9")
    values, grid, *_ = read_series(tmp_path)
    assert grid.size == (5, 6, 4)
    np.testing.assert_array_equal(values[:, :, 2], stored[2].T - 1000.0)


def test_two_acquisitions_in_one_object_are_named(tmp_path: Path, stored: Array) -> None:
    write_enhanced(np.concatenate([stored, stored]), tmp_path / "a.dcm", heights=HEIGHTS * 2)
    with pytest.raises(VolumeError, match="number 1: 4 images, number 2: 4 images") as caught:
        read_stored(tmp_path / "a.dcm")
    assert caught.value.code == "dicom-duplicate"
    assert "the file, frame 2 and the file, frame 6" in caught.value.message


def test_a_missing_frame_is_a_gap(tmp_path: Path, stored: Array) -> None:
    write_enhanced(stored, tmp_path / "a.dcm", heights=[0.0, 5.0, 10.0, 20.0])
    with pytest.raises(VolumeError, match=r"10\.0 mm apart") as caught:
        read_stored(tmp_path / "a.dcm")
    assert caught.value.code == "dicom-gap"


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ({"NumberOfFrames": 9}, "dicom-header"),
        ({"PerFrameFunctionalGroupsSequence": Sequence([])}, "dicom-multiframe"),
        ({"PerFrameFunctionalGroupsSequence": Sequence([Dataset()] * 4)}, "dicom-header"),
        ({"PixelData": bytes(100)}, "file-truncated"),
    ],
)
def test_an_object_that_contradicts_itself_is_a_finding(
    tmp_path: Path, stored: Array, entries: dict[str, Any], code: str
) -> None:
    write_enhanced(stored, tmp_path / "a.dcm", **entries)
    with pytest.raises(VolumeError, match=r"a\.dcm") as caught:
        read_stored(tmp_path / "a.dcm")
    assert caught.value.code == code


def test_warnings_come_with_the_values(tmp_path: Path, stored: Array) -> None:
    write_enhanced(stored, tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1")
    assert [fault.code for fault in read_stored_series(tmp_path / "a.dcm").faults] == ["dicom-inverted"]


def test_one_slice_names_the_folder_as_remedy(tmp_path: Path, write_series: Callable[..., list[Path]]) -> None:
    (path,) = write_series(tmp_path / "s", values=np.zeros((4, 4, 1)), positions_mm=[(0, 0, 0)])
    assert pydicom.dcmread(path).Rows == 4
    with pytest.raises(VolumeError, match="folder that holds") as caught:
        read_stored(path)
    assert caught.value.code == "dicom-single-file"
