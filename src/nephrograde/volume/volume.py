"""A scan as all other rooms use it: HU on axes that run to the left, the back and the head, with its position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import RunError, VolumeError, WriteError
from nephrograde.replacement import check_replaceable, temporary_beside
from nephrograde.volume.grid import Grid, Index, Matrix

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.cohort.place import Box, Point, SlicePlace
    from nephrograde.vocabulary import Triple, VolumeArray
    from nephrograde.volume.finding import Fault

COARSER_BY = 1.5
"""The axis whose spacing exceeds the others by this factor is taken to be the slice axis."""
_FORMATS = (".nii", ".nii.gz", ".nrrd", ".mha")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Volume:
    """An image in the patient.

    ``values`` is a read-only view ``"x y z"`` in the type of the file (int16 stays int16), with x increasing to the
    patient's left, y to the back and z to the head. Nothing is resampled: the axes of an oblique scan stay oblique, and
    column ``a`` of ``direction`` is the direction of axis ``a`` (LPS). ``native`` is the grid in stored order, to which
    ``vox`` positions refer. ``bridged`` are the stored slices that were missing or unreadable, and are interpolated.

    >>> make_volume(np.zeros((4, 4, 3), np.int16), spacing_mm=(0.8, 0.8, 2.0))
    Volume(4 × 4 × 3 voxels of 0.80 × 0.80 × 2.00 mm, int16)
    """

    values: VolumeArray
    spacing_mm: Triple
    origin_mm: Triple
    direction: Matrix
    native: Grid
    faults: tuple[Fault, ...] = ()
    bridged: tuple[int, ...] = ()

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.values.shape))
        spacing = " × ".join(f"{step:.2f}" for step in self.spacing_mm)
        return f"Volume({size} voxels of {spacing} mm, {self.values.dtype})"

    @property
    def grid(self) -> Grid:
        """The lattice of ``values``."""
        x, y, z = self.values.shape
        return Grid(
            (x, y, z),
            self.spacing_mm,
            self.origin_mm,
            self.direction,
            source=self.native.source,
            is_oriented=self.native.is_oriented,
        )

    def to_mm(self, index: Index) -> Triple:
        """Convert an index into ``values`` to a position in the patient (LPS, mm).

        Args:
            index: x, y and z index; voxel centres are whole numbers.
        """
        return self.grid.to_mm(index)

    def to_index(self, position_mm: Index) -> Triple:
        """Convert a position in the patient to a fractional index into ``values``.

        Args:
            position_mm: LPS, mm; may be outside the image.
        """
        return self.grid.to_index(position_mm)


def make_volume(
    values: VolumeArray, *, spacing_mm: Triple, origin_mm: Triple = (0.0, 0.0, 0.0), direction: Matrix | None = None
) -> Volume:
    """Make a volume from an array, for synthetic scans and tests.

    Args:
        values: ``"x y z"`` if ``direction`` is omitted; any axis order if it is given.
        spacing_mm: Distance between voxel centres along each axis, mm.
        origin_mm: Position of the first voxel's centre, LPS, mm.
        direction: Column ``a`` is the unit vector along axis ``a`` (LPS).

    >>> volume = make_volume(np.zeros((4, 4, 3)), spacing_mm=(0.8, 0.8, 2.0), origin_mm=(-10.0, 0.0, 50.0))
    >>> volume.to_mm((1, 0, 2)), volume.to_index((-10.0, 0.8, 51.0))
    ((-9.2, 0.0, 54.0), (0.0, 1.0, 0.5))
    """
    x, y, z = values.shape
    matrix = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64)
    return orient(values, Grid((x, y, z), spacing_mm, origin_mm, matrix, source="memory"))


def slice_axis(volume: Volume) -> int:
    """Return the axis of the volume along which its slices were stacked: 0, 1 or 2 for x, y and z.

    Args:
        volume: A scan as read.

    Returns:
        For a DICOM series, the axis of the stack; for another file, the axis that is clearly the coarsest, else z.
    """
    if volume.native.source == "dicom":
        return volume.native.axes()[0].index(2)
    coarsest = int(np.argmax(volume.spacing_mm))
    others = [spacing for axis, spacing in enumerate(volume.spacing_mm) if axis != coarsest]
    return coarsest if volume.spacing_mm[coarsest] > COARSER_BY * max(others) else 2


def resolve_point(place: Point, volume: Volume) -> Triple:
    """Convert a point to its position in the patient.

    Args:
        place: In mm (LPS), or in voxels of the image as stored.
        volume: The image it was placed on.

    Returns:
        LPS, mm; it may be outside the image.

    >>> from nephrograde.cohort.place import parse_point
    >>> volume = make_volume(np.zeros((9, 9, 9)), spacing_mm=(1.0, 1.0, 2.0), origin_mm=(-5.0, 0.0, 100.0))
    >>> resolve_point(parse_point("4,5,6 vox"), volume)
    (-1.0, 5.0, 112.0)
    """
    return place.position if place.unit == "mm" else volume.native.to_mm(place.position)


def resolve_box(place: Box, volume: Volume) -> tuple[Triple, Triple]:
    """Convert the two opposite corners of a box to their positions in the patient.

    Args:
        place: In mm (LPS), or in voxels of the image as stored (voxel centres).
        volume: The image it was placed on.

    Returns:
        Two corners in LPS, mm, ordered so that the first has the lower index on every axis of the volume. If the axes
        of the scan are those of the patient, these are the lower coordinates.

    >>> from nephrograde.cohort.place import parse_box
    >>> volume = make_volume(np.zeros((9, 9, 9)), spacing_mm=(1.0, 1.0, 2.0), origin_mm=(-5.0, 0.0, 100.0))
    >>> resolve_box(parse_box("1,2,3;4,5,3 vox"), volume)
    ((-4.0, 2.0, 106.0), (-1.0, 5.0, 106.0))
    """
    corners = [place.corner_a, place.corner_b]
    if place.unit == "vox":
        corners = [volume.native.to_mm(corner) for corner in corners]
    indices = np.array([volume.to_index(corner) for corner in corners])
    return volume.to_mm(indices.min(axis=0)), volume.to_mm(indices.max(axis=0))


def resolve_slice(place: SlicePlace, volume: Volume) -> float:
    """Convert an axial slice to its index in the volume.

    Args:
        place: In mm, the z coordinate (LPS), measured in the middle of the slice; or in voxels, counted from 0 along
            the stored axis that runs between feet and head, in its stored direction.
        volume: The image it was chosen on.

    Returns:
        The index along z of ``volume.values``; fractional between slices, and not limited to the image.

    >>> from nephrograde.cohort.place import parse_slice
    >>> volume = make_volume(np.zeros((9, 9, 9)), spacing_mm=(1.0, 1.0, 2.0), origin_mm=(0.0, 0.0, 100.0))
    >>> resolve_slice(parse_slice("105 mm"), volume), resolve_slice(parse_slice("6 vox"), volume)
    (2.5, 6.0)
    """
    order, flips = volume.native.axes()
    if place.unit == "vox":
        return volume.native.size[order[2]] - 1 - place.coordinate if flips[2] else place.coordinate
    x, y, _ = volume.values.shape
    bottom_mm, next_mm = (volume.to_mm(((x - 1) / 2, (y - 1) / 2, k))[2] for k in (0, 1))
    return (place.coordinate - bottom_mm) / (next_mm - bottom_mm)


def write_image(
    values: VolumeArray,
    image_path: Path,
    *,
    spacing_mm: Triple,
    origin_mm: Triple = (0.0, 0.0, 0.0),
    direction: Matrix | None = None,
    note: str = "",
) -> None:
    """Write an image or a mask to one file, atomically.

    Args:
        values: ``"x y z"``; in a mask, true is written as 1.
        image_path: Ends in .nii, .nii.gz, .nrrd or .mha; its folder is created if missing.
        spacing_mm: Distance between voxel centres along each axis, mm.
        origin_mm: Position of the first voxel's centre, LPS, mm.
        direction: Column ``a`` is the unit vector along axis ``a`` (LPS); the patient's axes by default.
        note: What the description in the header of a NIfTI file says, at most 79 characters of ASCII.

    Raises:
        VolumeError: With code "file-kind" for another ending, "file-unwritable" if the file cannot be written.
    """
    import SimpleITK  # takes a tenth of a second, and few files need it

    suffix = next((suffix for suffix in _FORMATS if image_path.name.lower().endswith(suffix)), None)
    if suffix is None:
        remedy = f"Use one of {', '.join(_FORMATS)}."
        raise VolumeError("file-kind", "is not of a kind that is written.", remedy, path=image_path)
    image = SimpleITK.GetImageFromArray(np.asarray(values, np.uint8 if values.dtype == bool else values.dtype).T)
    image.SetSpacing(spacing_mm)
    image.SetOrigin(origin_mm)
    image.SetDirection((np.eye(3) if direction is None else direction).ravel().tolist())
    if note:
        image.SetMetaData("ITK_FileNotes", note)
    temporary_path = temporary_beside(image_path)
    try:
        check_replaceable(image_path)
        image_path.parent.mkdir(parents=True, exist_ok=True)
        SimpleITK.WriteImage(image, str(temporary_path))
        temporary_path.replace(image_path)
    except (OSError, RuntimeError, RunError, WriteError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        remedy = "See that the folder takes new files."
        raise VolumeError("file-unwritable", f"cannot be written{reason}.", remedy, path=image_path) from None
    finally:
        if temporary_path.exists():
            temporary_path.unlink()


def orient(values: VolumeArray, native: Grid) -> Volume:
    """View a stored image on axes that run to the left, the back and the head, without copying it.

    Args:
        values: The voxels, with three axes in stored order.
        native: The grid of the stored voxels.
    """
    order, flips = native.axes()
    turned = values.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    turned.flags.writeable = False
    grid = native.reoriented()
    return Volume(turned, grid.spacing_mm, grid.origin_mm, grid.direction, native)
