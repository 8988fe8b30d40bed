"""Series lists: the files of one series, wherever they are, including in archives."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series_list import SERIES_LIST_HEADING
from nephrograde.volume.stored import read_stored

Array = npt.NDArray[Any]
Writer = Callable[..., list[Path]]
POSITIONS = [(0.0, 0.0, 2.0 * k) for k in range(4)]


@pytest.fixture
def pixels() -> Array:
    return np.random.default_rng(9).integers(0, 3000, (6, 5, 4)).astype(np.uint16)


@pytest.fixture
def paths(tmp_path: Path, write_series: Writer, pixels: Array) -> list[Path]:
    """Two acquisitions of one series, mixed in one folder whose names identify the patient."""
    both = np.concatenate([pixels, pixels + 500], axis=2)
    return write_series(tmp_path / "王小东 19640512", values=both, positions_mm=POSITIONS * 2)


def _list(list_path: Path, lines: list[str]) -> Path:
    list_path.write_text("\n".join([SERIES_LIST_HEADING, *lines, ""]), encoding="utf-8")
    return list_path


def test_a_list_picks_one_of_two_acquisitions(tmp_path: Path, paths: list[Path], pixels: Array) -> None:
    second = [path.relative_to(tmp_path).as_posix() for path in reversed(paths[4:])]
    values, grid = read_stored(_list(tmp_path / "P0001-np.series", second))
    np.testing.assert_array_equal(values, pixels.astype(int) + 500 - 1024)
    assert grid.size == (6, 5, 4)
    absolute = read_stored(_list(tmp_path / "absolute.SERIES", [str(path) for path in paths[:4]]))
    np.testing.assert_array_equal(absolute[0], pixels.astype(int) - 1024)


def test_members_of_archives_are_read(tmp_path: Path, paths: list[Path], pixels: Array) -> None:
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as inner:
        inner.write(paths[3], "IM3")
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for k in (0, 1):
            archive.write(paths[k], f"影像/IM{k}")
        archive.write(tmp_path / "inner.zip", "more/inner.zip")
    lines = [
        "export.zip//影像/IM0",
        "export.zip//影像/IM1",
        paths[2].relative_to(tmp_path).as_posix(),
        "export.zip//more/inner.zip//IM3",
    ]
    np.testing.assert_array_equal(read_stored(_list(tmp_path / "a.series", lines))[0], pixels.astype(int) - 1024)


def _code_of(list_path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        read_stored(list_path)
    assert caught.value.remedy
    assert "小东" not in str(caught.value)
    return caught.value.code


def test_messages_count_the_files_and_do_not_name_them(tmp_path: Path, paths: list[Path]) -> None:
    lines = [path.relative_to(tmp_path).as_posix() for path in paths[:4]]
    gone = _list(tmp_path / "a.series", [*lines, "王小东/gone"])
    with pytest.raises(VolumeError, match="file 5 of the list is not there"):
        read_stored(gone)
    assert _code_of(gone) == "file-missing"
    assert _code_of(_list(tmp_path / "a.series", [lines[0], lines[1], lines[3]])) == "dicom-gap"
    assert _code_of(_list(tmp_path / "a.series", [*lines, str(paths[4])])) == "dicom-duplicate"
    paths[2].write_bytes(paths[2].read_bytes()[:-40])
    assert _code_of(_list(tmp_path / "a.series", lines)) == "file-truncated"
    paths[2].write_bytes(b"no DICOM" * 40)
    with pytest.raises(VolumeError, match="file 3 of the list: is not a DICOM file"):
        read_stored(_list(tmp_path / "a.series", lines))
    if os.name == "posix":
        assert _code_of(_list(tmp_path / "a.series", [*lines, "王小东" * 100])) in {"file-missing", "file-unreadable"}


@pytest.mark.parametrize("line", ["a.zip//gone", "no.zip//x", "gone.zip//x", "a.zip//王小东//x", "a.zip//crc"])
def test_archives_that_fail_are_findings(tmp_path: Path, paths: list[Path], line: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(paths[0], "王小东")
        archive.writestr("crc", b"0123456789" * 50)
    damaged = (tmp_path / "a.zip").read_bytes().replace(b"0123456789", b"0123456780", 1)
    (tmp_path / "a.zip").write_bytes(damaged)
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 but no archive")
    assert _code_of(_list(tmp_path / "a.series", [line])) in {"file-missing", "archive-damaged"}


@pytest.mark.parametrize("content", [b"", b"a\nb\n", SERIES_LIST_HEADING.encode(), b"\xff\xfe\x00"])
def test_what_is_no_list_says_what_one_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.series").write_bytes(content)
    with pytest.raises(VolumeError) as caught:
        read_stored(tmp_path / "a.series")
    assert caught.value.code == "series-list"
