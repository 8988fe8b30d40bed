"""NIfTI: the geometry and values of the header, and every kind of damage."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.nifti import read_nifti

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def _code_of(image_path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        read_nifti(image_path)
    assert image_path.name not in caught.value.message + caught.value.remedy
    assert caught.value.remedy
    return caught.value.code


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8", "i1", "u2", "u4"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_reads_what_simpleitk_writes(tmp_path: Path, kind: str, suffix: str) -> None:
    values = np.random.default_rng(1).integers(0, 120, (7, 6, 5)).astype(kind)
    angle = np.radians(25)
    direction = np.array([[0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)], [-1.0, 0, 0]])
    image = SimpleITK.GetImageFromArray(values.T)
    image.SetSpacing((1.5, 0.7, 0.9))
    image.SetOrigin((-10.0, 20.0, -300.0))
    image.SetDirection(direction.ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / f"a{suffix}"))
    read, grid, _ = read_nifti(tmp_path / f"a{suffix}")
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)
    np.testing.assert_allclose(grid.spacing_mm, (1.5, 0.7, 0.9), rtol=1e-6)
    np.testing.assert_allclose(grid.origin_mm, (-10.0, 20.0, -300.0), rtol=1e-6)
    np.testing.assert_allclose(grid.direction, direction, atol=1e-6)
    assert (grid.size, grid.source, grid.is_oriented) == ((7, 6, 5), "file", True)


@pytest.mark.parametrize("handedness", [1.0, -1.0])
def test_quaternion_agrees_with_simpleitk(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, handedness: float
) -> None:
    path = tmp_path / "q.nii"
    path.write_bytes(
        make_nifti(random_values, codes=(1, 0), quaternion=(handedness, 0.1, -0.3, 0.5), offset=(3.0, -4.0, 5.0))
    )
    _, grid, _ = read_nifti(path)
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_allclose(grid.direction, np.reshape(image.GetDirection(), (3, 3)), atol=1e-6)
    np.testing.assert_allclose(grid.spacing_mm, image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(grid.origin_mm, image.GetOrigin(), rtol=1e-6)


def test_the_affine_counts_where_pixdim_contradicts_it(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, sform=np.diag([0.8, 0.8, 3.0, 1.0])[:3], pixdim=(0.8, 0.8, 2.0)))
    assert read_nifti(path)[1].spacing_mm[2] == pytest.approx(3.0)


def test_the_sform_counts_where_the_qform_differs(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    sform = np.array([[-0.8, 0, 0, 5], [0, 0.8, 0, 7], [0, 0, 2.0, 9]])
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, sform=sform, codes=(1, 1)))
    _, grid, _ = read_nifti(path)
    assert grid.origin_mm == (-5.0, -7.0, 9.0)
    np.testing.assert_allclose(grid.direction, np.diag([1.0, -1.0, 1.0]))


@pytest.mark.parametrize(("units", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (10, 1.0), (3, 0.001)])
def test_units_of_length_become_mm(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, units: int, factor: float
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(
        make_nifti(random_values, units=units, pixdim=(1, 1, 1), sform=np.eye(4)[:3] * [1, 1, 1, 0] + [0, 0, 0, 2])
    )
    _, grid, _ = read_nifti(path)
    assert grid.spacing_mm == pytest.approx((factor, factor, factor))
    assert grid.origin_mm == pytest.approx((-2 * factor, -2 * factor, 2 * factor))


def test_without_any_affine_the_axes_are_assumed_and_it_is_said(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, codes=(0, 0)))
    _, grid, _ = read_nifti(path)
    assert not grid.is_oriented
    np.testing.assert_array_equal(grid.direction, np.eye(3))
    assert grid.spacing_mm == pytest.approx((0.8, 0.8, 2.0))


def test_big_endian(tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, order=">"))
    values, grid, _ = read_nifti(path)
    assert values.dtype.isnative
    np.testing.assert_array_equal(values, random_values)
    assert grid.spacing_mm == pytest.approx((0.8, 0.8, 2.0))


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_2(tmp_path: Path, random_values: Array, order: str) -> None:
    header = bytearray(544)
    affine = np.array([[-0.7, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 3.0, 30]])
    struct.pack_into(order + "i", header, 0, 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into(order + "2h", header, 12, 4, 16)
    struct.pack_into(order + "8q", header, 16, 3, *random_values.shape, 1, 1, 1, 1)
    struct.pack_into(order + "q", header, 168, 544)
    struct.pack_into(order + "2d", header, 176, 1.0, 0.0)
    struct.pack_into(order + "2i", header, 344, 0, 1)
    struct.pack_into(order + "12d", header, 400, *affine.ravel())
    struct.pack_into(order + "i", header, 500, 2)
    path = tmp_path / "a.nii"
    path.write_bytes(bytes(header) + random_values.astype(order + "i2").tobytes(order="F"))
    values, grid, _ = read_nifti(path)
    np.testing.assert_array_equal(values, random_values)
    np.testing.assert_allclose(grid.spacing_mm, (0.7, 0.7, 3.0))
    assert grid.origin_mm == (-10.0, -20.0, 30.0)


@pytest.mark.parametrize(
    ("slope", "kind"),
    [((0.0, 5.0), "i2"), ((1.0, 0.0), "i2"), ((float("nan"), 0.0), "i2"), ((2.0, -1024.0), "f4"), ((1.0, 3.0), "f4")],
)
def test_slope_and_intercept(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, slope: tuple[float, float], kind: str
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, slope=slope))
    values, _, _ = read_nifti(path)
    assert values.dtype == kind
    factor, offset = slope if kind == "f4" else (1.0, 0.0)
    np.testing.assert_array_equal(values, random_values * factor + offset)


def test_every_truncation_of_a_compressed_file_is_noticed(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    whole = gzip.compress(make_nifti(random_values))
    path = tmp_path / "a.nii.gz"
    for length in [*range(1, len(whole), 17), len(whole) - 9, len(whole) - 8, len(whole) - 4, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert _code_of(path) in {"file-truncated", "file-unreadable"}
    path.write_bytes(whole[: len(whole) // 2])
    assert _code_of(path) == "file-truncated"


def test_every_flipped_bit_of_a_compressed_image_is_noticed(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    whole = gzip.compress(make_nifti(random_values), 1)
    path = tmp_path / "a.nii.gz"
    for place in range(200, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        assert _code_of(path) in {"file-corrupt", "file-truncated", "file-unreadable"}


@pytest.mark.parametrize("compress", [False, True])
def test_an_image_that_ends_too_early_is_noticed(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, compress: bool
) -> None:
    short = make_nifti(random_values)[:-10]
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(short) if compress else short)
    assert _code_of(path) == "file-truncated"


def test_several_gzip_members_and_padding_are_read(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    whole = make_nifti(random_values)
    path = tmp_path / "a.nii.gz"
    for stored in (
        gzip.compress(whole[:700]) + gzip.compress(whole[700:]),
        gzip.compress(whole[:700]) + gzip.compress(whole[700:]) + bytes(64),
        gzip.compress(whole) + bytes(64),
        whole,
    ):
        path.write_bytes(stored)
        np.testing.assert_array_equal(read_nifti(path)[0], random_values)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not an image " * 50, "file-unreadable"),
        (gzip.compress(b"not an image " * 50, mtime=0), "file-unreadable"),
        (b"\x1f\x8b" + b"x" * 400, "file-corrupt"),
    ],
)
def test_something_else_under_the_name_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    assert _code_of(path) == code


def test_a_header_that_promises_too_much_is_refused_before_memory_is_asked_for(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, dim=(3, 30000, 30000, 30000)))
    assert _code_of(path) == "file-truncated"


def test_header_extensions_are_passed_over(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    whole = bytearray(make_nifti(random_values))
    struct.pack_into("<f", whole, 108, 352.0 + 900_000)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(bytes(whole[:352]) + bytes(900_000) + bytes(whole[352:])))
    np.testing.assert_array_equal(read_nifti(path)[0], random_values)


@pytest.mark.parametrize("dim", [(0, 4, 4, 4), (3, 4, 0, 4), (3, -4, 4, 4), (9, 4, 4, 4)])
def test_a_damaged_size_is_refused(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, dim: tuple[int, ...]
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, dim=dim))
    assert _code_of(path) == "file-unreadable"


def test_four_dimensions_are_refused_unless_the_fourth_is_one(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values[..., None]))
    np.testing.assert_array_equal(read_nifti(path)[0], random_values)
    path.write_bytes(make_nifti(np.stack([random_values, random_values], axis=-1)))
    assert _code_of(path) == "not-3d"


def test_two_dimensions_are_one_slice(tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values[:, :, 0]))
    assert read_nifti(path)[0].shape == (11, 9, 1)


def test_colours_are_refused(tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, datatype=128))
    assert _code_of(path) == "not-scalar"


@pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
def test_a_sheared_sform_is_refused_even_beside_a_sound_qform(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, codes: tuple[int, int]
) -> None:
    sform = np.array([[0.8, 0, 0.4, 0], [0, 0.8, 0, 0], [0, 0, 2.0, 0]])
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, sform=sform, codes=codes))
    assert _code_of(path) == "affine-sheared"


@pytest.mark.parametrize("sform", [np.zeros((3, 4)), np.full((3, 4), np.nan)])
def test_an_affine_without_sense_is_refused(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, sform: Array
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(make_nifti(random_values, sform=sform))
    assert _code_of(path) == "spacing-invalid"
