"""A zip archive with one series is read like the folder that was packed."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALUES = np.random.default_rng(2).integers(0, 2000, (6, 5, 4))
POSITIONS = [(0.0, 0.0, 2.5 * k) for k in range(4)]


def pack(paths: list[Path], archive_path: Path, prefix: str = "CT/") -> Path:
    with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "not an image")
        for path in paths:
            archive.write(path, f"{prefix}{path.name}")
    return archive_path


@pytest.fixture
def series(write_series: Callable[..., list[Path]], tmp_path: Path) -> list[Path]:
    return write_series(tmp_path / "series", values=VALUES, positions_mm=POSITIONS)


def test_an_archive_reads_like_its_folder(series: list[Path], tmp_path: Path) -> None:
    folder = read_volume(series[0].parent)
    for name in ("a.zip", "without-ending"):
        packed = read_volume(pack(series[::-1], tmp_path / name))
        assert np.array_equal(packed.values, folder.values)
        assert (packed.spacing_mm, packed.origin_mm) == (folder.spacing_mm, folder.origin_mm)


def test_a_nested_archive_is_read_too(series: list[Path], tmp_path: Path) -> None:
    inner = pack(series, tmp_path / "inner.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.writestr("inner.zip", inner)
    assert read_volume(tmp_path / "outer.zip").values.shape == (6, 5, 4)


def test_a_localiser_beside_the_series_is_left_out(
    series: list[Path], write_series: Callable[..., list[Path]], tmp_path: Path
) -> None:
    scout = write_series(tmp_path / "scout", values=VALUES[:, :, :1], positions_mm=POSITIONS[:1], names=["SCOUT"])
    assert read_volume(pack([*scout, *series], tmp_path / "a.zip")).values.shape == (6, 5, 4)


def code_of(path: Path) -> str:
    with pytest.raises(VolumeError) as refused:
        read_volume(path)
    assert refused.value.path == path
    return refused.value.code


def test_two_series_in_one_archive_are_refused(
    series: list[Path], write_series: Callable[..., list[Path]], tmp_path: Path
) -> None:
    other = write_series(tmp_path / "other", values=VALUES, positions_mm=POSITIONS, names=[f"O{k}" for k in range(4)])
    assert code_of(pack([*series, *other], tmp_path / "a.zip")) == "dicom-several-series"


@pytest.mark.parametrize("damage", ["cut", "no DICOM", "leads out"])
def test_an_archive_that_is_not_read_is_named(series: list[Path], tmp_path: Path, damage: Any) -> None:
    path = pack(series, tmp_path / "a.zip", "../" if damage == "leads out" else "")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    if damage == "no DICOM":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("a.txt", "text")
        path.write_bytes(content.getvalue())
    assert code_of(path) == ("dicom-none" if damage == "no DICOM" else "archive-damaged")


@pytest.mark.parametrize("lost", [9, 23])
def test_a_member_that_cannot_be_unpacked_costs_its_slice(
    write_series: Callable[..., list[Path]], tmp_path: Path, lost: int
) -> None:
    values = np.random.default_rng(2).integers(0, 2000, (40, 40, 24))
    positions = [(0.0, 0.0, 2.5 * k) for k in range(24)]
    paths = write_series(tmp_path / "series", values=values, positions_mm=positions)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    pixels = paths[lost].read_bytes()[-500:]
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes().replace(pixels, bytes(500), 1))
    volume = read_volume(tmp_path / "a.zip")
    assert (volume.bridged, volume.values.shape[2]) == (((9,), 24) if lost == 9 else ((), 23))
    (fault,) = volume.faults
    assert fault.code == "dicom-slice-lost"
    assert f"file {lost + 1} of the archive" in fault.message
