"""Resampling of a mask to the grid of an image by world coordinates."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid


def bring_over(mask: MaskArray, source: Grid, target: Grid) -> MaskArray:
    """Resample a mask to another grid by nearest neighbour.

    Only the part of the target around the marked voxels is sampled. If sampling would change nothing, because every
    voxel of the target falls into the mask's voxel with the same index, the mask itself is returned.

    Args:
        mask: The mask; at least one voxel is true.
        source: The grid of the mask.
        target: The grid of the image.

    Returns:
        A mask on the target grid.

    Raises:
        VolumeError: With code "mask-outside" if the marked voxels are completely outside the image, "mask-empty" if
            they are so small that they fall between the voxels of the image.
    """
    if source.size == target.size and _index_for_index(source, target):
        return mask
    low, high = bounding_box(mask)
    faces = [
        (start - 0.5, stop + 0.5) for start, stop in zip(low, high, strict=True)
    ]  # a voxel of the mask may be large
    corners = np.array([target.to_index(source.to_mm(corner)) for corner in product(*faces)])
    size = np.array(target.size)
    # clipped before they become integers, which have no room for those of a mask far away
    first = np.clip(np.nan_to_num(np.floor(corners.min(axis=0)), nan=np.inf), 0, size).astype(int)
    last = np.clip(np.nan_to_num(np.ceil(corners.max(axis=0)), nan=-np.inf), -1, size - 1).astype(int)
    if (first > last).any():
        raise _outside(source, target, low, high)
    box = tuple(slice(start, stop + 1) for start, stop in zip(first, last, strict=True))
    brought = np.zeros(target.size, dtype=bool, order="F")
    brought[box] = _nearest(mask, source, target, first=first, size=last - first + 1)
    if not brought.any():
        middle = target.to_index(source.to_mm([(start + stop) / 2 for start, stop in zip(low, high, strict=True)]))
        if not all(-0.5 <= i <= n - 0.5 for i, n in zip(middle, target.size, strict=True)):
            raise _outside(source, target, low, high)
        raise VolumeError(
            "mask-empty",
            f"the {int(mask.sum())} marked voxels are so small that they fall between those of the image.",
            "Check that the mask was drawn on this series, or draw it on the image itself.",
        )
    return brought


def bounding_box(mask: MaskArray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the lowest and highest index of the marked voxels along every axis, both inclusive.

    Args:
        mask: The mask; at least one voxel is true.

    >>> mask = np.zeros((6, 6, 6), dtype=bool)
    >>> mask[1:4, 2, 3:5] = True
    >>> bounding_box(mask)
    ((1, 2, 3), (3, 2, 4))
    """
    z = np.flatnonzero(mask.any(axis=(0, 1)))
    part = mask[:, :, z[0] : z[-1] + 1]
    x, y = np.flatnonzero(part.any(axis=(1, 2))), np.flatnonzero(part.any(axis=(0, 2)))
    return (int(x[0]), int(y[0]), int(z[0])), (int(x[-1]), int(y[-1]), int(z[-1]))


def _outside(source: Grid, target: Grid, low: tuple[int, ...], high: tuple[int, ...]) -> VolumeError:
    hint = ""
    if source.size == target.size:
        hint = " The two have the same size, so the mask may have lost its geometry: copy that of the image."
    return VolumeError(
        "mask-outside",
        f"the marked tumour lies wholly outside the image, which {_extent(target)}; the tumour "
        f"{_extent(source, low, high)}.",
        f"Check that the mask was drawn on this series.{hint}",
    )


def _index_for_index(source: Grid, target: Grid) -> bool:
    """Whether every voxel of the target falls into the source's voxel with the same index.

    The difference between the two indices is affine, so it is largest in a corner.
    """
    corners = list(product(*((0.0, n - 1.0) for n in target.size)))
    found = np.array([source.to_index(target.to_mm(corner)) for corner in corners])
    return bool(np.abs(found - corners).max() < 0.5)


def _nearest(
    mask: MaskArray, source: Grid, target: Grid, *, first: npt.NDArray[np.int_], size: npt.NDArray[np.int_]
) -> MaskArray:
    import SimpleITK  # takes a tenth of a second, and few files need it

    image = SimpleITK.GetImageFromArray(mask.T.astype(np.uint8))
    image.SetSpacing(source.spacing_mm)
    image.SetOrigin(source.origin_mm)
    image.SetDirection(source.direction.ravel().tolist())
    sampled = SimpleITK.Resample(
        image,
        [int(n) for n in size],
        SimpleITK.Transform(),
        SimpleITK.sitkNearestNeighbor,
        target.to_mm(first),
        target.spacing_mm,
        target.direction.ravel().tolist(),
    )
    return np.asarray(SimpleITK.GetArrayViewFromImage(sampled).T > 0)


def _extent(grid: Grid, low: tuple[int, ...] = (0, 0, 0), high: tuple[int, ...] | None = None) -> str:
    ends = np.sort([grid.to_mm(low), grid.to_mm(high or [n - 1 for n in grid.size])], axis=0)
    spans = [f"{axis} {start:.0f} to {stop:.0f}" for axis, start, stop in zip("xyz", *ends, strict=True)]
    return f"spans {', '.join(spans)} mm"
