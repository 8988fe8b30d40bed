"""Labels that are moved and resized, by pointer and by keys, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.volume.read import read_volume

from .conftest import ORIGIN_MM, SPACING_MM
from .test_annotate import click, drag, in_mm, journal, place_of, saved

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))


def drag_in(page, start, end, *, phase=0, keys=()):
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*place_of(page, start, phase=phase))
    page.mouse.down()
    page.mouse.move(*place_of(page, end, phase=phase), steps=4)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)
    saved(page)


def last_box(cohort_path):
    box = parse_box(journal(cohort_path)[-1]["value"])
    return np.sort([box.corner_a, box.corner_b], axis=0)


@pytest.mark.slow
def test_own_labels_are_moved_and_boxes_resized(serving, open_page, cohort_path):
    page = open_page(serving())
    click(page, (50, 50))
    drag_in(page, (50, 50), (55, 45))
    point = parse_point(journal(cohort_path)[-1]["value"])
    assert np.abs(point.position - in_mm((55, 45, 10))).max() < 0.7
    drag(page, (10, 20), (30, 40))
    drag_in(page, (30, 40), (36, 44))  # a corner
    assert np.abs(last_box(cohort_path) - [in_mm((10, 20, 10)), in_mm((36, 44, 10))]).max() < 0.7
    drag_in(page, (10, 32), (6, 50))  # an edge: only across
    assert np.abs(last_box(cohort_path) - [in_mm((6, 20, 10)), in_mm((36, 44, 10))]).max() < 0.7
    drag_in(page, (20, 30), (24, 26))  # the inside
    assert np.abs(last_box(cohort_path) - [in_mm((10, 16, 10)), in_mm((40, 40, 10))]).max() < 0.7
    drag_in(page, (40, 40), (5, 5))  # the far corner beyond the near one: a voxel remains
    assert np.ptp(last_box(cohort_path), axis=0) == pytest.approx([2.0, 2.0, 0.0], abs=0.01)
    page.keyboard.press("Control+z")
    saved(page)
    drag_in(page, (20, 20), (28, 30), keys=["Alt"])  # a new box inside
    assert np.abs(last_box(cohort_path) - [in_mm((20, 20, 10)), in_mm((28, 30, 10))]).max() < 0.7
    before = len(journal(cohort_path))
    page.mouse.move(*place_of(page, (24, 25)))
    page.mouse.down()
    page.mouse.move(*place_of(page, (40, 40)), steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    page.wait_for_timeout(100)
    assert len(journal(cohort_path)) == before


@pytest.mark.slow
def test_dashed_labels_are_moved_to_this_phase(serving, open_page, cohort_path):
    page = open_page(serving())
    click(page, (50, 50))
    drag(page, (10, 20), (30, 40))
    drag_in(page, (20, 30), (24, 26), phase=1)
    last = journal(cohort_path)[-1]
    assert (last["phase"], last["kind"], last["origin"]) == ("up", "box", "carried")
    assert np.abs(last_box(cohort_path) - [in_mm((14, 16, 10)), in_mm((34, 36, 10))]).max() < 0.7
    drag_in(page, (50, 50), (52, 50), phase=1)
    last = journal(cohort_path)[-1]
    assert (last["phase"], last["kind"], last["origin"]) == ("up", "point", "carried")
    own = page.request.get(page.url.partition("#")[0] + "api/patients/0").json()["phases"]["np"]
    assert parse_point(own["point"]["value"]).position == pytest.approx(in_mm((50, 50, 10)), abs=0.7)


@pytest.mark.slow
def test_a_drag_from_the_corner_of_a_dashed_box_draws_another(serving, open_page, cohort_path):
    page = open_page(serving())
    drag(page, (10, 20), (30, 40))
    drag_in(page, (10, 20), (28, 38), phase=1)
    last = journal(cohort_path)[-1]
    assert (last["phase"], last["origin"]) == ("up", "drawn")
    assert np.abs(last_box(cohort_path) - [in_mm((10, 20, 10)), in_mm((28, 38, 10))]).max() < 0.7


def mask_of(cohort_path, phase):
    """The mask of P1 that follows from the journal, at its positions: voxels with slices counted as on "np"."""
    (path,) = cohort_path.with_suffix(".annotations").glob(f"reader-1.masks/P1-{phase}.*.nii.gz")
    marked = np.argwhere(read_volume(path).values)
    return {(x, y, z + (2 if phase == "up" else 0)) for x, y, z in marked.tolist()}


@pytest.mark.slow
def test_a_dashed_mask_is_accepted_or_moved_to_this_phase(serving, open_page, cohort_path):
    page = open_page(serving())
    for key in ("Home", *["ArrowDown"] * 8, "d"):
        page.keyboard.press(key)
    drag_in(page, (20, 30), (30, 36))
    page.keyboard.press("d")
    drawn = mask_of(cohort_path, "np")
    assert {z for _, _, z in drawn} == {11}

    for key in ("Tab", "a"):
        page.keyboard.press(key)
    saved(page)
    last = journal(cohort_path)[-1]
    assert (last["phase"], last["kind"], last["origin"]) == ("up", "mask", "carried")
    assert mask_of(cohort_path, "up") == drawn
    page.keyboard.press("Control+z")
    saved(page)

    drag_in(page, (25, 33), (29, 30), phase=1)
    moved = mask_of(cohort_path, "up")
    assert len(moved) == len(drawn)
    assert np.mean(list(moved), axis=0) - np.mean(list(drawn), axis=0) == pytest.approx([4, -3, 0], abs=0.5)
    page.keyboard.press("Control+z")
    saved(page)

    for key in ("m", *["Shift+ArrowRight"] * 2, "PageUp"):
        page.keyboard.press(key)
    assert "mask" in page.locator(".pane.active .state").text_content()
    page.keyboard.press("Enter")
    saved(page)
    assert mask_of(cohort_path, "up") == {(x + 5, y, z + 1) for x, y, z in drawn}
    assert mask_of(cohort_path, "np") == drawn


@pytest.mark.slow
def test_keys_alone_draw_move_and_resize_every_label(serving, open_page, cohort_path):
    page = open_page(serving())

    def press(*keys):
        for key in keys:
            page.keyboard.press(key)

    def last():
        saved(page)
        return journal(cohort_path)[-1]

    press("Shift+ArrowLeft", "Shift+ArrowUp", "p", "m")
    assert "point" in page.locator(".pane.active .state").text_content()
    press("Shift+ArrowRight", "ArrowDown", "PageUp", "Enter")
    point = np.array(parse_point(last()["value"]).position)
    assert point == pytest.approx([0.0, -4.0, -245.0])

    press("b", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "b")
    flat = parse_box(last()["value"])
    assert np.subtract(flat.corner_b, flat.corner_a) == pytest.approx([10.0, 5.0, 0.0])
    press("ArrowUp", "ArrowUp", "b", "Shift+ArrowLeft", "Shift+ArrowUp", "b")
    saved(page)
    deep = last_box(cohort_path)
    assert np.ptp(deep, axis=0) == pytest.approx([10.0, 5.0, 10.0])
    press("m", "m", "ArrowRight", "PageDown", "r", "Shift+ArrowDown", "PageUp", "r", "ArrowLeft", "Enter")
    saved(page)
    assert last_box(cohort_path) - deep == pytest.approx(np.array([[0.0, 0.0, -5.0], [1.0, 5.0, 0.0]]))
    press("m", "m", "ArrowRight", "Escape")

    press("s")
    first = parse_slice(last()["value"]).coordinate
    press("m", "m", "m", "ArrowUp", "PageUp", "Enter")
    assert last()["kind"] == "slice"
    assert parse_slice(last()["value"]).coordinate == pytest.approx(first + 2 * SPACING_MM[2])
    press("Tab", "m", "ArrowRight", "Enter")
    assert (last()["phase"], last()["kind"], last()["origin"]) == ("up", "point", "carried")
    assert ORIGIN_MM["up"][0] <= parse_point(last()["value"]).position[0]
    assert len(journal(cohort_path)) == 8
