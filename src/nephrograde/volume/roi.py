"""Regions of a scan: crops of a fixed size in mm, windowing, and the measures of a delineated tumour.

Only the region is resampled, never the scan: it is cut out first, with a margin, as a view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.overlay import bounding_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.study import Window
    from nephrograde.vocabulary import MaskArray, Triple, VolumeArray
    from nephrograde.volume.volume import Volume

AIR_HU = -1000.0
_HOLDS_AIR_BELOW = -900.0
_FWHM_OF_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True, slots=True)
class Tumour:
    """Where a delineated tumour lies and how large it is.

    ``low_mm`` and ``high_mm`` are opposite corners of its bounding box along the axes of the volume, at the outer faces
    of the voxels (LPS, mm), and ``center_mm`` is their middle. ``slices`` are the slices with tumour and
    ``areas_mm2`` its area on each; ``largest_slice`` is the first with the largest area. ``diameter_mm`` is the
    longest straight line across the tumour on that slice, from outer edge to outer edge.
    """

    center_mm: Triple
    low_mm: Triple
    high_mm: Triple
    slices: tuple[int, ...]
    areas_mm2: tuple[float, ...]
    largest_slice: int
    volume_ml: float
    diameter_mm: float


def cut_box(
    volume: Volume,
    mask: MaskArray | None,
    *,
    center_mm: Triple,
    size_mm: Triple,
    voxels: tuple[int, int, int],
    antialias: bool,
) -> tuple[VolumeArray, MaskArray | None]:
    """Cut a box of fixed size in mm out of a scan, along the scan's own axes.

    Args:
        volume: The scan.
        mask: The tumour on the scan's grid, cut along with it; a voxel is tumour where linear sampling gives ≥ 0.5.
        center_mm: Middle of the box, LPS, mm.
        size_mm: Edges of the box along x, y and z, mm.
        voxels: How many voxels it is sampled at along x, y and z.
        antialias: Blur each axis first where the box is sampled more coarsely than the scan; noise that the coarse
            grid cannot hold would otherwise be kept.

    Returns:
        Float32 values by linear sampling and, with a mask, the mask. Outside the scan: −1000 where the scan holds air,
        else the lowest value of the region; never tumour.

    Source: Cardoso 2015, "Scale factor point spread function matching" (MICCAI), for the width of the blur; our choice
        of the rest.

    >>> from nephrograde.volume.volume import make_volume
    >>> x_mm = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 40))
    >>> volume = make_volume(x_mm, spacing_mm=(1.0, 1.0, 1.0))
    >>> box, _ = cut_box(
    ...     volume, None, center_mm=(20.0, 20.0, 20.0), size_mm=(8.0, 8.0, 8.0), voxels=(4, 4, 4), antialias=False
    ... )
    >>> box[:, 0, 0].tolist()
    [17.0, 19.0, 21.0, 23.0]
    """
    step = np.array(size_mm) / voxels / volume.spacing_mm
    start = np.array(volume.to_index(center_mm)) - (np.array(voxels) - 1) / 2 * step
    values = _sample(volume.values, start, step, voxels, sigma=_sigma(step) if antialias else None)
    values = _padded(values, volume)
    if mask is None:
        return values, None
    inside = _sample(mask, start, step, voxels, sigma=None)
    return values, inside >= 0.5


def cut_slice(
    volume: Volume, k: int, *, center_mm: Triple, size_mm: float, pixels: int, antialias: bool
) -> npt.NDArray[np.float32]:
    """Cut a square of fixed size in mm out of one axial slice.

    Args:
        volume: The scan.
        k: Index of the slice along z.
        center_mm: Middle of the square, LPS, mm; its height is not used.
        size_mm: Edge of the square, mm.
        pixels: How many pixels it is sampled at along each edge.
        antialias: As in :func:`cut_box`.

    Returns:
        Float32, ``"y x"``; outside the scan as in :func:`cut_box`.

    Raises:
        VolumeError: With code "slice-outside" where the scan has no such slice.

    Source: As in :func:`cut_box`.

    >>> from nephrograde.volume.volume import make_volume
    >>> y_mm = np.broadcast_to(np.arange(40.0)[None, :, None], (40, 40, 3))
    >>> volume = make_volume(y_mm, spacing_mm=(1.0, 1.0, 5.0))
    >>> cut_slice(volume, 1, center_mm=(20.0, 20.0, 0.0), size_mm=8.0, pixels=4, antialias=False)[:, 0].tolist()
    [17.0, 19.0, 21.0, 23.0]
    """
    if not 0 <= k < volume.values.shape[2]:
        raise VolumeError(
            "slice-outside",
            f"{volume.image_path or 'image'}: has no slice {k}; it has {volume.values.shape[2]}, counted from 0.",
            "Check that the slice was chosen on this series.",
        )
    step = size_mm / pixels / np.array(volume.spacing_mm[:2])
    start = np.array(volume.to_index(center_mm)[:2]) - (pixels - 1) / 2 * step
    values = _sample(volume.values[:, :, k], start, step, (pixels, pixels), sigma=_sigma(step) if antialias else None)
    return np.ascontiguousarray(_padded(values, volume).T)


def apply_window(values: VolumeArray, window: Window) -> npt.NDArray[np.float32]:
    """Map a window of values to 0–1 and cut off what lies outside.

    Args:
        values: Any shape; HU, or the numbers of the series.
        window: The values that become 0 and 1, or the percentiles of ``values`` that do.

    Returns:
        Float32 in [0, 1]; all 0 where both percentiles are one value.

    Source: Our choice; the paper prints no window.

    >>> from nephrograde.study import Window
    >>> apply_window(np.array([-500.0, -200.0, 50.0, 900.0]), Window(low=-200.0, high=300.0)).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    low, high = window.low, window.high
    if window.percentiles:
        low, high = (float(value) for value in np.percentile(values, [low, high]))
    if not low < high:
        return np.zeros(values.shape, dtype=np.float32)
    scaled = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, np.float32(0.0), np.float32(1.0), out=scaled)


def measure_tumour(mask: MaskArray, volume: Volume) -> Tumour:
    """Measure a delineated tumour.

    Args:
        mask: On the grid of the volume.
        volume: The scan.

    Raises:
        VolumeError: With code "mask-empty" where nothing is marked.

    Source: Our choice; the diameter follows the "largest axial diameter" of radiology reports.

    >>> from nephrograde.volume.volume import make_volume
    >>> mask = np.zeros((20, 20, 10), dtype=bool)
    >>> mask[4:7, 8:12, 5] = True
    >>> tumour = measure_tumour(mask, make_volume(mask, spacing_mm=(1.0, 1.0, 5.0)))
    >>> tumour.diameter_mm, tumour.volume_ml, tumour.low_mm, tumour.center_mm
    (5.0, 0.06, (3.5, 7.5, 22.5), (5.0, 9.5, 25.0))
    """
    if not mask.any():
        raise VolumeError("mask-empty", "no voxel of the mask is marked.", "Delineate the tumour, or drop the mask.")
    low, high = bounding_box(mask)
    part = mask[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1]
    counts = part.sum(axis=(0, 1))
    filled = np.flatnonzero(counts)
    largest = int(counts.argmax())
    pixel_mm2 = volume.spacing_mm[0] * volume.spacing_mm[1]
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    return Tumour(
        center_mm=volume.to_mm(middle),
        low_mm=volume.to_mm([a - 0.5 for a in low]),
        high_mm=volume.to_mm([b + 0.5 for b in high]),
        slices=tuple((filled + low[2]).tolist()),
        areas_mm2=tuple((counts[filled] * pixel_mm2).tolist()),
        largest_slice=largest + low[2],
        volume_ml=float(counts.sum() * pixel_mm2 * volume.spacing_mm[2] / 1000.0),
        diameter_mm=_diameter(part[:, :, largest], volume.spacing_mm),
    )


def _diameter(area: npt.NDArray[np.bool_], spacing_mm: Triple) -> float:
    """Longest distance between pixel corners; only the first and last pixel of each row can give it."""
    columns = np.flatnonzero(area.any(axis=1))
    first = area[columns].argmax(axis=1)
    last = area.shape[1] - area[columns, ::-1].argmax(axis=1)
    corners = np.concatenate(
        [np.stack([columns + side, ends], axis=1) for side in (0, 1) for ends in (first, last)]
    ).astype(np.float64)
    corners *= spacing_mm[:2]
    squares = ((corners[:, None] - corners[None]) ** 2).sum(axis=2)
    return float(np.sqrt(squares.max()))


def _sigma(step: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The blur, in voxels of the scan, that turns its point spread into that of the coarser grid."""
    return np.asarray(np.sqrt(np.maximum(step**2 - 1.0, 0.0)) / _FWHM_OF_SIGMA)


def _sample(
    values: npt.NDArray[Any],
    start: npt.NDArray[np.float64],
    step: npt.NDArray[np.float64],
    counts: Sequence[int],
    *,
    sigma: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float32]:
    """Linear samples at ``start + i · step`` along every axis; NaN where that lies outside the array."""
    counts_ = np.array(counts)
    margin = 2 if sigma is None else np.ceil(4.0 * sigma).astype(int) + 2
    shape = np.array(values.shape)
    first = np.maximum(np.floor(start).astype(int) - margin, 0)
    stop = np.minimum(np.ceil(start + (counts_ - 1) * step).astype(int) + margin + 1, shape)
    if (first >= stop).any():
        return np.full(counts, np.nan, dtype=np.float32)
    crop = values[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))].astype(np.float32)
    for axis, width in enumerate(() if sigma is None else sigma):
        if width > 0:
            crop = _blurred(crop, float(width), axis)
    image = SimpleITK.GetImageFromArray(crop.T)
    image.SetOrigin(first.astype(float).tolist())
    sampled = SimpleITK.Resample(
        image,
        [int(n) for n in counts],
        SimpleITK.Transform(len(counts), SimpleITK.sitkIdentity),
        SimpleITK.sitkLinear,
        start.tolist(),
        step.tolist(),
        np.eye(len(counts)).ravel().tolist(),
        float("nan"),
    )
    return np.asarray(SimpleITK.GetArrayFromImage(sampled).T)


def _blurred(crop: npt.NDArray[np.float32], sigma: float, axis: int) -> npt.NDArray[np.float32]:
    """Convolve one axis with the discrete Gaussian, which keeps its variance for narrow kernels too (Lindeberg)."""
    from scipy.ndimage import correlate1d
    from scipy.special import ive

    reach = int(np.ceil(4.0 * sigma)) + 1
    kernel = ive(np.abs(np.arange(-reach, reach + 1)), sigma**2)
    return np.asarray(correlate1d(crop, kernel / kernel.sum(), axis=axis, mode="nearest"), dtype=np.float32)


def _padded(values: npt.NDArray[np.float32], volume: Volume) -> npt.NDArray[np.float32]:
    outside = np.isnan(values)
    if outside.any():
        lowest = float(volume.values.min())
        if lowest < _HOLDS_AIR_BELOW:
            values[outside] = AIR_HU
        else:
            values[outside] = lowest if outside.all() else values[~outside].min()
    return values
