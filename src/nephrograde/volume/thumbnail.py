"""A thumbnail of one plane of a scan, for pages on which people review many scans."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Plane: TypeAlias = Annotated[npt.NDArray[Any], "y x"]
PlaneMask: TypeAlias = Annotated[npt.NDArray[np.bool_], "y x"]

OUTLINE_RGB = (255, 176, 0)
"""Orange-yellow, which people with red-green colour blindness also see on grey."""
_GREYS = 64
_OUTLINE = _GREYS
_TALLEST = 2.0


def thumbnail_png(
    values_hu: Plane,
    *,
    pixel_mm: tuple[float, float],
    outline: PlaneMask | None = None,
    low_hu: float = -160.0,
    high_hu: float = 240.0,
    width_px: int = 160,
) -> bytes:
    """Draw one plane of a scan as a small grey PNG, with square pixels and the edge of a mask around what it marks.

    The first row is at the top: the front of an axial plane; for a coronal plane, the caller puts the head at the top.
    The picture is blurred before it shrinks, to avoid aliasing of noise.

    Args:
        values_hu: ``"y x"``; NaN is drawn black.
        pixel_mm: Distance between rows and distance between columns, in mm.
        outline: A mask on the same plane; its edge is drawn just outside it.
        low_hu: Value in HU mapped to black.
        high_hu: Value in HU mapped to white.
        width_px: Width of the picture; its height follows from the size in mm. A plane more than twice as high as
            wide gives a narrower picture.

    Returns:
        The bytes of a PNG with 64 greys and one colour, about 8 kB for a slice of the abdomen.

    Raises:
        ValueError: If the outline does not have the shape of the plane, or the plane is empty.

    The default window is the usual one for the abdomen (level 40, width 400).

    >>> plane = np.full((50, 100), 40.0)
    >>> thumbnail_png(plane, pixel_mm=(2.0, 1.0), width_px=80)[1:4]
    b'PNG'
    """
    from PIL import Image

    if values_hu.ndim != 2 or values_hu.size == 0:
        raise ValueError(f"values of shape {values_hu.shape} are not a plane")
    if outline is not None and outline.shape != values_hu.shape:
        raise ValueError(f"an outline of shape {outline.shape} does not fit a plane of shape {values_hu.shape}")
    size = _picture_size(values_hu.shape, pixel_mm, width_px)
    grey = np.nan_to_num(values_hu.astype(np.float32), nan=low_hu, posinf=high_hu, neginf=low_hu)
    shrunk = np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(size, Image.Resampling.BILINEAR))
    levels = np.clip((shrunk - low_hu) / (high_hu - low_hu), 0, 1) * (_GREYS - 1)
    drawn = levels.round().astype(np.uint8)
    if outline is not None and outline.any():
        drawn[_edge(outline, size)] = _OUTLINE
    return _as_png(Image.fromarray(drawn))


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


def _as_png(picture: Image.Image) -> bytes:
    greys = [round(255 * level / (_GREYS - 1)) for level in range(_GREYS)]
    picture.putpalette([part for grey in greys for part in (grey, grey, grey)] + list(OUTLINE_RGB))
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
