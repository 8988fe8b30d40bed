"""Series whose slices do not agree, or of which single files are lost: what is read, and what is said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from nephrograde.cohort.case import Scan
from nephrograde.errors import VolumeError
from nephrograde.sample.scanned import read_scan
from nephrograde.study import Arm, CohortSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]
COUNT = 24


@pytest.fixture
def stored() -> Array:
    """Twenty-four slices of 20 × 16 pixels whose value grows evenly along the stack."""
    x, y, z = np.meshgrid(np.arange(20), np.arange(16), np.arange(COUNT), indexing="ij")
    return np.asarray(1000 + 3 * x + y + 10 * z, dtype=np.uint16)


@pytest.fixture
def series(tmp_path: Path, write_series: Callable[..., list[Path]], stored: Array) -> list[Path]:
    positions = [(0.0, 0.0, 3.0 * k) for k in range(COUNT)]
    return write_series(tmp_path / "s", values=stored, positions_mm=positions, PatientID="P1")


def _change(path: Path, **entries: Any) -> None:
    dataset = pydicom.dcmread(path)
    for keyword, value in entries.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def _codes(series: list[Path]) -> list[str]:
    return [fault.code for fault in read_volume(series[0].parent).faults]


def test_slices_without_rescale_take_that_of_the_others(series: list[Path], stored: Array) -> None:
    for path in series[5:8]:
        _change(path, RescaleSlope=None, RescaleIntercept=None)
    volume = read_volume(series[0].parent)
    np.testing.assert_array_equal(volume.values, stored.astype(int) - 1024)
    (fault,) = volume.faults
    assert (fault.code, fault.severity) == ("dicom-rescale", "warning")
    assert "3 of 24 images" in fault.message


@pytest.mark.parametrize(("keyword", "code"), [("PatientID", "dicom-persons"), ("FrameOfReferenceUID", "dicom-frames")])
def test_slices_of_two_people_or_coordinate_systems_are_named(series: list[Path], keyword: str, code: str) -> None:
    for path in series[12:]:
        _change(path, **{keyword: "1.2.3"})
    (fault,) = read_volume(series[0].parent).faults
    assert (fault.code, fault.severity) == (code, "warning")
    assert "12, 12 images" in fault.message
    assert "1.2.3" not in fault.message


@pytest.mark.parametrize("how", ["empty", "truncated", "half a header"])
def test_one_lost_slice_is_bridged(series: list[Path], stored: Array, how: str) -> None:
    content = series[9].read_bytes()
    series[9].write_bytes({"empty": b"", "truncated": content[:-300], "half a header": content[:300]}[how])
    volume = read_volume(series[0].parent)
    np.testing.assert_array_equal(volume.values, stored.astype(int) - 1024)  # linear along the stack
    assert volume.bridged == (9,)
    assert volume.spacing_mm[2] == pytest.approx(3.0)
    (fault,) = volume.faults
    assert (fault.code, fault.severity) == ("dicom-slice-lost", "warning")
    assert "file 10" in fault.message


@pytest.mark.parametrize("missing", [(9,), (9, 15)])
def test_a_wholly_missing_slice_is_bridged_like_a_lost_one(
    series: list[Path], stored: Array, missing: tuple[int, ...]
) -> None:
    for k in missing:
        series[k].unlink()
    volume = read_volume(series[0].parent)
    np.testing.assert_array_equal(volume.values, stored.astype(int) - 1024)
    assert volume.bridged == missing
    assert volume.spacing_mm[2] == pytest.approx(3.0)
    (fault,) = volume.faults
    assert (fault.code, fault.severity) == ("dicom-slice-lost", "warning")


def test_one_slice_lost_and_one_missing_are_bridged(series: list[Path], stored: Array) -> None:
    series[4].write_bytes(series[4].read_bytes()[:-300])
    series[15].unlink()
    volume = read_volume(series[0].parent)
    np.testing.assert_array_equal(volume.values, stored.astype(int) - 1024)
    assert volume.bridged == (4, 15)
    (fault,) = volume.faults
    assert "file 5" in fault.message
    assert "1 slice is missing" in fault.message


@pytest.mark.parametrize("missing", [(9, 10), (3, 9, 15)])
def test_more_missing_slices_are_refused(series: list[Path], missing: tuple[int, ...]) -> None:
    for k in missing:
        series[k].unlink()
    with pytest.raises(VolumeError) as caught:
        read_volume(series[0].parent)
    assert caught.value.code == "dicom-gap"


def test_a_slice_whose_pixels_cannot_be_decoded_is_bridged(series: list[Path], stored: Array) -> None:
    dataset = pydicom.dcmread(series[9])
    dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(100)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(series[9])
    volume = read_volume(series[0].parent)
    np.testing.assert_array_equal(volume.values, stored.astype(int) - 1024)
    assert volume.bridged == (9,)


def test_a_slice_lost_at_the_end_only_shortens_the_stack(series: list[Path]) -> None:
    series[-1].write_bytes(series[-1].read_bytes()[:300])
    volume = read_volume(series[0].parent)
    assert (volume.values.shape[2], volume.bridged) == (COUNT - 1, ())
    assert [fault.code for fault in volume.faults] == ["dicom-slice-lost"]


def test_an_empty_file_beside_a_whole_series_is_no_slice(series: list[Path]) -> None:
    (series[0].parent / "README").touch()
    assert _codes(series) == []


@pytest.mark.parametrize("lost", [(9, 10), (3, 9, 15)])
def test_what_cannot_be_bridged_names_the_file(series: list[Path], lost: tuple[int, ...]) -> None:
    for k in lost:
        series[k].write_bytes(series[k].read_bytes()[:-300])
    with pytest.raises(VolumeError) as caught:
        read_volume(series[0].parent)
    assert caught.value.code == "file-truncated"
    assert any(f"file {k + 1} " in caught.value.message for k in lost)


@pytest.mark.parametrize(("slices", "is_used"), [((3, 8), True), ((8, 12), False)])
def test_a_tumour_on_a_lost_slice_stops_the_phase_only(
    tmp_path: Path, series: list[Path], slices: tuple[int, int], is_used: bool
) -> None:
    series[9].write_bytes(b"")
    mask = np.zeros((20, 16, COUNT), bool)
    mask[5:9, 5:9, slice(*slices)] = True
    write_image(mask, tmp_path / "m.nii.gz", spacing_mm=(0.7, 0.9, 3.0))
    scan = Scan("cmp", series[0].parent, tmp_path / "m.nii.gz", None, None, None)
    scanned, faults = read_scan(
        scan,
        None,
        Study(
            name="s",
            cohort=CohortSettings(table=Path("c.csv"), phases=("cmp",)),
            arm=(Arm(name="strong", supervision=Supervision.MASK),),
        ),
    )
    assert (scanned is not None) == is_used
    fatal = [(fault.code, fault.column) for fault in faults if fault.severity == "fatal"]
    assert fatal == ([] if is_used else [("dicom-slice-in-tumour", "cmp_image")])


def test_jpeg_2000_with_the_header_of_a_file_is_read(series: list[Path], stored: Array) -> None:
    for path in series:
        dataset = pydicom.dcmread(path)
        stream = io.BytesIO()
        Image.fromarray(dataset.pixel_array).save(stream, "JPEG2000", irreversible=False)
        assert stream.getvalue()[4:8] == b"jP  "
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.save_as(path)
    np.testing.assert_array_equal(read_volume(series[0].parent).values, stored.astype(int) - 1024)
