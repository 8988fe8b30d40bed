"""Headers that contradict themselves, leave the geometry out, claim more than the file holds, or point elsewhere."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.check import check_volume
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]
UNIT = np.array([[-1.0, 0, 0, 5], [0, -1.0, 0, 6], [0, 0, 1.0, 7]])


def _codes(image_path: Path) -> list[str]:
    return [fault.code for fault in check_volume(read_volume(image_path))]


def _refused(image_path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        read_volume(image_path)
    assert image_path.name not in caught.value.message + caught.value.remedy
    return caught.value.code


def test_an_sform_without_scale_takes_that_of_pixdim(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    for codes in ((0, 1), (1, 1)):
        (tmp_path / "a.nii").write_bytes(
            make_nifti(random_values, sform=UNIT, codes=codes, pixdim=(1.4, 1.4, 3), quaternion=(1, 0, 0, 1))
        )
        volume = read_volume(tmp_path / "a.nii")
        assert volume.spacing_mm == pytest.approx(SimpleITK.ReadImage(str(tmp_path / "a.nii")).GetSpacing())
        assert volume.to_mm((0, 0, 0)) == pytest.approx((-5, -6, 7))
        assert [fault.code for fault in check_volume(volume)] == ["voxel-size-conflict"]


@pytest.mark.parametrize(
    ("how", "codes"),
    [
        ({"sform": np.diag([0.8, 0.8, 3.0, 1])[:3]}, ["voxel-size-conflict"]),
        ({"sform": np.diag([-0.8, -0.8, 2.0, 1])[:3], "codes": (1, 1)}, ["affine-conflict"]),
        ({"sform": np.diag([0.8, 0.8, 2.0, 1])[:3], "codes": (1, 1)}, []),
        ({"sform": np.diag([0.8, 0.8, 2.0, 1])[:3], "codes": (1, 1), "offset": (0, 0, 9)}, ["affine-conflict"]),
        ({"sform": np.diag([0.8, 0.8, 2.0, 1])[:3], "pixdim": (0.8, -0.8, 2)}, ["spacing-negative"]),
        ({"codes": (1, 0), "pixdim": (-0.8, 0.8, 2)}, ["spacing-negative"]),
        ({"codes": (1, 0), "quaternion": (-1, 0, 0, 0)}, []),
        ({"codes": (0, 0)}, ["no-orientation"]),
    ],
)
def test_contradictions_of_a_nifti_header(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, how: dict[str, Any], codes: list[str]
) -> None:
    (tmp_path / "a.nii").write_bytes(make_nifti(random_values, **how))
    assert _codes(tmp_path / "a.nii") == codes


def test_a_negative_voxel_size_does_not_mirror_the_image(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    for name, pixdim in (("a", (0.8, 0.8, 2.0)), ("b", (-0.8, 0.8, -2.0))):
        (tmp_path / f"{name}.nii").write_bytes(make_nifti(random_values, codes=(1, 0), pixdim=pixdim))
    one, other = (read_volume(tmp_path / f"{name}.nii") for name in "ab")
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("offset", [0.0, 100.0, float("inf"), float("nan"), -1.0])
def test_an_impossible_offset_is_named(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, offset: float
) -> None:
    content = bytearray(make_nifti(random_values))
    struct.pack_into("<f", content, 108, offset)
    (tmp_path / "a.nii").write_bytes(bytes(content))
    with pytest.raises(VolumeError, match="vox_offset") as caught:
        read_volume(tmp_path / "a.nii")
    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize("lowest", [-3.4028235e38, -1e30, -2147483648.0])
def test_an_impossible_background_becomes_the_lowest_of_the_rest(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array, lowest: float
) -> None:
    values = random_values.astype(np.float32)
    values[:2] = lowest
    (tmp_path / "a.nii").write_bytes(make_nifti(values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(tmp_path / "a.nii")
        codes = [fault.code for fault in check_volume(volume)]
    assert codes == ["background-replaced"]
    assert volume.values.min() == random_values[2:].min()


def _nrrd(values: Array, *fields: str, sizes: str = "", encoding: str = "raw") -> bytes:
    sizes = sizes or " ".join(map(str, values.shape))
    kind = {"i2": "short", "u1": "uchar"}[values.dtype.str[1:]]
    lines = ["NRRD0004", f"type: {kind}", "dimension: 3", f"sizes: {sizes}", "endian: little", f"encoding: {encoding}"]
    content = values.tobytes(order="F")
    body = gzip.compress(content) if encoding == "gzip" else content
    return "\n".join([*lines, *fields]).encode() + b"\n\n" + body


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ((), ["voxel-size-missing", "no-orientation"]),
        (("spacings: 0.8 0.8 2",), ["no-orientation"]),
        (("space: left-posterior-superior", "space directions: (0.8,0,0) (0,0.8,0) (0,0,2)"), []),
        (("space directions: none none none", "space dimension: 3"), None),
    ],
)
def test_an_nrrd_that_does_not_state_its_geometry(
    tmp_path: Path, random_values: Array, fields: tuple[str, ...], codes: list[str] | None
) -> None:
    (tmp_path / "a.nrrd").write_bytes(_nrrd(random_values, *fields))
    if codes is None:
        assert _refused(tmp_path / "a.nrrd") == "file-unreadable"
    else:
        assert _codes(tmp_path / "a.nrrd") == codes


SPACE = "space: left-posterior-superior"


@pytest.mark.parametrize(
    ("unit", "scale", "codes"),
    [
        ("mm", 1.0, []),
        ("", 1.0, []),
        ("cm", 0.1, []),
        ("Centimeters", 0.1, []),
        ("m", 0.001, []),
        ("metres", 0.001, []),
        ("um", 1000.0, []),
        ("µm", 1000.0, []),
        ("microns", 1000.0, []),
        ("inches", 1 / 25.4, []),
        ("furlong", 1.0, ["voxel-size-unit"]),
    ],
)
def test_lengths_are_read_in_the_unit_of_the_header(
    tmp_path: Path, random_values: Array, unit: str, scale: float, codes: list[str]
) -> None:
    x, y, z = 0.8 * scale, 0.9 * scale, 2 * scale
    origin = f"space origin: ({-110 * scale},{20 * scale},{-900 * scale})"
    directions = f"space directions: ({x},0,0) (0,{y},0) (0,0,{z})"
    units = f'space units: "{unit}" "{unit}" "{unit}"'
    (tmp_path / "a.nrrd").write_bytes(_nrrd(random_values, SPACE, directions, origin, units))
    volume = read_volume(tmp_path / "a.nrrd")
    assert volume.spacing_mm == pytest.approx((0.8, 0.9, 2.0))
    assert volume.origin_mm == pytest.approx((-110.0, 20.0, -900.0))
    assert [fault.code for fault in volume.faults] == codes
    (tmp_path / "b.nrrd").write_bytes(
        _nrrd(random_values, f"spacings: {x} {y} {z}", f'units: "{unit}" "{unit}" "{unit}"')
    )
    assert read_volume(tmp_path / "b.nrrd").spacing_mm == pytest.approx((0.8, 0.9, 2.0))


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("cm", 0.1), ("um", 1000.0), ("?", 1.0)])
def test_an_mha_is_read_in_the_unit_of_its_header(
    tmp_path: Path, random_values: Array, unit: str, scale: float
) -> None:
    spacing = f"ElementSpacing = {0.8 * scale} {0.9 * scale} {2 * scale}"
    (tmp_path / "a.mha").write_bytes(
        _mha(random_values, f"DistanceUnits = {unit}", "TransformMatrix = 1 0 0 0 1 0 0 0 1", spacing)
    )
    assert read_volume(tmp_path / "a.mha").spacing_mm == pytest.approx((0.8, 0.9, 2.0))


def test_a_mask_is_read_in_the_unit_of_its_header(tmp_path: Path, random_values: Array) -> None:
    """As one label map, and as a segment of 3D Slicer."""
    volume = make_volume(random_values, spacing_mm=(8.0, 9.0, 20.0))
    mask = np.zeros(random_values.shape, np.uint8)
    mask[3:6, 2:5, 2:4] = 1
    geometry = (SPACE, "space directions: (0.8,0,0) (0,0.9,0) (0,0,2)", 'space units: "cm" "cm" "cm"')
    for entries in ((), ("Segment0_Name:=tumour", "Segment0_LabelValue:=1")):
        (tmp_path / "m.seg.nrrd").write_bytes(_nrrd(mask, *geometry, *entries))
        np.testing.assert_array_equal(read_marks(tmp_path / "m.seg.nrrd", volume).mask, mask > 0)


def test_a_file_without_its_geometry_is_named(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    """What nibabel writes with np.eye(4), and SimpleITK after GetImageFromArray."""
    (tmp_path / "a.nii").write_bytes(make_nifti(random_values, pixdim=(1.0, 1.0, 1.0)))
    assert _codes(tmp_path / "a.nii") == ["voxel-size-default"]
    for name in ("b.nii.gz", "b.nrrd", "b.mha"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(random_values.T), str(tmp_path / name))
        assert _codes(tmp_path / name) == ["voxel-size-default"]
    (tmp_path / "c.nii").write_bytes(make_nifti(random_values, pixdim=(1.0, 1.0, 2.0)))
    assert _codes(tmp_path / "c.nii") == []
    resampled = np.column_stack([np.eye(3), (-120.0, -110.5, 30.0)])
    (tmp_path / "d.nii").write_bytes(make_nifti(random_values, pixdim=(1.0, 1.0, 1.0), sform=resampled))
    assert _codes(tmp_path / "d.nii") == []


def _mha(values: Array, *fields: str, size: str = "", data: str = "LOCAL") -> bytes:
    size = size or " ".join(map(str, values.shape))
    lines = ["ObjectType = Image", "NDims = 3", f"DimSize = {size}", "BinaryData = True", "ElementType = MET_SHORT"]
    return "\n".join([*lines, *fields, f"ElementDataFile = {data}"]).encode() + b"\n" + values.tobytes(order="F")


def test_an_mha_that_does_not_state_its_geometry(tmp_path: Path, random_values: Array) -> None:
    (tmp_path / "a.mha").write_bytes(_mha(random_values))
    assert _codes(tmp_path / "a.mha") == ["voxel-size-missing", "no-orientation"]
    (tmp_path / "a.mha").write_bytes(
        _mha(random_values, "TransformMatrix = 1 0 0 0 1 0 0 0 1", "ElementSpacing = 1 1 2")
    )
    assert _codes(tmp_path / "a.mha") == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.raw", "sub/secret.raw", "..\\secret.raw"])
def test_a_header_names_files_beside_it_only(tmp_path: Path, random_values: Array, name: str) -> None:
    folder = tmp_path / "case"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "secret.raw", folder / "sub" / "secret.raw"):
        path.write_bytes(random_values.tobytes(order="F"))
    (folder / "a.mhd").write_bytes(_mha(random_values[:0], size="11 9 7", data=name))
    (folder / "a.nhdr").write_bytes(_nrrd(random_values[:0], f"data file: {name}", sizes="11 9 7"))
    (folder / "b.nhdr").write_bytes(
        _nrrd(random_values[:0], sizes="11 9 7")[:-1] + f"data file: LIST\n{name}\n".encode()
    )
    for header in ("a.mhd", "a.nhdr", "b.nhdr"):
        assert _refused(folder / header) == "data-elsewhere"


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".gzip.nrrd", ".mha"])
@pytest.mark.parametrize("side", [1500, 700])
def test_a_header_that_claims_more_than_the_file_holds_costs_no_memory(
    tmp_path: Path, make_nifti: Callable[..., bytes], suffix: str, side: int
) -> None:
    held = np.random.default_rng(1).integers(-1000, 1000, (60, 60, 60)).astype(np.int16)
    claimed = (side, side, side)
    text = " ".join(map(str, claimed))
    content = {
        ".nii": lambda: make_nifti(held, dim=(3, *claimed)),
        ".nii.gz": lambda: gzip.compress(make_nifti(held, dim=(3, *claimed)) + bytes(3 << 20)),
        ".nrrd": lambda: _nrrd(held, sizes=text),
        ".gzip.nrrd": lambda: _nrrd(held, sizes=text, encoding="gzip"),
        ".mha": lambda: _mha(held, size=text),
    }[suffix]()
    (tmp_path / f"a{suffix}").write_bytes(content)
    tracemalloc.start()
    try:
        assert _refused(tmp_path / f"a{suffix}") in {"file-truncated", "file-too-large"}
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_a_gzip_file_of_several_members_is_read(
    tmp_path: Path, make_nifti: Callable[..., bytes], random_values: Array
) -> None:
    content = make_nifti(np.tile(random_values, (4, 4, 4)))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:9000]) + gzip.compress(content[9000:]))
    assert read_volume(tmp_path / "a.nii.gz").values.shape == (44, 36, 28)


@pytest.mark.parametrize("n_axes", ["2147483648", "3.5", "", "4"])
def test_a_header_without_a_usable_number_of_axes_is_refused_at_once(tmp_path: Path, n_axes: str) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(64))
    fields = (
        f"ObjectType = Image\nNDims = {n_axes}\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = a.raw\n"
    )
    (tmp_path / "a.mhd").write_text(fields)
    with pytest.raises(VolumeError) as refused:
        read_volume(tmp_path / "a.mhd")  # SimpleITK was still reading the first after ten minutes
    assert refused.value.code == "file-unreadable"


@pytest.mark.parametrize("sizes", [f"4 4 {'9' * 4000}", "4 4 0", "4 4 -4", "4 4"])
def test_an_nrrd_of_impossible_size_is_refused(tmp_path: Path, sizes: str) -> None:
    header = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: {sizes}\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(header.encode() + bytes(64))
    with pytest.raises(VolumeError) as refused:
        read_volume(tmp_path / "a.nrrd")  # SimpleITK crashed on the first
    assert refused.value.code == "file-unreadable"
