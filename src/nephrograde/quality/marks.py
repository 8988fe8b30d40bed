"""How a scan, or the person on it, is recognised again: hashes of its pixels, and marks from its DICOM header."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.volume.volume import Volume

_SECRET = secrets.token_bytes(32)
"""Drawn by every process for itself, so that a mark means nothing outside it."""


@dataclass(frozen=True, slots=True)
class PersonMarks:
    """The person and examination named in a DICOM header, as keyed hashes valid within one process and never written.

    Empty if the header does not say. ``person`` combines name, birth date and sex, ``born`` birth date and sex.
    """

    study: str = ""
    frame: str = ""
    person: str = ""
    born: str = ""


def slice_marks(volume: Volume) -> tuple[str, ...]:
    """Hash the pixels of every axial slice, from feet to head, so that copies are recognised.

    The values are hashed as whole numbers on the patient's axes, so the same scan has the same marks as DICOM and as
    NIfTI, and a partly exported series still shares the marks of its slices. A constant slice has an empty mark.

    Args:
        volume: A scan as read.

    Returns:
        16 hexadecimal digits per slice.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.arange(48, dtype=np.int16).reshape(4, 4, 3)
    >>> marks = slice_marks(make_volume(values, spacing_mm=(1.0, 1.0, 5.0)))
    >>> marks == slice_marks(make_volume(values.astype(float), spacing_mm=(0.7, 0.7, 2.0))), len(marks)
    (True, 3)
    """
    marks = []
    for plane in np.moveaxis(volume.values, 2, 0):
        if plane.min() == plane.max():
            marks.append("")
            continue
        whole = np.ascontiguousarray(np.rint(plane).T if plane.dtype.kind == "f" else plane.T, dtype="<i4")
        marks.append(hashlib.blake2b(whole.data, digest_size=8, person=b"%dx%d" % whole.shape).hexdigest())
    return tuple(marks)


def keyed_mark(*parts: str) -> str:
    """Hash texts that must not be printed into a mark; empty if one of them is.

    Args:
        parts: For instance a name and a birth date; compared ignoring case, blanks and carets.

    >>> keyed_mark("Zhang^San", "19600101") == keyed_mark("ZHANG SAN ", "19600101"), keyed_mark("Zhang^San", "")
    (True, '')
    """
    cleaned = [" ".join(part.replace("^", " ").casefold().split()) for part in parts]
    if not all(cleaned):
        return ""
    return hashlib.blake2b("\0".join(cleaned).encode(), key=_SECRET, digest_size=16).hexdigest()


def shared_slices(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the slices of one scan that also occur in another.

    Args:
        first: From :func:`slice_marks`.
        second: The same for the other scan.

    >>> shared_slices(["a", "b", ""], ["", "b", "c"])
    1
    """
    return len((set(first) & set(second)) - {""})
