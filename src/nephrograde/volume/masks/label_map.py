"""Label maps: NIfTI, NRRD and MHA with one number per voxel, and 3D Slicer segmentations (``.seg.nrrd``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.finding import Fault
from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.labels import Label, choose_labels, find_names_file, read_names
from nephrograde.volume.masks.marks import Marks, nothing_marked, turn
from nephrograde.volume.masks.stamp import Stamp, read_stamp
from nephrograde.volume.overlay import bounding_box
from nephrograde.volume.silence import silenced
from nephrograde.volume.stored import read_stored
from nephrograde.volume.text_header import check_text_header, read_text_header

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.vocabulary import MaskArray, VolumeArray

_SEGMENT = re.compile(r"Segment(\d{1,6})_(\w+)")

_MOST_DIGITS = 9
_LOWEST_LABEL = -1
"""Some programs store it where nothing was labelled."""
_HIGHEST_FRACTION = 1.5
"""Interpolation of a mask goes a little beyond 1."""
_MANY_LABELS = 16
_SAME_SHARE = 0.5
"""Fraction of neighbouring voxels with one number, from which many numbers are labels: more than 0.9 in label maps,
next to nothing in an image with noise."""

_CHANGED = Fault(
    "mask-changed",
    "warning",
    "was drawn on the annotation page, and has been changed with another program since.",
    "It is used as it is. Draw the change on the page, if the journal is to contain it.",
)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment of 3D Slicer: the voxels of a layer that have its value."""

    label: Label
    layer: int


def read_label_map(mask_path: Path, label: str = "") -> Marks:
    """Read a mask that stores one number per voxel.

    A number above 0 is a label. In a mask of fractions, anything above 0.5 is marked, and there is one label. A mask
    that was drawn on the annotation page contains nothing but the tumour, so that ``label`` does not matter.

    Args:
        mask_path: Anything :func:`~nephrograde.volume.stored.read_stored` reads, or a ``.seg.nrrd`` of any number of
            layers.
        label: The number or name of the tumour's label; empty if all count. A ``.seg.nrrd`` contains the names; for
            other files they are in the file that :func:`~nephrograde.volume.masks.labels.find_names_file` finds.

    Returns:
        The marks on the file's own grid, with axes reordered to x, y, z.

    Raises:
        VolumeError: As in reading an image; "mask-empty" if nothing is marked, "mask-is-image" if the numbers are not
            labels but values of an image, "label-missing" if the file has no such label.

    Source: "Segmentations" in the developer guide of 3D Slicer for the segments.
    """
    if mask_path.name.lower().endswith((".nrrd", ".nhdr")) and mask_path.is_file():
        segments = _find_segments(mask_path)
        if segments:
            return _read_segments(mask_path, segments, label)
    values, native = read_stored(mask_path)
    if values.dtype.kind in "if" and values.min() < _LOWEST_LABEL:
        raise _is_image(f"holds negative numbers, down to {values.min():g}")
    marked = _marked(values)
    if not marked.any():
        raise nothing_marked()
    numbers = _numbers(values, marked)
    present = tuple(Label(number) for number in numbers)
    used = present
    stamp = read_stamp(mask_path)
    if label and stamp is None:
        names_path = find_names_file(mask_path)
        names = read_names(names_path) if names_path else {}
        present = tuple(Label(number, (names[number],) if number in names else ()) for number in numbers)
        used = choose_labels(present, label)
    if used != present:
        marked = np.isin(values, [one.number for one in used])
    is_changed = stamp is not None and Stamp.of(marked, stamp.key) != stamp
    return Marks(*turn(marked, native), present, used, native=native, faults=(_CHANGED,) if is_changed else ())


def _marked(values: VolumeArray) -> MaskArray:
    """Return which voxels have a label: of the usual mask, zeros and ones in single bytes, the same memory."""
    if values.dtype == np.uint8 and values.max() <= 1:
        return values.view(np.bool_)
    return values > 0 if values.dtype.kind in "iub" else values > 0.5


def _numbers(values: VolumeArray, marked: MaskArray) -> tuple[int, ...]:
    """Return the labels that mark something; (1,) for a mask of fractions."""
    if np.may_share_memory(values, marked) or (values.dtype.kind in "iub" and values.max() == 1):
        return (1,)
    low, high = bounding_box(marked)
    box = tuple(slice(start, stop + 1) for start, stop in zip(low, high, strict=True))
    inside = values[box][marked[box]]
    numbers = np.unique(inside)
    if numbers.dtype.kind == "f" and not (numbers == np.round(numbers)).all():
        if numbers[-1] > _HIGHEST_FRACTION and (inside != np.round(inside)).mean() > _SAME_SHARE:
            raise _is_image(f"holds fractions, up to {numbers[-1]:g}")
        return (1,)
    if len(numbers) > _MANY_LABELS and _share_of_like_neighbours(values[box], marked[box]) < _SAME_SHARE:
        raise _is_image(f"holds {len(numbers)} different numbers, from {numbers[0]:g} to {numbers[-1]:g}")
    return tuple(int(number) for number in numbers)


def _share_of_like_neighbours(values: VolumeArray, marked: MaskArray) -> float:
    """Return in which fraction of marked neighbours along the first axis both have the same number."""
    are_both = marked[1:] & marked[:-1]
    return float((values[1:] == values[:-1])[are_both].mean()) if are_both.any() else 1.0


def _is_image(what: str) -> VolumeError:
    return VolumeError(
        "mask-is-image",
        f"{what}, as an image does; a mask holds one number for each structure.",
        "See that the table names the mask here and not the image, and save the segmentation as a label map.",
    )


def _find_segments(mask_path: Path) -> list[_Segment]:
    """Return the segments listed in a NRRD header; empty if 3D Slicer did not write it."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(mask_path))
    try:
        check_text_header(mask_path, read_text_header(mask_path))
        with silenced():
            reader.ReadImageInformation()
    except (RuntimeError, VolumeError):
        return []  # read_stored reports what is wrong
    entries: dict[int, dict[str, str]] = {}
    for key in reader.GetMetaDataKeys():
        if match := _SEGMENT.fullmatch(key):
            entries.setdefault(int(match[1]), {})[match[2]] = reader.GetMetaData(key)
    has_layers = reader.GetNumberOfComponents() > 1
    segments = []
    for number, entry in sorted(entries.items()):
        # Before Slicer 4.11, every overlapping segment had its own layer, and neither entry was written.
        layer = _whole(entry.get("Layer", ""), number if has_layers else 0)
        value = _whole(entry.get("LabelValue", ""), 1 if has_layers else number + 1)
        names = tuple(entry[key].strip() for key in ("Name", "ID") if entry.get(key, "").strip())
        segments.append(_Segment(Label(value, names), layer))
    return segments


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.strip().isdecimal() and len(text) <= _MOST_DIGITS else otherwise


def _read_segments(mask_path: Path, segments: list[_Segment], label: str) -> Marks:
    image = _read_image(mask_path)
    layers = image.GetNumberOfComponentsPerPixel()
    chosen = set(choose_labels([one.label for one in segments], label))
    values: dict[int, Any] = {}
    marked: MaskArray | None = None
    present, used = [], []
    for one in segments:
        if one.layer >= layers:
            continue
        if one.layer not in values:
            layer = SimpleITK.VectorIndexSelectionCast(image, one.layer) if layers > 1 else image
            values[one.layer] = SimpleITK.GetArrayFromImage(layer).T
        own = values[one.layer] == one.label.number
        if own.any():
            present.append(one.label)
            if one.label in chosen:
                used.append(one.label)
                marked = own if marked is None else marked | own
    if marked is None:
        raise nothing_marked(label)
    grid = Grid(
        marked.shape,
        image.GetSpacing(),
        image.GetOrigin(),
        np.array(image.GetDirection()).reshape(3, 3),
        source="file",
    ).scaled(read_text_header(mask_path).unit_mm)
    grid.require_sound()
    return Marks(*turn(marked, grid), tuple(present), tuple(used), native=grid)


def _read_image(mask_path: Path) -> SimpleITK.Image:
    try:
        with silenced():
            image = SimpleITK.ReadImage(str(mask_path))
    except RuntimeError:
        raise VolumeError(
            "file-unreadable",
            "is damaged, cut short or not what its name says.",
            "Save the segmentation again.",
        ) from None
    if image.GetDimension() != 3:
        raise VolumeError(
            "not-3d",
            f"holds {image.GetDimension()} dimensions, not one 3-D segmentation.",
            "Save the segmentation of one phase a file.",
        )
    return image
