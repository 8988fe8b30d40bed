"""Pixels that lie in their files as they are in memory, read straight into their place in the volume.

That is most CT: one frame a file, uncompressed, little-endian, in 16 bits. Where anything about a file is out of the
ordinary, its pixels are left to pydicom, which decides whether it is read or refused; so nothing is refused here.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.threads import has_all_processors, usable_processors
from nephrograde.volume.dicom.dictionary import EXPLICIT, IMPLICIT
from nephrograde.volume.dicom.elements import find_further
from nephrograde.volume.dicom.rescale import rescale_in_place, rescaled, significant_in_place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    import numpy.typing as npt

    from nephrograde.volume.dicom.one_slice import Slice

_PIXEL_DATA = 0x7FE00010
_TRAILING_PADDING = 0xFFFCFFFC
_SYNTAXES = frozenset({IMPLICIT, EXPLICIT})
_SLICES_AT_ONCE = 8


def read_plain(slices: Sequence[Slice], dtype: type[np.int16 | np.float32]) -> tuple[npt.NDArray[Any], list[int]]:
    """Read the pixels of those slices that need no decoding, and rescale them.

    Args:
        slices: In the order of the result, all of one size.
        dtype: Int16 if all slopes and intercepts are whole, else float32.

    Returns:
        ``slices rows columns``, empty (of no slices) if none was read; and which slices are still to be read.

    Source: DICOM PS3.5 8.1.1, A.1 and A.2.
    """
    plain = [k for k, one in enumerate(slices) if _is_plain(one)]
    if not plain:
        return np.empty((0, 0, 0), dtype), list(range(len(slices)))
    form = slices[0].form  # each of these files is as long as its pixels, so that the size is no mere claim
    planes = np.empty((len(slices), form.rows, form.columns), dtype)
    processors = usable_processors()
    parts = [plain[k : k + _SLICES_AT_ONCE] for k in range(0, len(plain), _SLICES_AT_ONCE)]

    def read(part: list[int]) -> list[int]:
        scratch = np.empty(planes.shape[1:], np.int16)
        return [k for k in part if _read(slices[k], planes[k], scratch)]

    # If several scans are read at once, as when a cohort is prepared, one processor per scan is faster overall.
    if has_all_processors() and processors > 1 and len(parts) > 1:
        with ThreadPoolExecutor(min(processors, len(parts))) as pool:
            done = {k for part in pool.map(read, parts) for k in part}
    else:
        done = {k for part in parts for k in read(part)}
    return planes, [k for k in range(len(slices)) if k not in done]


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


def _read(one: Slice, plane: npt.NDArray[Any], scratch: npt.NDArray[np.int16]) -> bool:
    """Read one slice into its place; false if it is to be read in another way."""
    with suppress(OSError), open(one.file.path, "rb", buffering=0) as stream:  # noqa: PTH123 - half the time
        start = _start_of_pixels(stream, one)
        if start is None:
            return False
        stored = plane if plane.dtype == np.int16 else scratch
        stream.seek(start)
        if stream.readinto(stored.data.cast("B")) < one.form.frame_bytes:
            return False
        if stored is plane:
            return rescale_in_place(plane, one, scratch)
        plane[:] = rescaled(significant_in_place(stored, one.form), one)
        return True
    return False


def _start_of_pixels(stream: IO[bytes], one: Slice) -> int | None:
    """Return where the pixels begin; None if the file holds too few, or anything behind them but padding."""
    if one.header_end is None:
        return None
    place = find_further(stream, _PIXEL_DATA, one.header_end)
    if place is None or place.n_bytes < one.form.frame_bytes:
        return None
    n_bytes, end = os.fstat(stream.fileno()).st_size, place.start + place.n_bytes
    if end < n_bytes:
        behind = find_further(stream, _TRAILING_PADDING, one.header_end._replace(at=end), most=1)
        end = n_bytes + 1 if behind is None else behind.start + behind.n_bytes
    return place.start if end == n_bytes else None
