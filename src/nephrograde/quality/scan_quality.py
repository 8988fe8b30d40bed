"""Everything suspect about one scan, with what the checks of the whole cohort need to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.quality.acquisition import Acquisition, check_acquisition
from nephrograde.quality.content import check_field_of_view, check_metal, find_edge
from nephrograde.quality.geometry import check_geometry
from nephrograde.quality.marks import slice_marks
from nephrograde.vocabulary import phase_name
from nephrograde.volume.check import check_mask, check_volume
from nephrograde.volume.finding import Fault, as_fault, in_column
from nephrograde.volume.masks.spill import check_mask_spill
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.pictures import read_numbered
from nephrograde.volume.volume import make_volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.organs.enhancement import Enhancement
    from nephrograde.quality.regions import ShownRegion
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.phase.evidence import Evidence
    from nephrograde.volume.pictures import Picture
    from nephrograde.volume.volume import Volume

_GREYS = 65535
"""Maximum of a 16-bit picture; two pictures that differ in one grey level have different marks."""
KIDNEY_FREE_MM = 4.0
"""The kidneys are found on a grid about this coarse."""


@dataclass(frozen=True, slots=True)
class ScanQuality:
    """What was found out about one scan.

    Attributes:
        phase: The phase that the table names.
        faults: In the order of the checks.
        size: Voxels along x, y and z; zeros if the image cannot be read.
        spacing_mm: Along x, y and z.
        marks: Hashes of its slices, from feet to head, in one text.
        kernels: Reconstruction kernels, if the image is DICOM.
        kidney_level: Index of the slice in the middle of the kidneys, if they were found.
        supervision: The kinds of annotation that can be used, among "slice", "point", "box" and "mask".
        regions: What the arms are shown of it, on its picture.
        is_volume: False for exported pictures, which only arms on slices can use.
        place_z_mm: Height of the annotation (LPS, mm), if there is one that can be used.
        has_kidneys: Whether kidneys were found or are marked in a mask of the table, for arms that are given no place.
    """

    phase: str
    faults: tuple[Fault, ...]
    size: tuple[int, int, int] = (0, 0, 0)
    spacing_mm: Triple = (0.0, 0.0, 0.0)
    marks: str = ""
    kernels: tuple[str, ...] = ()
    kidney_level: int | None = None
    supervision: tuple[str, ...] = ()
    regions: tuple[ShownRegion, ...] = ()
    is_volume: bool = True
    has_kidneys: bool = False
    place_z_mm: float | None = None

    @property
    def is_readable(self) -> bool:
        """Whether the image can be used at all."""
        return self.size[2] > 0


def examine_scan(
    volume: Volume, mask: MaskArray | None = None, *, phase: str, acquisition: Acquisition | None = None
) -> ScanQuality:
    """Check one scan: geometry, position, values, metal, field of view, phase, and its tumour mask.

    Checks that need HU are omitted if the values are not HU. The height is not checked in a crop, with tissue on all
    sides.

    Args:
        volume: The scan, as read.
        mask: The tumour on its grid; at least one voxel.
        phase: What the table says, such as "cmp"; names unknown to the phase recognition are not compared.
        acquisition: How the series was made, if the image is DICOM.

    Returns:
        The scan's faults and properties.

    >>> import numpy as np
    >>> from nephrograde.volume.volume import make_volume
    >>> quality = examine_scan(make_volume(np.arange(32).reshape(4, 4, 2), spacing_mm=(3, 3, 5)), phase="pet")
    >>> [fault.code for fault in quality.faults]
    ['too-few-slices', 'not-hu', 'pixel-size', 'few-slices', 'short-coverage']
    """
    from nephrograde.organs.enhancement import judge_enhancement, measure_enhancement
    from nephrograde.organs.kidneys import LEFT, RIGHT, find_organs

    faults = check_volume(volume)
    is_hu = all(fault.code not in {"not-hu", "not-finite", "constant"} for fault in faults)
    faults += check_geometry(volume)
    if acquisition is not None:
        faults += check_acquisition(acquisition)
    enhancement, has_kidneys = None, False
    if is_hu:
        edge = find_edge(volume)
        if edge.is_crop:
            faults = [fault for fault in faults if fault.code != "short-coverage"]
        faults += check_field_of_view(edge) + check_metal(volume, mask)
        organs = find_organs(volume)
        enhancement = None if organs is None else measure_enhancement(volume, organs)
        has_kidneys = organs is not None and not {LEFT, RIGHT}.isdisjoint(organs.scores)
        if enhancement is not None:
            faults += check_phase(judge_enhancement(enhancement), phase=phase) + check_kidneys(volume, enhancement)
    faults = in_column(faults, f"{phase}_image")
    if mask is not None:
        spill = check_mask_spill(volume, mask) if is_hu else []
        faults += in_column([*check_mask(mask), *spill], f"{phase}_mask")
    return ScanQuality(
        phase=phase,
        faults=tuple(faults),
        size=volume.grid.size,
        spacing_mm=volume.spacing_mm,
        marks=slice_marks(volume),
        kernels=acquisition.kernels if acquisition else (),
        kidney_level=None if enhancement is None else find_kidney_level(volume, enhancement),
        has_kidneys=has_kidneys,
    )


def examine_pictures(picture_paths: Sequence[Path], *, phase: str) -> tuple[ScanQuality, Picture | None]:
    """Check exported pictures, which replace a scan in arms on slices.

    Their grey values are not HU, so metal, edges and phases are not checked.

    Args:
        picture_paths: At least one.
        phase: What the table says.

    Returns:
        Faults, size and marks; and the middle picture, None if none can be read.
    """
    pictures: list[Picture] = []
    faults: list[Fault] = []
    for k in range(len(picture_paths)):
        try:
            pictures.append(read_numbered(picture_paths, k))
        except VolumeError as error:
            faults += in_column([as_fault(error)], f"{phase}_image")
    if not pictures:
        return ScanQuality(phase, tuple(faults), is_volume=False), None
    x, y = pictures[0].values.shape
    marks = "".join(
        slice_marks(
            make_volume(picture.values[:, :, None] * (1 if picture.is_hu else _GREYS), spacing_mm=(1.0, 1.0, 1.0))
        )
        for picture in pictures
    )
    quality = ScanQuality(phase, tuple(faults), (x, y, len(pictures)), marks=marks, is_volume=False)
    return quality, pictures[len(pictures) // 2]


def check_phase(evidence: Evidence, *, phase: str) -> list[Fault]:
    """Compare the contrast medium in kidneys and aorta with the phase that the table names.

    Args:
        evidence: What the kidneys and the aorta say about the phase.
        phase: What the table says.

    Returns:
        A warning "phase-suspect" if the phase that the table names is less probable than all others together.

    Source: Bayes' rule.
    """
    from nephrograde.organs.enhancement import phase_probabilities

    if phase not in PHASES:
        return []
    probability = phase_probabilities(evidence, named=phase)
    if probability[phase] >= 0.5:
        return []
    seen = max((one for one in PHASES if one != phase), key=probability.__getitem__)
    return [
        Fault(
            "phase-suspect",
            "warning",
            f"looks {phase_name(seen)} ({seen}, probability {probability[seen]:.2f}) "
            f"where the table says {phase_name(phase)} ({phase}): {evidence.seen.english}.",
            "See that the table names the right series in each column; two phases may have been exchanged.",
        )
    ]


def check_kidneys(volume: Volume, enhancement: Enhancement) -> list[Fault]:
    """Report a stack of slices that ends inside a kidney.

    Args:
        volume: The scan.
        enhancement: Where its kidneys were found.

    Returns:
        A warning "kidney-cut", or nothing.
    """
    first_mm, last_mm = (volume.to_mm((0, 0, k))[2] for k in (0, volume.grid.size[2] - 1))
    low_mm, high_mm = enhancement.kidney_extent_mm
    free_mm = max(KIDNEY_FREE_MM, volume.spacing_mm[2])
    ends = [end for end, gap_mm in (("first", low_mm - first_mm), ("last", last_mm - high_mm)) if gap_mm < free_mm]
    if not ends:
        return []
    message = f"a kidney reaches the {' and the '.join(ends)} slice, and may be cut off."
    return [Fault("kidney-cut", "warning", message, "See that the whole tumour is in the scan.")]


def find_kidney_level(volume: Volume, enhancement: Enhancement) -> int:
    """Find the slice in the middle of the kidneys; where that lies outside the scan, the nearest one."""
    x, y, _ = volume.to_mm([(n - 1) / 2 for n in volume.values.shape])
    level = volume.to_index((x, y, sum(enhancement.kidney_extent_mm) / 2))[2]
    return min(max(round(level), 0), volume.grid.size[2] - 1)
