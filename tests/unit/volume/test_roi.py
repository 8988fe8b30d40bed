"""Crops of volumes with known values everywhere, windows, and tumour measurements."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ive

from nephrograde.errors import VolumeError
from nephrograde.study import Window
from nephrograde.volume.roi import _blur_kernel, apply_window, cut_box, cut_slice, measure_tumour
from nephrograde.volume.volume import Volume, make_volume

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]
CENTER = (-6.3, 31.7, -361.4)
SIZE = (20.0, 24.0, 40.0)
VOXELS = (16, 12, 10)


def _places(axis: int, center: float) -> Array:
    step = SIZE[axis] / VOXELS[axis]
    return center + (np.arange(VOXELS[axis]) - (VOXELS[axis] - 1) / 2) * step


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ramp_gives_the_coordinates_back(ramp: Callable[..., Volume], axis: int, antialias: bool) -> None:
    volume = ramp(slopes=tuple(float(a == axis) for a in range(3)))
    box, mask = cut_box(volume, None, center_mm=CENTER, size_mm=SIZE, voxels=VOXELS, antialias=antialias)
    assert mask is None
    assert box.dtype == np.float32
    expected = _places(axis, CENTER[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
    np.testing.assert_allclose(box, np.broadcast_to(expected, VOXELS), atol=2e-4)


def test_a_tilted_scan_is_cut_along_its_own_axes(ramp: Callable[..., Volume]) -> None:
    c, s = np.cos(0.25), np.sin(0.25)
    tilted = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    for axis in range(3):
        volume = ramp(direction=tilted, slopes=tuple(tilted[:, axis]))
        center = volume.to_mm((30.2, 24.9, 19.6))
        box, _ = cut_box(volume, None, center_mm=center, size_mm=SIZE, voxels=VOXELS, antialias=False)
        expected = _places(axis, float(np.dot(center, tilted[:, axis])))
        np.testing.assert_allclose(box.mean(axis=tuple(a for a in range(3) if a != axis)), expected, atol=2e-4)


@pytest.mark.parametrize("antialias", [False, True])
def test_the_stored_order_does_not_matter(antialias: bool) -> None:
    values = np.random.default_rng(2).normal(0, 100, (40, 36, 30)).astype(np.float32)
    spacing, origin = (0.8, 0.9, 2.0), (-10.0, 5.0, 50.0)
    center = (6.0, 21.0, 80.0)
    upright = make_volume(values, spacing_mm=spacing, origin_mm=origin)
    expected, _ = cut_box(upright, None, center_mm=center, size_mm=SIZE, voxels=VOXELS, antialias=antialias)
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            flips = tuple(slice(None, None, sign) for sign in signs)
            ends = [o + (n - 1) * s * (g < 0) for o, n, s, g in zip(origin, values.shape, spacing, signs, strict=True)]
            turned = make_volume(
                values[flips].transpose(order),
                spacing_mm=(spacing[order[0]], spacing[order[1]], spacing[order[2]]),
                origin_mm=(ends[0], ends[1], ends[2]),
                direction=(np.eye(3) * signs)[:, list(order)],
            )
            box, _ = cut_box(turned, None, center_mm=center, size_mm=SIZE, voxels=VOXELS, antialias=antialias)
            np.testing.assert_array_equal(box, expected)


@pytest.mark.parametrize("air", [True, False])
def test_outside_the_scan(ramp: Callable[..., Volume], air: bool) -> None:
    volume = ramp(slopes=(0.0, 0.0, 1.0), offset=-700.0 if air else 500.0)  # z from -400 to -322 mm
    center = (-6.0, 31.0, -400.4)
    box, _ = cut_box(volume, None, center_mm=center, size_mm=(8.0, 8.0, 16.0), voxels=(4, 4, 8), antialias=False)
    outside = -1000.0 if air else 100.6
    offset = -700.0 if air else 500.0
    assert (box[:, :, :4] == outside).all()
    np.testing.assert_allclose(box[0, 0, 4:], offset - 400.4 + np.array([1.0, 3.0, 5.0, 7.0]), atol=1e-3)


def test_a_box_wholly_outside_is_all_padding(ramp: Callable[..., Volume]) -> None:
    volume = ramp(slopes=(0.0, 0.0, 1.0), offset=500.0)
    mask = np.ones(volume.values.shape, bool)
    box, inside = cut_box(volume, mask, center_mm=(900.0, 0.0, 0.0), size_mm=SIZE, voxels=VOXELS, antialias=True)
    assert inside is not None
    assert not inside.any()
    assert (box == 100.0).all()


def test_antialiasing_lowers_the_noise_and_keeps_the_mean() -> None:
    values = np.random.default_rng(3).normal(40, 20, (90, 90, 90)).astype(np.float32)
    volume = make_volume(values, spacing_mm=(1.0, 1.0, 1.0))

    def cut(antialias: bool) -> Array:
        return cut_box(
            volume,
            None,
            center_mm=(44.5, 44.5, 44.5),
            size_mm=(72.0, 72.0, 72.0),
            voxels=(24, 24, 24),
            antialias=antialias,
        )[0]

    plain, smooth = cut(False), cut(True)
    assert smooth.std() < plain.std() / 3
    assert smooth.mean() == pytest.approx(40, abs=0.3)


def test_antialiasing_widens_an_edge_to_the_coarse_grid() -> None:
    """A step blurred by the scan's own point spread (1 voxel FWHM) gets that of the coarse grid."""
    from scipy.stats import norm

    fwhm, factor = 2.0 * np.sqrt(2.0 * np.log(2.0)), 3.0
    x = np.arange(120.0)
    values = np.broadcast_to(norm.cdf(x, 60.0, 1.0 / fwhm)[:, None, None], (120, 8, 8))
    volume = make_volume(values, spacing_mm=(1.0, 1.0, 1.0))
    box, _ = cut_box(
        volume, None, center_mm=(60.0, 4.0, 4.0), size_mm=(60.0, 4.0, 4.0), voxels=(20, 4, 4), antialias=True
    )
    places = 60.0 + (np.arange(20) - 9.5) * factor
    np.testing.assert_allclose(box[:, 2, 2], norm.cdf(places, 60.0, factor / fwhm), atol=0.02)


def test_antialiasing_does_nothing_on_a_finer_grid(ramp: Callable[..., Volume]) -> None:
    values = np.random.default_rng(4).normal(0, 1, (20, 20, 20))
    volume = make_volume(values, spacing_mm=(2.0, 2.0, 2.0))
    cuts = [
        cut_box(volume, None, center_mm=(19, 19, 19), size_mm=(10, 10, 10), voxels=(20, 20, 20), antialias=antialias)[0]
        for antialias in (False, True)
    ]
    np.testing.assert_array_equal(cuts[0], cuts[1])


@pytest.mark.parametrize("antialias", [False, True])
def test_the_mask_stays_on_the_image(antialias: bool) -> None:
    x, y, z = np.meshgrid(np.arange(80), np.arange(80), np.arange(40), indexing="ij", sparse=True)
    inside = ((x - 43.0) * 0.8) ** 2 + ((y - 37.0) * 0.8) ** 2 + ((z - 21.0) * 2.0) ** 2 < 15.0**2
    volume = make_volume(inside * 1000.0, spacing_mm=(0.8, 0.8, 2.0))
    box, mask = cut_box(
        volume,
        inside,
        center_mm=(34.1, 30.0, 42.9),
        size_mm=(44.0, 44.0, 44.0),
        voxels=(40, 40, 20),
        antialias=antialias,
    )
    assert mask is not None
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, box >= 500.0) if not antialias else None
    assert (mask == (box >= 500.0)).mean() > 0.98
    volume_mm3 = mask.sum() * 1.1 * 1.1 * 2.2
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 15.0**3, rel=0.03)


def test_slices_are_rows_by_columns_at_their_own_height(ramp: Callable[..., Volume]) -> None:
    x_ramp, y_ramp, z_ramp = (ramp(slopes=slopes) for slopes in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)))

    def cut(volume: Volume, k: int) -> Array:
        return cut_slice(volume, k, center_mm=(-6.3, 31.7, 0.0), size_mm=20.0, pixels=16, antialias=True)

    expected = (np.arange(16) - 7.5) * 1.25
    np.testing.assert_allclose(cut(x_ramp, 3), np.broadcast_to(expected - 6.3, (16, 16)), atol=1e-4)
    np.testing.assert_allclose(cut(y_ramp, 3), np.broadcast_to(expected[:, None] + 31.7, (16, 16)), atol=1e-4)
    np.testing.assert_allclose(cut(z_ramp, 3), -394.0, atol=1e-4)
    np.testing.assert_allclose(cut(z_ramp, 39), -322.0, atol=1e-4)
    assert cut(x_ramp, 0).flags.c_contiguous
    assert cut(x_ramp, 0).dtype == np.float32


def test_a_slice_equals_the_plane_of_a_box() -> None:
    values = np.random.default_rng(6).integers(-1000, 500, (50, 50, 9)).astype(np.int16)
    volume = make_volume(values, spacing_mm=(0.8, 0.8, 5.0))
    for antialias in (False, True):
        plane = cut_slice(volume, 4, center_mm=(20.0, 18.0, 0.0), size_mm=30.0, pixels=20, antialias=antialias)
        box, _ = cut_box(
            volume,
            None,
            center_mm=(20.0, 18.0, 20.0),
            size_mm=(30.0, 30.0, 5.0),
            voxels=(20, 20, 1),
            antialias=antialias,
        )
        np.testing.assert_allclose(plane, box[:, :, 0].T, atol=1e-3)


@pytest.mark.parametrize("k", [-1, 40])
def test_a_slice_that_does_not_exist_is_refused(ramp: Callable[..., Volume], k: int) -> None:
    with pytest.raises(VolumeError, match="it has 40") as caught:
        cut_slice(ramp(), k, center_mm=CENTER, size_mm=20.0, pixels=8, antialias=False)
    assert caught.value.code == "slice-outside"


def test_windows() -> None:
    hu = np.array([[-3024, -200, 50], [300, 301, 32000]], np.int16)
    windowed = apply_window(hu, Window(low=-200.0, high=300.0))
    assert windowed.dtype == np.float32
    np.testing.assert_allclose(windowed, np.array([[0, 0, 0.5], [1, 1, 1]]))
    assert hu[0, 0] == -3024


def test_windows_by_percentile() -> None:
    values = np.arange(101, dtype=np.float32) * 7 + 3
    windowed = apply_window(values, Window(low=10.0, high=90.0, percentiles=True))
    np.testing.assert_allclose(windowed[[10, 50, 90]], [0, 0.5, 1], atol=1e-6)
    assert (apply_window(np.full(9, 4.0), Window(low=1.0, high=99.0, percentiles=True)) == 0).all()


def test_tumour_measures_worked_out_by_hand() -> None:
    mask = np.zeros((30, 30, 12), bool)
    mask[10:13, 20:24, 3] = True  # 3 × 4 pixels of 0.5 × 1 mm
    mask[10:20, 20:26, 5] = True  # 10 × 6 pixels: 5 × 6 mm
    mask[10:20, 20:26, 6] = True
    volume = make_volume(mask.astype(np.int16), spacing_mm=(0.5, 1.0, 4.0), origin_mm=(100.0, 0.0, -50.0))
    tumour = measure_tumour(mask, volume)
    assert tumour.slices == (3, 5, 6)
    assert tumour.volume_ml == pytest.approx(66.0 * 4 / 1000)
    assert tumour.diameter_mm == pytest.approx(np.hypot(5.0, 6.0))
    assert tumour.low_mm == (104.75, 19.5, -40.0)
    assert tumour.high_mm == (109.75, 25.5, -24.0)
    assert tumour.center_mm == (107.25, 22.5, -32.0)


def test_the_diameter_of_a_disc_and_of_a_slanted_bar() -> None:
    x, y = np.meshgrid(np.arange(100), np.arange(100), indexing="ij")
    disc = (x - 50) ** 2 + (y - 48) ** 2 < 30.0**2
    bar = (np.abs(x - y) < 3) & (x >= 20) & (x < 80) & (y >= 20) & (y < 80)
    for area, expected in ((disc, 60.0), (bar, np.hypot(60, 60))):
        mask = np.repeat(area[:, :, None], 3, axis=2)
        tumour = measure_tumour(mask, make_volume(mask.astype(np.uint8), spacing_mm=(1.0, 1.0, 1.0)))
        assert tumour.diameter_mm == pytest.approx(expected, abs=1.5)


def test_an_empty_mask_cannot_be_measured(ramp: Callable[..., Volume]) -> None:
    with pytest.raises(VolumeError) as caught:
        measure_tumour(np.zeros((60, 50, 40), bool), ramp())
    assert caught.value.code == "mask-empty"


@pytest.mark.parametrize("step", [0.6, 1.0, 2.0, 7.3])
def test_few_planes_are_sampled_as_many_to_the_last_bit(step: float) -> None:
    values = np.random.default_rng(8).normal(size=(61, 47, 9)).astype(np.float32)
    values[0, 0, 0] = -1000.0  # what lies outside is air
    volume = make_volume(values, spacing_mm=(1.0, 1.0, 1.0))
    center_mm, size = (33.3, 20.9, 4.0), (24 * step, 18 * step)
    few, many = (
        cut_box(
            volume,
            None,
            center_mm=center_mm,
            size_mm=(*size, float(planes)),
            voxels=(24, 18, planes),
            antialias=True,
        )[0]
        for planes in (3, 9)
    )
    assert np.array_equal(few, many[:, :, 3:6])


@pytest.mark.parametrize("step", [np.nextafter(1.0, 2.0), 1.001, 1.5, 3.7, 25.0])
def test_the_blur_is_the_discrete_gaussian(step: float) -> None:
    variance = (step**2 - 1.0) / (8.0 * np.log(2.0))
    kernel = _blur_kernel(step)
    orders = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel == pytest.approx(ive(np.abs(orders), variance) / ive(np.abs(orders), variance).sum(), abs=1e-15)
    if step > 1.4:
        assert float(kernel @ orders**2) == pytest.approx(variance, rel=2e-3)
