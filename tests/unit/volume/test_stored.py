"""Every accepted kind of file, and each way in which one can be unusable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.stored import read_stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]


def _code_of(image_path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        read_stored(image_path)
    assert caught.value.path == image_path
    assert str(caught.value).startswith(f"{image_path}: ")
    assert image_path.name not in caught.value.message + caught.value.remedy
    assert caught.value.remedy
    return caught.value.code


def _write(values: Array, image_path: Path, *, compress: bool = False) -> None:
    image = SimpleITK.GetImageFromArray(values.T, isVector=False)
    image.SetSpacing((0.7, 0.8, 2.5)[: image.GetDimension()] + (1.0,) * (image.GetDimension() - 3))
    image.SetOrigin((-10.0, 20.0, -300.0, 0.0)[: image.GetDimension()])
    SimpleITK.WriteImage(image, str(image_path), compress)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".NRRD"])
def test_all_kinds_read_alike_under_chinese_names(tmp_path: Path, random_values: Array, suffix: str) -> None:
    folder = tmp_path / "患者 一"
    folder.mkdir()
    _write(random_values, folder / f"皮髓质期{suffix}")
    values, grid = read_stored(folder / f"皮髓质期{suffix}")
    np.testing.assert_array_equal(values, random_values)
    assert values.dtype == np.int16
    np.testing.assert_allclose(grid.spacing_mm, (0.7, 0.8, 2.5), rtol=1e-6)
    np.testing.assert_allclose(grid.origin_mm, (-10.0, 20.0, -300.0), rtol=1e-6)
    np.testing.assert_allclose(grid.direction, np.eye(3), atol=1e-7)


def test_missing_empty_and_unknown(tmp_path: Path) -> None:
    assert _code_of(tmp_path / "gone.nii.gz") == "file-missing"
    (tmp_path / "empty.nii.gz").touch()
    assert _code_of(tmp_path / "empty.nii.gz") == "file-empty"
    (tmp_path / "image.jpg").write_bytes(b"\xff\xd8" * 100)
    assert _code_of(tmp_path / "image.jpg") == "file-kind"
    assert _code_of(tmp_path / ("x" * 300 + ".nii")) == "file-unreadable"


def test_one_file_of_a_series_names_the_folder_as_remedy(
    tmp_path: Path, write_series: Callable[..., list[Path]]
) -> None:
    (path,) = write_series(tmp_path / "s", values=np.zeros((4, 4, 1)), positions_mm=[(0, 0, 0)])
    with pytest.raises(VolumeError, match="folder that holds") as caught:
        read_stored(path)
    assert caught.value.code == "dicom-single-file"


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("compress", [False, True])
def test_truncated_files_are_noticed(tmp_path: Path, random_values: Array, name: str, compress: bool) -> None:
    _write(random_values, tmp_path / name, compress=compress)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-200])
    assert _code_of(tmp_path / name) == "file-unreadable"


def test_something_else_under_the_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_text("not an image")
    assert _code_of(tmp_path / "a.nrrd") == "file-unreadable"


@pytest.mark.parametrize(
    ("name", "line", "sheared"),
    [
        ("a.nrrd", rb"space directions: .*", b"space directions: (0.8,0.1,0) (0,0.8,0) (0,0.3,1)"),
        ("a.mha", rb"TransformMatrix = .*", b"TransformMatrix = 1 0 0 0.2 1 0 0 0 1"),
    ],
)
def test_sheared_axes_are_refused(tmp_path: Path, random_values: Array, name: str, line: bytes, sheared: bytes) -> None:
    _write(random_values, tmp_path / name)
    (tmp_path / name).write_bytes(re.sub(line, sheared, (tmp_path / name).read_bytes(), count=1))
    assert _code_of(tmp_path / name) == "affine-sheared"


def test_other_dimensions_are_refused_unless_they_are_one(tmp_path: Path, random_values: Array) -> None:
    _write(random_values[:, :, 0], tmp_path / "2d.mha")
    assert _code_of(tmp_path / "2d.mha") == "not-3d"
    _write(np.stack([random_values] * 2, axis=-1), tmp_path / "4d.mha")
    assert _code_of(tmp_path / "4d.mha") == "not-3d"
    _write(random_values[..., None], tmp_path / "3d.mha")
    values, grid = read_stored(tmp_path / "3d.mha")
    np.testing.assert_array_equal(values, random_values)
    assert grid.size == random_values.shape


def test_colours_are_refused(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "rgb.mha"))
    assert _code_of(tmp_path / "rgb.mha") == "not-scalar"
