"""Thousands of damaged series: each is read or refused with a reason; nothing else ever happens."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.one_slice import SourceFile
from nephrograde.volume.dicom.series import read_series
from nephrograde.volume.dicom.slices import find_slices

if TYPE_CHECKING:
    from collections.abc import Callable

MUTATIONS = 2500


def _mutated(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    where = range(128, min(len(content), 1600))
    match chance.randrange(4):
        case 0:
            return bytes(damaged[: chance.choice(where)])
        case 1:
            for _ in range(chance.randrange(1, 9)):
                damaged[chance.choice(where)] = chance.randrange(256)
        case 2:
            at = chance.choice(where)
            damaged[at : at + chance.randrange(1, 30)] = chance.randbytes(chance.randrange(30))
        case _:
            at, source = chance.choice(where), chance.choice(where)
            damaged[at : at + 20] = damaged[source : source + 20]
    return bytes(damaged)


@pytest.fixture
def originals(tmp_path: Path, write_series: Callable[..., list[Path]]) -> list[bytes]:
    values = np.random.default_rng(2).integers(0, 3000, (8, 8, 3)).astype(np.uint16)
    paths = write_series(tmp_path / "plain", values=values, positions_mm=[(0, 0, 2.0 * k) for k in range(3)])
    compressed = pydicom.dcmread(paths[1])
    compressed.compress(RLELossless)
    compressed.save_as(tmp_path / "rle")
    segmentation = Path(pydicom.__file__).parent / "data" / "test_files" / "liver_1frame.dcm"
    dataset = pydicom.dcmread(segmentation)
    dataset.Modality, dataset.SeriesInstanceUID = "CT", pydicom.dcmread(paths[0]).SeriesInstanceUID
    dataset.Rows = dataset.Columns = 8
    dataset.PixelData = bytes(8)
    dataset.save_as(tmp_path / "frames")
    return [*(path.read_bytes() for path in paths), (tmp_path / "rle").read_bytes(), (tmp_path / "frames").read_bytes()]


@pytest.mark.slow
def test_headers_never_raise_anything_but_a_finding(tmp_path: Path, originals: list[bytes]) -> None:
    chance = random.Random(20261123)  # noqa: S311 - the same mutations every time
    path = tmp_path / "damaged"
    seen: Counter[str] = Counter()
    for k in range(MUTATIONS):
        path.write_bytes(_mutated(originals[k % len(originals)], chance))
        try:
            find_slices([SourceFile(path, "here")])
        except VolumeError as error:
            seen[error.code if error.message and error.remedy else "silent"] += 1
        else:
            seen["read"] += 1
    assert "silent" not in seen
    assert seen["read"] > MUTATIONS / 10
    assert seen["dicom-header"] > 30


@pytest.mark.slow
def test_series_with_one_damaged_file_are_read_or_refused(tmp_path: Path, originals: list[bytes]) -> None:
    chance = random.Random(7)  # noqa: S311
    series_dir = tmp_path / "series"
    series_dir.mkdir()
    for k in (0, 2):
        (series_dir / str(k)).write_bytes(originals[k])
    seen: Counter[str] = Counter()
    for k in range(MUTATIONS // 5):
        (series_dir / "1").write_bytes(_mutated(originals[3 if k % 3 == 0 else 1], chance))
        try:
            seen[f"read {read_series(series_dir).values.shape}"] += 1
        except VolumeError as error:
            seen[error.code] += 1
    assert seen["read (8, 8, 3)"] > 30
    assert len(seen) > 4
