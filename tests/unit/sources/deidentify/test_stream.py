"""Compressed streams and lookup tables hold pixels only, and the pixels stay the same."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets

from nephrograde.sources.deidentify.stream import clean_fragments, clean_stream
from nephrograde.sources.deidentify.tables import clean_table

NAME = b"Kowalska^Lucja!!"
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3


def jpeg(**settings):
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG", **settings)
    return stream.getvalue()


def jpeg_2000(*, is_boxed):
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG2000", no_jp2=not is_boxed, comment=NAME.decode(), irreversible=False)
    return stream.getvalue()


def decoded(stream):
    return np.asarray(Image.open(io.BytesIO(stream)))


@pytest.mark.parametrize(
    "stream",
    [
        jpeg(comment=NAME),
        jpeg(exif=b"Exif\0\0" + NAME),
        jpeg() + NAME,
        jpeg_2000(is_boxed=False),
        jpeg_2000(is_boxed=True),
        jpeg_2000(is_boxed=True) + struct.pack(">I4s", 24, b"xml ") + NAME,
    ],
)
def test_comments_and_appendices_go_and_pixels_stay(stream):
    assert NAME in stream
    cleaned = clean_stream(stream)
    assert NAME not in cleaned
    np.testing.assert_array_equal(decoded(cleaned), decoded(stream))


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xfe\xff", b"\xff\x4f\xff\x51\0", NAME]
)
def test_any_bytes_are_accepted(stream):
    assert isinstance(clean_stream(stream), bytes)


def test_the_offset_table_follows_its_frames():
    frames = [jpeg(comment=NAME), jpeg(comment=NAME * 3), jpeg()]
    cleaned = clean_fragments(encapsulate(frames), n_frames=3)
    starts = parse_basic_offsets(cleaned)
    assert NAME not in cleaned
    assert len(starts) == 3
    after_table = cleaned[8 + 4 * 3 :]
    for start, frame in zip(starts, frames, strict=True):
        assert after_table[start : start + 4] == b"\xfe\xff\x00\xe0"
        (length,) = struct.unpack_from("<I", after_table, start + 4)
        np.testing.assert_array_equal(decoded(after_table[start + 8 : start + 8 + length]), decoded(frame))


def test_an_offset_table_that_lists_no_frames_is_emptied():
    stored = encapsulate([jpeg()], has_bot=False)
    table = b"\xfe\xff\x00\xe0" + len(NAME).to_bytes(4, "little") + NAME
    cleaned = clean_fragments(table + stored[8:], n_frames=1)
    assert NAME not in cleaned
    assert parse_basic_offsets(cleaned) == []
    assert len(list(generate_fragments(cleaned[8:]))) == 1


@pytest.mark.parametrize("stored", [b"", b"1234567", NAME, b"\xfe\xff\x00\xe0\xff\xff\xff\x7f"])
def test_what_is_not_items_is_refused(stored):
    with pytest.raises(ValueError, match="compressed pixels"):
        clean_fragments(stored, n_frames=1)


def palette(data, photometric="PALETTE COLOR", count=8):
    image = Dataset()
    image.PhotometricInterpretation = photometric
    image.RedPaletteColorLookupTableDescriptor, image.RedPaletteColorLookupTableData = [count, 0, 16], data
    return image


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (palette(bytes(range(16)) + NAME), bytes(range(16))),
        (palette(NAME, photometric="MONOCHROME2"), None),
        (palette(NAME, count=9), None),
    ],
)
def test_a_palette_is_as_long_as_it_says_and_belongs_to_an_image_that_uses_it(image, wanted):
    assert clean_table(image, 0x00281201) == wanted


@pytest.mark.parametrize(
    ("data", "is_kept"),
    [
        (np.arange(8, dtype="<u2").tobytes(), True),
        (np.arange(8, dtype="<u2")[::-1].tobytes(), True),
        (bytes(16), True),
        (NAME, False),
        (b"short", False),
    ],
)
def test_a_grey_scale_table_rises_or_falls(data, is_kept):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [8, 0, 16], data
    assert (clean_table(item, 0x00283006) is not None) == is_kept
