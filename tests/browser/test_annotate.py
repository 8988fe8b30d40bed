"""The annotation page in a real browser."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from nephrograde.cohort.place import parse_box, parse_point, parse_slice

from .conftest import ORIGIN_MM, SIZE, SPACING_MM

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))
BAR_PX = 14


def journal(cohort_path):
    path = cohort_path.with_suffix(".annotations") / "reader-1.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def place_of(page, voxel, *, phase=0):
    """Where a voxel of the slice is on the screen, if the whole image is shown."""
    edge = page.locator("canvas").nth(phase).bounding_box()
    extent = (edge["width"] - BAR_PX, edge["height"])
    scale = min(extent[0] / SIZE[0], extent[1] / SIZE[1])
    middle = (edge["x"] + extent[0] / 2, edge["y"] + extent[1] / 2)
    return [middle[axis] + (voxel[axis] - (SIZE[axis] - 1) / 2) * scale for axis in (0, 1)]


def in_mm(voxel, phase="np"):
    return np.array(ORIGIN_MM[phase]) + np.array(voxel) * SPACING_MM


def click(page, voxel, *, phase=0):
    page.mouse.click(*place_of(page, voxel, phase=phase))
    saved(page)


def drag(page, start, end):
    page.mouse.move(*place_of(page, start))
    page.mouse.down()
    page.mouse.move(*place_of(page, end), steps=3)
    page.mouse.up()
    saved(page)


def saved(page):
    page.wait_for_selector("#saved.saved")


@pytest.mark.slow
def test_the_patient_asked_for_last_is_shown_even_if_an_earlier_answer_comes_later(serving, open_page):
    page = open_page(serving())
    held: list[Any] = []
    page.route(re.compile(r"/api/patients/1$"), lambda route: held.append(route))  # noqa: PLW0108 (no built-in function)
    page.click("#list button >> nth=1")
    page.wait_for_timeout(100)
    page.click("#list button >> nth=2")
    page.wait_for_selector("#patient:text('P3')")
    with page.expect_response(re.compile(r"/api/patients/1$")):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert page.text_content("#patient") == "P3"
    assert page.url.endswith("#2")


@pytest.mark.slow
def test_gestures_are_saved_where_they_were_made(serving, open_page, cohort_path):
    address = serving()
    page = open_page(address)
    assert "token" not in page.url
    page.wait_for_selector(".pane:first-child canvas[data-slice='10']")
    page.wait_for_selector(".pane:last-child canvas[data-slice='8']")  # the same height in mm
    click(page, (20, 40))
    point = parse_point(journal(cohort_path)[-1]["value"])
    assert np.abs(np.array(point.position) - in_mm((20, 40, 10))).max() < 0.5

    drag(page, (10, 30), (30, 50))
    flat = parse_box(journal(cohort_path)[-1]["value"])
    assert np.abs(np.array(flat.corner_a) - in_mm((10, 30, 10))).max() < 0.5
    assert np.abs(np.array(flat.corner_b) - in_mm((30, 50, 10))).max() < 0.5
    page.mouse.move(*place_of(page, (32, 32)))
    for _ in range(3):
        page.mouse.wheel(0, -100)
    page.wait_for_selector(".pane:first-child canvas[data-slice='13']")
    page.wait_for_selector(".pane:last-child canvas[data-slice='11']")
    drag(page, (12, 28), (28, 52))
    deep = parse_box(journal(cohort_path)[-1]["value"])
    assert np.abs(np.array(deep.corner_a) - in_mm((10, 28, 10))).max() < 0.5
    assert np.abs(np.array(deep.corner_b) - in_mm((30, 52, 13))).max() < 0.5

    page.keyboard.press("s")
    saved(page)
    assert parse_slice(journal(cohort_path)[-1]["value"]).coordinate == pytest.approx(in_mm((0, 0, 13))[2])
    page.locator("#tool-none").click()
    saved(page)
    assert [(one["kind"], one["phase"]) for one in journal(cohort_path)] == [
        ("point", "np"), ("box", "np"), ("box", "np"), ("slice", "np"), ("none", "np"),
    ]  # fmt: skip
    assert all(one["active_s"] > 0 for one in journal(cohort_path))
    assert page.locator(".pane.active .state").text_content() == "No tumour here"


@pytest.mark.slow
def test_undo_redo_and_reload(serving, open_page, cohort_path):
    address = serving()
    page = open_page(address)
    click(page, (20, 40))
    click(page, (25, 45))
    page.keyboard.press("Control+z")
    saved(page)
    page.keyboard.press("Control+z")
    saved(page)
    page.keyboard.press("Control+Shift+z")
    saved(page)
    kinds = [one["kind"] for one in journal(cohort_path)]
    assert kinds == ["point", "point", "undo", "undo", "redo"]
    page.reload()
    for pane in (".pane.active", ".pane:last-child"):  # each reads its image by itself
        page.wait_for_selector(f"{pane} canvas[data-slice]")
    reply = page.request.get(page.url.partition("#")[0] + "api/patients/0")
    assert reply.json()["phases"]["np"]["point"]["value"] == journal(cohort_path)[0]["value"]
    assert page.locator("#list .started").count() == 1
    assert "dashed: from Nephrographic" in page.locator(".pane .place").nth(1).text_content()
    page.locator("canvas").nth(1).focus()
    page.keyboard.press("a")
    saved(page)
    last = journal(cohort_path)[-1]
    assert (last["phase"], last["origin"], last["value"]) == ("up", "accepted", journal(cohort_path)[0]["value"])


def test_keyboard_alone_suffices(serving, open_page, cohort_path):
    address = serving()
    page = open_page(address)
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("b")
    page.keyboard.press("p")
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "b", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.getElementById('patient').textContent === 'P2'")
    saved(page)
    point, box, done = journal(cohort_path)
    assert parse_point(point["value"]).position[0] == pytest.approx(-5.0)
    found = parse_box(box["value"])
    assert np.subtract(found.corner_b, found.corner_a) == pytest.approx([10.0, 5.0, 0.0])
    assert (done["kind"], done["patient_id"]) == ("done", "P1")
    page.keyboard.press("c")
    page.keyboard.type("hilum not seen")
    page.keyboard.press("Enter")
    saved(page)
    last = journal(cohort_path)[-1]
    assert (last["kind"], last["patient_id"], last["value"]) == ("comment", "P2", "hilum not seen")
    assert page.locator("#list .done").count() == 1


@pytest.mark.slow
def test_nothing_is_lost_when_the_server_is_killed(annotating, open_page, cohort_path):
    process, address = annotating()
    page = open_page(address)
    click(page, (20, 40))
    process.kill()
    process.wait()
    page.mouse.click(*place_of(page, (25, 45)))
    page.wait_for_selector("#saved.unsaved")
    assert len(journal(cohort_path)) == 1
    page.close()
    _, again = annotating()
    assert again.partition("?")[0] == address.partition("?")[0]  # where the browser keeps what was not saved
    later = open_page(again, like=page)
    saved(later)
    first, second = journal(cohort_path)
    assert parse_point(second["value"]).position[0] == pytest.approx(in_mm((25, 0, 0))[0], abs=0.5)
    assert second["follows"] == first["id"]


@pytest.mark.slow
def test_open_tab_goes_on_with_a_new_server(annotating, open_page, cohort_path):
    process, address = annotating()
    page = open_page(address)
    process.kill()
    process.wait()
    page.mouse.click(*place_of(page, (25, 45)))
    page.wait_for_selector("#saved.unsaved")
    _, again = annotating()
    open_page(again, like=page)  # brings the new token
    saved(page)
    assert len(journal(cohort_path)) == 1


@pytest.mark.slow
def test_two_tabs_show_that_they_disagree(serving, open_page, cohort_path):
    address = serving()
    page = open_page(address)
    other = open_page(address)
    click(page, (20, 40))
    click(other, (40, 40))
    other.wait_for_selector("#message:not([hidden])")
    assert "two places" in other.locator("#message").text_content()
    click(other, (41, 41))
    other.wait_for_selector("#message[hidden]", state="attached")
    assert len(journal(cohort_path)) == 3


def test_wrong_token_shows_no_page(serving, browser, cohort_path):
    address = serving()
    page = browser.new_page()
    for wrong, status in ((address.partition("?")[0], 401), (re.sub("token=.", "token=!", address), 403)):
        assert page.goto(wrong).status == status
        assert page.locator("canvas").count() == 0
    page.close()


@pytest.mark.slow
def test_phone(serving, open_page, cohort_path):
    address = serving(language="zh")
    page = open_page(address, width=400)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
    assert page.locator(".pane:visible").count() == 1
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.locator("#tool-views").click()
    page.wait_for_selector(".sagittal canvas[data-slice]")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
    page.locator("#tabs button").nth(1).click()
    assert page.locator(".axial:visible .name").text_content() == page.locator("#tabs button").nth(1).text_content()
    page.locator("#patients-button").click()
    page.locator("#list button").nth(2).click()
    page.wait_for_function("() => document.getElementById('patient').textContent === 'P3'")
    page.locator("#help-button").click()
    assert page.locator("#help").is_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400


WORDS = """() => [document.title, document.body.innerText, ...[...document.querySelectorAll("[aria-label], [title]")]
  .map((element) => `${element.getAttribute("aria-label")} ${element.title}`)]"""


@pytest.mark.slow
def test_another_language_changes_every_word(serving, open_page):
    page = open_page(serving(), width=400)
    page.wait_for_selector("#kidneys[data-state=none]")
    english = page.evaluate(WORDS)
    page.locator("#language").click()
    page.wait_for_selector("html[lang=zh-Hans]")
    changed = page.evaluate(WORDS)
    page.reload()
    page.wait_for_selector("canvas[data-slice]")
    page.wait_for_selector("#kidneys[data-state=none]")
    assert changed == page.evaluate(WORDS)
    assert changed != english

    click(page, (20, 40))
    assert page.locator("#saved").text_content() == "已保存"
    page.locator("#language").click()
    page.wait_for_selector("html[lang=en]")
    assert page.locator("#saved").text_content() == "Saved"


@pytest.mark.slow
def test_five_hundred_patients(serving, open_page, cohort_path):
    more = [f"Q{n:03d},Q{n}/np.nii,Q{n}/up.nii" for n in range(497)]
    cohort_path.write_text("\n".join([cohort_path.read_text(encoding="utf-8"), *more]), encoding="utf-8")
    address = serving()
    page = open_page(address)
    assert page.locator("#list li").count() == 500
    page.locator("#filter").fill("q49")
    assert page.locator("#list li:visible").count() == 7
    page.locator("#list li:visible button").first.click()
    page.wait_for_function("() => document.querySelector('.problem').textContent.includes('cannot be shown')")
