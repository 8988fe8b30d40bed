"""Headers as scanners and exports really write them: each is read like the clean one, or is a finding."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series import read_series
from nephrograde.volume.dicom.signature import is_dicom_file

Array = npt.NDArray[Any]
Writer = Callable[..., list[Path]]
POSITIONS = [(-70.0, 40.0, -10.0 + 2.5 * k) for k in range(4)]


@pytest.fixture
def pixels() -> Array:
    return np.random.default_rng(9).integers(0, 3000, (6, 5, 4)).astype(np.uint16)


@pytest.fixture
def paths(tmp_path: Path, write_series: Writer, pixels: Array) -> list[Path]:
    return write_series(tmp_path / "序列", values=pixels, positions_mm=POSITIONS)


def _replace(paths: list[Path], keyword: str, vr: str, raw: bytes) -> None:
    """Write raw bytes as an entry of each file, whatever its VR should be."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset._dict[tag] = RawDataElement(tag, vr, len(raw), raw, 0, is_implicit_VR=False, is_little_endian=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.save_as(path)


def _reads(paths: list[Path], pixels: Array) -> bool:
    """Whether the series has its values in HU and its spacing."""
    values, grid, *_ = read_series(paths[0].parent)
    return np.array_equal(values, pixels.astype(int) - 1024) and grid.spacing_mm == (0.7, 0.9, 2.5)


@pytest.mark.parametrize(
    ("keyword", "vr", "raw"),
    [
        ("PixelSpacing", "DS", b"0,9\\0,7 "),
        ("PixelSpacing", "DS", b" 0.9 \\ 0.7\0"),
        ("PixelSpacing", "DS", b"0.9,0.7 "),
        ("PixelSpacing", "DS", b"9.0000000000000000000e-01\\0.70000000000000000000000"),
        ("PixelSpacing", "LO", b"0.9\\0.7 "),
        ("PixelSpacing", "UN", b"0.9\\0.7 "),
        ("PixelSpacing", "FD", struct.pack("<2d", 0.9, 0.7)),
        ("RescaleSlope", "DS", b"1,0 "),
        ("RescaleSlope", "DS", b""),
        ("RescaleSlope", "DS", b"0 "),
        ("RescaleIntercept", "DS", b"-1.024E3"),
        ("RescaleIntercept", "IS", b"-1024.0 "),
        ("RescaleIntercept", "FL", struct.pack("<f", -1024)),
        ("Rows", "IS", b"5 "),
        ("Rows", "UL", struct.pack("<I", 5)),
        ("Columns", "UN", struct.pack("<H", 6)),
        ("NumberOfFrames", "IS", b"1.0 "),
        ("NumberOfFrames", "US", b"\x01\x00"),
        ("SeriesDescription", "PN", "皮髓质期".encode("gb18030")),
        ("PatientName", "LO", "王^小东".encode("gb18030")),
        ("PatientName", "PN", b"\x1b$)A\xd5\xc5^\xff\xfe="),
        ("SpecificCharacterSet", "CS", b"ISO_IR 999"),
        ("SeriesNumber", "IS", b"no. 5 "),
        ("AcquisitionNumber", "IS", b"2.5x"),
        ("PixelPaddingValue", "DS", b"none"),
        ("PixelPaddingValue", "DS", b"1e30"),
        ("PatientBirthDate", "DA", b"1st of May"),
    ],
)
def test_an_oddly_written_entry_says_the_same(
    paths: list[Path], pixels: Array, keyword: str, vr: str, raw: bytes
) -> None:
    _replace(paths, keyword, vr, raw)
    assert _reads(paths, pixels)


@pytest.mark.parametrize(
    ("keyword", "vr", "raw"),
    [
        ("PixelSpacing", "DS", b"0.9\\none"),
        ("PixelSpacing", "DS", b"0\\0 "),
        ("PixelSpacing", "DS", b"1e400\\1"),
        ("ImagePositionPatient", "DS", b"1\\2 "),
        ("ImagePositionPatient", "DS", b"0\\0\\1e200"),
        ("ImageOrientationPatient", "DS", b"0\\0\\0\\0\\1\\0 "),
        ("ImageOrientationPatient", "DS", b"1\\0\\0\\0\\nan\\0 "),
        ("RescaleSlope", "DS", b"Zhang^Wei"),
        ("Rows", "US", b"\x00\x00"),
        ("BitsStored", "US", b"\x11\x00"),
        ("NumberOfFrames", "IS", b"1A"),
        ("SeriesInstanceUID", "UI", b""),
    ],
)
def test_nonsense_is_a_finding_that_names_the_entry_and_repeats_no_value(
    paths: list[Path], keyword: str, vr: str, raw: bytes
) -> None:
    _replace(paths, keyword, vr, raw)
    with pytest.raises(VolumeError) as caught:
        read_series(paths[0].parent)
    assert caught.value.code == "dicom-header"
    assert "file 1" in caught.value.message
    assert "Zhang" not in caught.value.message


@pytest.mark.parametrize("has_meta", [False, True])
@pytest.mark.parametrize("is_implicit", [False, True])
def test_a_missing_preamble_is_no_obstacle(paths: list[Path], pixels: Array, has_meta: bool, is_implicit: bool) -> None:
    for path in paths:
        original = pydicom.dcmread(path)
        dataset = pydicom.Dataset(original)
        dataset.file_meta = original.file_meta
        if is_implicit:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=is_implicit, little_endian=True, enforce_file_format=True)
        content = path.read_bytes()
        length = struct.unpack("<I", content[140:144])[0]
        path.write_bytes(content[132 if has_meta else 144 + length :])
        assert is_dicom_file(path)
    assert _reads(paths, pixels)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"DICM",
        b"patient_id,isup_grade\nP1,2\n" * 9,
        b"\x89PNG\r\n\x1a\n" * 30,
        b"\x08\x00\x00\x00" + b"\xff" * 200,
    ],
)
def test_other_files_do_not_look_like_dicom(paths: list[Path], pixels: Array, content: bytes) -> None:
    (paths[0].parent / "other").write_bytes(content)
    assert not is_dicom_file(paths[0].parent / "other")
    assert _reads(paths, pixels)
