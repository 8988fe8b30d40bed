"""Reading onto the patient's axes, masks, positions, and writing."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.errors import VolumeError
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import Volume, make_volume, resolve_box, resolve_point, resolve_slice, write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]
SPACING = (0.75, 1.5, 3.0)
ORIGIN = (-10.0, 20.0, -300.0)


def _stored(values: Array, order: tuple[int, ...], signs: tuple[int, ...]) -> tuple[Array, dict[str, Any]]:
    """The array of an upright scan in another stored order, and the geometry that leaves every voxel in place."""
    flips = tuple(slice(None, None, sign) for sign in signs)
    first = [0 if sign > 0 else n - 1 for sign, n in zip(signs, values.shape, strict=True)]
    return values[flips].transpose(order), {
        "spacing_mm": tuple(SPACING[axis] for axis in order),
        "origin_mm": tuple(o + f * s for o, f, s in zip(ORIGIN, first, SPACING, strict=True)),
        "direction": (np.eye(3) * signs)[:, list(order)],
    }


STORED_ORDERS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


@pytest.mark.parametrize(("order", "signs"), STORED_ORDERS)
def test_every_stored_order_gives_the_same_volume(
    tmp_path: Path, random_values: Array, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    stored, geometry = _stored(random_values, order, signs)
    write_image(stored, tmp_path / "a.nii.gz", **geometry)
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.values, random_values)
    assert volume.values.dtype == np.int16
    assert volume.spacing_mm == pytest.approx(SPACING)
    assert volume.origin_mm == pytest.approx(ORIGIN)
    np.testing.assert_allclose(volume.direction, np.eye(3), atol=1e-6)


@pytest.mark.parametrize(("order", "signs"), STORED_ORDERS)
def test_voxel_places_count_in_the_stored_order(
    random_values: Array, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """A voxel found in the stored array is the one that its ``vox`` position resolves to."""
    stored, geometry = _stored(random_values, order, signs)
    volume = make_volume(stored, **geometry)
    i, j, k = 3, 4, 5
    position = resolve_point(Point((i, j, k), "vox"), volume)
    x, y, z = np.round(volume.to_index(position)).astype(int)
    assert volume.values[x, y, z] == stored[i, j, k]

    low, high = resolve_box(Box((1, 2, 3), (2, 4, 6), "vox"), volume)
    a, b = np.round(volume.to_index(low)).astype(int), np.round(volume.to_index(high)).astype(int)
    cut = volume.values[a[0] : b[0] + 1, a[1] : b[1] + 1, a[2] : b[2] + 1]
    assert sorted(cut.ravel()) == sorted(stored[1:3, 2:5, 3:7].ravel())

    along = order.index(2)
    plane = volume.values[:, :, round(resolve_slice(SlicePlace(1, "vox"), volume))]
    assert sorted(plane.ravel()) == sorted(stored.take(1, axis=along).ravel())


def test_voxel_slices_of_dicom_count_from_the_feet(tmp_path: Path, write_series: Callable[..., list[Path]]) -> None:
    values = np.arange(6 * 5 * 4).reshape(6, 5, 4)
    positions = [(0.0, 0.0, 300.0 - 5.0 * k) for k in range(4)]  # written from head to feet
    write_series(tmp_path, values=values, positions_mm=positions, rescale=(1, 0))
    volume = read_volume(tmp_path)
    assert resolve_slice(SlicePlace(0, "vox"), volume) == 0.0
    assert resolve_slice(SlicePlace(285.0, "mm"), volume) == 0.0
    np.testing.assert_array_equal(volume.values[:, :, 0], values[:, :, 3])
    assert resolve_point(Point((2, 1, 3), "vox"), volume) == pytest.approx((1.4, 0.9, 300.0))


def test_places_in_mm_stay_as_they_are(random_values: Array) -> None:
    volume = make_volume(random_values, spacing_mm=SPACING, origin_mm=ORIGIN)
    assert resolve_point(Point((1.5, -2.0, 3.0), "mm"), volume) == (1.5, -2.0, 3.0)
    low, high = resolve_box(Box((-9.0, 21.0, -299.0), (-5.0, 25.0, -290.0), "mm"), volume)
    assert low == pytest.approx((-9.0, 21.0, -299.0))
    assert high == pytest.approx((-5.0, 25.0, -290.0))


def test_a_slice_of_an_oblique_scan_is_measured_in_its_middle(random_values: Array) -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    tilted = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    volume = make_volume(random_values, spacing_mm=SPACING, origin_mm=ORIGIN, direction=tilted)
    middle_mm = volume.to_mm((5.0, 4.0, 2.0))
    assert resolve_slice(SlicePlace(middle_mm[2], "mm"), volume) == pytest.approx(2.0)


def test_the_numbers_cannot_be_changed_by_a_reader_of_them(tmp_path: Path, random_values: Array) -> None:
    write_image(random_values, tmp_path / "a.mha", spacing_mm=SPACING)
    with pytest.raises(ValueError, match="read-only"):
        read_volume(tmp_path / "a.mha").values[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (np.zeros((6, 6, 6), np.int16), "constant"),
        (np.where(np.arange(6) == 3, np.nan, 1.0) * np.ones((6, 6, 6)), "not-finite"),
        (np.where(np.arange(6) == 3, np.inf, 1.0) * np.ones((6, 6, 6)), "not-finite"),
        (np.arange(72.0).reshape(6, 6, 2), "too-few-slices"),
    ],
)
def test_useless_images_are_refused(tmp_path: Path, values: Array, code: str) -> None:
    write_image(values, tmp_path / "np.nii.gz", spacing_mm=SPACING)
    with pytest.raises(VolumeError, match=r"np\.nii\.gz") as caught:
        read_volume(tmp_path / "np.nii.gz")
    assert caught.value.code == code


@pytest.fixture
def volume(random_values: Array) -> Volume:
    return make_volume(random_values, spacing_mm=SPACING, origin_mm=ORIGIN)


@pytest.mark.parametrize("kind", ["u1", "i2", "f4", "f8", "i4"])
def test_any_label_is_tumour(tmp_path: Path, volume: Volume, kind: str) -> None:
    labels = np.zeros(volume.values.shape, kind)
    labels[2:5, 3:6, 1:4] = 1
    labels[4, 4, 2] = 2
    if kind.startswith("f"):
        labels[7, 7, 5] = 0.5
    write_image(labels, tmp_path / "m.nii.gz", spacing_mm=SPACING, origin_mm=ORIGIN)
    mask = np.asarray(read_marks(tmp_path / "m.nii.gz", volume).mask)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, labels > 0.5)


def test_negative_labels_are_background(tmp_path: Path, volume: Volume) -> None:
    labels = np.full(volume.values.shape, -1, np.int16)
    labels[4, 4, 2] = 1
    write_image(labels, tmp_path / "m.nii.gz", spacing_mm=SPACING, origin_mm=ORIGIN)
    assert np.asarray(read_marks(tmp_path / "m.nii.gz", volume).mask).sum() == 1


@pytest.mark.parametrize(("order", "signs"), STORED_ORDERS[::5])
def test_a_mask_may_be_stored_in_another_order(
    tmp_path: Path, volume: Volume, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    labels = np.zeros(volume.values.shape, np.uint8)
    labels[2:5, 3:6, 1:4] = 1
    labels[9, 3, 5] = 1
    stored, geometry = _stored(labels, order, signs)
    write_image(stored, tmp_path / "m.nii.gz", **geometry)
    np.testing.assert_array_equal(np.asarray(read_marks(tmp_path / "m.nii.gz", volume).mask), labels > 0)


def test_an_empty_mask_is_refused(tmp_path: Path, volume: Volume) -> None:
    write_image(np.zeros((4, 4, 4), np.uint8), tmp_path / "m.nii.gz", spacing_mm=SPACING)
    with pytest.raises(VolumeError, match=r"m\.nii\.gz: no voxel") as caught:
        read_marks(tmp_path / "m.nii.gz", volume)
    assert caught.value.code == "mask-empty"


def test_a_truncated_mask_is_refused(tmp_path: Path, volume: Volume, make_nifti: Callable[..., bytes]) -> None:
    (tmp_path / "m.nii.gz").write_bytes(gzip.compress(make_nifti(volume.values))[:-300])
    with pytest.raises(VolumeError) as caught:
        read_marks(tmp_path / "m.nii.gz", volume)
    assert caught.value.code == "file-truncated"


def test_threads_read_the_same(tmp_path: Path) -> None:
    expected: dict[str, Array] = {}
    for name in ("a.nii.gz", "b.nrrd", "c.mha", "d.nii"):
        values = np.random.default_rng(len(expected)).integers(-1000, 1000, (40, 30, 20)).astype(np.int16)
        write_image(values, tmp_path / name, spacing_mm=SPACING)
        expected[name] = values
    with ThreadPoolExecutor(8) as pool:
        names = sorted(expected) * 10
        for name, volume in zip(names, pool.map(lambda n: read_volume(tmp_path / n), names), strict=True):
            np.testing.assert_array_equal(volume.values, expected[name])


def test_write_image_is_whole_or_not_at_all(tmp_path: Path, random_values: Array) -> None:
    path = tmp_path / "新建" / "肿瘤.nii.gz"
    write_image(random_values > 0, path, spacing_mm=SPACING, origin_mm=ORIGIN)
    assert [entry.name for entry in path.parent.iterdir()] == ["肿瘤.nii.gz"]
    volume = make_volume(random_values, spacing_mm=SPACING, origin_mm=ORIGIN)
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume).mask), random_values > 0)
    with pytest.raises(VolumeError, match="kind that is written"):
        write_image(random_values, tmp_path / "a.jpg", spacing_mm=SPACING)
    (tmp_path / "file").touch()
    with pytest.raises(VolumeError) as caught:
        write_image(random_values, tmp_path / "file" / "a.nii", spacing_mm=SPACING)
    assert caught.value.code == "file-unwritable"
    (tmp_path / "link.nii").symlink_to(tmp_path / "nowhere.nii")
    with pytest.raises(VolumeError) as caught:
        write_image(random_values, tmp_path / "link.nii", spacing_mm=SPACING)
    assert caught.value.code == "file-unwritable"
    assert (tmp_path / "link.nii").is_symlink()
