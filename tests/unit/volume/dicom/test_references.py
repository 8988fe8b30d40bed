"""What a new DICOM object takes over from its source: names as people read them, and the UIDs it refers to."""

import io

import numpy as np
import pydicom
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.references import read_references

pytestmark = pytest.mark.needs("highdicom")
SIZE = (6, 5, 4)
NAME = "王^小明"


@pytest.fixture
def series(tmp_path, write_series):
    """Write a series whose name has these bytes, under the character set that it declares."""

    def write(name, character_set, **entries):
        positions = [(0.0, 0.0, 2.5 * k) for k in range(SIZE[2])]
        placeholder = b"X" * len(name)
        declared = {} if character_set is None else {"SpecificCharacterSet": character_set}
        entries = {"PatientName": placeholder.decode(), "PatientID": "7", **declared, **entries}
        paths = write_series(tmp_path / "ct", values=np.zeros(SIZE) + 1000, positions_mm=positions, **entries)
        for path in paths:
            path.write_bytes(path.read_bytes().replace(placeholder, name))
        return tmp_path / "ct"

    return write


def read_back(dataset):
    """The name after the header was written and read again by pydicom alone."""
    stream = io.BytesIO()
    dataset.save_as(stream)
    stream.seek(0)
    found = pydicom.dcmread(stream)
    return str(found.PatientName), found.get("SpecificCharacterSet")


@pytest.mark.parametrize(
    ("encoding", "declared", "kept"),
    [
        ("gb18030", "GB18030", "GB18030"),
        ("gb18030", None, "ISO_IR 192"),
        ("gb18030", "ISO_IR 100", "ISO_IR 192"),
        ("utf-8", "ISO_IR 192", "ISO_IR 192"),
    ],
)
def test_chinese_names_survive(series, encoding, declared, kept):
    folder = series(NAME.encode(encoding), declared)
    assert read_back(read_references(folder).datasets[0]) == (NAME, kept)


def test_plain_names_declare_nothing_that_is_unknown(series):
    folder = series(b"WANG^XIAOMING", "ISO_IR 6")
    assert read_back(read_references(folder).datasets[0]) == ("WANG^XIAOMING", None)


def test_latin_names_keep_their_set(series):
    folder = series("Weiß^Jörg".encode("latin-1"), "ISO_IR 100")
    assert read_back(read_references(folder).datasets[0]) == ("Weiß^Jörg", "ISO_IR 100")


def test_what_was_removed_is_there_and_empty(series):
    dataset = read_references(series(b"A^B", None, PatientSex="MALE")).datasets[0]
    assert (dataset.PatientSex, dataset.StudyDate, dataset.AccessionNumber) == ("", "", "")
    assert dataset.PatientID == "7"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID"])
def test_lost_uids_are_named(series, keyword):
    folder = series(b"A^B", None)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        setattr(dataset, keyword, "")
        dataset.save_as(path)
    with pytest.raises(VolumeError, match=keyword) as caught:
        read_references(folder)
    assert caught.value.code == "dicom-reference"
