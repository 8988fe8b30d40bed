"""The written form of a mask in a journal: the runs of marked voxels on the slices that a person has changed.

``slices 64,64,20 2,2,5 -63,-63,-300 1,0,0,0,1,0,0,0,1 7:83 8:`` gives the size, the spacing (mm), the origin and the
direction (LPS, mm) of the grid that it was drawn on, and then each slice with its runs; here slice 8 is empty. With
``whole`` in place of ``slices``, all other slices are empty. The voxels of a slice are taken row by row; the numbers of
unmarked and marked voxels alternate, starting with unmarked ones, and end with the last marked one. They are written
as in the annotations of the COCO data set: from the fourth number on as the difference to the one two before, in units
of 5 bits, lowest first, one character per unit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import PlaceError, VolumeError
from nephrograde.volume.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Counts: TypeAlias = Annotated[npt.NDArray[np.int64], "run"]
"""How many voxels are unmarked, marked, unmarked, …"""
Plane: TypeAlias = Annotated[npt.NDArray[np.bool_], "row column"]
MaskStack: TypeAlias = Annotated[npt.NDArray[np.bool_], "z y x"]

CHANGED: Final = "slices"
WHOLE: Final = "whole"
MOST_VOXELS: Final = 1 << 30
"""Of a grid: as many as 4,000 slices of 512 × 512."""
_FIRST_CHARACTER: Final = 48
_UNIT_BITS: Final = 5
_MOST_UNITS: Final = 7  # 35 bits: more than any grid has voxels
_SAME_WITHIN: Final = 1e-4
_SLICE = re.compile(r"([0-9]{1,5}):([0-o]*)")
_RULE: Final = "Write it as described in the reference of annotations."


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Marked voxels by slice, on the grid that they were drawn on.

    Attributes:
        grid: The lattice of a scan on axes to the left, the back and the head.
        slices: The runs of each slice that is given, by its number from 0 at the feet.
        is_whole: Whether slices that are not given are empty; otherwise they are as they were before.
    """

    grid: Grid
    slices: Mapping[int, Counts]
    is_whole: bool

    @property
    def n_voxels(self) -> int:
        """How many voxels are marked on the slices that are given."""
        return sum(int(counts[1::2].sum()) for counts in self.slices.values())

    def stack(self) -> MaskStack:
        """All slices as an array."""
        columns, rows, depth = self.grid.size
        stack = np.zeros((depth, rows, columns), dtype=bool)
        for number, counts in self.slices.items():
            stack[number] = plane_of(counts, (rows, columns))
        return stack

    def text(self) -> str:
        """The written form."""
        grid = self.grid
        numbers = (grid.size, grid.spacing_mm, grid.origin_mm, grid.direction.ravel().tolist())
        words = [",".join(_written(number) for number in some) for some in numbers]
        slices = [f"{number}:{write_runs(counts)}" for number, counts in sorted(self.slices.items())]
        return " ".join([WHOLE if self.is_whole else CHANGED, *words, *slices])


def is_voxels(value: str) -> bool:
    """Whether the value of an entry contains voxels, and is not the name of a file.

    Args:
        value: Of an entry about a mask.
    """
    return value.startswith((f"{CHANGED} ", f"{WHOLE} "))


def parse_voxels(text: str) -> Voxels:
    """Parse the written form of voxels.

    Args:
        text: As in the value of an entry.

    Raises:
        PlaceError: It is not written in this form.

    >>> voxels = parse_voxels("slices 4,3,5 1,1,2 0,0,0 1,0,0,0,1,0,0,0,1 2:525")
    >>> plane_of(voxels.slices[2], (3, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    >>> voxels.text()
    'slices 4,3,5 1,1,2 0,0,0 1,0,0,0,1,0,0,0,1 2:52'
    """
    words = text.split(" ")
    if len(words) < 6 or words[0] not in {CHANGED, WHOLE}:
        raise _wrong("is not a grid followed by slices")
    grid = _grid(words[1:5])
    columns, rows, depth = grid.size
    slices: dict[int, Counts] = {}
    for word in words[5:]:
        match = _SLICE.fullmatch(word)
        if match is None:
            raise _wrong(f"has {word[:40]!r} where the runs of a slice should be")
        number = int(match[1])
        if number >= depth or number in slices:
            raise _wrong(f"names slice {number} twice, or has only {depth} slices")
        slices[number] = parse_runs(match[2], columns * rows)
    return Voxels(grid, slices, words[0] == WHOLE)


def voxels_of(stack: MaskStack, grid: Grid, numbers: Iterable[int] | None = None) -> Voxels:
    """Describe a mask by its runs.

    Args:
        stack: The mask.
        grid: Its grid.
        numbers: The slices that were changed; None for the whole mask.
    """
    chosen = np.flatnonzero(stack.any(axis=(1, 2))).tolist() if numbers is None else sorted(numbers)
    return Voxels(grid, {number: runs_of(stack[number]) for number in chosen}, numbers is None)


def is_same_grid(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels, as far as a difference of 0.1 µm does not count.

    Args:
        one: A grid.
        other: Another.
    """
    pairs = (
        (one.spacing_mm, other.spacing_mm),
        (one.origin_mm, other.origin_mm),
        (one.direction.ravel(), other.direction.ravel()),
    )
    return one.size == other.size and all(np.allclose(a, b, rtol=0, atol=_SAME_WITHIN) for a, b in pairs)


def runs_of(plane: Plane) -> Counts:
    """Count the unmarked and marked voxels of a slice, row by row.

    Args:
        plane: The slice.

    >>> runs_of(np.array([[False, True, True], [False, False, True]])).tolist()
    [1, 2, 2, 1]
    """
    flat = np.concatenate([[False], plane.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(edges, prepend=0).astype(np.int64)


def plane_of(counts: Counts, shape: tuple[int, int]) -> Plane:
    """Mark the voxels of a slice.

    Args:
        counts: Its runs.
        shape: Rows and columns.
    """
    plane = np.zeros(shape[0] * shape[1], dtype=bool)
    marked = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    plane[: len(marked)] = marked
    return plane.reshape(shape)


def write_runs(counts: Counts) -> str:
    """Write runs as text.

    Args:
        counts: The runs.

    >>> write_runs(np.array([100, 20, 490, 20]))
    'T3d0Z?0'
    """
    differences = counts.copy()
    differences[3:] -= counts[1:-2]
    characters = []
    for difference in differences.tolist():
        rest = difference
        while True:
            unit, rest = rest & 31, rest >> _UNIT_BITS
            is_last = rest == (-1 if unit & 16 else 0)
            characters.append(chr(_FIRST_CHARACTER + unit + (0 if is_last else 32)))
            if is_last:
                break
    return "".join(characters)


def parse_runs(text: str, n_voxels: int) -> Counts:
    """Parse the runs of a slice.

    Args:
        text: Their written form; trailing unmarked voxels may be given.
        n_voxels: Of a slice.

    Raises:
        PlaceError: It is not that of runs, or they have more voxels than the slice.

    >>> parse_runs(write_runs(np.array([0, 20, 492, 20, 493, 18])), 512 * 512).tolist()
    [0, 20, 492, 20, 493, 18]
    """
    if not text:
        return np.zeros(0, dtype=np.int64)
    codes = np.frombuffer(text.encode("ascii", errors="replace"), dtype=np.uint8).astype(np.int64) - _FIRST_CHARACTER
    last = np.flatnonzero(codes & 32 == 0)
    if codes.min() < 0 or codes.max() > 63 or not last.size or last[-1] != len(codes) - 1:
        raise _wrong("has runs that are cut off, or contain other characters")
    starts = np.concatenate([[0], last[:-1] + 1])
    lengths = last - starts + 1
    if lengths.max() > _MOST_UNITS:
        raise _wrong("has a run that is longer than a slice")
    units = np.arange(len(codes)) - np.repeat(starts, lengths)
    counts = np.add.reduceat((codes & 31) << (_UNIT_BITS * units), starts)
    counts -= ((codes[last] & 16) >> 4) << (_UNIT_BITS * lengths)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    if counts.min() < 0 or (counts[1:] == 0).any() or counts.max() > n_voxels or counts.sum() > n_voxels:
        raise _wrong(f"has runs that are empty, or more than the {n_voxels} voxels of a slice")
    return counts[: len(counts) // 2 * 2]


def _grid(words: list[str]) -> Grid:
    size = [int(word) if re.fullmatch(r"[0-9]{1,5}", word) else 0 for word in words[0].split(",")]
    if len(size) != 3 or min(size) < 1 or math.prod(size) > MOST_VOXELS:
        raise _wrong(f"has {words[0][:40]!r} as the size of its grid")
    spacing, origin, direction = (_numbers(word, count) for word, count in zip(words[1:], (3, 3, 9), strict=True))
    try:
        return Grid(
            (size[0], size[1], size[2]),
            (spacing[0], spacing[1], spacing[2]),
            (origin[0], origin[1], origin[2]),
            np.array(direction).reshape(3, 3),
            source="memory",
        ).require_sound()
    except VolumeError as error:
        raise _wrong(f"has a grid that cannot be: {error.message.rstrip('.')}") from None


def _numbers(word: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in word.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise _wrong(f"has {word[:40]!r} where {count} numbers should be")
    return numbers


def _written(number: float) -> str:
    """The shortest text of a number from which it can be read again exactly."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)


def _wrong(what: str) -> PlaceError:
    return PlaceError(f"the mask {what}", _RULE)
