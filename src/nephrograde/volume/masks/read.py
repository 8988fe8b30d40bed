"""Any file that marks a tumour, resampled to the grid of its image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.volume.masks.dicom_object import find_object
from nephrograde.volume.masks.label_map import read_label_map
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
        The marks; ``mask`` has the shape of ``volume.values``, or is None if the file contains only points.

    Raises:
        VolumeError: As in reading an image; "mask-empty" if nothing is marked, "mask-outside" if everything that is
            marked lies outside the image, "label-missing", and those of
            :func:`~nephrograde.volume.masks.segmentation.read_segmentation` and
            :func:`~nephrograde.volume.masks.structure_set.read_structure_set`.
    """
    grid = volume.grid
    found = _find_object(mask_path)
    if found is None:
        marks = read_label_map(mask_path, label)
    elif found[1] == "segmentation":
        marks = read_segmentation(found[0], label)
    else:
        marks = read_structure_set(found[0], grid, label)
    return (
        marks if marks.mask is None else replace(marks, mask=_over(marks.mask, marks.grid, grid, mask_path), grid=grid)
    )


def read_mask(mask_path: Path, volume: Volume) -> MaskArray:
    """Read a mask onto the grid of its image: everything it marks, whatever the label and the number of pieces.

    To select the tumour that a study grades, use :func:`~nephrograde.volume.masks.delineation.delineate`.

    Args:
        mask_path: As in :func:`read_marks`.
        volume: The image.

    Returns:
        True inside tumour, with the shape of ``volume.values``.

    Raises:
        VolumeError: As in :func:`read_marks`; "mask-only-points" if the file contains only points.
    """
    mask = read_marks(mask_path, volume).mask
    if mask is None:
        raise VolumeError(
            "mask-only-points",
            f"{mask_path}: marks points, no area.",
            "Delineate the tumour, or use the points for an arm that asks for a point.",
        )
    return mask


def _find_object(mask_path: Path) -> tuple[Path, str] | None:
    try:
        return find_object(mask_path)
    except OSError:
        return None  # reading it as an image reports what is wrong


def _over(mask: MaskArray, source: Grid, target: Grid, mask_path: Path) -> MaskArray:
    brought = bring_over(mask, source, target, mask_path=mask_path)
    brought.flags.writeable = False
    return brought
