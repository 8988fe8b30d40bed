"""Positions: what is accepted, what is rejected, and that the error states the rule."""

from __future__ import annotations

import pytest

from nephrograde.cohort.place import (
    BOX_RULE,
    POINT_RULE,
    SLICE_RULE,
    Box,
    Point,
    SlicePlace,
    parse_box,
    parse_point,
    parse_slice,
)
from nephrograde.errors import PlaceError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10,20,30 mm", Point((10, 20, 30), "mm")),
        ("  -1.5 , +2 ,3e1mm ", Point((-1.5, 2, 30), "mm")),
        ("１０，２０，３０　ＶＯＸ", Point((10, 20, 30), "vox")),
        ("－10，−20、–30 ㎜", Point((-10, -20, -30), "mm")),
        (".5,5.,0 vox", Point((0.5, 5, 0), "vox")),
    ],
)
def test_point_is_read(text: str, wanted: Point) -> None:
    assert parse_point(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10,20,30;40,50,30 vox", Box((10, 20, 30), (40, 50, 30), "vox")),
        ("40,20,60 mm; 10,50,-30 mm", Box((10, 20, -30), (40, 50, 60), "mm")),
        ("10，20，30；40，50，60mm", Box((10, 20, 30), (40, 50, 60), "mm")),
        ("5,20,30;5,50,60 vox", Box((5, 20, 30), (5, 50, 60), "vox")),
    ],
)
def test_box_is_read_and_its_corners_sorted(text: str, wanted: Box) -> None:
    assert parse_box(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("-312.5 mm", SlicePlace(-312.5, "mm")), ("４１vox", SlicePlace(41, "vox"))],
)
def test_slice_is_read(text: str, wanted: SlicePlace) -> None:
    assert parse_slice(text) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10,20,30", "no unit"),
        ("", "no unit"),
        ("10,20,30 cm", "the unit 'cm'"),
        ("10,20 mm", "2 numbers where 3"),
        ("10,5,20,5,30,5 mm", "6 numbers where 3"),
        ("mm", "1 number where 3"),
        ("a,2,3 mm", "'a', which is not a number"),
        ("nan,2,3 mm", "'nan', which is not a number"),
        ("1e999,2,3 mm", "'1e999', which is not a number"),
        ("1,,3 mm", "'', which is not a number"),
        ("-1,2,3 vox", "voxels count from 0"),
        ("1,2,3;4,5,6 mm", "2 corners where 1"),
    ],
)
def test_bad_point_is_refused_with_the_rule(text: str, reason: str) -> None:
    with pytest.raises(PlaceError) as caught:
        parse_point(text)
    assert reason in str(caught.value)
    assert str(caught.value).endswith(POINT_RULE)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,2,3;4,5,6", "no unit"),
        ("1,2,3 mm;4,5,6", "no unit"),
        ("1,2,3 mm;4,5,6 vox", "mixes mm and vox"),
        ("1,2,3 px;4,5,6 vox", "the unit 'px'"),
        ("1,2,3 vox", "1 corner where 2"),
        ("1,2,3;1,2,3 vox", "fewer than two axes"),
        ("1,2,3;1,2,9 vox", "fewer than two axes"),
        (";1,2,9 vox", "1 number where 3"),
    ],
)
def test_bad_box_is_refused_with_the_rule(text: str, reason: str) -> None:
    with pytest.raises(PlaceError) as caught:
        parse_box(text)
    assert reason in str(caught.value)
    assert str(caught.value).endswith(BOX_RULE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("41", "no unit"), ("41,42 vox", "2 numbers where 1"), ("-1 vox", "count from 0"), ("x vox", "not a number")],
)
def test_bad_slice_is_refused_with_the_rule(text: str, reason: str) -> None:
    with pytest.raises(PlaceError) as caught:
        parse_slice(text)
    assert reason in str(caught.value)
    assert str(caught.value).endswith(SLICE_RULE)
