import io
import warnings
import zipfile

import pytest

from nephrograde.sources.scan import headers
from nephrograde.sources.scan.archive import look_into
from nephrograde.sources.scan.headers import InstanceHeader, read_header
from nephrograde.volume.dicom import archive
from nephrograde.volume.dicom.archive import ArchiveRefused, count_members, walk_members


def packed(members, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members with one name
        for name, data in members:
            opened.writestr(name, data)
    return stream


def outcomes(stream, **part):
    looked = look_into(stream, **part)
    return [(one.member, getattr(one.outcome, "reason", "")) for one in looked]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_read_where_they_lie(dicom_bytes, method):
    stream = packed([("CT/", b""), ("CT/IM1", dicom_bytes()), ("readme.txt", b"hello"), ("none", b"")], method)
    assert count_members(stream) == 4
    assert outcomes(stream) == [("CT/IM1", ""), ("readme.txt", headers.NOT_DICOM), ("none", headers.EMPTY)]
    assert next(iter(look_into(stream))).outcome == read_header(lambda n: dicom_bytes()[:n], 10**6)


def test_an_archive_in_an_archive_is_read_and_one_deeper_is_not(dicom_bytes):
    inner = packed([("IM1", dicom_bytes())]).getvalue()
    middle = packed([("inner.zip", inner), ("IM2", dicom_bytes())]).getvalue()
    assert outcomes(packed([("middle.bin", middle)])) == [
        ("middle.bin//inner.zip", archive.TOO_DEEP),
        ("middle.bin//IM2", ""),
    ]


@pytest.mark.parametrize("name", ["../IM1", "CT/../../IM1", "/etc/IM1", "C:/IM1", "..\\IM1", "C:\\IM1"])
def test_a_name_that_leads_out_of_the_archive_is_refused(dicom_bytes, name):
    assert outcomes(packed([(name, dicom_bytes())])) == [(name, archive.LEADS_OUT)]


def test_names_that_cannot_stand_in_a_list_are_refused(dicom_bytes):
    listed = outcomes(packed([("IM\n1", dicom_bytes()), ("CT//IM1", dicom_bytes()), ("IM1", b""), ("IM1", b"")]))
    assert [reason for _, reason in listed] == [archive.UNLISTABLE, archive.UNLISTABLE, archive.TWICE, headers.EMPTY]
    assert "\n" not in listed[0][0]


def test_bombs_are_refused_and_empty_images_are_not(dicom_bytes):
    bomb = packed([("bomb", bytes(archive.BOMB_BYTES + 1))])
    assert outcomes(bomb) == [("bomb", archive.BOMB)]
    air = dicom_bytes(Rows=512, Columns=512, PixelData=bytes(512 * 512 * 2))
    assert outcomes(packed([("air", air)])) == [("air", "")]


def test_no_more_is_unpacked_than_a_header_takes(dicom_bytes, monkeypatch):
    taken = []
    read = zipfile.ZipExtFile.read

    def note(stream, n):
        taken.append(n)
        return read(stream, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", note)
    large = dicom_bytes(Rows=2048, Columns=2048, PixelData=bytes(2048 * 2048 * 2))
    assert outcomes(packed([("large", large)])) == [("large", "")]
    assert sum(taken) == 16 * 1024


def test_an_archive_with_too_many_members_or_a_large_one_in_it_is_refused(dicom_bytes):
    inner = packed([("IM1", dicom_bytes()), ("IM2", b"")]).getvalue()
    outer = packed([("inner", inner)])
    (refused,) = walk_members(outer, largest_inner_bytes=10)
    assert (refused.name, refused.refused) == ("inner", archive.TOO_LARGE)
    (refused,) = walk_members(outer, most_members=1)
    assert (refused.name, refused.refused) == ("inner", archive.TOO_MANY)
    with pytest.raises(ArchiveRefused, match=archive.TOO_MANY):
        list(walk_members(packed([("IM1", b"")]), most_members=0))


def test_encrypted_and_damaged_members_are_named_and_the_others_read(dicom_bytes):
    stream = packed([("IM1", dicom_bytes()), ("IM2", dicom_bytes())])
    data = bytearray(stream.getvalue())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 8] |= 1
    assert outcomes(io.BytesIO(bytes(data))) == [("IM1", ""), ("IM2", archive.ENCRYPTED)]
    data[second + 8] &= 0xFE
    data[second + 10] = 98
    assert outcomes(io.BytesIO(bytes(data))) == [("IM1", ""), ("IM2", archive.UNKNOWN_METHOD)]
    whole = stream.getvalue()
    torn = bytearray(whole)
    torn[40:60] = b"\xff" * 20
    assert outcomes(io.BytesIO(bytes(torn))) == [("IM1", archive.BROKEN_MEMBER), ("IM2", "")]
    with pytest.raises(ArchiveRefused):
        outcomes(io.BytesIO(whole[:-40]))


def test_a_piece_of_an_archive_is_read_alone(dicom_bytes):
    stream = packed([(f"IM{number}", dicom_bytes()) for number in range(5)])
    assert [name for name, _ in outcomes(stream, first=1, stop=3)] == ["IM1", "IM2"]
    assert all(isinstance(one.outcome, InstanceHeader) for one in look_into(stream))
