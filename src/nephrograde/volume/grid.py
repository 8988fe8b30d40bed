"""The position of an image's voxels in the patient: size, spacing, origin and direction (LPS, mm)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import VolumeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.vocabulary import Triple

Matrix: TypeAlias = Annotated[npt.NDArray[np.float64], "row column"]
Index: TypeAlias = Annotated[npt.ArrayLike, "x y z"]
Source: TypeAlias = Literal["dicom", "file", "memory"]

FEWEST_SLICES = 3
"""The paper's weak arm reads at least three slices."""
ORTHONORMAL_WITHIN = 1e-3
"""Largest tolerated entry of DᵀD − 1: equivalent to half a voxel of 0.8 mm over 400 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A lattice of voxels in the patient: LPS, so x increases to the left, y to the back and z to the head.

    Column ``a`` of ``direction`` is the unit vector along array axis ``a``. ``source`` is the origin of the axis order:
    "dicom" is columns, rows, slices with the slices from feet to head (in a coronal or sagittal series: to the back, to
    the left); "file" is the order in the file; "memory" is an array made by code. ``is_oriented`` is false if a file
    does not state the orientation of its axes in the patient.

    >>> grid = Grid((4, 4, 3), (0.8, 0.8, 2.0), (-10.0, 0.0, 50.0), np.eye(3), source="file")
    >>> grid.to_mm((1, 0, 2)), grid.to_index((-10.0, 0.8, 51.0))
    ((-9.2, 0.0, 54.0), (0.0, 1.0, 0.5))
    """

    size: tuple[int, int, int]
    spacing_mm: Triple
    origin_mm: Triple
    direction: Matrix
    source: Source
    is_oriented: bool = True

    def to_mm(self, index: Index) -> Triple:
        """Convert an index to a position in the patient (LPS, mm); voxel centres are whole numbers.

        Args:
            index: Column, row and slice; may be fractional.
        """
        steps = np.asarray(index, dtype=np.float64) * self.spacing_mm
        return _triple(self.direction @ steps + self.origin_mm)

    def to_index(self, position_mm: Index) -> Triple:
        """Convert a position in the patient to a fractional index.

        Args:
            position_mm: LPS, mm; may be outside the image.
        """
        away = np.asarray(position_mm, dtype=np.float64) - self.origin_mm
        return _triple(np.linalg.solve(self.direction, away) / self.spacing_mm)

    def axes(self) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
        """For x, y and z: the stored axis that runs along it, and whether that axis must be flipped to match its sense.

        For an oblique image, the assignment with the largest sum of cosines.

        >>> coronal = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        >>> Grid((5, 6, 7), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), coronal, source="file").axes()
        ((0, 2, 1), (False, False, True))
        """
        x, y, z = max(permutations(range(3)), key=lambda p: sum(abs(self.direction[row, p[row]]) for row in range(3)))
        flips = (bool(self.direction[0, x] < 0), bool(self.direction[1, y] < 0), bool(self.direction[2, z] < 0))
        return (x, y, z), flips

    def reoriented(self) -> Grid:
        """The same lattice with its axes in the order x, y, z and increasing along them.

        Only order and sign change; the axes of an oblique image stay oblique.
        """
        order, flips = self.axes()
        signs = np.where(flips, -1.0, 1.0)
        first = [0.0, 0.0, 0.0]
        for axis, flip in zip(order, flips, strict=True):
            first[axis] = self.size[axis] - 1.0 if flip else 0.0
        return Grid(
            (self.size[order[0]], self.size[order[1]], self.size[order[2]]),
            (self.spacing_mm[order[0]], self.spacing_mm[order[1]], self.spacing_mm[order[2]]),
            self.to_mm(first),
            self.direction[:, order] * signs + 0.0,
            source=self.source,
            is_oriented=self.is_oriented,
        )

    def scaled(self, unit_mm: Triple) -> Grid:
        """The same lattice where its lengths were given in other units than mm.

        Args:
            unit_mm: Length of the unit along x, y and z of the patient.

        >>> metres = Grid((4, 4, 3), (0.001, 0.001, 0.002), (0.0, 0.0, 0.05), np.eye(3), source="file")
        >>> grid = metres.scaled((1000.0, 1000.0, 1000.0))
        >>> grid.spacing_mm, grid.origin_mm
        ((1.0, 1.0, 2.0), (0.0, 0.0, 50.0))
        """
        if unit_mm == (1.0, 1.0, 1.0):
            return self
        columns = np.diag(unit_mm) @ self.direction * self.spacing_mm
        spacing = np.linalg.norm(columns, axis=0)
        direction = columns / np.where(spacing > 0, spacing, 1.0)
        origin = np.multiply(self.origin_mm, unit_mm)
        return Grid(
            self.size, _triple(spacing), _triple(origin), direction, source=self.source, is_oriented=self.is_oriented
        )

    def require_sound(self) -> Grid:
        """Return the grid itself if it is valid.

        SimpleITK rejects a sheared NIfTI affine, but accepts a sheared NRRD or MHA, a NaN, or a spacing of 0 (as 1 mm),
        and sizes measured on such a lattice are wrong.

        Raises:
            VolumeError: With code "spacing-invalid" or "affine-sheared".
        """
        spacing = np.asarray(self.spacing_mm)
        if not (np.isfinite(spacing).all() and (spacing > 0).all() and np.isfinite(self.origin_mm).all()):
            raise VolumeError(
                "spacing-invalid",
                f"the header gives a voxel size of {_by(self.spacing_mm)} mm and an origin of "
                f"({', '.join(f'{value:g}' for value in self.origin_mm)}) mm.",
                "Convert the scan from its DICOM series again.",
            )
        excess = np.abs(self.direction.T @ self.direction - np.eye(3)).max()
        if not excess <= ORTHONORMAL_WITHIN:
            raise VolumeError(
                "affine-sheared",
                f"the image axes are not at right angles (the affine is sheared; its directions deviate "
                f"from orthonormal by {excess:.3g}).",
                "Resample it onto a right-angled grid (gantry tilt: dcm2niix does it), or export it again.",
            )
        return self


def _triple(values: npt.NDArray[np.floating[Any]]) -> Triple:
    # Adding 0 turns -0.0 into 0.0.
    return (float(values[0]) + 0.0, float(values[1]) + 0.0, float(values[2]) + 0.0)


def _by(values: Sequence[float]) -> str:
    return " × ".join(f"{value:g}" for value in values)
