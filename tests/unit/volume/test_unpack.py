"""Decompression in pieces."""

from __future__ import annotations

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume import unpack

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = np.random.default_rng(8).integers(0, 30, 5000).astype(np.uint8).tobytes()


PIECES = pytest.mark.parametrize("piece_bytes", [2, 7, 64, 1 << 19])


@PIECES
@pytest.mark.parametrize("padding", [0, 1, 200])
@pytest.mark.parametrize("members", [1, 2, 5])
def test_members_and_padding(tmp_path: Path, members: int, padding: int, piece_bytes: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(CONTENT) * members + bytes(padding))
    assert b"".join(unpack.read_pieces(path, piece_bytes=piece_bytes)) == CONTENT * members


@PIECES
def test_zeros_between_members(tmp_path: Path, piece_bytes: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(CONTENT) + bytes(70) + gzip.compress(CONTENT))
    assert b"".join(unpack.read_pieces(path, piece_bytes=piece_bytes)) == CONTENT * 2


def test_other_files_come_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    for content in (CONTENT, b"", b"\x1f"):
        path.write_bytes(content)
        assert b"".join(unpack.read_pieces(path)) == content


def _code_of(path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        list(unpack.read_pieces(path))
    assert path.name not in caught.value.message + caught.value.remedy
    return caught.value.code


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    whole = gzip.compress(CONTENT)
    path = tmp_path / "a.gz"
    for length in [*range(2, len(whole), 11), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert _code_of(path) == "file-truncated"


def _content(path: Path) -> bytes | None:
    try:
        return b"".join(unpack.read_pieces(path))
    except VolumeError:
        return None


@pytest.mark.parametrize("level", [0, 1, 9])
def test_every_flipped_bit_is_noticed(tmp_path: Path, level: int) -> None:
    whole = zlib.compress(CONTENT, level, 31)
    path = tmp_path / "a.gz"
    for place in range(10, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x08]) + whole[place + 1 :])
        assert _content(path) in {None, CONTENT}  # a few bits of a stored block have no meaning


def test_rubbish_behind_the_end_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(CONTENT) + b"rubbish that is no gzip")
    assert _code_of(path) == "file-corrupt"


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.volume.unpack.usable_processors", lambda: 2)


@pytest.mark.usefixtures("two_processors")
def test_at_once_gives_the_same_bytes(tmp_path: Path) -> None:
    content = np.random.default_rng(8).integers(0, 30, 2_000_000).astype(np.uint8)
    path = tmp_path / "扫描.nii.gz"
    path.write_bytes(gzip.compress(content.tobytes()))
    read = unpack.read_at_once(path, len(content), most_chunk_bytes=1 << 17)  # several, whose borders fall anywhere
    assert read is not None
    assert np.array_equal(read, content)


@pytest.mark.usefixtures("two_processors")
def test_at_once_leaves_what_is_not_whole_to_the_careful_way(tmp_path: Path) -> None:
    whole = gzip.compress(CONTENT)
    path = tmp_path / "a.gz"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 16
    wrong_checksum = bytearray(whole)
    wrong_checksum[-6] ^= 1
    for damaged in (
        whole[:-1],
        whole[:-8],
        whole + bytes(4),
        whole * 2,
        CONTENT,
        bytes(flipped),
        bytes(wrong_checksum),
    ):
        path.write_bytes(damaged)
        assert unpack.read_at_once(path, len(CONTENT)) is None


@pytest.mark.usefixtures("two_processors")
def test_at_once_is_for_a_scan_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(CONTENT))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(unpack.read_at_once, path, len(CONTENT)).result() is None
    assert unpack.read_at_once(path, len(CONTENT)) is not None
    monkeypatch.setattr("nephrograde.volume.unpack.usable_processors", lambda: 1)
    assert unpack.read_at_once(path, len(CONTENT)) is None


def test_a_file_that_is_nearly_empty_comes_in_small_pieces(tmp_path: Path) -> None:
    content = bytearray(9 << 20)
    content[5_000_000:5_000_100] = b"x" * 100
    path = tmp_path / "a.gz"
    for members in (bytes(content), bytes(4 << 20), bytes(8 << 20)):  # the last ones end with a full piece
        path.write_bytes(gzip.compress(members) * 2)
        pieces = list(unpack.read_pieces(path))
        assert b"".join(pieces) == members * 2
        assert max(map(len, pieces)) <= 4 << 20
    path.write_bytes(gzip.compress(bytes(8 << 20))[:-12])
    assert _code_of(path) == "file-truncated"
