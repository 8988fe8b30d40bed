"""Pixels that lie in their files as they are in memory, read straight into their place in the volume.

That is most CT: one frame a file, uncompressed, little-endian, in 16 bits. Where anything about a file is out of the
ordinary, its pixels are left to pydicom, which decides whether it is read or refused; so nothing is refused here.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.volume.dicom.dictionary import EXPLICIT, IMPLICIT
from nephrograde.volume.dicom.elements import PIXEL_DATA, find_further
from nephrograde.volume.dicom.rescale import rescale_in_place, rescaled, significant_in_place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    import numpy.typing as npt

    from nephrograde.volume.dicom.one_slice import Slice

_TRAILING_PADDING = 0xFFFCFFFC
_NOT_SOUGHT = (0, 0)
"""Returned of a slice in float32, whose extremes are not used."""
_SYNTAXES = frozenset({IMPLICIT, EXPLICIT})


class Planes(NamedTuple):
    """Slices that were read.

    Attributes:
        values: ``slices rows columns``, empty (of no slices) if none was read.
        unread: Which slices are still to be read.
        extremes: The lowest and highest value, if all slices were read into 16 bits.
    """

    values: npt.NDArray[Any]
    unread: list[int]
    extremes: tuple[int, int] | None = None


def read_plain(slices: Sequence[Slice], dtype: type[np.int16 | np.float32]) -> Planes:
    """Read the pixels of those slices that need no decoding, and rescale them.

    Args:
        slices: In the order of the result, all of one size.
        dtype: Int16 if all slopes and intercepts are whole, else float32.

    Source: DICOM PS3.5 8.1.1, A.1 and A.2.
    """
    plain = [k for k, one in enumerate(slices) if _is_plain(one)]
    if not plain:
        return Planes(np.empty((0, 0, 0), dtype), list(range(len(slices))))
    form = slices[0].form  # each of these files is as long as its pixels, so that the size is no mere claim
    planes = np.empty((len(slices), form.rows, form.columns), dtype)
    scratch = np.empty(planes.shape[1:], np.int16)
    # In one thread: the steps are so short that several threads would wait for one another longer than they work.
    found = {k: _read(slices[k], planes[k], scratch) for k in plain}
    unread = [k for k in range(len(slices)) if found.get(k) is None]
    ends = [] if unread or dtype != np.int16 else [one for one in found.values() if one is not None]
    extremes = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
    return Planes(planes, unread, extremes)


def _is_plain(one: Slice) -> bool:
    form = one.form
    return (
        one.header_end is not None
        and form.syntax in _SYNTAXES
        and form.frames == 1
        and form.bits_allocated == 16
        and not form.is_colour
        and sys.byteorder == "little"
    )


def _read(one: Slice, plane: npt.NDArray[Any], scratch: npt.NDArray[np.int16]) -> tuple[int, int] | None:
    """Read one slice into its place, and return its lowest and highest value; None to read it in another way."""
    with suppress(OSError), open(one.file.path, "rb", buffering=0) as stream:  # noqa: PTH123 - half the time
        start = _start_of_pixels(stream, one) if one.pixels is None else one.pixels.start
        if start is None:
            return None
        stored = plane if plane.dtype == np.int16 else scratch
        stream.seek(start)
        if stream.readinto(stored.data.cast("B")) < one.form.frame_bytes:
            return None
        if stored is plane:
            return rescale_in_place(plane, one, scratch)
        plane[:] = rescaled(significant_in_place(stored, one.form), one)
        return _NOT_SOUGHT
    return None


def _start_of_pixels(stream: IO[bytes], one: Slice) -> int | None:
    """Return where the pixels begin; None if the file holds too few, or anything behind them but padding."""
    if one.header_end is None:
        return None
    place = find_further(stream, PIXEL_DATA, one.header_end)
    if place is None or place.n_bytes < one.form.frame_bytes:
        return None
    n_bytes, end = os.fstat(stream.fileno()).st_size, place.start + place.n_bytes
    if end < n_bytes:
        behind = find_further(stream, _TRAILING_PADDING, one.header_end._replace(at=end), most=1)
        end = n_bytes + 1 if behind is None else behind.start + behind.n_bytes
    return place.start if end == n_bytes else None
