"""Where the tumour lies, as DICOM objects say it: a point or a polygon on one stored image, in mm and in pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.volume.masks.marks import turn_back
from nephrograde.volume.masks.outlines import area_of
from nephrograde.volume.volume import resolve_box, resolve_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom import Dataset

    from nephrograde.predict.seeing import Seen
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.grid import Grid

Places: TypeAlias = Annotated[npt.NDArray[np.float64], "corner xyz"]
"""Positions in the patient (LPS, mm)."""
Pixels: TypeAlias = Annotated[npt.NDArray[np.float64], "corner column-row"]
"""Positions in an image as DICOM counts them: the corner of the first pixel is 0, its centre 0.5."""
Kind: TypeAlias = Literal["outline", "box", "point", "region"]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A region on one stored image.

    Attributes:
        kind: The outline of the tumour's mask where it is largest, the tumour's box on its middle image, a point in
            the tumour, or the region that the network was shown where nobody marked the tumour.
        corners_mm: One position for a point; otherwise a closed polygon in a plane, whose last corner is the first.
    """

    kind: Kind
    corners_mm: Places = field(repr=False)

    @property
    def is_tumour(self) -> bool:
        """Whether somebody marked the tumour there."""
        return self.kind != "region"


class OnImage(NamedTuple):
    """A region in the pixels of one image.

    Attributes:
        dataset: The header of the file.
        frame: The number of the frame, from 1; None for a file with one image.
        corners: Its corners.
    """

    dataset: Dataset
    frame: int | None
    corners: Pixels


class _Plane(NamedTuple):
    """One stored image: the centre of its first pixel, the directions of its columns' and rows' numbers, and mm."""

    dataset: Dataset
    frame: int | None
    corner_mm: npt.NDArray[np.float64]
    along: npt.NDArray[np.float64]
    down: npt.NDArray[np.float64]
    pixel_mm: tuple[float, float]

    def distance_mm(self, place_mm: npt.NDArray[np.float64]) -> float:
        return abs(float((place_mm - self.corner_mm) @ np.cross(self.along, self.down)))

    def pixels(self, places_mm: Places) -> Pixels:
        away = places_mm - self.corner_mm
        return np.stack([away @ self.along / self.pixel_mm[0], away @ self.down / self.pixel_mm[1]], axis=1) + 0.5


def find_region(seen: Seen) -> Region | None:
    """Find where the tumour lies, by the most that is known about it; None of exported pictures.

    Args:
        seen: What was read of the scan.
    """
    scanned = seen.scanned
    if scanned is None or scanned.volume is None:
        return None
    volume, scan = scanned.volume, scanned.scan
    if scanned.mask is not None and scanned.mask.any():
        return Region("outline", _outline(scanned.mask, volume.native))
    if scan.box is not None:
        return Region("box", _rectangle(resolve_box(scan.box, volume), volume.native))
    if scan.point is not None:
        return Region("point", np.array([resolve_point(scan.point, volume)]))
    if not seen.frames:
        return None
    frame = seen.frames[len(seen.frames) // 2]
    return Region("region", _rectangle((volume.to_mm(frame.low), volume.to_mm(frame.high)), volume.native))


def place_on_image(region: Region, datasets: Sequence[Dataset]) -> OnImage:
    """Give a region in the pixels of the source image that it lies on, or nearest to.

    Args:
        region: The region.
        datasets: The headers of its series.
    """
    middle = region.corners_mm.mean(axis=0)
    plane = min(_planes(datasets), key=lambda one: one.distance_mm(middle))
    return OnImage(plane.dataset, plane.frame, plane.pixels(region.corners_mm))


def _planes(datasets: Sequence[Dataset]) -> Iterator[_Plane]:
    for dataset in datasets:
        frames = dataset.get("PerFrameFunctionalGroupsSequence")
        if not frames:
            yield _plane(dataset, None, dataset, orientation=dataset, measures=dataset)
            continue
        shared = dataset.SharedFunctionalGroupsSequence[0]
        for number, frame in enumerate(frames, start=1):
            position, orientation, measures = (
                (frame if keyword in frame else shared)[keyword].value[0]
                for keyword in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
            )
            yield _plane(dataset, number, position, orientation=orientation, measures=measures)


def _plane(
    dataset: Dataset, frame: int | None, position: Dataset, *, orientation: Dataset, measures: Dataset
) -> _Plane:
    cosines = np.array(orientation.ImageOrientationPatient, dtype=np.float64)
    row_mm, column_mm = (float(value) for value in measures.PixelSpacing)
    corner_mm = np.array(position.ImagePositionPatient, dtype=np.float64)
    return _Plane(dataset, frame, corner_mm, cosines[:3], cosines[3:], (column_mm, row_mm))


def _outline(mask: MaskArray, native: Grid) -> Places:
    """The outline of a mask on the stored image where it is largest, around its largest part."""
    from contourpy import contour_generator

    stored = turn_back(mask, native)
    k = int(stored.sum(axis=(0, 1)).argmax())
    padded = np.pad(stored[:, :, k], 1).astype(np.float64)
    lines = contour_generator(z=padded.T).lines(0.5)
    largest = max((np.asarray(line, dtype=np.float64) for line in lines), key=area_of)
    closed = np.concatenate([largest[:-1], largest[:1]]) - 1.0
    return np.array([native.to_mm((x, y, k)) for x, y in closed])


def _rectangle(corners_mm: tuple[Triple, Triple], native: Grid) -> Places:
    """A box on its middle stored image, as far as it lies inside."""
    indices = np.array([native.to_index(corner) for corner in corners_mm])
    inside = np.clip(indices, -0.5, np.array(native.size) - 0.5)
    (left, top, first), (right, bottom, last) = inside.min(axis=0), inside.max(axis=0)
    k = int(np.clip(round((first + last) / 2), 0, native.size[2] - 1))
    closed = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    return np.array([native.to_mm((x, y, k)) for x, y in closed])
