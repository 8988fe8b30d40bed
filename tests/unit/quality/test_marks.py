"""Marks by which pixels and persons are recognised again."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.quality.marks import each_mark, keyed_mark, shared_slices, slice_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_scan_has_the_same_marks_as_dicom_and_as_nifti(
    tmp_path: Path, write_series: Callable[..., list[Path]]
) -> None:
    values = np.random.default_rng(0).integers(0, 2000, (9, 7, 5)).astype(np.int16)
    positions = [(10.0, 20.0, -300.0 + 5 * k) for k in range(5)]
    write_series(tmp_path / "np", values=values, positions_mm=positions, rescale=(1, -1024))
    write_image(values[::-1] - 1024, tmp_path / "np.nii.gz", spacing_mm=(1.0, 1.0, 5.0), direction=np.diag([-1, 1, 1]))
    assert slice_marks(read_volume(tmp_path / "np")) == slice_marks(read_volume(tmp_path / "np.nii.gz"))


def test_one_voxel_changes_the_mark_of_its_slice_alone() -> None:
    values = np.random.default_rng(0).integers(-1000, 1000, (9, 7, 5)).astype(np.int16)
    other = values.copy()
    other[4, 4, 2] += 1
    first, second = (slice_marks(make_volume(one, spacing_mm=(1.0, 1.0, 1.0))) for one in (values, other))
    assert [a == b for a, b in zip(each_mark(first), each_mark(second), strict=True)] == [True, True, False, True, True]
    assert shared_slices(first, second) == 4
    assert shared_slices(first, first[16:48]) == 2


def test_empty_slices_are_not_alike() -> None:
    values = np.full((4, 4, 3), -1024)
    values[0, 0, 1] = 3
    marks = slice_marks(make_volume(values, spacing_mm=(1.0, 1.0, 1.0)))
    assert (marks[:16], marks[32:]) == ("0" * 16, "0" * 16)
    assert each_mark(marks) == [marks[16:32]]
    assert shared_slices(marks, marks) == 1


def test_shape_counts() -> None:
    values = np.arange(64).reshape(8, 8, 1).repeat(3, axis=2)
    marks = [slice_marks(make_volume(one, spacing_mm=(1.0, 1.0, 1.0))) for one in (values, values.reshape(4, 16, 3))]
    assert shared_slices(*marks) == 0


def test_a_person_is_known_by_words_not_by_their_spelling() -> None:
    assert keyed_mark("Nowak^Anna", "19500101") == keyed_mark(" NOWAK  ANNA", "19500101")
    assert keyed_mark("Nowak^Anna", "19500101") != keyed_mark("Nowak^Anna", "19500102")
    assert keyed_mark("", "19500101") == keyed_mark("Nowak", " ") == ""
    assert "nowak" not in keyed_mark("Nowak", "19500101")


def test_marks_of_persons_differ_between_processes() -> None:
    code = "from nephrograde.quality.marks import keyed_mark; print(keyed_mark('Nowak', '19500101'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert len(found) == len(keyed_mark("Nowak", "19500101"))
    assert found != keyed_mark("Nowak", "19500101")
