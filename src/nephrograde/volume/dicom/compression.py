"""How many pixels a compressed image can hold at most, by its codec: checked before decoders allocate them.

The limits follow from the formats, so that no image is refused that a codec can store: an image of nothing but air
takes a few dozen bytes in JPEG-LS or JPEG 2000.
"""

from __future__ import annotations

from typing import Final

from nephrograde.volume.dicom.dictionary import DEFLATED
from nephrograde.volume.dicom.entries import NonsenseError
from nephrograde.volume.unpack import BOMB_BYTES, BOMB_RATIO, LARGEST_RATIO

_JPEG: Final = "1.2.840.10008.1.2.4."
_RLE: Final = "1.2.840.10008.1.2.5"
_RLE_RATIO = 64
"""Two bytes repeat a byte at most 128 times."""
_DCT_PIXELS = 8 * 64
"""Pixels in a byte: each block of 8 × 8 pixels takes at least one bit."""
_LOSSLESS_PIXELS = 8
"""Each pixel takes at least one bit."""
_LS_ROWS = 8
"""Rows in a byte: a run ends with its row, and takes at least one bit."""
_LARGEST_EMPTY_PIXELS = 1 << 24
"""4096 × 4096: frames of more pixels have to hold something, as JPEG 2000 itself sets no limit."""


def require_held(syntax: str, n_bytes: int, *, rows: int, columns: int, frames: int, bits_allocated: int) -> None:
    """Refuse a header that claims more pixels than its compressed bytes can hold.

    Args:
        syntax: UID of the transfer syntax; one without a limit passes.
        n_bytes: Size of the compressed pixels, or of the file.
        rows: Rows of a frame.
        columns: Columns of a frame.
        frames: Number of frames.
        bits_allocated: Bits of a pixel.

    Raises:
        NonsenseError: If it does.

    Source: DICOM PS3.5 G.3.1 (RLE); ITU-T T.81 F.1.2 and H.1.2 (JPEG), T.87 A.7.1 (JPEG-LS); RFC 1951 (deflate).

    >>> require_held("1.2.840.10008.1.2.4.80", 100, rows=512, columns=512, frames=1, bits_allocated=16)
    >>> require_held("1.2.840.10008.1.2.5", 100, rows=512, columns=512, frames=1, bits_allocated=16)
    Traceback (most recent call last):
    ...
    nephrograde.volume.dicom.entries.NonsenseError: its 100 bytes cannot hold 1 × 512 × 512 pixels
    """
    n_pixels = rows * columns * frames
    pixel_bytes = n_pixels * bits_allocated // 8
    least_bytes = {
        _RLE: pixel_bytes / _RLE_RATIO,
        DEFLATED: pixel_bytes / LARGEST_RATIO,
        **dict.fromkeys((f"{_JPEG}50", f"{_JPEG}51"), n_pixels / _DCT_PIXELS),
        **dict.fromkeys((f"{_JPEG}57", f"{_JPEG}70"), n_pixels / _LOSSLESS_PIXELS),
        **dict.fromkeys((f"{_JPEG}80", f"{_JPEG}81"), rows * frames / _LS_ROWS),
    }
    if n_bytes < least_bytes.get(syntax, 0):
        raise NonsenseError(f"its {n_bytes} bytes cannot hold {frames} × {columns} × {rows} pixels")


def require_filled(n_bytes: int, *, n_pixels: int, bits_allocated: int) -> None:
    """Refuse a frame larger than those of any scanner that holds next to nothing.

    Args:
        n_bytes: Size of the compressed frame.
        n_pixels: Pixels that it claims.
        bits_allocated: Bits of a pixel.

    Raises:
        NonsenseError: If it does.
    """
    if n_pixels > _LARGEST_EMPTY_PIXELS and is_hollow(n_bytes, n_pixels * bits_allocated // 8, least=0):
        raise NonsenseError(f"its {n_bytes} bytes are too few for {n_pixels} pixels")


def is_hollow(n_bytes: int, pixel_bytes: int, *, least: int = BOMB_BYTES) -> bool:
    """Tell whether compressed pixels are large and hold next to nothing, like those that are made to fill a memory.

    Args:
        n_bytes: Size of the compressed pixels.
        pixel_bytes: Their uncompressed size.
        least: Uncompressed sizes up to this pass.
    """
    return pixel_bytes > least and pixel_bytes > BOMB_RATIO * n_bytes
