"""The weak arm's view of exported pictures: a crop around the tumour, or the whole picture.

If the pixel size is known, a picture is cropped at a fixed size in mm, like a slice of a scan. Otherwise a box defines
the crop (``BOX_MARGIN`` times its longer edge), so the network does not see the tumour's size; without a box, the whole
picture is the view.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.cohort.place import Box, SlicePlace
from nephrograde.errors import VolumeError
from nephrograde.sample.slices import choose_slices, width_of
from nephrograde.study import Window
from nephrograde.vocabulary import Supervision
from nephrograde.volume.pictures import find_pictures, read_numbered
from nephrograde.volume.roi import apply_window, cut_slice
from nephrograde.volume.thumbnail import ABDOMEN_HU, PICTURE_PX, Mark, contact_sheet_png, draw_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.cohort.case import Scan
    from nephrograde.study import Arm, ImageSettings, Study
    from nephrograde.volume.pictures import Picture

BOX_MARGIN = 2.0
"""Edge of a crop as a multiple of the longer edge of the box, used if the pixel size is unknown."""
_GREYS = Window(low=0.0, high=1.0)


class _Crop(NamedTuple):
    """A square on a picture: middle and edge in mm from its corner, or in pixels if their size is unknown."""

    center: tuple[float, float]
    size: float
    pixel_mm: tuple[float, float]


def cut_pictures(
    scan: Scan, *, arm: Arm, study: Study
) -> tuple[npt.NDArray[np.float16], tuple[int, ...], tuple[float, float, float]]:
    """Cut the crops for a weak arm out of exported pictures.

    Args:
        scan: Its image is one or more pictures. Positions are in pixels: ``i,j,k vox``, where k is the index of the
            picture, from 0. A box that spans several pictures applies to each of them.
        arm: A weak arm. It sees as many pictures as it asks for slices, chosen like the slices of a scan.
        study: The size of a crop; a DICOM slice of a CT passes through the window of its phase, grey values do not.

    Returns:
        Float16 in [0, 1], ``(picture, 1, y, x)``, the picture numbers, and the middle of the crop on the first of them
        (mm from its corner; pixels if their size is unknown).

    Raises:
        VolumeError: With code "picture-not-volume" for an arm that needs a scan or neighbouring slices,
            "annotation-missing" at the level mask, "kidney-not-found" at the level none, "annotation-outside",
            "picture-place-mm", or as in reading a picture.
    """
    paths = find_pictures(scan.image_paths)
    _require_weak(arm)
    placed = replace(scan, box=None, point=None) if _is_whole(arm) and scan.slice_place else scan
    middle, annotated = _find_place(placed, len(paths))
    chosen = choose_slices(0, len(paths) - 1, annotated=annotated, count=arm.slices or 1)
    views, centers = [], []
    for k in chosen:
        picture = read_numbered(paths, k)
        crop = _crop_of(picture, scan, None if _is_whole(arm) else middle, arm=arm, image=study.image)
        view = cut_slice(
            picture.as_volume(crop.pixel_mm),
            0,
            center_mm=(*crop.center, 0.0),
            size_mm=crop.size,
            pixels=study.image.slice_px,
            antialias=study.image.antialias,
        )
        views.append(apply_window(view, study.window_of(scan.phase) if picture.is_hu else _GREYS))
        centers.append(crop.center)
    return np.stack(views)[:, None].astype(np.float16), chosen, (*centers[0], float(chosen[0]))


def draw_pictures(scan: Scan, numbers: Sequence[int], *, arm: Arm, study: Study) -> bytes:
    """Draw the crops on the exported pictures that a weak arm sees, as PNG.

    Args:
        scan: As for :func:`cut_pictures`.
        numbers: Of the pictures, as it returned them.
        arm: The arm.
        study: The size of a crop.
    """
    paths = find_pictures(scan.image_paths)
    middle = None if _is_whole(arm) else _find_place(scan, len(paths))[0]
    sheet = []
    for k in numbers:
        picture = read_numbered(paths, k)
        crop = _crop_of(picture, scan, middle, arm=arm, image=study.image)
        at, half = np.array(crop.center) / crop.pixel_mm, crop.size / 2 / np.array(crop.pixel_mm)
        (left, top), (right, bottom) = (at - half).tolist(), (at + half).tolist()
        drawn = draw_thumbnail(
            picture.values.T,
            pixel_mm=(crop.pixel_mm[1], crop.pixel_mm[0]),
            outline=None,
            marks=[Mark((left, top), (right, bottom), region=0)],
            window_hu=ABDOMEN_HU if picture.is_hu else (0.0, 1.0),
            width_px=PICTURE_PX,
        )
        sheet.append((drawn, f"picture {k}"))
    return contact_sheet_png(sheet)


def _is_whole(arm: Arm) -> bool:
    return arm.supervision is Supervision.SLICE


def _require_weak(arm: Arm) -> None:
    if not arm.slices or arm.neighbours:
        needs = "neighbours need" if arm.slices else "a strong arm needs"
        raise VolumeError(
            "picture-not-volume",
            f"is an exported picture, and {needs} the whole scan.",
            "Name the scan's series in the table, or leave the arm out.",
        )
    if arm.supervision is Supervision.NONE:
        raise VolumeError(
            "kidney-not-found",
            "kidneys are not searched for on exported pictures.",
            "Name the scan's series in the table, or use an arm that is given a slice or a place.",
        )
    if arm.supervision is Supervision.MASK:
        raise VolumeError(
            "annotation-missing",
            "a mask cannot be laid over an exported picture.",
            'Use an arm at the level "box" or "point".',
        )


def _find_place(scan: Scan, count: int) -> tuple[tuple[float, float] | None, int]:
    """Find the annotated position in pixels, if any, and the annotated picture, else the middle one."""
    annotation = scan.box or scan.point or scan.slice_place
    if annotation is None:
        return None, count // 2
    if annotation.unit == "mm":
        raise VolumeError(
            "picture-place-mm",
            "a place in mm means nothing on an exported picture.",
            'Write it in pixels, "i,j,k vox", where k is the number of the picture, from 0.',
        )
    middle = None
    if isinstance(annotation, SlicePlace):
        z = annotation.coordinate
    else:
        corners = (annotation.corner_a, annotation.corner_b) if isinstance(annotation, Box) else (annotation.position,)
        x, y, z = (float(value) for value in np.mean(corners, axis=0))
        middle = (x, y)
    if not 0 <= round(z) < count:
        raise VolumeError(
            "annotation-outside",
            f"the annotation is on picture {round(z)}, and there are {count}, counted from 0.",
            "Correct the third coordinate.",
        )
    return middle, round(z)


def _crop_of(
    picture: Picture, scan: Scan, middle: tuple[float, float] | None, *, arm: Arm, image: ImageSettings
) -> _Crop:
    """Find what an arm sees of a picture; all of it if its pixel size is unknown and no box says how much."""
    width, height = picture.values.shape
    if middle is not None and not (0 <= middle[0] <= width - 1 and 0 <= middle[1] <= height - 1):
        raise VolumeError(
            "annotation-outside",
            f"the annotation at {middle[0]:g}, {middle[1]:g} lies outside a picture of {width} × {height} pixels.",
            "Check that it was made on this picture.",
        )
    pixel_mm = (scan.pixel_mm, scan.pixel_mm) if scan.pixel_mm else picture.pixel_mm
    size = width_of(arm, image)
    if pixel_mm is None:
        pixel_mm = (1.0, 1.0)
        if scan.box is not None and not _is_whole(arm):
            size = BOX_MARGIN * float(max(np.subtract(scan.box.corner_b, scan.box.corner_a)[:2]))
        else:
            middle, size = None, float(max(width, height))
    x, y = middle or ((width - 1) / 2, (height - 1) / 2)
    return _Crop((x * pixel_mm[0], y * pixel_mm[1]), size, pixel_mm)
