"""How a scan, or the person on it, is recognised again: hashes of its pixels, and marks from its DICOM header."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

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


MARK_DIGITS = 16
_CONSTANT = "0" * MARK_DIGITS
"""The mark of every constant slice, by which no scan can be recognised."""


def slice_marks(volume: Volume) -> str:
    """Hash the pixels of every axial slice, from feet to head, so that copies are recognised.

    The values are hashed as whole numbers on the patient's axes, so the same scan has the same marks as DICOM and as
    NIfTI, and a partly exported series still shares the marks of its slices. A constant slice has a mark of zeros.

    Args:
        volume: A scan as read.

    Returns:
        16 hexadecimal digits per slice, in one text, as a cohort may have millions of slices.

    >>> from nephrograde.volume.volume import make_volume
    >>> values = np.arange(48, dtype=np.int16).reshape(4, 4, 3)
    >>> marks = slice_marks(make_volume(values, spacing_mm=(1.0, 1.0, 5.0)))
    >>> marks == slice_marks(make_volume(values.astype(float), spacing_mm=(0.7, 0.7, 2.0))), len(marks)
    (True, 48)
    """
    marks = []
    for plane in np.moveaxis(volume.values, 2, 0):
        if plane.min() == plane.max():
            marks.append(_CONSTANT)
            continue
        whole = np.ascontiguousarray(np.rint(plane).T if plane.dtype.kind == "f" else plane.T, dtype="<i4")
        marks.append(hashlib.blake2b(whole.data, digest_size=8, person=b"%dx%d" % whole.shape).hexdigest())
    return "".join(marks)


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


def each_mark(marks: str) -> list[str]:
    """Split the marks of a scan into those of its slices, except for constant ones.

    Args:
        marks: From :func:`slice_marks`.

    >>> each_mark("00000000000000aa" + "0" * 16 + "00000000000000bb")
    ['00000000000000aa', '00000000000000bb']
    """
    own = (marks[start : start + MARK_DIGITS] for start in range(0, len(marks), MARK_DIGITS))
    return [mark for mark in own if mark != _CONSTANT]


def repeated_marks(marks: Iterable[str]) -> set[str]:
    """Find the marks that occur more than once among all slices of many scans.

    They are sorted as an array, which takes a tenth of the memory of a set of them.

    Args:
        marks: From :func:`slice_marks`, for each scan.

    >>> sorted(repeated_marks(["00000000000000aa00000000000000bb", "00000000000000bb" + "0" * 16, "0" * 16]))
    ['00000000000000bb']
    """
    every = np.frombuffer("".join(marks).encode("ascii"), dtype=f"S{MARK_DIGITS}").copy()
    every.sort()
    found = np.unique(every[1:][every[1:] == every[:-1]])
    return {mark.decode("ascii") for mark in found.tolist()} - {_CONSTANT}


def shared_slices(first: str, second: str) -> int:
    """Count the slices of one scan that also occur in another.

    Args:
        first: From :func:`slice_marks`.
        second: The same for the other scan.

    >>> shared_slices("00000000000000aa00000000000000bb", "00000000000000bb" + "0" * 16)
    1
    """
    return len(set(each_mark(first)) & set(each_mark(second)))
