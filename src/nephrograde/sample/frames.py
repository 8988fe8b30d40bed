"""Where the region lies that an arm's network is shown of a scan, and a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sample.slices import slices_of, width_of
from nephrograde.volume.thumbnail import ABDOMEN_HU, PICTURE_PX, Mark, contact_sheet_png, draw_thumbnail
from nephrograde.volume.volume import resolve_box, resolve_point

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL import Image

    from nephrograde.cohort.case import Scan
    from nephrograde.sample.target import Target
    from nephrograde.study import Arm, ImageSettings
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.volume import Volume

_MOST_TILES = 24
_PLANES = ((2, (0, 1)), (1, (0, 2)), (0, (1, 2)))
_NAMES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True, slots=True)
class Frame:
    """One row of a region: a square on a slice, or a box, along the axes of the scan.

    Attributes:
        low: The corner with the lower indices, in voxels; a voxel reaches half a voxel to each side of its index.
        high: The opposite corner.
        k: The slice; None for a box.
        size_mm: The edges, two or three.
    """

    low: Triple
    high: Triple
    k: int | None
    size_mm: tuple[float, ...]

    def mark(self, axes: tuple[int, int] = (0, 1), region: int = 0) -> Mark:
        """Return the rectangle of the frame on a plane.

        Args:
            axes: The axes of the scan along the columns and rows of the plane.
            region: How it is drawn.
        """
        x, y = axes
        return Mark((self.low[x], self.low[y]), (self.high[x], self.high[y]), region)

    def meets(self, k: int) -> bool:
        """Whether a slice of the scan is, or crosses, this frame."""
        return self.k == k if self.k is not None else self.low[2] <= k <= self.high[2]


def find_frames(volume: Volume, targets: Iterable[Target], arm: Arm, image: ImageSettings) -> tuple[Frame, ...]:
    """Find the frames that an arm is shown of a scan, in the order of its rows.

    Args:
        volume: The scan.
        targets: Where the arm looks, from :meth:`~nephrograde.sample.region.Views.targets`.
        arm: The arm.
        image: The sizes of crops.
    """
    found: list[Frame] = []
    for target in targets:
        if not arm.slices:
            found.append(_box_around(volume, target.center_mm, image.box_mm))
            continue
        size_mm = width_of(arm, image)
        for k in slices_of(target, arm):
            square = _box_around(volume, target.center_on(k), (size_mm, size_mm, volume.spacing_mm[2]))
            low, high = ((*corner[:2], k + side) for corner, side in ((square.low, -0.5), (square.high, 0.5)))
            found.append(Frame(low, high, k, (size_mm, size_mm)))
    return tuple(found)


def annotation_marks(volume: Volume, scan: Scan, k: int) -> tuple[Mark, ...]:
    """Return the marks of the point and the box that a scan is annotated with, on one of its slices.

    Args:
        volume: The scan.
        scan: Its row of the table.
        k: The slice.
    """
    marks = []
    if scan.point is not None:
        x, y, z = volume.to_index(resolve_point(scan.point, volume))
        if abs(z - k) <= 0.5:
            marks.append(Mark((x, y), (x, y), is_cross=True))
    if scan.box is not None:
        corners = np.array([volume.to_index(corner) for corner in resolve_box(scan.box, volume)])
        low, high = corners.min(axis=0), corners.max(axis=0)
        if low[2] - 0.5 <= k <= high[2] + 0.5:
            marks.append(Mark((float(low[0]), float(low[1])), (float(high[0]), float(high[1]))))
    return tuple(marks)


def draw_frames(volume: Volume, frames: Sequence[Frame], *, scan: Scan, mask: MaskArray | None, is_hu: bool) -> bytes:
    """Draw the frames on the slices that they lie on; for a box, on three planes through its middle.

    Args:
        volume: The scan.
        frames: At least one; on more than 24 slices, the first ones are drawn.
        scan: Its row of the table; its point and box are drawn as well.
        mask: The tumour on the grid of the scan; its edge is drawn.
        is_hu: Whether the scan is in HU; otherwise black and white are percentiles.

    Returns:
        PNG.
    """
    window = ABDOMEN_HU if is_hu else _percentiles(volume)
    sheet: list[tuple[Image.Image, str]] = []
    for k in dict.fromkeys(frame.k for frame in frames if frame.k is not None):
        own = [frame for frame in frames if frame.k == k]
        marks = (*annotation_marks(volume, scan, k), *(frame.mark() for frame in own))
        sheet.append(
            (_plane(volume, mask, 0, k, marks=marks, window=window), f"slice {k}, {size_text(own[0].size_mm)}")
        )
    for frame in frames:
        if frame.k is None:
            sheet += _planes_of_box(volume, frame, scan=scan, mask=mask, window=window)
    return contact_sheet_png(sheet[:_MOST_TILES], columns=3 if any(frame.k is None for frame in frames) else 4)


def size_text(size_mm: Sequence[float]) -> str:
    """Write the edges of a region.

    >>> size_text((96.0, 96.0))
    '96 x 96 mm'
    """
    return f"{' x '.join(f'{edge:g}' for edge in size_mm)} mm"


def _planes_of_box(
    volume: Volume, frame: Frame, *, scan: Scan, mask: MaskArray | None, window: tuple[float, float]
) -> list[tuple[Image.Image, str]]:
    middle = [(a + b) / 2 for a, b in zip(frame.low, frame.high, strict=True)]
    index = [int(np.clip(round(place), 0, n - 1)) for place, n in zip(middle, volume.values.shape, strict=True)]
    made = []
    for plane, (axis, axes) in enumerate(_PLANES):
        marks = [frame.mark(axes)]
        if plane == 0:
            marks = [*annotation_marks(volume, scan, index[2]), *marks]
        picture = _plane(volume, mask, plane, index[axis], marks=marks, window=window)
        made.append((picture, f"{_NAMES[plane]} {index[axis]}, {size_text(frame.size_mm)}"))
    return made


def _plane(
    volume: Volume,
    mask: MaskArray | None,
    plane: int,
    number: int,
    *,
    marks: Sequence[Mark],
    window: tuple[float, float],
) -> Image.Image:
    """Draw a plane; the head is at the top of a coronal or sagittal one."""
    axis, (x, y) = _PLANES[plane]
    values = np.take(volume.values, number, axis=axis).T
    outline = None if mask is None else np.take(mask, number, axis=axis).T
    if plane:
        top = values.shape[0] - 1
        values, outline = values[::-1], None if outline is None else outline[::-1]
        marks = [
            mark._replace(low=(mark.low[0], top - mark.high[1]), high=(mark.high[0], top - mark.low[1]))
            for mark in marks
        ]
    return draw_thumbnail(
        values,
        pixel_mm=(volume.spacing_mm[y], volume.spacing_mm[x]),
        outline=outline,
        marks=marks,
        window_hu=window,
        width_px=PICTURE_PX,
    )


def _box_around(volume: Volume, center_mm: Triple, size_mm: Triple) -> Frame:
    center, half = np.array(volume.to_index(center_mm)), np.array(size_mm) / 2 / volume.spacing_mm
    (x, y, z), (a, b, c) = (center - half).tolist(), (center + half).tolist()
    return Frame((x, y, z), (a, b, c), None, tuple(size_mm))


def _percentiles(volume: Volume) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(volume.values[::4, ::4, ::2], (1, 99)))
    return low, max(high, low + 1e-6)
