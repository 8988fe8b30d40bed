"""Headers of a series: kernel, thickness, tilt, and the person."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.quality.acquisition import (
    Acquisition,
    check_acquisition,
    read_acquisition,
    read_person_marks,
)
from nephrograde.quality.marks import PersonMarks
from nephrograde.volume.dicom.series_list import SERIES_LIST_HEADING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    WriteSeries = Callable[..., list[Path]]

PERSON = {"PatientName": "王^小明", "SpecificCharacterSet": "ISO_IR 192", "PatientBirthDate": "19600101"}


@pytest.fixture
def write(write_series: WriteSeries) -> WriteSeries:
    def some_slices(series_dir: Path, **entries: object) -> list[Path]:
        values = np.ones((4, 4, 6), dtype=np.int16)
        positions = [(0.0, 0.0, 5.0 * k) for k in range(6)]
        return write_series(series_dir, values=values, positions_mm=positions, **entries)

    return some_slices


def test_kernel_thickness_and_tilt_are_read(tmp_path: Path, write: WriteSeries) -> None:
    write(tmp_path / "a", ConvolutionKernel="B30f", GantryDetectorTilt="-12.5")
    assert read_acquisition(tmp_path / "a") == Acquisition(("B30f",), (7.5,), 12.5)
    (fault,) = check_acquisition(read_acquisition(tmp_path / "a"))
    assert (fault.code, "tilted by 12.5°" in fault.message) == ("gantry-tilt", True)


def test_two_kernels_in_one_series_are_seen(tmp_path: Path, write: WriteSeries) -> None:
    write(tmp_path / "a", ConvolutionKernel=["B30f"] * 3 + ["B70f"] * 3)
    assert [fault.code for fault in check_acquisition(read_acquisition(tmp_path / "a"))] == ["mixed-kernel"]


def test_headers_that_say_nothing_are_no_fault(tmp_path: Path, write: WriteSeries) -> None:
    write(tmp_path / "a", SliceThickness=None)
    assert read_acquisition(tmp_path / "a") == Acquisition()
    assert check_acquisition(Acquisition(tilt_deg=0.1)) == []


def test_damaged_and_foreign_files_are_passed_over(tmp_path: Path, write: WriteSeries) -> None:
    write(tmp_path / "a", ConvolutionKernel="B30f")
    (tmp_path / "a" / "AAA").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    (tmp_path / "a" / "AAB.txt").write_text("notes", encoding="utf-8")
    assert read_acquisition(tmp_path / "a").kernels == ("B30f",)
    assert read_person_marks(tmp_path / "a").study
    assert read_acquisition(tmp_path / "missing") == Acquisition()
    assert read_person_marks(tmp_path / "missing") == PersonMarks()


def test_a_series_list_is_followed_into_archives(tmp_path: Path, write: WriteSeries) -> None:
    paths = write(tmp_path / "a", ConvolutionKernel=["B30f", "B40f"] + ["B30f"] * 4, **PERSON)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(paths[1], "CT/1")
    lines = [SERIES_LIST_HEADING, "a/IM000", "export.zip//CT/1", "export.zip//gone", "a/gone"]
    (tmp_path / "np.series").write_text("\n".join(lines), encoding="utf-8")
    assert read_acquisition(tmp_path / "np.series").kernels == ("B30f", "B40f")
    assert read_person_marks(tmp_path / "np.series") == read_person_marks(tmp_path / "a")


def test_one_person_has_one_mark_in_any_encoding(tmp_path: Path, write: WriteSeries) -> None:
    write(tmp_path / "a", **PERSON, PatientSex="M")
    write(tmp_path / "b", **(PERSON | {"SpecificCharacterSet": "GB18030"}), PatientSex="M")
    write(tmp_path / "c", **(PERSON | {"PatientBirthDate": "19600102"}), PatientSex="M")
    a, b, c = (read_person_marks(tmp_path / name) for name in "abc")
    assert a.person == b.person != c.person
    assert a.born == b.born != c.born
    assert a.study != b.study


def test_an_anonymous_header_marks_no_person(tmp_path: Path, write: WriteSeries) -> None:
    write(tmp_path / "a", PatientName="ANON", PatientBirthDate="")
    marks = read_person_marks(tmp_path / "a")
    assert (marks.person, marks.born) == ("", "")


def test_mutated_headers_never_stop_the_check(tmp_path: Path, write: WriteSeries) -> None:
    sound = bytearray(write(tmp_path / "a", ConvolutionKernel="B30f", **PERSON)[0].read_bytes())
    rng = np.random.default_rng(7)
    mutated_path = tmp_path / "mutated.dcm"
    for _ in range(400):
        content = sound.copy()
        for at in rng.integers(128, len(content), rng.integers(1, 30)):
            content[at] = rng.integers(256)
        mutated_path.write_bytes(content[: rng.integers(132, 2 * len(content))])
        assert len(read_acquisition(mutated_path).kernels) <= 1
        assert read_person_marks(mutated_path).study is not None
