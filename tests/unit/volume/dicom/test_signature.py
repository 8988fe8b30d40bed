"""What is DICOM by its first bytes: what pydicom can use as the header of an object, and nothing else."""

import io
import random
import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.signature import is_dicom, is_dicom_file

CLASS_UID = b"1.2.840.10008.5.1.4.1.1.2\0"
META = b"\x02\0\0\0UL\x04\0\x1a\0\0\0" + b"\x02\0\x10\0UI\x12\0" + b"1.2.840.10008.1.2\0"
EXPLICIT = b"\x08\0\x16\0UI\x1a\0" + CLASS_UID
IMPLICIT = b"\x08\0\x16\0\x1a\0\0\0" + CLASS_UID
BIG_ENDIAN = b"\0\x08\0\x16UI\0\x1a" + CLASS_UID

DICOM = {
    "preamble": bytes(128) + b"DICM" + META + IMPLICIT,
    "a preamble that is not empty": b"II*\0" + bytes(124) + b"DICM" + META + IMPLICIT,
    "file meta group without preamble": META + IMPLICIT,
    "file meta group without preamble and types": b"\x02\0\x10\0\x12\0\0\0" + b"1.2.840.10008.1.2\0" + IMPLICIT,
    "explicit, without preamble": EXPLICIT,
    "implicit, without preamble": IMPLICIT,
    "big-endian, without preamble": BIG_ENDIAN,
    "beginning with the group's length, explicit": b"\x08\0\0\0UL\x04\0\x22\0\0\0" + EXPLICIT,
    "beginning with the group's length, implicit": b"\x08\0\0\0\x04\0\0\0\x22\0\0\0" + IMPLICIT,
    "beginning late in the group": b"\x08\0\x60\0CS\x02\0CT" + b"\x10\0\x10\0PN\x02\0A ",
    "beginning with a long value": b"\x08\0\x08\0\x20\x01\0\0" + b"ORIGINAL" * 36 + IMPLICIT,
    "a short data set": b"\x08\0\x60\0CS\x02\0CT",
    "an unknown type": b"\x08\0\x08\0ZZ\x08\0ORIGINAL" + EXPLICIT,
}
OTHER = {
    "nothing": b"",
    "the mark without preamble": b"DICM" + EXPLICIT,
    "131 bytes of a preamble": (bytes(128) + b"DICM")[:131],
    "zeros": bytes(400),
    "zip": b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(200),
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(200),
    "NIfTI": struct.pack("<i", 348) + bytes(344),
    "NIfTI, big-endian": struct.pack(">i", 348) + bytes(344),
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200),
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(200),
    "text": b"patient_id,isup_grade\nP001,3\n" * 9,
    "text in UTF-16": "患者,分级\n".encode("utf-16") * 20,
    "small whole numbers": struct.pack("<40I", *range(8, 48)),
    "small whole numbers from 2": struct.pack("<40I", *range(2, 42)),
    "small whole numbers, big-endian": struct.pack(">40H", *range(8, 48)),
    "a group length that is none": b"\x08\0\0\0\x10\0\0\0" + bytes(200),
    "group 8 and noise": b"\x08\0\x05\0" + b"\xff" * 200,
    "group 8 big-endian and noise": b"\0\x08\0\x05" + bytes(200),
    "group 2 and noise": b"\x02\0\xff\xff" + bytes(200),
    "too short for an element": b"\x08\0\x16\0UI",
}


def usable(content):
    """Whether pydicom finds an element of group 2, 8 or 10 at the beginning."""
    with quiet():
        try:
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            tags = {*dataset.file_meta.keys(), *dataset.keys()}
        except PYDICOM_ERRORS:
            return False
    return bool(tags & set(TAGS.values()))


@pytest.mark.parametrize("content", DICOM.values(), ids=DICOM.keys())
def test_what_pydicom_can_use_is_dicom(tmp_path, content):
    assert usable(content)
    assert is_dicom(content)
    assert is_dicom(content[:132])
    (tmp_path / "a").write_bytes(content)
    assert is_dicom_file(tmp_path / "a")


@pytest.mark.parametrize("content", OTHER.values(), ids=OTHER.keys())
def test_what_is_something_else_is_not(content):
    assert not is_dicom(content)


def test_a_dicomdir_is_dicom_though_no_image():
    assert is_dicom_file(Path(str(get_testdata_file("DICOMDIR"))))


def test_random_bytes_are_not_dicom():
    chance = random.Random(9)  # noqa: S311 (the same bytes every time)
    assert sum(is_dicom(chance.randbytes(chance.randrange(1, 400))) for _ in range(20_000)) <= 1
