"""Which files an image lies in: a change of any of them is a change of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.predict.many.patient import NewPatient, inputs_sha256
from nephrograde.volume.image_files import further_files, sha256_of_image
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from pathlib import Path

HEADERS = {
    "ct.mhd": """ObjectType = Image
NDims = 3
DimSize = 4 4 3
ElementType = MET_SHORT
ElementSpacing = 1 1 5
ElementDataFile = {data}
""",
    "ct.nhdr": """NRRD0004
type: short
dimension: 3
sizes: 4 4 3
spacings: 1 1 5
encoding: raw
endian: little
data file: {data}
""",
}


def write(folder: Path, name: str, first: int) -> Path:
    values = np.arange(48, dtype="<i2") + np.int16(first)
    (folder / "ct.raw").write_bytes(values.tobytes())
    (folder / name).write_text(HEADERS[name].format(data="ct.raw"), encoding="utf-8")
    return folder / name


def scan_of(path: Path) -> Scan:
    return Scan("np", path, mask_path=None, point=None, box=None, slice_place=None)


@pytest.mark.parametrize("name", HEADERS)
def test_voxels_in_a_file_of_their_own_belong_to_the_image(tmp_path, name):
    path = write(tmp_path, name, 0)
    assert read_volume(path).values.flat[0] == 0
    before = sha256_of_image(path)
    graded_before = inputs_sha256(NewPatient("P1", {"np": scan_of(path)}))
    assert further_files(path) == [tmp_path / "ct.raw"]
    assert sha256_of_image(write(tmp_path, name, 0)) == before
    assert sha256_of_image(write(tmp_path, name, 7)) != before
    assert inputs_sha256(NewPatient("P1", {"np": scan_of(path)})) != graded_before
    (tmp_path / "ct.raw").unlink()
    assert sha256_of_image(path) != before  # a missing file is hashed as such


@pytest.mark.parametrize("name", HEADERS)
def test_one_file_a_slice(tmp_path, name):
    for k in (1, 2, 3):
        (tmp_path / f"slice{k:03d}.raw").write_bytes(bytes(32))
    (tmp_path / "other.raw").touch()
    path = tmp_path / name
    path.write_text(HEADERS[name].format(data="slice%03d.raw 1 3 1"), encoding="utf-8")
    assert [file.name for file in further_files(path)] == ["slice001.raw", "slice002.raw", "slice003.raw"]


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("elsewhere", ["../ct.raw", "/etc/hostname", "..", "a\\b"])
def test_files_elsewhere_are_not_read(tmp_path, name, elsewhere):
    path = tmp_path / name
    path.write_text(HEADERS[name].format(data=elsewhere), encoding="utf-8")
    assert further_files(path) == []


def test_an_image_in_one_file_has_no_others(tmp_path):
    path = tmp_path / "ct.mha"
    path.write_text(HEADERS["ct.mhd"].format(data="LOCAL"), encoding="utf-8")
    assert further_files(path) == further_files(tmp_path / "gone.mhd") == further_files(tmp_path) == []
