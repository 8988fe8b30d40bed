"""DICOM structure sets (RTSTRUCT): closed contours become a mask on the image's grid, points become seeds.

In the CPTAC annotations, each tumour has two structure sets, one with its contours and one with a seed point in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.datasets import character_sets_of, text_of
from nephrograde.volume.dicom.entries import parse_numbers
from nephrograde.volume.masks.contours import fill_contours
from nephrograde.volume.masks.dicom_object import open_object
from nephrograde.volume.masks.labels import Label, choose_labels
from nephrograde.volume.masks.marks import Marks, nothing_marked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt
    import pydicom

    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.grid import Grid

_EXCLUSIVE = "CLOSEDPLANAR_XOR"
_CLOSED = {"CLOSED_PLANAR", _EXCLUSIVE}


@dataclass(frozen=True, slots=True, eq=False)
class _Structure:
    label: Label
    contours_mm: tuple[npt.NDArray[np.float64], ...]
    points_mm: tuple[Triple, ...]
    is_exclusive: bool


def read_structure_set(contours_path: Path, grid: Grid, label: str = "") -> Marks:
    """Read a structure set onto the grid of an image.

    Open contours mark nothing.

    Args:
        contours_path: The file.
        grid: Grid of the image, with axes x, y, z.
        label: The number or name of a structure (ROI), or what its observation calls it; empty if all count.

    Returns:
        The marks on ``grid``, and the seed points.

    Raises:
        VolumeError: With code "file-unreadable", "contours-oblique", "label-missing"; "mask-empty" if there is neither
            a contour nor a point, "mask-outside" if all contours lie outside the image.

    Source: DICOM PS3.3 C.8.8.5 and C.8.8.6.
    """
    with open_object(contours_path) as dataset:
        structures = list(_structures(dataset))
    used = choose_labels([one.label for one in structures], label)
    chosen = [one for one in structures if one.label in used]
    seeds_mm = tuple(point for one in chosen for point in one.points_mm)
    outlined = [one for one in chosen if one.contours_mm]
    if not outlined and not seeds_mm:
        raise nothing_marked(label)
    mask: MaskArray | None = None
    for one in outlined:
        filled = fill_contours(one.contours_mm, grid, is_exclusive=one.is_exclusive)
        mask = filled if mask is None else mask | filled
    if mask is not None and not mask.any():
        raise _outside(outlined, grid)
    present = tuple(one.label for one in structures if (one.contours_mm if outlined else one.points_mm))
    return Marks(mask, grid, present, tuple(one for one in present if one in used), seeds_mm)


def _structures(dataset: pydicom.Dataset) -> Iterable[_Structure]:
    sets = character_sets_of(dataset)
    names = {int(item.ROINumber): [text_of(item, "ROIName", sets)] for item in dataset.StructureSetROISequence}
    for item in dataset.get("RTROIObservationsSequence") or []:
        names.setdefault(int(item.ReferencedROINumber), []).append(text_of(item, "ROIObservationLabel", sets))
    drawn: dict[int, list[pydicom.Dataset]] = {}  # some programs write one item per slice
    for item in dataset.get("ROIContourSequence") or []:
        drawn.setdefault(int(item.ReferencedROINumber), []).extend(item.get("ContourSequence") or [])
    for number, items in drawn.items():
        contours, points, kinds = [], [], set()
        for item in items:
            places_mm = _places(item)
            kind = str(item.get("ContourGeometricType", "")).strip()
            if kind == "POINT" or (kind in _CLOSED and len(places_mm) == 1):
                points += [(float(x), float(y), float(z)) for x, y, z in places_mm]
            elif kind in _CLOSED and len(places_mm) > 2:
                contours.append(places_mm)
                kinds.add(kind)
        label = Label(number, tuple(dict.fromkeys(name for name in names.get(number, []) if name)))
        yield _Structure(label, tuple(contours), tuple(points), _EXCLUSIVE in kinds)


def _places(contour: pydicom.Dataset) -> npt.NDArray[np.float64]:
    """Return the points of a contour, parsed from the text at once: single decimal strings would take seconds."""
    raw = contour.get_item("ContourData").value
    numbers = parse_numbers(raw) if isinstance(raw, bytes) else [float(number) for number in raw]
    places_mm = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(places_mm).all():
        raise ValueError("a contour with a point that is no number")
    return places_mm


def _outside(outlined: list[_Structure], grid: Grid) -> VolumeError:
    points_mm = np.concatenate([contour for one in outlined for contour in one.contours_mm])
    indices = (points_mm - grid.origin_mm) @ np.linalg.inv(grid.direction).T / grid.spacing_mm
    if ((indices > -0.5) & (indices < np.array(grid.size) - 0.5)).all(axis=1).any():
        return VolumeError(
            "mask-empty",
            "the contours are so small that they fall between the voxels of the image.",
            "Check that they were drawn on this series.",
        )
    low, high = points_mm.min(axis=0), points_mm.max(axis=0)
    spans = ", ".join(f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))
    return VolumeError(
        "mask-outside",
        f"the contours lie wholly outside the image; they span {spans} mm.",
        "Check that they were drawn on this series.",
    )
