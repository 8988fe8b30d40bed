"""What surrounds the body on a CT, and how wide the body is: a background that is not air, and a voxel size of 1 mm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from nephrograde.volume.coarse import CoarseArray
    from nephrograde.volume.volume import Volume

AIR_HU = (-1100.0, -900.0)
FAT_HU = (-150.0, -30.0)
"""A crop of the body may be filled with the value of fat; it does not change what lies beside it."""
RIM = (0.85, 0.97)
"""Between these fractions of the way from the middle of a slice to its sides lies air, or the body where it is cut off.
Scanners pad the corners beyond."""
FILLED_RIM = 0.3
FILLED_SHARE = 0.1
"""Fractions of the rim and of the image that have exactly one value if it was filled in. Averages of several pixels of
a scan are equal by chance in 0.02 of it or less, unless they were clipped to air."""
LEAST_AIR = 0.05
"""A scan with air around the body has it in more than this fraction; averages over the edge of a padded region may be
air by chance."""
MOST_CELLS = 20_000
BODY_ABOVE_HU = -250.0
BODY_MM = (120.0, 800.0)
"""Thin adults are 220 mm wide, newborns 120 mm; the widest field of view of any CT is 780 mm."""
LEAST_OF_LINE = 0.05
"""Fraction of a row or column that is tissue where the body is."""
WHOLE_SLICES = 0.5
"""Fraction of the slices on which the body touches no side, if its width is known."""

_OF_SIZE = {"voxel-size-missing", "voxel-size-conflict", "voxel-size-unit"}


def check_surroundings(coarse: CoarseArray, cell_mm: tuple[float, float]) -> list[Fault]:
    """Check whether air is air, and whether the body is as wide as a person.

    Args:
        coarse: A CT in HU, from :func:`~nephrograde.volume.coarse.coarsen`.
        cell_mm: Height and width of its cells.

    Returns:
        Warnings with code "air-replaced" or "body-size", or nothing.

    >>> body = np.full((20, 64, 64), -1000.0, np.float32)
    >>> body[:, 20:44, 16:48] = 40
    >>> check_surroundings(body, (6.0, 6.0))
    []
    >>> [fault.code for fault in check_surroundings(body, (1.0, 1.0))]
    ['body-size']
    >>> [fault.code for fault in check_surroundings(np.where(body < -900, 0, body), (6.0, 6.0))]
    ['air-replaced']
    """
    return [*_check_air(coarse), *_check_width(coarse, cell_mm)]


def _check_air(coarse: CoarseArray) -> list[Fault]:
    """Look for one value that fills what surrounds the body and is not that of air."""
    _, height, width = coarse.shape
    rows, columns = (np.abs(np.linspace(-1, 1, n)) for n in (height, width))
    away = np.hypot(rows[:, None], columns)
    rim = coarse[:, (away >= RIM[0]) & (away <= RIM[1])].ravel()
    rim = rim[:: 1 + rim.size // MOST_CELLS]
    if not rim.size:
        return []
    values, counts = np.unique(rim, return_counts=True)
    fill = float(values[counts.argmax()])
    if counts.max() < FILLED_RIM * rim.size or AIR_HU[0] <= fill <= AIR_HU[1] or FAT_HU[0] <= fill <= FAT_HU[1]:
        return []
    cells = coarse.ravel()
    cells = cells[:: 1 + cells.size // MOST_CELLS]
    share = float((cells == fill).mean())
    has_air = float(((cells >= AIR_HU[0]) & (cells <= AIR_HU[1])).mean()) >= LEAST_AIR
    if share < FILLED_SHARE or (fill < AIR_HU[0] and has_air):  # values far below air pad what was not measured
        return []
    message = (
        f"what surrounds the body has the value {fill:g} ({100 * share:.0f} % of the image); air has about -1000 HU."
    )
    remedy = "The scan was clipped, masked or padded: convert it from its DICOM series again."
    return [Fault("air-replaced", "warning", message, remedy)]


def _check_width(coarse: CoarseArray, cell_mm: tuple[float, float]) -> list[Fault]:
    is_tissue = coarse > BODY_ABOVE_HU
    extents_mm = np.zeros(len(coarse))
    is_whole = np.ones(len(coarse), dtype=bool)
    for across, size_mm in ((2, cell_mm[0]), (1, cell_mm[1])):
        lines = is_tissue.mean(axis=across) > LEAST_OF_LINE
        is_whole &= lines.any(axis=1) & ~lines[:, 0] & ~lines[:, -1]
        extents_mm = np.maximum(extents_mm, _extents(lines) * size_mm)
    if is_whole.mean() < WHOLE_SLICES:
        return []
    width_mm = float(np.median(extents_mm[is_whole]))
    if BODY_MM[0] <= width_mm <= BODY_MM[1]:
        return []
    message = f"the body on it is {width_mm:.0f} mm wide; people are {BODY_MM[0]:.0f} to {BODY_MM[1]:.0f} mm wide."
    remedy = "The voxel size was probably lost: convert the scan from its DICOM series again; sizes on it mean nothing."
    return [Fault("body-size", "warning", message, remedy)]


def _extents(lines: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return how many cells lie from the first to the last marked one of each row."""
    length = lines.shape[1]
    return np.where(lines.any(axis=1), length - lines.argmax(axis=1) - lines[:, ::-1].argmax(axis=1), 0)


def check_default(volume: Volume) -> list[Fault]:
    """Check for the geometry that programs write where none was given: voxels of 1 mm that begin at 0.

    Args:
        volume: An image as read from a file that states its geometry.

    Returns:
        A warning "voxel-size-default", or nothing.

    >>> from nephrograde.volume.grid import Grid
    >>> from nephrograde.volume.volume import orient
    >>> grid = Grid((4, 4, 3), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3), source="file")
    >>> [fault.code for fault in check_default(orient(np.zeros((4, 4, 3)), grid))]
    ['voxel-size-default']
    """
    native = volume.native
    if native.source != "file" or not native.is_oriented or any(fault.code in _OF_SIZE for fault in volume.faults):
        return []
    is_unit = native.spacing_mm == (1.0, 1.0, 1.0) and native.origin_mm == (0.0, 0.0, 0.0)
    if not is_unit or not (np.abs(native.direction) == np.eye(3)).all():
        return []
    message = "its voxels measure exactly 1 × 1 × 1 mm and begin at 0, as in a file whose geometry was lost."
    remedy = "Convert the scan from its DICOM series again, unless it was resampled to 1 mm; sizes are in doubt."
    return [Fault("voxel-size-default", "warning", message, remedy)]
