"""Regions of a scan: crops of a fixed size in mm, windowing, and measurements of a delineated tumour.

Only the region is resampled, never the scan: the region is first cut out, with a margin, as a view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import VolumeError
from nephrograde.volume.overlay import bounding_box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nephrograde.study import Window
    from nephrograde.vocabulary import MaskArray, Triple, VolumeArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.volume import Volume

AIR_HU = -1000.0
_HOLDS_AIR_BELOW = -900.0
_ALIKE = 1e-6
_FWHM_OF_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_MANY_PLANES = 4
"""From so many on, their sampling takes longer than the import of SciPy's sparse matrices."""
_FURTHER_ORDERS = 12
"""Above the highest order of a blur; the recurrence has then forgotten where it began."""

_Weights: TypeAlias = Annotated[npt.NDArray[np.float32], "sample voxel"]
_Blend: TypeAlias = "Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]"


@dataclass(frozen=True, slots=True)
class Tumour:
    """Position and size of a delineated tumour.

    ``low_mm`` and ``high_mm`` are opposite corners of its bounding box along the axes of the volume, at the outer faces
    of the voxels (LPS, mm), and ``center_mm`` is their midpoint. ``slices`` are the slices with tumour.
    ``diameter_mm`` is the longest straight line across the tumour, from outer edge to outer edge, on the first slice
    with the largest area.
    """

    center_mm: Triple
    low_mm: Triple
    high_mm: Triple
    slices: tuple[int, ...]
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
        mask: The tumour on the scan's grid, cut along with it; a voxel is tumour if linear sampling gives ≥ 0.5.
        center_mm: Centre of the box, LPS, mm.
        size_mm: Edge lengths of the box along x, y and z, mm.
        voxels: Number of voxels along x, y and z.
        antialias: Blur each axis first if the box is sampled more coarsely than the scan; otherwise noise that the
            coarse grid cannot represent would be kept.

    Returns:
        Float32 values from linear sampling and, with a mask, the mask. Outside the scan: −1000 if the scan contains
        air, otherwise the lowest value of the region; never tumour.

    Source: Cardoso 2015, "Scale factor point spread function matching" (MICCAI), for the width of the blur.

    >>> from nephrograde.volume.volume import make_volume
    >>> x_mm = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 40))
    >>> volume = make_volume(x_mm, spacing_mm=(1.0, 1.0, 1.0))
    >>> box, _ = cut_box(
    ...     volume, None, center_mm=(20.0, 20.0, 20.0), size_mm=(8.0, 8.0, 8.0), voxels=(4, 4, 4), antialias=False
    ... )
    >>> box[:, 0, 0].tolist()
    [17.0, 19.0, 21.0, 23.0]
    """
    start, step = _lattice(volume, center_mm, size_mm, voxels)
    values = _padded(*_sample(volume.values, start, step, voxels, antialias=antialias), volume)
    if mask is None:
        return values, None
    return values, cut_mask(volume, mask, center_mm=center_mm, size_mm=size_mm, voxels=voxels)


def cut_mask(
    volume: Volume, mask: MaskArray, *, center_mm: Triple, size_mm: Triple, voxels: tuple[int, int, int]
) -> MaskArray:
    """Cut the mask of a scan alone, as :func:`cut_box` cuts it with the image.

    Args:
        volume: The scan.
        mask: The tumour on the scan's grid.
        center_mm: Centre of the box, LPS, mm.
        size_mm: Edge lengths of the box along x, y and z, mm.
        voxels: Number of voxels along x, y and z.

    >>> from nephrograde.volume.volume import make_volume
    >>> mask = np.zeros((9, 9, 9), dtype=bool)
    >>> mask[4, 4, 4] = True
    >>> volume = make_volume(mask.astype(np.int16), spacing_mm=(1.0, 1.0, 1.0))
    >>> cut_mask(volume, mask, center_mm=(4.0, 4.0, 4.0), size_mm=(3.0, 3.0, 3.0), voxels=(3, 3, 3)).sum()
    np.int64(1)
    """
    start, step = _lattice(volume, center_mm, size_mm, voxels)
    share, inside = _sample(mask, start, step, voxels, antialias=False)
    return (share >= 0.5) & inside


def _lattice(
    volume: Volume, center_mm: Triple, size_mm: Triple, voxels: tuple[int, int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The first place of a box, and the step from one to the next, in voxels of the scan."""
    step = np.array(size_mm) / voxels / volume.spacing_mm
    return np.array(volume.to_index(center_mm)) - (np.array(voxels) - 1) / 2 * step, step


def cut_slice(
    volume: Volume, k: int, *, center_mm: Triple, size_mm: float, pixels: int, antialias: bool
) -> npt.NDArray[np.float32]:
    """Cut a square of fixed size in mm out of one axial slice.

    Args:
        volume: The scan.
        k: Index of the slice along z.
        center_mm: Centre of the square, LPS, mm; its z coordinate is not used.
        size_mm: Edge length of the square, mm.
        pixels: Number of pixels along each edge.
        antialias: As in :func:`cut_box`.

    Returns:
        Float32, ``"y x"``; outside the scan as in :func:`cut_box`.

    Raises:
        VolumeError: With code "slice-outside" if the scan has no such slice.

    >>> from nephrograde.volume.volume import make_volume
    >>> y_mm = np.broadcast_to(np.arange(40.0)[None, :, None], (40, 40, 3))
    >>> volume = make_volume(y_mm, spacing_mm=(1.0, 1.0, 5.0))
    >>> cut_slice(volume, 1, center_mm=(20.0, 20.0, 0.0), size_mm=8.0, pixels=4, antialias=False)[:, 0].tolist()
    [17.0, 19.0, 21.0, 23.0]
    """
    if not 0 <= k < volume.values.shape[2]:
        raise VolumeError(
            "slice-outside",
            f"has no slice {k}; it has {volume.values.shape[2]}, counted from 0.",
            "Check that the slice was chosen on this series.",
        )
    step = [size_mm / pixels / spacing for spacing in volume.spacing_mm[:2]]
    start = [c - (pixels - 1) / 2 * s for c, s in zip(volume.to_index(center_mm)[:2], step, strict=True)]
    plane = volume.values[:, :, k : k + 1]
    sampled = _sample(plane, [*start, 0.0], [*step, 1.0], (pixels, pixels, 1), antialias=antialias)
    return np.ascontiguousarray(_padded(*sampled, volume)[:, :, 0].T)


def sample_on(volume: Volume, grid: Grid, *, antialias: bool) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Sample a scan at the voxel centres of another grid in the patient, whose axes may be oblique to its own.

    Args:
        volume: The scan.
        grid: Where to sample; each voxel by its position in the patient.
        antialias: As in :func:`cut_box`; along the axes of the scan.

    Returns:
        Float32 values from linear sampling, ``"x y z"`` of the grid, outside the scan as in :func:`cut_box`; and which
        of them lie inside the scan.

    >>> from nephrograde.volume.grid import Grid
    >>> from nephrograde.volume.volume import make_volume
    >>> x_mm = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 40))
    >>> volume = make_volume(x_mm, spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 100.0))
    >>> turned = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    >>> grid = Grid((3, 1, 1), (5.0, 5.0, 5.0), (10.0, 4.0, 110.0), turned, source="memory")
    >>> values, inside = sample_on(volume, grid, antialias=False)
    >>> values.ravel().tolist(), inside.all()
    ([10.0, 13.0, 16.0], np.True_)
    """
    from scipy.ndimage import affine_transform, correlate1d

    # Column a is what one step along axis a of the grid is in voxels of the scan.
    steps = np.linalg.solve(volume.direction, grid.direction * grid.spacing_mm) / np.array(volume.spacing_mm)[:, None]
    start, size = np.array(volume.to_index(grid.origin_mm)), np.array(volume.values.shape)
    widths = np.linalg.norm(steps, axis=1)
    kernels = [_blur_kernel(width) if antialias and width > 1 + _ALIKE else np.ones(1) for width in widths]
    reaches = np.array([len(kernel) // 2 for kernel in kernels])
    ends = np.array(
        [np.minimum(steps, 0) @ (np.array(grid.size) - 1), np.maximum(steps, 0) @ (np.array(grid.size) - 1)]
    )
    low, high = np.clip(start + ends, 0, size - 1)
    first = np.maximum(np.floor(low).astype(int) - reaches, 0)
    stop = np.minimum(np.ceil(high).astype(int) + reaches + 1, size)
    part = volume.values[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))].astype(np.float32)
    for axis, kernel in enumerate(kernels):
        part = correlate1d(part, kernel, axis=axis, mode="nearest") if len(kernel) > 1 else part
    values = affine_transform(part, steps, offset=start - first, output_shape=grid.size, order=1, mode="nearest")
    inside = np.ones(grid.size, dtype=bool)
    for axis, count in enumerate(size):
        along = [step * np.arange(n) for step, n in zip(steps[axis], grid.size, strict=True)]
        places = start[axis] + along[0][:, None, None] + along[1][:, None] + along[2]
        inside &= (places >= -0.5) & (places <= count - 0.5)
    return _padded(values, inside, volume), inside


def apply_window(values: VolumeArray, window: Window) -> npt.NDArray[np.float32]:
    """Map a window of values to 0–1 and clip everything outside it.

    The paper does not report its window.

    Args:
        values: An array of any shape; HU, or the stored values of the series.
        window: The values, or the percentiles of ``values``, that become 0 and 1.

    Returns:
        Float32 in [0, 1]; all 0 if both percentiles are the same value.

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
        VolumeError: With code "mask-empty" if nothing is marked.

    Source: the diameter follows the "largest axial diameter" of radiology reports.

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
        volume_ml=float(counts.sum() * pixel_mm2 * volume.spacing_mm[2] / 1000.0),
        diameter_mm=_diameter(part[:, :, largest], volume.spacing_mm),
    )


def _diameter(area: npt.NDArray[np.bool_], spacing_mm: Triple) -> float:
    """Return the longest distance between pixel corners; only the first and last pixel of each row can be its ends."""
    columns = np.flatnonzero(area.any(axis=1))
    first = area[columns].argmax(axis=1)
    last = area.shape[1] - area[columns, ::-1].argmax(axis=1)
    corners = np.concatenate(
        [np.stack([columns + side, ends], axis=1) for side in (0, 1) for ends in (first, last)]
    ).astype(np.float64)
    corners *= spacing_mm[:2]
    squares = ((corners[:, None] - corners[None]) ** 2).sum(axis=2)
    return float(np.sqrt(squares.max()))


def _sample(
    values: VolumeArray,
    start: Sequence[float] | npt.NDArray[np.float64],
    step: Sequence[float] | npt.NDArray[np.float64],
    counts: Sequence[int],
    *,
    antialias: bool,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Sample linearly at ``start + i · step`` along every axis, and say which samples are inside the array.

    Blurring and linear sampling both work axis by axis, so each axis is one sparse matrix, and only what is kept is
    blurred. Planes are computed one after the other, so that intermediate results stay in the processor's cache.
    """
    spans, along, insides = zip(
        *(_axis_weights(*axis, antialias=antialias) for axis in zip(values.shape, start, step, counts, strict=True)),
        strict=True,
    )
    stored = values[spans].transpose(2, 1, 0)
    blend = _by_neighbours if counts[2] < _MANY_PLANES else _by_sparse_matrix
    along_x, along_y = (blend(weights) for weights in along[:2])
    sampled = np.empty(tuple(counts)[::-1], dtype=np.float32)
    for plane, weights in zip(sampled, along[2], strict=True):
        blended = np.zeros(stored.shape[1:], dtype=np.float32)
        for neighbour in np.flatnonzero(weights):
            blended += stored[neighbour].astype(np.float32) * weights[neighbour]
        plane[:] = along_x(along_y(blended).T).T
    inside = insides[2][:, None, None] & insides[1][:, None] & insides[0]
    return sampled.transpose(2, 1, 0), inside.transpose(2, 1, 0)


def _axis_weights(
    size: int, start: float, step: float, count: int, *, antialias: bool
) -> tuple[slice, _Weights, npt.NDArray[np.bool_]]:
    """Return the part of one axis that is needed, each sample's weights over it, and which samples are inside.

    An image extends half a voxel beyond the centres of its outermost voxels, whose values are repeated there.
    """
    places = start + np.arange(count) * step
    inside = (places >= -0.5) & (places <= size - 0.5)
    places = np.clip(places, 0, size - 1)
    lower = np.floor(places).astype(int)
    upper_share = places - lower
    kernel = _blur_kernel(step) if antialias and step > 1 else np.ones(1)
    reach = len(kernel) // 2
    first, stop = max(int(lower[0]) - reach, 0), min(int(lower[-1]) + reach + 2, size)
    weights = np.zeros((count, stop - first))
    for offset, share in enumerate(kernel, start=-reach):
        for neighbour, part in ((lower, 1.0 - upper_share), (lower + 1, upper_share)):
            np.add.at(weights, (np.arange(count), np.clip(neighbour + offset, 0, size - 1) - first), share * part)
    return slice(first, stop), weights.astype(np.float32), inside


def _by_sparse_matrix(weights: _Weights) -> _Blend:
    """Blend rows by SciPy: faster than by neighbours, but a command would wait for its import."""
    from scipy.sparse import csr_array

    matrix = csr_array(weights)
    return lambda rows: np.asarray(matrix @ rows)


def _by_neighbours(weights: _Weights) -> _Blend:
    """Blend rows neighbour by neighbour: the same sums in the same order, without SciPy."""
    is_used = weights != 0
    first, last = is_used.argmax(axis=1), weights.shape[1] - 1 - is_used[:, ::-1].argmax(axis=1)
    steps = np.arange((last - first).max() + 1)[:, None]
    places = np.minimum(first + steps, last)
    shares = np.where(first + steps <= last, weights[np.arange(len(weights)), places], np.float32(0.0))[:, :, None]

    def blend(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        rows = np.ascontiguousarray(rows)
        total: npt.NDArray[np.float32] = rows.take(places[0], axis=0) * shares[0]
        for place, share in zip(places[1:], shares[1:], strict=True):
            total += rows.take(place, axis=0) * share
        return total

    return blend


def _blur_kernel(step: float) -> npt.NDArray[np.float64]:
    """Return the blur that widens the scan's point spread (one voxel at half maximum) to ``step`` voxels.

    It is the discrete Gaussian (Lindeberg 1990), whose variance is exact for narrow kernels too: the modified Bessel
    functions of integer order, by Miller's recurrence from a high order down (Abramowitz and Stegun 9.12).
    """
    variance = (step**2 - 1.0) / _FWHM_OF_SIGMA**2
    reach = int(np.ceil(4.0 * np.sqrt(variance))) + 1
    orders = reach + _FURTHER_ORDERS + int(variance)
    bessel = np.zeros(orders + 2)
    bessel[orders] = np.finfo(np.float64).tiny
    for order in range(orders, 0, -1):
        bessel[order - 1] = bessel[order + 1] + 2.0 * order / variance * bessel[order]
    kernel = bessel[np.abs(np.arange(-reach, reach + 1))]
    return np.asarray(kernel / kernel.sum())


def _padded(values: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_], volume: Volume) -> npt.NDArray[np.float32]:
    if not inside.all():
        lowest = float(volume.values.min())
        if lowest < _HOLDS_AIR_BELOW:
            lowest = AIR_HU
        elif inside.any():
            lowest = float(values[inside].min())
        values[~inside] = lowest
    return values
