"""Connected pieces of a mask, numbered as ``scipy.ndimage.label`` numbers them.

A piece of tissue is some thousand voxels but only some hundred runs along z, and its runs are joined all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nephrograde.vocabulary import MaskArray

Pieces: TypeAlias = Annotated[npt.NDArray[np.int32], "x y z"]
_Numbers: TypeAlias = npt.NDArray[np.intp]


def label_pieces(mask: MaskArray) -> Pieces:
    """Number the pieces whose voxels share a face.

    Args:
        mask: ``"x y z"``.

    Returns:
        0 where nothing is marked, otherwise the number of the piece, from 1 in the order of first voxels.

    >>> mask = np.array([[[1, 1, 0, 1]], [[0, 1, 0, 0]], [[0, 0, 1, 0]]], dtype=bool)
    >>> label_pieces(mask)[:, 0].tolist()
    [[1, 1, 0, 2], [0, 1, 0, 0], [0, 0, 3, 0]]
    """
    columns, rows, slices = mask.shape
    padded = np.zeros((columns, rows, slices + 2), np.int8)
    padded[:, :, 1:-1] = mask
    change = np.diff(padded, axis=2).ravel()
    # Each line has one place more than voxels, where a run ends that reaches its last voxel.
    length = slices + 1
    first, stop = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    line = first // length
    beside = _touching(first, stop, length, np.flatnonzero(line % rows < rows - 1))
    before = _touching(first, stop, rows * length, np.arange(len(first)))
    roots = _joined(len(first), np.concatenate([beside, before], axis=1))
    numbers = np.cumsum(roots == np.arange(len(first)))[roots].astype(np.int32)
    steps = np.zeros(len(change), np.int32)
    steps[first] = numbers
    steps[stop] -= numbers  # a run may begin where the one of the line before has ended
    return np.cumsum(steps, dtype=np.int32).reshape(columns, rows, length)[:, :, :-1]


def _touching(first: _Numbers, stop: _Numbers, shift: int, of: _Numbers) -> _Numbers:
    """Pairs of runs, ``(2, pair)``: some, and those that they touch if they are moved by some places."""
    low = np.searchsorted(stop, first[of] + shift, side="right")
    counts = np.maximum(np.searchsorted(first, stop[of] + shift, side="left") - low, 0)
    ends = np.cumsum(counts)
    within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
    return np.stack([np.repeat(of, counts), np.repeat(low, counts) + within])


def _joined(count: int, pairs: _Numbers) -> _Numbers:
    """The first run of the piece of each run."""
    roots = np.arange(count)
    while pairs.size:
        np.minimum.at(roots, pairs.max(axis=0), pairs.min(axis=0))
        while not np.array_equal(further := roots[roots], roots):
            roots = further
        pairs = roots[pairs]
        pairs = pairs[:, pairs[0] != pairs[1]]
    return roots
