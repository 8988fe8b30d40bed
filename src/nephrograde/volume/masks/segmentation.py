"""DICOM segmentations (SEG): frames of one segment each, reassembled into a stack.

Frames of slices in which a segment is empty are often omitted, and frames may be in any order; the position of a frame
is taken from its header alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.compression import require_held
from nephrograde.volume.dicom.datasets import character_sets_of, text_of
from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.contours import BRIDGED_MM
from nephrograde.volume.masks.dicom_object import open_object
from nephrograde.volume.masks.labels import Label, choose_labels
from nephrograde.volume.masks.marks import Marks, nothing_marked, turn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    import pydicom

_LEAST_MM = 1e-3
_NEIGHBOURS = 1.5  # frames this many slices of the image apart lie on neighbouring slices
_OFF_PLANE = 0.1  # how far a frame may deviate from its place in the stack, in slice distances
_MOST_PLANES = 10_000  # a damaged position must not request a stack that exceeds memory


def read_segmentation(seg_path: Path, image: Grid, label: str = "") -> Marks:
    """Read a DICOM segmentation: binary, fractional (above one half is marked) or a label map.

    The slice distance is SpacingBetweenSlices where the positions of the frames agree with it, and otherwise follows
    from these positions. SliceThickness is not a distance: it differs wherever slices overlap or leave gaps. Where
    neither says how thick a frame is, as with a single frame or frames far apart, it is as thick as a slice of the
    image.

    Args:
        seg_path: The file.
        image: Grid of the image.
        label: The number of a segment, its SegmentLabel or the meaning of its SegmentedPropertyType; empty if all
            segments count.

    Returns:
        The marks on the segmentation's own grid, with axes reordered to x, y, z.

    Raises:
        VolumeError: With code "file-unreadable", "seg-geometry" if the frames do not form a stack of slices,
            "label-missing" or "mask-empty".

    Source: DICOM PS3.3 A.51 and C.8.20; the tolerance is ours.
    """
    with open_object(seg_path) as dataset:
        segments = _segments(dataset)
        wanted = {one.number for one in choose_labels(segments, label)}
        _require_held(dataset)
        frames = np.atleast_3d(dataset.pixel_array) if "PixelData" in dataset else np.zeros((0, 1, 1), np.uint8)
        frames = frames.reshape(-1, int(dataset.Rows), int(dataset.Columns))
        groups = [_Frame(dataset, number) for number in range(len(frames))]
        if not groups:
            raise nothing_marked(label)
        grid, planes = _stack_grid(groups, image, size=(int(dataset.Columns), int(dataset.Rows)))
        least = _least_marked(dataset)
        stack = np.zeros((grid.size[2], grid.size[1], grid.size[0]), dtype=bool)
        found: set[int] = set()
        for group, plane, frame in zip(groups, planes, frames, strict=True):
            numbers = [int(n) for n in np.unique(frame) if n] if least is None else [group.segment()]
            for number in numbers:
                own = frame == number if least is None else frame >= least
                if own.any():
                    found.add(number)
                    if number in wanted:
                        stack[plane] |= own
    if not stack.any():
        raise nothing_marked(label)
    present = tuple(one for one in segments if one.number in found)
    return Marks(*turn(stack.T, grid), present, tuple(one for one in present if one.number in wanted))


def _require_held(dataset: pydicom.Dataset) -> None:
    """Refuse compressed frames that cannot hold what the header claims, before they are allocated."""
    if "PixelData" not in dataset or not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    require_held(
        dataset.file_meta.TransferSyntaxUID,
        len(dataset.PixelData),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        frames=int(dataset.get("NumberOfFrames") or 1),
        bits_allocated=int(dataset.BitsAllocated),
    )


class _Frame:
    """The functional groups of one frame: its own, otherwise those shared by all frames."""

    def __init__(self, dataset: pydicom.Dataset, number: int) -> None:
        own = dataset.get("PerFrameFunctionalGroupsSequence") or []
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        self._places = [*own[number : number + 1], *shared[:1]]

    def _group(self, keyword: str) -> Any:
        for place in self._places:
            if place.get(keyword):
                return place[keyword].value[0]
        raise KeyError(keyword)

    def numbers(self, group: str, keyword: str) -> npt.NDArray[np.float64]:
        """Return the numbers of an entry; a missing group counts as damage to the file."""
        return np.asarray([float(value) for value in self._group(group)[keyword].value])

    def measure_mm(self, keyword: str) -> float | None:
        """Return a distance of the pixel measures; None if the header does not give a usable one."""
        value = self._group("PixelMeasuresSequence").get(keyword)
        size_mm = abs(float(value)) if value else 0.0
        return size_mm if _LEAST_MM < size_mm < np.inf else None

    def segment(self) -> int:
        return int(self._group("SegmentIdentificationSequence").ReferencedSegmentNumber)


def _segments(dataset: pydicom.Dataset) -> list[Label]:
    sets = character_sets_of(dataset)
    segments = []
    for item in dataset.SegmentSequence:
        codes = item.get("SegmentedPropertyTypeCodeSequence") or []
        names = [text_of(item, "SegmentLabel", sets), *(text_of(code, "CodeMeaning", sets) for code in codes[:1])]
        segments.append(Label(int(item.SegmentNumber), tuple(dict.fromkeys(name for name in names if name))))
    return segments


def _least_marked(dataset: pydicom.Dataset) -> float | None:
    """Return the lowest frame value that is marked; None for a label map, where values are segment numbers."""
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        return None
    return int(dataset.MaximumFractionalValue) / 2 + 1e-6 if kind == "FRACTIONAL" else 1


def _stack_grid(frames: Sequence[_Frame], image: Grid, *, size: tuple[int, int]) -> tuple[Grid, npt.NDArray[np.intp]]:
    """The grid that holds all frames, and which of its planes each frame is."""
    orientations = np.array([one.numbers("PlaneOrientationSequence", "ImageOrientationPatient") for one in frames])
    pixels_mm = np.array([one.numbers("PixelMeasuresSequence", "PixelSpacing") for one in frames])
    positions_mm = np.array([one.numbers("PlanePositionSequence", "ImagePositionPatient") for one in frames])
    if not (
        np.isfinite(positions_mm).all() and np.ptp(orientations, axis=0).max() + np.ptp(pixels_mm, axis=0).max() < 1e-3
    ):
        raise _no_stack("its frames differ in orientation or pixel size")
    rows, columns = orientations[0, :3], orientations[0, 3:]
    normal = np.cross(rows, columns)
    along = positions_mm @ normal
    first = positions_mm[along.argmin()]
    away = positions_mm - first
    if np.abs(away - (away @ normal)[:, None] * normal).max() > pixels_mm.min() / 2:
        raise _no_stack("its frames are shifted sideways against each other")
    axis = int(np.abs(image.direction.T @ normal).argmax())
    step_mm, planes = _slice_step(along - along.min(), frames[0], image_mm=image.spacing_mm[axis])
    grid = Grid(
        (*size, int(planes.max()) + 1),
        (float(pixels_mm[0, 1]), float(pixels_mm[0, 0]), step_mm),
        (float(first[0]), float(first[1]), float(first[2])),
        np.stack([rows, columns, normal], axis=1),
        source="dicom",
    )
    return grid.require_sound(), planes


def _slice_step(
    along_mm: npt.NDArray[np.float64], frame: _Frame, *, image_mm: float
) -> tuple[float, npt.NDArray[np.intp]]:
    """The slice distance, and the plane of each frame."""
    said_mm = frame.measure_mm("SpacingBetweenSlices")
    seen_mm = _distance_seen(along_mm, frame.measure_mm("SliceThickness"), image_mm=image_mm)
    for step_mm in (step for step in (said_mm, seen_mm) if step):
        planes = np.round(along_mm / step_mm)
        if np.abs(along_mm / step_mm - planes).max() <= _OFF_PLANE and planes.max() < _MOST_PLANES:
            return step_mm, planes.astype(np.intp)
    raise _no_stack("its frames do not lie at equal distances")


def _distance_seen(along_mm: npt.NDArray[np.float64], thickness_mm: float | None, *, image_mm: float) -> float:
    """Return the slice distance that the positions of the frames show, or else that of the image.

    Frames further apart than the slices of the image were drawn on a series of thicker slices if they follow each
    other evenly or are as thick as they are apart; otherwise the slices between them are empty.
    """
    apart_mm = np.diff(np.unique(np.round(along_mm, 3)))
    if not apart_mm.size:
        return image_mm
    least_mm = float(apart_mm.min())
    if least_mm <= _NEIGHBOURS * image_mm:
        return least_mm
    is_even = len(apart_mm) > 1 and bool(np.median(apart_mm) <= least_mm * (1 + _OFF_PLANE))
    is_thick = thickness_mm is not None and thickness_mm >= least_mm * (1 - _OFF_PLANE)
    if least_mm <= BRIDGED_MM and (is_even or is_thick):
        return least_mm
    return least_mm / round(least_mm / image_mm)


def _no_stack(why: str) -> VolumeError:
    return VolumeError(
        "seg-geometry",
        f"is no stack of parallel slices: {why}.",
        "Save the segmentation as NIfTI or NRRD in the program it was drawn with.",
    )
