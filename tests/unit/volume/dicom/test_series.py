"""DICOM folders: order, distance, rescaling, and each kind of broken series."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.uid import MediaStorageDirectoryStorage, RLELossless, generate_uid

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series import read_series

Array = npt.NDArray[Any]
Writer = Callable[..., list[Path]]
AXIAL = (1, 0, 0, 0, 1, 0)


@pytest.fixture
def pixels() -> Array:
    return np.random.default_rng(9).integers(0, 3000, (6, 5, 8)).astype(np.uint16)


def _stack(count: int = 8, step_mm: float = 2.5, first_mm: float = -300.0) -> list[tuple[float, float, float]]:
    return [(-70.0, 40.0, first_mm + step_mm * k) for k in range(count)]


def _refusal(series_dir: Path) -> VolumeError:
    with pytest.raises(VolumeError) as caught:
        read_series(series_dir)
    assert series_dir.name not in caught.value.message + caught.value.remedy
    assert caught.value.remedy
    return caught.value


def test_geometry_and_hu(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack())
    values, grid, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(values, pixels.astype(int) - 1024)
    assert values.dtype.kind == "i"
    assert grid.size == (6, 5, 8)
    assert grid.spacing_mm == (0.7, 0.9, 2.5)  # PixelSpacing 0.9\0.7: rows are 0.9 mm apart
    assert grid.origin_mm == (-70.0, 40.0, -300.0)
    assert grid.source == "dicom"
    np.testing.assert_array_equal(grid.direction, np.eye(3))


def test_file_names_say_nothing_about_the_order(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    names = ["c.dcm", "a.dcm", "Z", "b.ima", "9", "10", "IM", "0.dcm"]
    write_series(tmp_path / "患者", values=pixels, positions_mm=_stack(), names=names)
    values, grid, *_ = read_series(tmp_path / "患者")
    np.testing.assert_array_equal(values, pixels.astype(int) - 1024)
    assert grid.origin_mm[2] == -300.0


def test_a_series_from_head_to_feet_is_turned(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack()[::-1])
    values, grid, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(values, pixels[:, :, ::-1].astype(int) - 1024)
    assert grid.origin_mm == (-70.0, 40.0, -300.0)


def test_slices_go_from_feet_to_head_even_where_the_normal_points_down(
    tmp_path: Path, write_series: Writer, pixels: Array
) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), orientation=(1, 0, 0, 0, -1, 0))
    values, grid, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(values, pixels.astype(int) - 1024)
    np.testing.assert_array_equal(grid.direction, np.diag([1.0, -1.0, 1.0]))


def test_overlapping_slices_take_their_distance_from_the_positions(
    tmp_path: Path, write_series: Writer, pixels: Array
) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(step_mm=0.625), SliceThickness=1.25)
    assert read_series(tmp_path)[1].spacing_mm[2] == 0.625


def test_positions_rounded_to_a_tenth_are_let_through(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    positions = [(-70.0, 40.0, round(0.625 * k, 1)) for k in range(8)]
    write_series(tmp_path, values=pixels, positions_mm=positions)
    assert read_series(tmp_path)[1].spacing_mm[2] == pytest.approx(0.625, abs=0.01)


def test_rescaling_may_differ_by_slice(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    rescale = [(1.0, 0.0)] + [(0.25 * k, -10.0 * k) for k in range(1, 8)]
    write_series(tmp_path, values=pixels, positions_mm=_stack(), rescale=rescale)
    values = read_series(tmp_path).values
    factors, offsets = np.array(rescale).T
    np.testing.assert_allclose(values, pixels * factors + offsets, atol=1e-3)


def test_an_oblique_stack_keeps_its_axes(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    c, s = np.cos(0.2), np.sin(0.2)
    positions = [(-70.0, 40.0 - 2.0 * k * s, -300.0 + 2.0 * k * c) for k in range(8)]
    write_series(tmp_path, values=pixels, positions_mm=positions, orientation=(1, 0, 0, 0, c, s))
    values, grid, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(values, pixels.astype(int) - 1024)
    np.testing.assert_allclose(grid.direction, [[1, 0, 0], [0, c, -s], [0, s, c]], atol=1e-9)
    assert grid.spacing_mm[2] == pytest.approx(2.0)


def test_a_coronal_series_goes_towards_the_back(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    positions = [(-70.0, 40.0 - 3.0 * k, 100.0) for k in range(8)]
    write_series(tmp_path, values=pixels, positions_mm=positions, orientation=(1, 0, 0, 0, 0, -1))
    values, grid, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(values, pixels[:, :, ::-1].astype(int) - 1024)
    np.testing.assert_array_equal(grid.direction[:, 2], [0, 1, 0])


def test_junk_in_the_folder_is_passed_over(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack())
    other = pixels[:, :, :1]
    write_series(tmp_path, values=other, positions_mm=_stack(1), names=["seg"], Modality="SEG")
    write_series(tmp_path, values=other, positions_mm=_stack(1), names=["dose"], ImagePositionPatient=None)
    write_series(tmp_path, values=other, positions_mm=_stack(1), names=["cine"], NumberOfFrames=5)
    write_series(tmp_path, values=other, positions_mm=_stack(1), names=["report"], Rows=None, Modality="SR")
    (index_path,) = write_series(tmp_path, values=other, positions_mm=_stack(1), names=["DICOMDIR"], Rows=None)
    index = pydicom.dcmread(index_path)
    index.file_meta.MediaStorageSOPClassUID = index.SOPClassUID = MediaStorageDirectoryStorage
    index.save_as(index_path)
    (tmp_path / "Thumbs.db").write_bytes(b"x" * 300)
    (tmp_path / "empty").touch()
    (tmp_path / "notes").mkdir()
    assert read_series(tmp_path)[1].size == (6, 5, 8)


def test_a_gap_is_named_with_its_numbers(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    positions = _stack(8, 5.0, 0.0)
    positions[5:] = [(x, y, z + 5.0) for x, y, z in positions[5:]]
    write_series(tmp_path, values=pixels, positions_mm=positions)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-gap"
    assert "slices 4 and 5 are 10.0 mm apart, the others 5.0 mm." in refusal.message
    assert "file 5 (instance 5) and file 6 (instance 6)" in refusal.message


def test_several_gaps_are_counted(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    heights = (0, 5, 15, 20, 25, 30, 40, 45)
    write_series(tmp_path, values=pixels, positions_mm=[(0.0, 0.0, float(z)) for z in heights])
    assert "(2 such places)" in _refusal(tmp_path).message


def test_a_distance_that_changes_slowly_is_refused(tmp_path: Path, write_series: Writer) -> None:
    heights = np.concatenate([[0.0], np.cumsum([2.0] * 30 + [2.18] * 30)])
    write_series(tmp_path, values=np.zeros((4, 4, 61)), positions_mm=[(0.0, 0.0, z) for z in heights])
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-gap"
    assert "from 2.00 to 2.18 mm" in refusal.message


def test_copies_of_slices_are_left_out_with_a_warning(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack())
    shutil.copy(tmp_path / "IM003", tmp_path / "copy of IM003")
    values, grid, faults, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(values, pixels.astype(int) - 1024)
    assert grid.size == (6, 5, 8)
    assert [(fault.code, fault.severity) for fault in faults] == [("dicom-copies", "warning")]
    assert "1 of 9 images" in faults[0].message


def test_one_uid_for_all_slices_makes_no_copies(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), SOPInstanceUID="1.2.3")
    assert read_series(tmp_path).grid.size == (6, 5, 8)


def test_a_second_image_at_one_place_is_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    positions = _stack()
    positions[4] = positions[3]
    write_series(tmp_path, values=pixels, positions_mm=positions)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-duplicate"
    assert "file 4 (instance 4) and file 5 (instance 5)" in refusal.message


def test_images_that_wait_for_the_contrast_agent_are_left_out(
    tmp_path: Path, write_series: Writer, pixels: Array
) -> None:
    values = np.concatenate([pixels, pixels[:, :, :3] + 1], axis=2)
    write_series(
        tmp_path, values=values, positions_mm=_stack() + [_stack()[4]] * 3, AcquisitionNumber=[2] * 8 + [1] * 3
    )
    read, grid, faults, *_ = read_series(tmp_path)
    np.testing.assert_array_equal(read, pixels.astype(int) - 1024)
    assert grid.size == (6, 5, 8)
    assert [fault.code for fault in faults] == ["dicom-acquisition"]
    assert "number 1: 3 images, number 2: 8 images" in faults[0].message


def test_two_acquisitions_in_one_series_are_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(4) * 2, AcquisitionNumber=[1] * 4 + [2] * 4)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-duplicate"
    assert "number 1: 4 images, number 2: 4 images" in refusal.remedy


def test_several_series_are_listed_without_their_descriptions(
    tmp_path: Path, write_series: Writer, pixels: Array
) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack())
    write_series(
        tmp_path,
        values=pixels[:, :, :3],
        positions_mm=_stack(3),
        names="abc",
        SeriesNumber=7,
        SpecificCharacterSet="GB18030",
        SeriesDescription="王小明 皮髓质期",
    )
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-several-series"
    assert "number 5: 8 images, number 7: 3 images" in refusal.message
    assert "王小明" not in refusal.message
    assert "portal" not in refusal.message


def test_acquisitions_that_go_by_words_are_not_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    for k, path in enumerate(write_series(tmp_path, values=pixels, positions_mm=_stack(4) * 2)):
        header = pydicom.dcmread(path)
        header.add_new("AcquisitionNumber", "LO", ("Wang 1", "Wang 2")[k // 4])
        header.save_as(path)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-duplicate"
    assert "number (none): 4 images, number (none): 4 images" in refusal.remedy


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ({"PixelSpacing": [[0.9, 0.7]] * 7 + [[0.5, 0.5]]}, "pixel size"),
        ({"ImageOrientationPatient": [[1.0, 0, 0, 0, 1, 0]] * 7 + [[1.0, 0, 0, 0, 0, -1]]}, "orientation"),
    ],
)
def test_a_scout_among_the_slices_is_named(
    tmp_path: Path, write_series: Writer, pixels: Array, entries: dict[str, Any], what: str
) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), **entries)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-mixed"
    assert f"1 of 8 images have another {what} than the rest (file 8" in refusal.message


def test_slices_of_another_size_are_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    uid = generate_uid()
    write_series(tmp_path, values=pixels, positions_mm=_stack(), series_uid=uid)
    more = [(-70.0, 40.0, z) for z in (0.0, 1.0, 2.0, 3.0)]
    write_series(tmp_path, values=np.zeros((9, 9, 4)), positions_mm=more, names="abcd", series_uid=uid)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-mixed"
    assert "4 of 12 images have another size" in refusal.message
    assert "(file 9 (instance 1), file 10 (instance 2), file 11 (instance 3) …)" in refusal.message


def test_skewed_rows_and_columns_are_refused(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), orientation=(1, 0, 0, 0.1, 0.995, 0))
    assert _refusal(tmp_path).code == "affine-sheared"


@pytest.mark.parametrize("orientation", [(1.1, 0, 0, 0, 1.1, 0), (1, 0, 0, 0, 0.8, 0), (1, 0, 0, 0.5, 0.8660254, 0)])
def test_an_orientation_of_other_lengths_or_angles_is_not_blamed_on_the_gantry(
    tmp_path: Path, write_series: Writer, pixels: Array, orientation: tuple[float, ...]
) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), orientation=orientation)
    refusal = _refusal(tmp_path)
    assert refusal.code == "affine-sheared"
    assert "ImageOrientationPatient" in refusal.message
    assert "tilt" not in f"{refusal.message} {refusal.remedy}"


def test_colour_images_are_refused(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), SamplesPerPixel=3, BitsAllocated=8)
    assert _refusal(tmp_path).code == "not-scalar"


def test_one_slice_is_too_few(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels[:, :, :1], positions_mm=_stack(1))
    assert _refusal(tmp_path).code == "too-few-slices"


def test_a_multiframe_object_is_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels[:, :, :1], positions_mm=_stack(1), NumberOfFrames=40)
    assert _refusal(tmp_path).code == "dicom-multiframe"


def test_images_without_a_place_are_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), ImagePositionPatient=None)
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-header"
    assert "8 DICOM images" in refusal.message


def test_a_folder_of_folders_counts_them(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path / "portal", values=pixels, positions_mm=_stack())
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-none"
    assert "the folder in it" in refusal.remedy
    (tmp_path / "arterial").mkdir()
    remedy = _refusal(tmp_path).remedy
    assert ("2 folders" in remedy, "portal" in remedy, "arterial" in remedy) == (True, False, False)
    (tmp_path / "void").mkdir()
    assert _refusal(tmp_path / "void").code == "dicom-none"


@pytest.mark.parametrize("keyword", ["PixelSpacing", "SeriesInstanceUID"])
def test_a_missing_entry_is_named(tmp_path: Path, write_series: Writer, pixels: Array, keyword: str) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), **{keyword: None})
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-header"
    assert keyword in refusal.message


def test_a_pixel_size_of_three_numbers_is_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack(), PixelSpacing=[[0.9, 0.7, 1.0]] * 8)
    assert "where 2 numbers should be" in _refusal(tmp_path).message


def test_a_position_that_is_no_number_is_named(tmp_path: Path, write_series: Writer, pixels: Array) -> None:
    paths = write_series(tmp_path, values=pixels, positions_mm=[(-70.0, 40.0, -312.25)] * 8)
    paths[3].write_bytes(paths[3].read_bytes().replace(b"-312.25", b"-3I2.25"))
    refusal = _refusal(tmp_path)
    assert refusal.code == "dicom-header"
    assert "file 4" in refusal.message


def test_a_truncated_slice_is_named(tmp_path: Path, write_series: Writer) -> None:
    paths = write_series(tmp_path, values=np.ones((64, 64, 8)), positions_mm=_stack())
    paths[2].write_bytes(paths[2].read_bytes()[:-6000])
    refusal = _refusal(tmp_path)
    assert refusal.code == "file-truncated"
    assert "file 3" in refusal.message


@pytest.mark.parametrize("names", [None, "abcdefgh"])
def test_a_last_slice_that_is_cut_short_is_never_lost_silently(
    tmp_path: Path, write_series: Writer, pixels: Array, names: str | None
) -> None:
    paths = write_series(tmp_path, values=pixels, positions_mm=_stack(), names=names)
    whole = paths[7].read_bytes()
    for length in range(133, len(whole) - 500, 29):
        paths[7].write_bytes(whole[:length])
        refusal = _refusal(tmp_path)
        assert refusal.code in {"file-unreadable", "file-truncated", "dicom-header"}
        assert "file 8" in refusal.message


def test_a_truncated_compressed_slice_is_noticed(tmp_path: Path, write_series: Writer) -> None:
    pixels = np.random.default_rng(1).integers(0, 3000, (64, 64, 4)).astype(np.uint16)
    paths = write_series(tmp_path, values=pixels, positions_mm=_stack(4))
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    np.testing.assert_array_equal(read_series(tmp_path)[0], pixels.astype(int) - 1024)
    paths[2].write_bytes(paths[2].read_bytes()[:-3000])
    assert _refusal(tmp_path).code == "file-unreadable"


@pytest.mark.parametrize("rest", [b"", b"\x02\x00\x00\x00UL\x04", b"\x08\x00\x05\x00CS\xff\xff\x00"])
def test_a_dicom_file_of_nonsense_stops_the_series(
    tmp_path: Path, write_series: Writer, pixels: Array, rest: bytes
) -> None:
    write_series(tmp_path, values=pixels, positions_mm=_stack())
    (tmp_path / "IM100").write_bytes(bytes(128) + b"DICM" + rest)
    assert "file 9" in _refusal(tmp_path).message
