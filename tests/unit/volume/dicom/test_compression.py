"""A compressed image holds at most so many pixels; the emptiest real image is read, a larger claim is refused early."""

import io
import struct
import tracemalloc

import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.compression import require_held
from nephrograde.volume.dicom.entries import NonsenseError
from nephrograde.volume.pictures import read_picture
from nephrograde.volume.stored import read_stored

MOST_BYTES = 50_000_000


def _rle(values, folder):
    dataset = pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    dataset.Rows, dataset.Columns = values.shape
    dataset.PixelData = values.tobytes()
    dataset.compress(RLELossless)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def _jpeg_lossless(values, folder):
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(folder / "coded.dcm"))
    writer.Execute(SimpleITK.GetImageFromArray(values[None]))
    return next(generate_frames(pydicom.dcmread(folder / "coded.dcm").PixelData, number_of_frames=1))


def _jpeg_2000(values, folder):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
    return stream.getvalue()


def _jpeg_ls(values, folder):
    import jpeg_ls

    return bytes(jpeg_ls.encode_array(values.view(np.uint16)))


def _jpeg(values, folder):
    stream = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(stream, "JPEG", optimize=True)
    return stream.getvalue()


CODECS = [
    pytest.param(_rle, RLELossless, id="RLE"),
    pytest.param(_jpeg_lossless, JPEGLosslessSV1, id="JPEG lossless"),
    pytest.param(_jpeg_2000, JPEG2000Lossless, id="JPEG 2000"),
    pytest.param(_jpeg_ls, JPEGLSLossless, id="JPEG-LS", marks=pytest.mark.needs("jpeg_ls")),
    pytest.param(_jpeg, JPEGBaseline8Bit, id="JPEG"),
]


def _claim(stream, rows, columns):
    """Change the size in the header of a stream, where it has one."""
    changed = bytearray(stream)
    if stream.startswith(b"\xff\x4f"):
        struct.pack_into(">2I", changed, 8, columns, rows)
        struct.pack_into(">2I", changed, 24, columns, rows)
    elif stream.startswith(b"\xff\xd8"):
        at = min(at for kind in (0xC0, 0xC3, 0xF7) if (at := stream.find(bytes((0xFF, kind)))) > 0)
        struct.pack_into(">2H", changed, at + 5, rows, columns)
    return bytes(changed)


def _series(write_series, folder, stream, syntax, *, size, n_slices=3):
    paths = write_series(
        folder, values=np.zeros((4, 4, n_slices), np.int16), positions_mm=[(0, 0, 5.0 * k) for k in range(n_slices)]
    )
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.Rows, dataset.Columns = size
        bits = 8 if syntax == JPEGBaseline8Bit else 16
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)
    return paths[0].parent


@pytest.mark.parametrize(("code", "syntax"), CODECS)
@pytest.mark.parametrize("side_px", [64, 1024])
def test_slices_of_nothing_but_air_are_read(write_series, tmp_path, code, syntax, side_px):
    stream = code(np.zeros((side_px, side_px), np.uint16), tmp_path)
    folder = _series(write_series, tmp_path / "series", stream, syntax, size=(side_px, side_px))
    values, _ = read_stored(folder)
    assert values.shape == (side_px, side_px, 3)
    assert np.unique(values).tolist() == [-1024]


@pytest.mark.parametrize(("code", "syntax"), CODECS)
def test_more_pixels_than_a_frame_can_hold_are_not_allocated(write_series, tmp_path, code, syntax):
    size = (16_000, 16_000)
    stream = _claim(code(np.zeros((16, 16), np.uint16), tmp_path), *size)
    folder = _series(write_series, tmp_path / "series", stream, syntax, size=size)
    tracemalloc.start()
    try:
        with pytest.raises(VolumeError) as caught:
            read_stored(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == ("file-too-large" if syntax == JPEG2000Lossless else "file-truncated")
    assert peak < MOST_BYTES


def test_many_slices_that_hold_nothing_are_not_allocated(write_series, tmp_path):
    side_px = 4096
    stream = _jpeg_2000(np.zeros((side_px, side_px), np.uint16), tmp_path)
    folder = _series(write_series, tmp_path / "series", stream, JPEG2000Lossless, size=(side_px, side_px), n_slices=40)
    with pytest.raises(VolumeError) as caught:
        read_stored(folder)
    assert caught.value.code == "file-too-large"


def test_a_picture_is_refused_as_well(write_series, tmp_path):
    folder = _series(
        write_series, tmp_path / "s", _rle(np.zeros((16, 16), np.uint16), tmp_path), RLELossless, size=(9000, 9000)
    )
    with pytest.raises(VolumeError) as caught:
        read_picture(next(folder.iterdir()))
    assert caught.value.code == "file-truncated"


@pytest.mark.parametrize(
    ("syntax", "n_bytes", "is_held"),
    [
        (RLELossless, 8192, True),
        (RLELossless, 8191, False),
        (JPEGLosslessSV1, 32768, True),
        (JPEGLosslessSV1, 32767, False),
        (JPEGLSLossless, 64, True),
        (JPEGLSLossless, 63, False),
        (JPEGBaseline8Bit, 512, True),
        (JPEGBaseline8Bit, 511, False),
        (JPEG2000Lossless, 1, True),
    ],
)
def test_the_limit_of_each_codec(syntax, n_bytes, is_held):
    size = {"rows": 512, "columns": 512, "frames": 1, "bits_allocated": 16}
    if is_held:
        require_held(syntax, n_bytes, **size)
        return
    with pytest.raises(NonsenseError):
        require_held(syntax, n_bytes, **size)
