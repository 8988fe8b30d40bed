"""Decoding: every syntax, sign and depth compared with the original array, and pydicom's own test files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series import read_series

Array = npt.NDArray[Any]
Writer = Callable[..., list[Path]]
Rewriter = Callable[..., None]
POSITIONS = [(0.0, 0.0, 3.0 * k) for k in range(3)]
BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def stored() -> Array:
    """Three slices of 64 × 48 12-bit pixels, smooth as anatomy and with noise."""
    x, y, z = np.meshgrid(np.arange(64), np.arange(48), np.arange(3), indexing="ij")
    noise = np.random.default_rng(3).integers(0, 60, x.shape)
    return np.asarray(1500 + 900 * np.sin(x / 9) * np.cos(y / 7 + z) + noise, dtype=np.uint16)


@pytest.fixture
def series(tmp_path: Path, write_series: Writer, stored: Array) -> list[Path]:
    return write_series(tmp_path / "s", values=stored, positions_mm=POSITIONS, BitsStored=12, HighBit=11)


def _hu_of(paths: list[Path]) -> Array:
    return read_series(paths[0].parent).values


def _set_pixels(dataset: pydicom.Dataset, values: Array) -> None:
    dataset.PixelData = np.ascontiguousarray(values).tobytes()


def _set_frame(dataset: pydicom.Dataset, stream: bytes, syntax: str) -> None:
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)


def _jpeg_lossless(dataset: pydicom.Dataset, tmp_path: Path) -> None:
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(tmp_path / "coded.dcm"))
    writer.Execute(SimpleITK.GetImageFromArray(dataset.pixel_array[None]))
    coded = pydicom.dcmread(tmp_path / "coded.dcm")
    assert coded.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    _set_frame(dataset, next(generate_frames(coded.PixelData, number_of_frames=1)), JPEGLosslessSV1)


def _jpeg_2000(dataset: pydicom.Dataset, _: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(dataset.pixel_array).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
    _set_frame(dataset, stream.getvalue(), JPEG2000Lossless)


def _jpeg_ls(dataset: pydicom.Dataset, _: Path) -> None:
    import jpeg_ls

    _set_frame(dataset, bytes(jpeg_ls.encode_array(dataset.pixel_array.view(np.uint16))), JPEGLSLossless)


def _rle(dataset: pydicom.Dataset, _: Path) -> None:
    dataset.compress(RLELossless)


_JPEG_LS = pytest.param(_jpeg_ls, marks=pytest.mark.needs("jpeg_ls"))


@pytest.mark.parametrize("code", [_jpeg_lossless, _jpeg_2000, _JPEG_LS, _rle])
def test_lossless_compression_changes_nothing(
    tmp_path: Path, series: list[Path], stored: Array, rewrite: Rewriter, code: Callable[[Any, Path], None]
) -> None:
    rewrite(series, lambda dataset, _: code(dataset, tmp_path))
    values, _, faults, *_ = read_series(series[0].parent)
    np.testing.assert_array_equal(values, stored.astype(int) - 1024)
    assert values.dtype == np.int16
    assert faults == []


@pytest.mark.parametrize("code", [_jpeg_lossless, _JPEG_LS, _rle])
def test_signed_pixels_survive_compression(
    tmp_path: Path, series: list[Path], stored: Array, rewrite: Rewriter, code: Callable[[Any, Path], None]
) -> None:
    signed = stored.astype(np.int16) - 1024

    def how(dataset: pydicom.Dataset, k: int) -> None:
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.RescaleIntercept = 0
        _set_pixels(dataset, signed[:, :, k].T)
        code(dataset, tmp_path)

    rewrite(series, how)
    np.testing.assert_array_equal(_hu_of(series), signed)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes(series: list[Path], stored: Array, syntax: pydicom.uid.UID) -> None:
    for path in series:
        dataset = pydicom.dcmread(path)
        values = dataset.pixel_array.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2")
        dataset.PixelData = values.tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        again = pydicom.Dataset(dataset)
        again.file_meta = dataset.file_meta
        again.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    np.testing.assert_array_equal(_hu_of(series), stored.astype(int) - 1024)


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("shift", [0, 4])
def test_what_stands_beside_the_stored_bits_is_cut_off(
    series: list[Path], rewrite: Rewriter, is_signed: bool, shift: int
) -> None:
    rng = np.random.default_rng(4)
    low = -2048 if is_signed else 0
    wanted = rng.integers(low, low + 4096, (3, 48, 64))
    junk = rng.integers(0, 16, wanted.shape)
    bits = ((wanted & 0xFFF) << shift) | (junk << (12 if shift == 0 else 0))

    def how(dataset: pydicom.Dataset, k: int) -> None:
        dataset.PixelRepresentation, dataset.HighBit, dataset.RescaleIntercept = int(is_signed), 11 + shift, 0
        _set_pixels(dataset, bits[k].astype("<u2"))

    rewrite(series, how)
    np.testing.assert_array_equal(_hu_of(series), wanted.T)


@pytest.mark.parametrize("bits", [8, 32])
def test_other_depths(series: list[Path], stored: Array, rewrite: Rewriter, bits: int) -> None:
    narrow = (stored // 16).astype(f"<u{bits // 8}")

    def how(dataset: pydicom.Dataset, k: int) -> None:
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit = bits - 1
        _set_pixels(dataset, narrow[:, :, k].T)

    rewrite(series, how)
    np.testing.assert_array_equal(_hu_of(series), narrow.astype(int) - 1024)


def test_values_beyond_16_bits_widen_the_type(series: list[Path], rewrite: Rewriter, stored: Array) -> None:
    rewrite(series, lambda dataset, k: setattr(dataset, "RescaleSlope", 1 if k < 2 else 100))
    values = _hu_of(series)
    assert values.dtype == np.int32
    np.testing.assert_array_equal(values, stored.astype(int) * [1, 1, 100] - 1024)


@pytest.mark.parametrize(
    ("padding", "limit", "is_signed", "intercept"),
    [(-2000, None, True, -1024), (63536, None, True, -1024), (4095, None, False, -1024), (-2000, -1990, True, 0)],
)
def test_padding_becomes_air(
    series: list[Path], rewrite: Rewriter, padding: int, limit: int | None, is_signed: bool, intercept: int
) -> None:
    pad = padding - 65536 if is_signed and padding > 32767 else padding
    stored = np.full((48, 64), 1000, np.int16)
    stored[:9] = pad
    stored[9, :5] = pad if limit is None else limit

    def how(dataset: pydicom.Dataset, k: int) -> None:
        dataset.PixelRepresentation, dataset.RescaleIntercept = int(is_signed), intercept
        dataset.BitsStored, dataset.HighBit = (16, 15) if is_signed else (12, 11)
        _set_pixels(dataset, stored)
        dataset.add_new("PixelPaddingValue", "US" if padding > 32767 or not is_signed else "SS", padding)
        if limit is not None:
            dataset.add_new("PixelPaddingRangeLimit", "SS", limit)

    rewrite(series, how)
    expected = stored.astype(int) + intercept
    expected[stored != 1000] = -1024
    np.testing.assert_array_equal(_hu_of(series)[:, :, 1], expected.T)


@pytest.mark.parametrize(("padding", "modality"), [(1024, "CT"), (0, "MR")])
def test_padding_that_tissue_may_have_is_left(
    series: list[Path], rewrite: Rewriter, stored: Array, padding: int, modality: str
) -> None:
    def how(dataset: pydicom.Dataset, k: int) -> None:
        dataset.Modality = modality
        dataset.add_new("PixelPaddingValue", "US", padding)
        values = dataset.pixel_array.copy()
        values[:4] = padding
        _set_pixels(dataset, values)

    rewrite(series, how)
    assert (_hu_of(series)[:, :4] == padding - 1024).all()


def test_monochrome1_keeps_its_values_and_warns(series: list[Path], rewrite: Rewriter, stored: Array) -> None:
    rewrite(series, lambda dataset, _: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1"))
    values, _, faults, *_ = read_series(series[0].parent)
    np.testing.assert_array_equal(values, stored.astype(int) - 1024)
    assert [fault.code for fault in faults] == ["dicom-inverted"]


def _patched(stream: bytes, offset: int) -> bytes:
    return stream[:offset] + bytes([stream[offset] ^ 1]) + stream[offset + 1 :]


@pytest.mark.parametrize("code", [_jpeg_lossless, _jpeg_2000])
@pytest.mark.parametrize(
    "damage",
    [
        lambda stream: stream[: len(stream) // 2],
        lambda _: bytes(2),
        lambda _: b"\xff\xd8\xff\xd9",
        lambda stream: stream[:2] + bytes(50) + stream[52:],
        lambda stream: _patched(stream, stream.index(b"\xff\xc3") + 6 if b"\xff\xc3" in stream[:64] else 15),
    ],
)
def test_damaged_streams_are_findings_and_reach_no_decoder_that_trusts_them(
    tmp_path: Path, series: list[Path], rewrite: Rewriter, code: Any, damage: Callable[[bytes], bytes]
) -> None:
    def how(dataset: pydicom.Dataset, k: int) -> None:
        code(dataset, tmp_path)
        if k == 1:
            stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
            _set_frame(dataset, damage(stream), str(dataset.file_meta.TransferSyntaxUID))

    rewrite(series, how)
    with pytest.raises(VolumeError, match="file 2") as caught:
        _hu_of(series)
    assert caught.value.code == "file-unreadable"


def test_a_syntax_nobody_decodes_is_a_finding(series: list[Path], rewrite: Rewriter) -> None:
    rewrite(series, lambda dataset, _: _set_frame(dataset, bytes(200), "1.2.840.10008.1.2.4.100"))
    with pytest.raises(VolumeError, match="not those of a JPEG") as caught:
        _hu_of(series)
    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.3"])
def test_a_syntax_nobody_knows_is_a_finding(series: list[Path], syntax: str) -> None:
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        dataset.save_as(path, implicit_vr=False, little_endian=True)
    with pytest.raises(VolumeError) as caught:
        _hu_of(series)
    assert caught.value.code == "file-unreadable"


LOSSLESS = [
    "CT_small",
    "J2K_pixelrep_mismatch",
    "MR_small",
    "MR_small_RLE",
    "MR_small_bigendian",
    "MR_small_expb",
    "MR_small_implicit",
    "MR_small_jp2klossless",
    "MR_small_jpeg_ls_lossless",
    "MR_small_padded",
    "image_dfl",
    "examples_overlay",
    "rtdose_1frame",
    "rtdose_expb_1frame",
    "rtdose_rle_1frame",
]
LOSSY = ["693_J2KI", "JPEG2000", "JPEGLSNearLossless_08", "JPEGLSNearLossless_16"]
REFUSED = {
    "MR_truncated": "file-truncated",
    "badVR": "dicom-header",
    "rtdose": "dicom-multiframe",
    "JPEG2000-embedded-sequence-delimiter": "file-unreadable",
    "examples_palette": "not-scalar",
    "SC_rgb_rle": "not-scalar",
}


def _as_series(name: str, series_dir: Path) -> pydicom.Dataset:
    """Three slices with the pixels of one of pydicom's files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(BUNDLED / f"{name}.dcm")
        series_dir.mkdir()
        dataset.ImageOrientationPatient, dataset.PixelSpacing, dataset.Modality = [1, 0, 0, 0, 1, 0], [1, 1], "CT"
        dataset.SeriesInstanceUID = "1.2.3"
        for k in range(3):
            dataset.ImagePositionPatient, dataset.SOPInstanceUID = [0, 0, 3.0 * k], generate_uid()
            dataset.save_as(series_dir / str(k))
    return dataset


@pytest.mark.parametrize("name", LOSSLESS + LOSSY)
def test_the_files_of_pydicom_read_as_pydicom_reads_them(tmp_path: Path, name: str) -> None:
    dataset = _as_series(name, tmp_path / "s")
    values, _, faults, *_ = read_series(tmp_path / "s")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = dataset.pixel_array * float(dataset.get("RescaleSlope", 1))
        expected = expected + float(dataset.get("RescaleIntercept", 0))
    if "PixelPaddingValue" in dataset and name == "693_J2KI":
        expected[expected == dataset.PixelPaddingValue + dataset.RescaleIntercept] = -1024
    np.testing.assert_allclose(values[:, :, 1].T, expected, rtol=1e-6)
    assert [fault.code for fault in faults] == (["dicom-lossy"] if name in LOSSY else [])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_volume_among_them_is_a_finding(tmp_path: Path, name: str) -> None:
    _as_series(name, tmp_path / "s")
    with pytest.raises(VolumeError) as caught:
        read_series(tmp_path / "s")
    assert caught.value.code == REFUSED[name]
    assert caught.value.remedy
