"""Members of archives: one set of limits for scans, series lists and de-identification."""

import io
import zipfile

import pytest

from nephrograde.errors import VolumeError
from nephrograde.sources.deidentify.found import SetAside, contents_below
from nephrograde.sources.scan.archive import look_into
from nephrograde.sources.scan.headers import NOT_DICOM, Refused
from nephrograde.volume.dicom.archive import BOMB, BOMB_BYTES, LEADS_OUT, TOO_DEEP, walk_members
from nephrograde.volume.dicom.series_list import SERIES_LIST_HEADING, SeriesList


def packed(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream


def test_members_of_inner_archives_are_read_and_deeper_ones_refused():
    innermost = packed({"IM1": b"deepest"}).getvalue()
    inner = packed({"IM2": b"inner", "deeper": innermost}).getvalue()
    found = list(walk_members(packed({"CT/": b"", "CT/a.zip": inner})))
    assert [(one.name, one.refused) for one in found] == [("CT/a.zip//IM2", ""), ("CT/a.zip//deeper", TOO_DEEP)]
    contents = [one.read() for one in walk_members(packed({"CT/a.zip": inner})) if not one.refused]
    assert contents == [b"inner"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("bomb", bytes(BOMB_BYTES + 1), BOMB), ("../IM1", b"out", LEADS_OUT), ("air", bytes(512 * 512 * 2), "")],
)
def test_everyone_who_opens_an_archive_refuses_the_same_members(tmp_path, name, content, reason):
    archive_path = tmp_path / "in" / "a.zip"
    archive_path.parent.mkdir()
    archive_path.write_bytes(packed({name: content}).getvalue())
    with archive_path.open("rb") as stream:
        (looked,) = look_into(stream)
    assert looked.outcome == Refused(reason or NOT_DICOM)
    list_path = tmp_path / "np.series"
    list_path.write_text(f"{SERIES_LIST_HEADING}\nin/a.zip//{name}\n", encoding="utf-8")
    with SeriesList(list_path) as listed:
        if reason:
            with pytest.raises(VolumeError):
                listed.open(0)
        else:
            with listed.open(0) as stream:
                assert stream.read() == content
    told: list[bytes | str] = []
    for found in contents_below(archive_path.parent):
        try:
            told.append(found.read())
        except SetAside as refused:
            told.append(str(refused))
    assert told == [reason or content]
