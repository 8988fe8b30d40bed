"""Whether a file is DICOM, by its first bytes: one answer for reading, scanning, masks and de-identification."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PREAMBLE_BYTES = 132
"""The preamble and the four letters after it."""
_HIGHEST_META_ELEMENT = 0x0102
_LONGEST_FIRST_VALUE = 1024
"""Bytes; the first element of a header is a length, a character set or a UID."""


def is_dicom(head: bytes) -> bool:
    r"""Whether a file that begins with these bytes is DICOM, with or without the preamble.

    Old exports and network dumps lack the preamble, and often the file meta group too. They begin with an element of
    group 0002 or 0008 that states its type in two capitals or has a plausible length; a big-endian element always
    states its type.

    Args:
        head: The first ``PREAMBLE_BYTES`` of the file, or all of it if shorter; more does no harm.

    Returns:
        True also for DICOM that is not an image, such as a DICOMDIR.

    Source: DICOM PS3.10 7.1; PS3.5 7.1.

    >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100")
    (True, True)
    >>> is_dicom(b"patient_id,isup_grade"), is_dicom(b"")
    (False, False)
    """
    if head[128:PREAMBLE_BYTES] == b"DICM":
        return True
    if len(head) < 8:
        return False
    names_type = names_its_type(head)
    if head[:2] == b"\x00\x08":
        return names_type
    element, length = int.from_bytes(head[2:4], "little"), int.from_bytes(head[4:8], "little")
    if head[:2] != b"\x08\x00" and not (head[:2] == b"\x02\x00" and element <= _HIGHEST_META_ELEMENT):
        return False
    # The first element of a group, if present, holds the group's length in four bytes.
    return names_type or (length == 4 if element == 0 else length <= _LONGEST_FIRST_VALUE)


def is_dicom_file(path: Path) -> bool:
    """Whether a file is DICOM, according to :func:`is_dicom`.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as stream:
        return is_dicom(stream.read(PREAMBLE_BYTES))


def names_its_type(element: bytes) -> bool:
    """Whether an element, given by at least its first six bytes, states its type (VR): two capitals after the tag.

    Source: DICOM PS3.5 7.1.2. A length that looks like this would exceed 16 kB, which no first element has.
    """
    return element[4:6].isalpha() and element[4:6].isupper()
