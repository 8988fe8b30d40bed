"""Smoothing and the median along one axis, to the last bit as in SciPy, whose import takes longer than the search.

``scipy.ndimage`` loads a hundred modules, most of them of NumPy, for which a command that grades one scan would wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

_Number = TypeVar("_Number", np.float32, np.float64)

_AT_ONCE = 32_768
"""Values that are smoothed at once: with what is computed from them, they stay in the processor's cache."""
_NEGLIGIBLE = 1e-15
"""A narrower kernel is that of the value alone, as ``gaussian_filter`` decides."""


def gaussian(values: npt.NDArray[_Number], widths: npt.NDArray[np.float64], *, truncate: float) -> npt.NDArray[_Number]:
    """Smooth an image, as ``scipy.ndimage.gaussian_filter`` does: one axis after the other, reflected at the ends.

    Args:
        values: ``"x y z"``.
        widths: Standard deviation along each axis, voxels.
        truncate: Standard deviations after which the kernel ends.

    >>> spot = np.zeros((5, 5, 1))
    >>> spot[2, 2] = 1.0
    >>> gaussian(spot, np.array([0.5, 0.5, 0.0]), truncate=2.0)[:, 2, 0].round(3).tolist()
    [0.0, 0.084, 0.619, 0.084, 0.0]
    """
    for axis, width in enumerate(widths):
        values = gaussian_along(values, float(width), axis, truncate=truncate)
    return values


def gaussian_along(values: npt.NDArray[_Number], width: float, axis: int, *, truncate: float) -> npt.NDArray[_Number]:
    """Smooth an image along one axis, as ``scipy.ndimage.gaussian_filter1d`` does.

    The sums are made in double precision and in its order: the middle, then pairs of neighbours from far to near.

    Args:
        values: An array of any shape.
        width: Standard deviation, voxels.
        axis: Along which.
        truncate: Standard deviations after which the kernel ends.
    """
    if width <= _NEGLIGIBLE:
        return values
    reach, count = reach_of(width, truncate=truncate), values.shape[axis]
    kernel = np.exp(-0.5 / (width * width) * np.arange(-reach, reach + 1) ** 2)
    kernel /= kernel.sum()
    lines = values.reshape(int(np.prod(values.shape[:axis])), count, int(np.prod(values.shape[axis + 1 :])))
    places = _reflected(count, reach)
    smooth = np.empty(lines.shape, values.dtype)
    for part in _parts(lines.shape):
        padded = lines[part].take(places, axis=1).astype(np.float64)
        total = padded[:, reach : reach + count] * kernel[reach]
        pair = np.empty_like(total)
        for step in range(reach, 0, -1):
            before, after = reach - step, reach + step
            np.add(padded[:, before : before + count], padded[:, after : after + count], out=pair)
            pair *= kernel[reach - step]
            total += pair
        smooth[part] = total
    return smooth.reshape(values.shape)


def reach_of(width: float, *, truncate: float) -> int:
    """Return how many voxels a kernel reaches from its middle.

    Args:
        width: Standard deviation, voxels.
        truncate: Standard deviations after which the kernel ends.
    """
    return int(truncate * float(width) + 0.5)


def median_along(line: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Replace each value of a line by the median around it, as ``scipy.ndimage.median_filter`` does.

    Args:
        line: ``"z"``; its first and last value are repeated.
        window: How many values are in the median; an odd number.

    >>> median_along(np.array([1.0, 9.0, 2.0, 3.0]), 3).tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    around = np.lib.stride_tricks.sliding_window_view(np.pad(line, window // 2, mode="edge"), window)
    return np.asarray(np.partition(around, window // 2, axis=1)[:, window // 2])


def eroded_in_plane(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the voxels whose eight neighbours on the slice are marked, too; none is outside the image.

    Args:
        mask: ``"x y z"``.
    """
    columns, rows, _ = mask.shape
    padded = np.pad(mask, ((1, 1), (1, 1), (0, 0)))
    shifted = [padded[x : x + columns, y : y + rows] for x in range(3) for y in range(3)]
    return np.asarray(np.logical_and.reduce(shifted))


def _reflected(count: int, reach: int) -> npt.NDArray[np.intp]:
    """The places of a line and of what is reflected at its ends, whose outermost values are repeated."""
    places = np.arange(-reach, count + reach) % (2 * count)
    return np.minimum(places, 2 * count - 1 - places)


def _parts(shape: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Parts of ``"before along after"`` with whole lines."""
    before, along, after = shape
    if along * after > _AT_ONCE:
        step = max(_AT_ONCE // along, 1)
        yield from (
            (slice(i, i + 1), slice(None), slice(j, j + step)) for i in range(before) for j in range(0, after, step)
        )
    elif along * after > 0:
        step = max(_AT_ONCE // (along * after), 1)
        yield from ((slice(i, i + step),) for i in range(0, before, step))
