"""A map over the slices of its scan, as PNG: blue towards low grade, orange-red towards high grade.

The two colours are vermilion and blue of Okabe and Ito, which people with any common colour blindness tell apart. All
texts in a picture are in English, so that they need no font with other letters.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from nephrograde.report.text.numbers import MINUS, decimal
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from PIL import Image, ImageDraw

    from nephrograde.explanation.explanation import Explanation, ScanMap
    from nephrograde.sample.frames import Frame

HIGH_RGB: Final = (230, 85, 13)
LOW_RGB: Final = (33, 120, 200)
_OPAQUE = 0.75
"""How much of the colour is seen at the strongest place."""
_WIDTH_PX = 320
_TALLEST = 1.6
_GAP_PX = 8
_TEXT_PX = 13
_LINE_PX = 18
_BAR_PX = 14
_MOST_SLICES = 12
_BOX_SLICES = 6
_MARGIN = 0.2
"""What is drawn around a region, as a part of its edges."""
_COLUMNS = 3
_PLANES: Final = (
    ("axial", 2, (0, 1), "RLAP"),
    ("coronal", 1, (0, 2), "RLHF"),
    ("sagittal", 0, (1, 2), "APHF"),
)
"""Name, the axis across, the axes along columns and rows, and the letters at the left, right, upper and lower edge."""
_CAVEAT = "It shows what these networks used, not where the tumour is, nor why a grade is high."


class _Cut(NamedTuple):
    """A part of a plane: which plane, its number, and the first and last voxel along columns and rows."""

    plane: int
    number: int
    low: tuple[int, int]
    high: tuple[int, int]


def draw_panels(explanation: Explanation, found: ScanMap) -> bytes:
    """Draw a map over the slices of its region; of a box, over three planes and several slices.

    Of more than 12 slices, those on which the map is strongest are drawn.

    Args:
        explanation: What it belongs to.
        found: One of its maps.

    Returns:
        The bytes of a PNG.
    """
    grading = explanation.grading
    cuts = _cuts(found)
    pictures = [(_draw(found, cut), f"{_PLANES[cut.plane][0]} {cut.number}") for cut in cuts]
    synthetic = ", SYNTHETIC MODEL" if grading.synthetic else ""
    title = f"{_NAMES[found.method]} of {grading.model}, {found.phase}: p(high) = {grading.p_high:.3f}{synthetic}"
    places = [
        f"strongest towards {name} grade: {_number(one.value)} at {_mm(one.position_mm)} mm (LPS)"
        for name, one in (("high", found.high), ("low", found.low))
        if one is not None
    ]
    return _sheet(pictures, [title, *places], found)


_NAMES: Final = {"cam": "Class activation map", "occlusion": "Occlusion map"}


def _cuts(found: ScanMap) -> list[_Cut]:
    slices = {frame.k for frame in found.frames if frame.k is not None}
    if slices:
        strongest = sorted(slices, key=lambda k: -float(np.abs(found.values[:, :, k]).max()))[:_MOST_SLICES]
        return [_around([one for one in found.frames if one.k == k], found, 0, k) for k in sorted(strongest)]
    cuts = []
    size = found.values.shape
    peak = max((one for one in (found.high, found.low) if one), key=lambda one: abs(one.value), default=None)
    for frame in found.frames:
        middle = [(a + b) / 2 for a, b in zip(frame.low, frame.high, strict=True)]
        place = found.volume.to_index(peak.position_mm) if peak is not None else middle
        if not all(a <= at <= b for a, at, b in zip(frame.low, place, frame.high, strict=True)):
            place = middle  # that of the other kidney
        numbers = [int(np.clip(round(at), 0, count - 1)) for at, count in zip(place, size, strict=True)]
        cuts += [_around([frame], found, plane, numbers[axis]) for plane, (_, axis, _, _) in enumerate(_PLANES)]
        first, last = max(round(frame.low[2]), 0), min(round(frame.high[2]), size[2] - 1)
        further = np.linspace(first, last, _BOX_SLICES + 2)[1:-1].round().astype(int).tolist()
        cuts += [_around([frame], found, 0, k) for k in dict.fromkeys(further) if k != numbers[2]]
    return cuts[: 2 * _MOST_SLICES]


def _around(frames: Sequence[Frame], found: ScanMap, plane: int, number: int) -> _Cut:
    """The part of a plane that shows these frames."""
    _, _, axes, _ = _PLANES[plane]
    ends = []
    for axis in axes:
        low, high = min(one.low[axis] for one in frames), max(one.high[axis] for one in frames)
        margin, last = _MARGIN * (high - low), found.values.shape[axis] - 1
        ends.append((int(np.clip(low - margin, 0, last)), int(np.clip(np.ceil(high + margin), 0, last))))
    (x, u), (y, v) = ends
    return _Cut(plane, number, (x, y), (u, v))


def _draw(found: ScanMap, cut: _Cut) -> Image.Image:
    """Draw a part of a plane with the map, the frames and the letters."""
    from PIL import Image, ImageDraw

    _, axis, (x, y), letters = _PLANES[cut.plane]
    window = tuple(slice(a, b + 1) for a, b in zip(cut.low, cut.high, strict=True))
    across = found.volume.spacing_mm[x] * (cut.high[0] - cut.low[0] + 1)
    down = found.volume.spacing_mm[y] * (cut.high[1] - cut.low[1] + 1)
    height_px = max(round(min(_WIDTH_PX * down / across, _TALLEST * _WIDTH_PX)), 1)
    size = max(round(height_px * across / down), 1), height_px

    def plane(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        values = np.take(array, cut.number, axis=axis)[window].T.astype(np.float32)
        if cut.plane:
            values = values[::-1]  # the head is at the top
        shown = Image.fromarray(np.ascontiguousarray(values)).resize(size, Image.Resampling.BILINEAR)
        return np.asarray(shown, np.float32)

    low, high = found.window
    grey = np.clip((plane(found.volume.values) - low) / (high - low), 0, 1) * 255
    share = plane(found.values) / (found.limit or 1.0)
    picture = Image.fromarray(_blended(grey, share))
    pen = ImageDraw.Draw(picture)
    for frame in found.frames:
        if frame.meets(cut.number) if cut.plane == 0 else True:
            _rectangle(pen, frame, cut, size)
    if letters and found.volume.native.is_oriented:
        _letters(pen, letters, size)
    return picture


def _blended(grey: npt.NDArray[np.float32], share: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """A grey picture with the colour of the sign over it, the more opaque the stronger."""
    opaque = (_OPAQUE * np.clip(np.abs(share), 0, 1))[..., None]
    colour = np.where((share > 0)[..., None], np.array(HIGH_RGB, np.float32), np.array(LOW_RGB, np.float32))
    return np.asarray((1 - opaque) * grey[..., None] + opaque * colour, np.float32).round().astype(np.uint8)


def _rectangle(pen: ImageDraw.ImageDraw, frame: Frame, cut: _Cut, size: tuple[int, int]) -> None:
    """The edge of a region; what lies outside the picture is not drawn."""
    _, _, axes, _ = _PLANES[cut.plane]
    corners = []
    for number, axis in enumerate(axes):
        first, count = cut.low[number], cut.high[number] - cut.low[number] + 1
        ends = [(at + 0.5 - first) / count * size[number] for at in (frame.low[axis], frame.high[axis])]
        corners.append([size[1] - at for at in reversed(ends)] if cut.plane and number else ends)
    (left, right), (top, bottom) = corners
    pen.rectangle((left, top, right - 1, bottom - 1), outline=(200, 200, 200))


def _letters(pen: ImageDraw.ImageDraw, letters: str, size: tuple[int, int]) -> None:
    width, height = size
    places = ((4, height // 2), (width - 12, height // 2), (width // 2, 3), (width // 2, height - _TEXT_PX - 4))
    for letter, place in zip(letters, places, strict=True):
        pen.text(place, letter, fill=(255, 255, 255), font=_font(), stroke_width=1, stroke_fill=(0, 0, 0))


def _sheet(pictures: Sequence[tuple[Image.Image, str]], heading: Sequence[str], found: ScanMap) -> bytes:
    """The pictures with their captions below the heading, and above the colour scale and what must be known."""
    from PIL import Image, ImageDraw

    across = min(_COLUMNS, len(pictures))
    down = -(-len(pictures) // across)
    cell = max(one.width for one, _ in pictures) + _GAP_PX
    tall = max(one.height for one, _ in pictures) + _LINE_PX + _GAP_PX
    below = [*_wrapped(_CAVEAT, across * cell), *_wrapped(RESEARCH_USE_ONLY, across * cell)]
    above = [line for text in heading for line in _wrapped(text, across * cell)]
    top = _GAP_PX + len(above) * _LINE_PX
    bar = top + down * tall + _GAP_PX
    height = bar + _BAR_PX + (1 + len(below)) * _LINE_PX + 2 * _GAP_PX
    sheet = Image.new("RGB", (across * cell + _GAP_PX, height), (0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(above):
        pen.text((_GAP_PX, _GAP_PX // 2 + number * _LINE_PX), line, fill=(255, 255, 255), font=_font())
    for number, (one, caption) in enumerate(pictures):
        left, up = _GAP_PX + number % across * cell, top + number // across * tall
        sheet.paste(one, (left, up))
        pen.text((left, up + one.height + 1), caption, fill=(220, 220, 220), font=_font())
    _scale(sheet, pen, bar, found.limit)
    for number, line in enumerate(below, start=1):
        place = (_GAP_PX, bar + _BAR_PX + _GAP_PX // 2 + number * _LINE_PX)
        pen.text(place, line, fill=(255, 220, 130), font=_font())
    stream = io.BytesIO()
    sheet.save(stream, format="PNG")
    return stream.getvalue()


def _scale(sheet: Image.Image, pen: ImageDraw.ImageDraw, top: int, limit: float) -> None:
    """The colours from the strongest value towards low grade to that towards high grade, on mid-grey."""
    from PIL import Image

    width = min(sheet.width - 2 * _GAP_PX, 400)
    share = np.tile(np.linspace(-1, 1, width, dtype=np.float32), (_BAR_PX, 1))
    sheet.paste(Image.fromarray(_blended(np.full(share.shape, 128, np.float32), share)), (_GAP_PX, top))
    texts = (f"{_number(-limit)} low", "0", f"high +{_number(limit)} log odds")
    widths = [pen.textlength(text, font=_font()) for text in texts]
    lefts = (0.0, width / 2 - widths[1] / 2, width - widths[2])
    for text, left in zip(texts, lefts, strict=True):
        pen.text((_GAP_PX + left, top + _BAR_PX + 1), text, fill=(255, 255, 255), font=_font())


def _wrapped(text: str, width_px: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(int(width_px / 7.2), 20))


def _mm(place: Sequence[float]) -> str:
    return ", ".join(f"{at:.1f}" for at in place)


def _number(value: float) -> str:
    """A number in the letters that the font has."""
    return decimal(value).replace(MINUS, "-")


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(_TEXT_PX)
