"""The scans that the page shows: read once, kept as 16-bit slices as long as there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.organs.landmarks import AIR_HU
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import Volume

if TYPE_CHECKING:
    from nephrograde.cohort.case import Scan
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.grid import Grid

Stack: TypeAlias = Annotated[npt.NDArray[np.int16], "z y x"]
Plane: TypeAlias = Literal["axial", "coronal", "sagittal"]

ROOM_BYTES = 1536 * 1024 * 1024
"""Three phases of 512 × 512 × 300 voxels have 450 MiB; this is room for the patient who is shown and the next two."""
_READ_AT_ONCE = 2
"""More would only delay the phase that is shown first."""
_AXIS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
_INT16 = np.iinfo(np.int16)
_COARSE = 200.0  # values that span fewer units than grey levels on a screen are not rounded to whole ones


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """A scan as slices of 16-bit values, with its position in the patient (LPS, mm).

    ``values * slope + intercept`` are the values of the file, HU for CT. ``grid`` is that of the volume, x y z.
    """

    values: Stack
    grid: Grid
    slope: float
    intercept: float

    @property
    def geometry(self) -> dict[str, object]:
        """What the page needs to place a slice, as JSON."""
        depth, rows, columns = self.values.shape
        sample = self.values[::4, ::8, ::8]
        low, high = (float(value) * self.slope + self.intercept for value in np.percentile(sample, (1, 99)))
        return {
            "size": [columns, rows, depth],
            "spacing_mm": [float(value) for value in self.grid.spacing_mm],
            "origin_mm": [float(value) for value in self.grid.origin_mm],
            "is_oriented": self.grid.is_oriented,
            "direction": [float(value) for value in self.grid.direction.ravel()],
            "slope": self.slope,
            "intercept": self.intercept,
            "low": low,
            "high": high,
            "middle_mm": self.middle_mm,
        }

    @property
    def middle_mm(self) -> float:
        """The x coordinate of the middle of the body (LPS, mm): of all that is not air."""
        inside = np.argwhere(self.values[::4, ::8, ::8] * self.slope + self.intercept > AIR_HU)
        if not len(inside):
            return float(self.grid.to_mm([(count - 1) / 2 for count in self.grid.size])[0])
        z, y, x = inside.mean(axis=0)
        return float(self.grid.to_mm((8 * x, 8 * y, 4 * z))[0])

    def volume(self) -> Volume:
        """The scan as a volume, with the values of the file as far as 16 bits keep them."""
        values = self.values.T
        if (self.slope, self.intercept) != (1.0, 0.0):
            values = (values * np.float32(self.slope) + np.float32(self.intercept)).astype(np.float32)
        return Volume(values, self.grid.spacing_mm, self.grid.origin_mm, self.grid.direction, self.grid)

    def holds(self, position_mm: Triple) -> bool:
        """Whether a position in the patient is inside the image, including the outer half of its border voxels.

        Args:
            position_mm: LPS, mm.
        """
        indices = self.grid.to_index(position_mm)
        return all(-0.5 <= index <= count - 0.5 for index, count in zip(indices, self.grid.size, strict=True))

    def has_height(self, z_mm: float) -> bool:
        """Whether an axial slice is inside the image.

        Args:
            z_mm: The z coordinate of the middle of the slice (LPS, mm).
        """
        x, y, depth = self.grid.size
        bottom_mm, next_mm = (self.grid.to_mm(((x - 1) / 2, (y - 1) / 2, k))[2] for k in (0, 1))
        return -0.5 <= (z_mm - bottom_mm) / (next_mm - bottom_mm) <= depth - 0.5

    def count(self, plane: Plane) -> int:
        """Return the number of slices in a plane.

        Args:
            plane: The plane, along the axes of the image.
        """
        return slice_count(self.values, plane)

    def slice_bytes(self, number: int, plane: Plane = "axial") -> bytes:
        """One slice, row by row, as little-endian 16-bit values.

        Args:
            number: From 0: at the feet, at the front (coronal) or at the patient's right (sagittal).
            plane: The plane, along the axes of the image. Rows of a coronal or sagittal slice start at the head; its
                columns run to the patient's left, or to the back.
        """
        return plane_bytes(self.values, number, plane)


def slice_count(values: Stack, plane: Plane) -> int:
    """Return the number of slices of a stack in a plane.

    Args:
        values: The stack.
        plane: The plane, along the axes of the image.
    """
    return int(values.shape[_AXIS[plane]])


def plane_bytes(values: Stack, number: int, plane: Plane) -> bytes:
    """Return one slice of a stack as :meth:`Slices.slice_bytes` does.

    Args:
        values: The stack.
        number: From 0.
        plane: The plane, along the axes of the image.
    """
    if plane == "axial":
        one = values[number]
    elif plane == "coronal":
        one = values[::-1, number]
    else:
        one = values[::-1, :, number]
    return bytes(one.tobytes())


def as_slices(volume: Volume) -> Slices:
    """Convert a volume to 16-bit slices.

    Whole numbers within 16 bits stay as they are, and CT values with a fraction are rounded to whole HU. Values of a
    small or a very large range, such as those of PET, are scaled to 16 bits.

    Args:
        volume: A scan as read.

    >>> from nephrograde.volume.volume import make_volume
    >>> slices = as_slices(make_volume(np.arange(60, dtype=np.int16).reshape(5, 4, 3), spacing_mm=(0.8, 0.8, 2.0)))
    >>> slices.values.shape, slices.slope, np.frombuffer(slices.slice_bytes(1), "<i2")[:5].tolist()
    ((3, 4, 5), 1.0, [1, 13, 25, 37, 49])
    """
    values = volume.values
    low, high = float(values.min()), float(values.max())
    slope, intercept = 1.0, 0.0
    fits = low >= _INT16.min and high <= _INT16.max
    is_whole = np.issubdtype(values.dtype, np.integer)
    if not fits or (not is_whole and high - low < _COARSE):
        slope = (high - low) / (_INT16.max - _INT16.min) or 1.0
        intercept = low - _INT16.min * slope
    stack = np.empty(values.shape[::-1], dtype="<i2")
    for k in range(values.shape[2]):  # slice by slice, so that no second copy of a large scan is made
        plane = values[:, :, k].T
        if fits and is_whole:
            stack[k] = plane
        else:
            stack[k] = np.clip(np.rint((plane - intercept) / slope), _INT16.min, _INT16.max)
    return Slices(stack, volume.grid, slope, intercept)


class ScanShelf:
    """The scans that were shown last, as many as fit into a number of bytes; each is read by one thread at a time.

    >>> shelf = ScanShelf(room_bytes=1000)
    >>> shelf.held_bytes
    0
    """

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room_bytes = room_bytes
        self._held: OrderedDict[tuple[int, str], Slices] = OrderedDict()
        self._reading: dict[tuple[int, str], threading.Lock] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_READ_AT_ONCE)

    @property
    def held_bytes(self) -> int:
        """The size of the scans that are kept."""
        return sum(slices.values.nbytes for slices in self._held.values())

    def get(self, key: tuple[int, str], scan: Scan) -> Slices:
        """Return the slices of a scan, which is read if it is not kept.

        Args:
            key: The patient's number and the phase.
            scan: Where the image is.

        Raises:
            VolumeError: If the image cannot be read.
        """
        with self._lock:
            turn = self._reading.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._held:
                    self._held.move_to_end(key)
                    return self._held[key]
            with self._turns:
                slices = as_slices(read_volume(scan.image_path))
            with self._lock:
                self._held[key] = slices
                while len(self._held) > 1 and self.held_bytes > self._room_bytes:
                    self._held.popitem(last=False)
            return slices
