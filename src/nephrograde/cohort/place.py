"""Positions in the patient as written in a table: a point, a box or a slice, each with its unit.

``mm`` is the DICOM patient coordinate system (LPS); ``vox`` counts the voxels of that phase's image from 0 (columns,
rows, slices from feet to head for DICOM, array order for other files). A number without a unit is rejected, because a
wrong guess would silently show the network a different part of the body.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import PlaceError

if TYPE_CHECKING:
    from nephrograde.vocabulary import Triple

Unit: TypeAlias = Literal["mm", "vox"]

_UNIT_RULE = '"mm" is the coordinate system of DICOM (LPS), "vox" counts the voxels of the image from 0.'
POINT_RULE = f'Write a point as "x,y,z mm" or "i,j,k vox": {_UNIT_RULE}'
BOX_RULE = f'Write a box as two opposite corners, "x,y,z;x,y,z mm" or "i,j,k;i,j,k vox": {_UNIT_RULE}'
SLICE_RULE = f'Write a slice as one coordinate, "-312.5 mm" or "41 vox": {_UNIT_RULE}'

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
# Characters that NFKC does not change: the Chinese list comma, and dashes used as a minus sign.
_PUNCTUATION = str.maketrans({"、": ",", "−": "-", "–": "-", "—": "-", "﹣": "-"})


@dataclass(frozen=True, slots=True)
class Point:
    """One position in the patient, for example a click in the tumour.

    >>> Point((10.0, 20.0, 30.0), "mm").unit
    'mm'
    """

    position: Triple
    unit: Unit


@dataclass(frozen=True, slots=True)
class Box:
    """Two opposite corners, sorted so that ``corner_a`` is the lower one on every axis.

    A box without extent along one axis is on one slice.
    """

    corner_a: Triple
    corner_b: Triple
    unit: Unit


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """One axial slice by its coordinate, which is the third coordinate of a point in the same unit."""

    coordinate: float
    unit: Unit


def parse_point(text: str) -> Point:
    """Read a point such as ``-12.5,30,-312 mm`` or ``256,240,41 vox``.

    Full-width punctuation and stray spaces, which Chinese input methods produce, are accepted.

    Args:
        text: Three numbers separated by commas, and the unit.

    Returns:
        The point in the unit in which it was written.

    Raises:
        PlaceError: If the text does not follow the rule; the message states the rule.

    Source:
        DICOM PS3.3 C.7.6.2.1.1 for LPS.

    >>> parse_point("－12.5，30，-312 mm")
    Point(position=(-12.5, 30.0, -312.0), unit='mm')
    >>> parse_point("1,2,3")
    Traceback (most recent call last):
    ...
    nephrograde.errors.PlaceError: '1,2,3' has no unit. Write a point as "x,y,z mm" or "i,j,k vox": "mm" is ...
    """
    (corner,), unit = _read_corners(text, count=1, rule=POINT_RULE)
    return Point(corner, unit)


def parse_box(text: str) -> Box:
    """Read a box such as ``200,210,41;260,275,41 vox`` from two opposite corners in any order.

    The unit is written at the end, or after each corner.

    Args:
        text: Two points separated by a semicolon, and the unit.

    Returns:
        The box with its corners sorted along every axis.

    Raises:
        PlaceError: If the text does not follow the rule, or the box is a line or a point; the message states the rule.

    >>> parse_box("40,50,30;10,20,30 vox")
    Box(corner_a=(10.0, 20.0, 30.0), corner_b=(40.0, 50.0, 30.0), unit='vox')
    """
    (first, second), unit = _read_corners(text, count=2, rule=BOX_RULE)
    if sum(a == b for a, b in zip(first, second, strict=True)) > 1:
        raise PlaceError(f"{text!r} has an extent along fewer than two axes", BOX_RULE)
    low = (min(first[0], second[0]), min(first[1], second[1]), min(first[2], second[2]))
    high = (max(first[0], second[0]), max(first[1], second[1]), max(first[2], second[2]))
    return Box(low, high, unit)


def parse_slice(text: str) -> SlicePlace:
    """Read an axial slice such as ``-312.5 mm`` or ``41 vox``.

    Args:
        text: One number and the unit.

    Returns:
        The slice in the unit in which it was written.

    Raises:
        PlaceError: If the text does not follow the rule; the message states the rule.

    >>> parse_slice("41 vox")
    SlicePlace(coordinate=41.0, unit='vox')
    """
    body, unit = _split_unit(text, text, SLICE_RULE)
    (coordinate,) = _read_numbers(body, text, count=1, unit=unit, rule=SLICE_RULE)
    return SlicePlace(coordinate, unit)


def write_place(place: Point | Box | SlicePlace) -> str:
    """Write a position as tables have it; reading it again gives the same position.

    Args:
        place: A point, a box or a slice.

    >>> [write_place(place) for place in (parse_point("-12.5,30,-312 mm"), parse_slice("41 vox"))]
    ['-12.5,30,-312 mm', '41 vox']
    >>> write_place(parse_box("40,50,30;10,20,30 vox"))
    '10,20,30;40,50,30 vox'
    """
    if isinstance(place, Point):
        corners: tuple[tuple[float, ...], ...] = (place.position,)
    elif isinstance(place, Box):
        corners = (place.corner_a, place.corner_b)
    else:
        corners = ((place.coordinate,),)
    text = ";".join(",".join(repr(number).removesuffix(".0") for number in corner) for corner in corners)
    return f"{text} {place.unit}"


def _read_corners(text: str, *, count: int, rule: str) -> tuple[list[Triple], Unit]:
    parts = _plain(text).split(";")
    if len(parts) != count:
        raise PlaceError(f"{text!r} has {len(parts)} corner{'s' * (len(parts) > 1)} where {count} should be", rule)
    last_body, unit = _split_unit(parts[-1], text, rule)
    corners: list[Triple] = []
    for body in [*parts[:-1], last_body]:
        numbers = body
        if body and body[-1].isalpha():
            numbers, own_unit = _split_unit(body, text, rule)
            if own_unit != unit:
                raise PlaceError(f"{text!r} mixes mm and vox", rule)
        x, y, z = _read_numbers(numbers, text, count=3, unit=unit, rule=rule)
        corners.append((x, y, z))
    return corners, unit


def _plain(text: str) -> str:
    """Convert to half-width lower case without spaces."""
    return "".join(unicodedata.normalize("NFKC", text).translate(_PUNCTUATION).lower().split())


def _split_unit(part: str, text: str, rule: str) -> tuple[str, Unit]:
    plain = _plain(part)
    if plain.endswith("mm"):
        return plain.removesuffix("mm"), "mm"
    if plain.endswith("vox"):
        return plain.removesuffix("vox"), "vox"
    unknown = re.search(r"[^\W\d_]+$", plain)
    raise PlaceError(f"{text!r} has {f'the unit {unknown[0]!r}' if unknown else 'no unit'}", rule)


def _read_numbers(body: str, text: str, *, count: int, unit: Unit, rule: str) -> list[float]:
    words = body.split(",")
    if len(words) != count:
        raise PlaceError(f"{text!r} has {len(words)} number{'s' * (len(words) > 1)} where {count} should be", rule)
    for word in words:
        if not _NUMBER.fullmatch(word) or not math.isfinite(float(word)):
            raise PlaceError(f"{text!r} contains {word!r}, which is not a number", rule)
    numbers = [float(word) for word in words]
    if unit == "vox" and min(numbers) < 0:
        raise PlaceError(f"{text!r} has a negative voxel number, and voxels count from 0", rule)
    return numbers
