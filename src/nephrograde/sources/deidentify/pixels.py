"""The pixels of an image without hidden data: bytes after the last pixel, overlays in unused bits, comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sources.deidentify.stream import clean_fragments

if TYPE_CHECKING:
    from pydicom import Dataset

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_SHARED_SAMPLES = {"YBR_FULL_422": 2, "YBR_PARTIAL_422": 2}
"""Samples per pixel where two pixels share their colour."""


def clean_pixels(stored: bytes, header: Dataset, *, is_encapsulated: bool, is_little_endian: bool) -> bytes:
    """Return the pixels of an image and nothing else.

    Args:
        stored: The value of PixelData.
        header: The image's header, with its size and bits.
        is_encapsulated: Whether the transfer syntax compresses pixels.
        is_little_endian: Whether the file is little-endian.

    Returns:
        Exactly the bytes that the pixels need, padded with a zero to an even length. If the header describes an overlay
        inside the pixels, the bits that are not part of the pixel values are cleared (or set to the sign bit). Of
        compressed pixels the frames, without the comments of JPEG and JPEG 2000.

    Raises:
        ValueError: If there are fewer bytes than pixels.

    **Source:** DICOM PS3.5 8.1.1, 8.1.2 and A.4; PS3.15 E.3.3 requires such overlays to be removed.

    >>> from pydicom import Dataset
    >>> header = Dataset()
    >>> header.Rows, header.Columns, header.BitsAllocated = 1, 1, 16
    >>> clean_pixels(b"12 and a name", header, is_encapsulated=False, is_little_endian=True)
    b'12'
    """
    n_frames = int(header.get("NumberOfFrames") or 1)
    if is_encapsulated:
        return clean_fragments(stored, n_frames=n_frames)
    bits = int(header.get("BitsAllocated") or 16)
    samples = int(header.get("SamplesPerPixel") or 1)
    samples = (
        _SHARED_SAMPLES.get(str(header.get("PhotometricInterpretation", "")), samples) if samples == 3 else samples
    )
    count = int(header.Rows) * int(header.Columns) * n_frames * samples
    needed = (count * bits + 7) // 8
    if len(stored) < needed and samples > 1:
        return stored  # colour is stored in too many ways to count on
    if len(stored) < needed:
        raise ValueError("fewer bytes than pixels")
    pixels = stored[:needed]
    if bits == 16 and samples == 1 and _has_embedded_overlay(header):
        pixels = _without_unused_bits(pixels, header, order="<" if is_little_endian else ">")
    return pixels + b"\0" * (needed % 2)


def _has_embedded_overlay(header: Dataset) -> bool:
    """Whether an overlay has an OverlayBitPosition other than 0, or no data of its own."""
    groups = {tag.group for tag in header.keys() if tag.group & 0xFF00 == 0x6000}  # noqa: SIM118 - tags, not elements
    return any((group, 0x3000) not in header or header.get_item((group, 0x0102)) is not None for group in groups)


def _without_unused_bits(pixels: bytes, header: Dataset, *, order: str) -> bytes:
    stored_bits = int(header.get("BitsStored") or 16)
    lowest = int(header.get("HighBit") or stored_bits - 1) - stored_bits + 1
    if not 0 < stored_bits <= 16 - lowest or lowest < 0:
        raise ValueError("bits outside a pixel")
    values = np.frombuffer(pixels, f"{order}u2").astype(np.uint16)
    used = (values >> lowest) & np.uint16((1 << stored_bits) - 1)
    if int(header.get("PixelRepresentation") or 0) == 1:
        negative = used >> (stored_bits - 1) == 1
        used[negative] |= np.uint16(0xFFFF & ~((1 << stored_bits) - 1))
    return (used << lowest).astype(f"{order}u2").tobytes()
