"""The UIDs that the standard itself registers: object classes, transfer syntaxes, coding schemes and the like."""

from __future__ import annotations


def is_registered(uid: str) -> bool:
    """Check whether the standard registers a UID. Any other, under its own root too, may contain an id.

    Args:
        uid: As in the header.

    **Source:** DICOM PS3.6 annex A, as transcribed in pydicom.

    >>> is_registered("1.2.840.10008.5.1.4.1.1.2"), is_registered("1.2.840.10008.5.1.4.1.1.2.44051401")
    (True, False)
    """
    from pydicom._uid_dict import UID_dictionary

    return uid in UID_dictionary


def is_transfer_syntax(uid: str) -> bool:
    """Check whether a UID is that of a registered transfer syntax."""
    from pydicom._uid_dict import UID_dictionary

    return uid in UID_dictionary and UID_dictionary[uid][1] == "Transfer Syntax"
