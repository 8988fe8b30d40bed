"""A thumbnail of one plane of a scan, for pages on which people review many scans, and several of them on one sheet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

Plane: TypeAlias = Annotated[npt.NDArray[Any], "y x"]
PlaneMask: TypeAlias = Annotated[npt.NDArray[np.bool_], "y x"]

OUTLINE_RGB = (255, 176, 0)
"""Orange-yellow, which people with red-green colour blindness also see on grey."""
REGION_RGBS = ((86, 180, 233), (240, 130, 190), (0, 190, 140))
"""Blue, pink and green for regions, which differ in brightness as well; from the palette of Okabe and Ito."""
ABDOMEN_HU = (-160.0, 240.0)
"""The usual window for the abdomen (level 40, width 400)."""
PICTURE_PX = 320
"""Width of each picture on a sheet."""
_GREYS = 64
_COLOURS = (OUTLINE_RGB, *REGION_RGBS)
_TALLEST = 2.0
_DASHES_PX = ((1, 0), (5, 3), (2, 2))
_CROSS_PX = 4
_CAPTION_PX = 18
_GAP_PX = 6


class Mark(NamedTuple):
    """A rectangle, or a cross in its middle, in indices of a plane: x is the column, y the row.

    Attributes:
        low: The corner with the lower indices; the first pixel begins at -0.5.
        high: The opposite corner.
        region: Which of ``REGION_RGBS`` and which dashes; None for an annotation, in the colour of outlines.
        is_cross: Whether only the middle is marked.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    region: int | None = None
    is_cross: bool = False


def thumbnail_png(
    values_hu: Plane,
    *,
    pixel_mm: tuple[float, float],
    outline: PlaneMask | None = None,
    marks: Sequence[Mark] = (),
    window_hu: tuple[float, float] = ABDOMEN_HU,
    width_px: int = 160,
) -> bytes:
    """Draw one plane of a scan as a small grey PNG, with square pixels and the edge of a mask around what it marks.

    The first row is at the top: the front of an axial plane; for a coronal plane, the caller puts the head at the top.
    The picture is blurred before it shrinks, to avoid aliasing of noise.

    Args:
        values_hu: ``"y x"``; NaN is drawn black.
        pixel_mm: Distance between rows and distance between columns, in mm.
        outline: A mask on the same plane; its edge is drawn just outside it.
        marks: Rectangles and crosses on the same plane; what lies outside it is drawn at its border.
        window_hu: Values in HU mapped to black and to white.
        width_px: Width of the picture; its height follows from the size in mm. A plane more than twice as high as
            wide gives a narrower picture.

    Returns:
        The bytes of a PNG with 64 greys and four colours, about 8 kB for a slice of the abdomen.

    Raises:
        ValueError: If the outline does not have the shape of the plane, or the plane is empty.

    >>> plane = np.full((50, 100), 40.0)
    >>> thumbnail_png(plane, pixel_mm=(2.0, 1.0), width_px=80)[1:4]
    b'PNG'
    """
    return _as_png(
        draw_thumbnail(
            values_hu, pixel_mm=pixel_mm, outline=outline, marks=marks, window_hu=window_hu, width_px=width_px
        )
    )


def draw_thumbnail(
    values_hu: Plane,
    *,
    pixel_mm: tuple[float, float],
    outline: PlaneMask | None,
    marks: Sequence[Mark],
    window_hu: tuple[float, float],
    width_px: int,
) -> Image.Image:
    """Draw one plane as a picture with a palette; arguments and errors as of :func:`thumbnail_png`."""
    from PIL import Image

    if values_hu.ndim != 2 or values_hu.size == 0:
        raise ValueError(f"values of shape {values_hu.shape} are not a plane")
    if outline is not None and outline.shape != values_hu.shape:
        raise ValueError(f"an outline of shape {outline.shape} does not fit a plane of shape {values_hu.shape}")
    size = _picture_size(values_hu.shape, pixel_mm, width_px)
    low_hu, high_hu = window_hu
    grey = np.nan_to_num(values_hu.astype(np.float32), nan=low_hu, posinf=high_hu, neginf=low_hu)
    shrunk = np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(size, Image.Resampling.BILINEAR))
    levels = np.clip((shrunk - low_hu) / (high_hu - low_hu), 0, 1) * (_GREYS - 1)
    drawn = levels.round().astype(np.uint8)
    if outline is not None and outline.any():
        drawn[_edge(outline, size)] = _GREYS
    for mark in marks:
        _draw_mark(drawn, mark, values_hu.shape)
    picture = Image.fromarray(drawn)
    greys = [round(255 * level / (_GREYS - 1)) for level in range(_GREYS)]
    picture.putpalette([part for rgb in (*zip(greys, greys, greys, strict=True), *_COLOURS) for part in rgb])
    return picture


def contact_sheet_png(pictures: Sequence[tuple[Image.Image, str]], *, columns: int = 4) -> bytes:
    """Put several pictures on one sheet, each with its caption below.

    Args:
        pictures: From :func:`draw_thumbnail`, with captions in Latin letters; at least one.
        columns: The most pictures beside each other.

    Returns:
        The bytes of a PNG.

    >>> plane = np.full((50, 100), 40.0)
    >>> known = {"outline": None, "marks": (), "window_hu": (0.0, 80.0), "width_px": 80}
    >>> contact_sheet_png([(draw_thumbnail(plane, pixel_mm=(1.0, 1.0), **known), "slice 7")])[1:4]
    b'PNG'
    """
    from PIL import Image, ImageDraw

    across = min(columns, len(pictures))
    down = -(-len(pictures) // across)
    width = max(one.width for one, _ in pictures) + _GAP_PX
    height = max(one.height for one, _ in pictures) + _CAPTION_PX + _GAP_PX
    sheet = Image.new("RGB", (across * width + _GAP_PX, down * height + _GAP_PX), (0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    for n, (one, caption) in enumerate(pictures):
        x, y = _GAP_PX + n % across * width, _GAP_PX + n // across * height
        sheet.paste(one.convert("RGB"), (x, y))
        pen.text((x, y + one.height + 2), caption, fill=(255, 255, 255))
    return _as_png(sheet)


def _picture_size(shape: tuple[int, ...], pixel_mm: tuple[float, float], width_px: int) -> tuple[int, int]:
    """Return the number of columns and rows of the picture."""
    height_mm, width_mm = shape[0] * pixel_mm[0], shape[1] * pixel_mm[1]
    height_px = min(width_px * height_mm / width_mm, _TALLEST * width_px)
    return max(1, round(height_px * width_mm / height_mm)), max(1, round(height_px))


def _edge(outline: PlaneMask, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the pixels of the picture around a mask; a mask smaller than a pixel still has some."""
    from PIL import Image
    from scipy.ndimage import binary_dilation

    shares = np.asarray(Image.fromarray(outline.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    inside = shares >= min(0.5, float(shares.max()))
    edge: npt.NDArray[np.bool_] = binary_dilation(inside) & ~inside
    return edge


def _draw_mark(drawn: npt.NDArray[np.uint8], mark: Mark, shape: tuple[int, ...]) -> None:
    """Draw a rectangle or a cross into a picture of a plane."""
    height, width = drawn.shape
    scale = np.array([width / shape[1], height / shape[0]])
    corners = (np.array([mark.low, mark.high]) + 0.5) * scale - 0.5
    (left, top), (right, bottom) = np.clip(np.floor(corners + 0.5), 0, [width - 1, height - 1]).astype(int)
    colour = _GREYS if mark.region is None else _GREYS + 1 + mark.region % len(REGION_RGBS)
    if mark.is_cross:
        x, y = (left + right) // 2, (top + bottom) // 2
        drawn[y, max(x - _CROSS_PX, 0) : x + _CROSS_PX + 1] = colour
        drawn[max(y - _CROSS_PX, 0) : y + _CROSS_PX + 1, x] = colour
        return
    on, off = _DASHES_PX[0 if mark.region is None else mark.region % len(_DASHES_PX)]
    columns, rows = np.arange(left, right + 1), np.arange(top, bottom + 1)
    columns, rows = columns[columns % (on + off) < on], rows[rows % (on + off) < on]
    for y in (top, bottom):
        drawn[y, columns] = colour
    for x in (left, right):
        drawn[rows, x] = colour


def _as_png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
