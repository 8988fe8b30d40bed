"""Any file that marks a tumour, resampled to the grid of its image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.errors import about_file
from nephrograde.volume.masks.dicom_object import find_object
from nephrograde.volume.masks.extent import check_extent, require_foreground
from nephrograde.volume.masks.label_map import read_label_map
from nephrograde.volume.masks.placement import check_placement
from nephrograde.volume.masks.segmentation import read_segmentation
from nephrograde.volume.masks.structure_set import read_structure_set
from nephrograde.volume.overlay import bring_over

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.grid import Grid
    from nephrograde.volume.masks.marks import Marks
    from nephrograde.volume.volume import Volume


def read_marks(mask_path: Path, volume: Volume, label: str = "") -> Marks:
    """Read what a file marks onto the grid of an image.

    A mask on another grid is transferred by world coordinates; each voxel of the image takes the nearest mask voxel.

    Args:
        mask_path: A label map (NIfTI, NRRD, MHA, ``.seg.nrrd``, a DICOM series of one), a DICOM segmentation or
            structure set, or the folder that contains one.
        volume: The image.
        label: Number or name of the tumour's label; empty if all labels count.

    Returns:
        The marks; ``mask`` has the shape of ``volume.values``, or is None if the file contains only points. Its
        ``faults`` hold "mask-elsewhere" if a mask with the matrix of the image lies elsewhere by its header, and
        "mask-body" or "mask-kidneys" if it marks these in place of a tumour.

    Raises:
        VolumeError: As in reading an image; "mask-empty" if nothing is marked, "mask-outside" if everything that is
            marked lies outside the image, "mask-full" and "mask-inverted" if the background is marked, "mask-is-image"
            for an image in place of a mask, "label-missing", and those of
            :func:`~nephrograde.volume.masks.segmentation.read_segmentation` and
            :func:`~nephrograde.volume.masks.structure_set.read_structure_set`.
    """
    grid = volume.grid
    with about_file(mask_path):
        found = _find_object(mask_path)
        if found is None:
            marks = read_label_map(mask_path, label)
        elif found[1] == "segmentation":
            marks = read_segmentation(found[0], grid, label)
        else:
            marks = read_structure_set(found[0], grid, label)
        if marks.mask is None:
            return marks
        mask = _over(marks.mask, marks.grid, grid)
        require_foreground(mask)
        faults = [*check_placement(marks, mask, volume), *check_extent(mask, volume)]
        return replace(marks, mask=mask, grid=grid, faults=tuple(faults))


def _find_object(mask_path: Path) -> tuple[Path, str] | None:
    try:
        return find_object(mask_path)
    except OSError:
        return None  # reading it as an image reports what is wrong


def _over(mask: MaskArray, source: Grid, target: Grid) -> MaskArray:
    brought = bring_over(mask, source, target)
    brought.flags.writeable = False
    return brought
