"""Windows of a lattice, as slices along x, y and z: what is outside need not be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nephrograde.organs.smoothing import gaussian_along, reach_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.vocabulary import MaskArray

Window: TypeAlias = tuple[slice, slice, slice]

_TRUNCATE = 2.0
"""Standard deviations after which a kernel ends."""


def span_of(marked: npt.ArrayLike) -> slice:
    """Return the slice from the first to the last marked place of a line.

    Args:
        marked: ``"x"``, with at least one place that is marked.
    """
    places = np.flatnonzero(marked)
    return slice(int(places[0]), int(places[-1]) + 1)


def box_of(mask: MaskArray) -> Window | None:
    """Return the bounding box of the marked voxels; None if there are none.

    Args:
        mask: ``"x y z"``.

    >>> mask = np.zeros((5, 4, 3), dtype=bool)
    >>> mask[1:3, 2, 0] = True
    >>> box_of(mask)
    (slice(1, 3, None), slice(2, 3, None), slice(0, 1, None))
    """
    plane = np.asarray(mask.any(axis=0))
    if not plane.any():
        return None
    return span_of(mask.any(axis=(1, 2))), span_of(plane.any(axis=1)), span_of(plane.any(axis=0))


def box_between(columns: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_]) -> Window | None:
    """Return the bounding box of the voxels whose column and row are both marked on their slice; None if none is.

    Args:
        columns: ``"x z"``.
        rows: ``"y z"``.
    """
    is_met = columns.any(axis=0) & rows.any(axis=0)
    if not is_met.any():
        return None
    return span_of((columns & is_met).any(axis=1)), span_of((rows & is_met).any(axis=1)), span_of(is_met)


def places_of(mask: MaskArray) -> npt.NDArray[np.intp]:
    """Return the indices of the marked voxels as ``numpy.argwhere`` does, faster where they lie together.

    Args:
        mask: ``"x y z"``.

    Returns:
        ``(voxel, axis)``.
    """
    window = box_of(mask)
    if window is None:
        return np.empty((0, 3), dtype=np.intp)
    return np.asarray(np.argwhere(mask[window]) + [part.start for part in window])


def widened(window: Window, margin: Sequence[int], shape: Sequence[int]) -> Window:
    """Return a window with more voxels on all sides, as far as the lattice goes.

    Args:
        window: The window.
        margin: Voxels along each axis.
        shape: That of the lattice.
    """
    x, y, z = (
        slice(max(part.start - more, 0), min(part.stop + more, size))
        for part, more, size in zip(window, margin, shape, strict=True)
    )
    return x, y, z


def moved(window: Window, outer: Window) -> Window:
    """Return a window of a window as one of the lattice.

    Args:
        window: Counted from the first voxel of the outer window.
        outer: Counted from the first voxel of the lattice.
    """
    x, y, z = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(window, outer, strict=True))
    return x, y, z


def seen_from(window: Window, outer: Window) -> Window:
    """Return a window of the lattice as one of a window that contains it.

    Args:
        window: Counted from the first voxel of the lattice.
        outer: The window that contains it, counted in the same way.
    """
    x, y, z = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(window, outer, strict=True))
    return x, y, z


def gaussian_in(
    values: npt.NDArray[np.float32], widths: npt.NDArray[np.float64], window: Window
) -> npt.NDArray[np.float32]:
    """Smooth a window as if the whole lattice were smoothed, to the last bit.

    One axis after the other, as ``scipy.ndimage.gaussian_filter`` does. What its kernel reaches from the window is
    enough for the same sums.

    Args:
        values: ``"x y z"``.
        widths: Standard deviation along each axis, voxels.
        window: What is wanted.
    """
    reach = [reach_of(width, truncate=_TRUNCATE) for width in widths]
    outer = widened(window, reach, values.shape)
    smooth, inner = values[outer], seen_from(window, outer)
    for axis, width in enumerate(widths):
        smooth = gaussian_along(smooth, float(width), axis, truncate=_TRUNCATE)
        kept = [slice(None)] * 3
        kept[axis] = inner[axis]
        smooth = smooth[tuple(kept)]
    return np.ascontiguousarray(smooth)
