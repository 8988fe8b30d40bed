import io
import os
import random
import sqlite3
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from nephrograde.errors import InputError
from nephrograde.sources.scan.archive import look_into
from nephrograde.sources.scan.catalogue import catalogue
from nephrograde.sources.scan.headers import InstanceHeader, Refused, read_header
from nephrograde.volume.dicom.archive import ArchiveRefused, count_members

SEED = 20240131
MUTANTS = 4000


@pytest.fixture(scope="module")
def seeds(dicom_bytes, mask_bytes):
    frame = Dataset()
    frame.PlanePositionSequence = [Dataset()]
    frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 1]
    frames = {"NumberOfFrames": 3, "PerFrameFunctionalGroupsSequence": [frame] * 3, "ImagePositionPatient": None}
    return [
        dicom_bytes(),
        dicom_bytes(ImplicitVRLittleEndian),
        dicom_bytes(ExplicitVRBigEndian),
        dicom_bytes(DeflatedExplicitVRLittleEndian),
        dicom_bytes(ImplicitVRLittleEndian, bare=True),
        dicom_bytes(PixelData=bytes(144), **frames),
        mask_bytes(["1.2.3.9", "1.2.3.8"]),
        mask_bytes(["1.2.3.9", "1.2.3.8"], structures=True),
        dicom_bytes(SpecificCharacterSet="\\ISO 2022 IR 58", PatientName="Zhang^X=张^小东"),
        Path(str(get_testdata_file("reportsi.dcm"))).read_bytes()[:4000],
    ]


def read(data):
    return read_header(lambda n: data[:n], len(data))


def mutant(seeds, chance):
    """A seed with bytes changed, cut out, duplicated or inserted where headers are sensitive."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        at = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")
            )
        elif kind == 2:
            del data[at : at + chance.randrange(1, 40)]
        elif kind == 3:
            data[at:at] = data[max(0, at - chance.randrange(1, 200)) : at]
        else:
            data[at : at + 2] = chance.choice((b"SQ", b"UN", b"OB", b"\x1b$", b"\\\\", b"9" * 2, b"\xd8\x00"))
        if not data:
            return b""
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.1 else data)


@pytest.mark.slow
def test_mutated_headers_give_a_header_or_a_reason_and_can_be_catalogued(seeds, tmp_path):
    chance = random.Random(SEED)  # noqa: S311 (the same mutants every time)
    found = {InstanceHeader: 0, Refused: 0}
    with zipfile.ZipFile(tmp_path / "mutants.zip", "w") as archive:
        for number in range(MUTANTS):
            data = mutant(seeds, chance)
            found[type(read(data))] += 1
            archive.writestr(f"{number}", data)
    assert min(found.values()) > MUTANTS // 20
    with catalogue(tmp_path, tmp_path / "held.sqlite", workers=1) as held:
        assert held.n_files == MUTANTS
        listed = sum(len(held.files(header)) for study in held.studies() for header in study)
        assert listed + sum(one.count for one in held.skipped()) == MUTANTS


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\x00\x05\x00CS", b"\x00\x08\x00\x05"])
)
def test_any_bytes_give_a_header_or_a_reason(tail, head):
    data = head + tail
    assert isinstance(read(data), (InstanceHeader, Refused))


@pytest.mark.slow
def test_mutated_archives_give_members_or_are_damaged(seeds):
    chance = random.Random(SEED)  # noqa: S311 (the same mutants every time)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(seeds):
            archive.writestr(f"CT/{number}", data)
    intact, damaged = [stream.getvalue()], 0
    for _ in range(500):
        broken = io.BytesIO(mutant(intact, chance))
        try:
            assert count_members(broken) >= 0
            list(look_into(broken))
        except ArchiveRefused:
            damaged += 1
    assert 0 < damaged < 500


def test_random_bytes_in_place_of_the_catalogue_are_named(tmp_path):
    (tmp_path / "held.sqlite").write_bytes(os.urandom(5000))
    with pytest.raises(InputError, match="is not a scan catalogue"):
        catalogue(tmp_path, tmp_path / "held.sqlite")
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE mine (a)").connection.close()
    with pytest.raises(InputError, match="is not a scan catalogue"):
        catalogue(tmp_path, tmp_path / "other.sqlite")
