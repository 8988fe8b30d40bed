"""Series lists: hashed by the files they name, with archives opened within limits."""

import zipfile

import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.archive import BOMB_BYTES
from nephrograde.volume.dicom.series_list import SERIES_LIST_HEADING, SeriesList
from nephrograde.volume.image_files import sha256_of_image


def test_a_series_lists_hash_follows_the_contents_it_names(tmp_path):
    list_path = tmp_path / "np.series"
    list_path.write_text(f"{SERIES_LIST_HEADING}\r\n1.dcm\r\na.zip//2.dcm\r\n", encoding="utf-8")
    (tmp_path / "1.dcm").write_bytes(b"a")
    hashes = [sha256_of_image(list_path)]  # the archive is missing
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("2.dcm", b"b")
    hashes.append(sha256_of_image(list_path))
    (tmp_path / "1.dcm").write_bytes(b"c")
    hashes.append(sha256_of_image(list_path))
    assert len(set(hashes)) == 3
    (tmp_path / "1.dcm").rename(tmp_path / "other.dcm")
    list_path.write_text(f"{SERIES_LIST_HEADING}\nother.dcm\na.zip//2.dcm\n", encoding="utf-8")
    assert sha256_of_image(list_path) == hashes[2]
    list_path.write_text("no list")
    assert sha256_of_image(list_path) not in hashes


def test_a_member_that_claims_to_be_huge_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(BOMB_BYTES + 1))
    (tmp_path / "a.series").write_text(f"{SERIES_LIST_HEADING}\nbomb.zip//zeros\n", encoding="utf-8")
    with SeriesList(tmp_path / "a.series") as listed, pytest.raises(VolumeError, match="file 1 of the list") as caught:
        listed.open(0)
    assert caught.value.code == "archive-too-large"
