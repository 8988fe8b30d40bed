"""Masks on the annotation page in a real browser: brush, eraser, slices between, imported masks, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

from .conftest import ORIGIN_MM, SIZE, SPACING_MM
from .test_annotate import journal, place_of, saved

pytestmark = [pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",)), pytest.mark.slow]
RADIUS_MM = 5.0  # after one step from what the page opens with; no voxel lies exactly at this distance
COLUMNS, ROWS, DEPTH = SIZE


@pytest.fixture
def cohort_path(tmp_path):
    """Two patients with one phase; the second has a mask in the table."""
    values = np.random.default_rng(1).integers(-50, 200, SIZE).astype(np.int16)
    images = {"P1/np.nii": values, "P2/np.nii": values, "P2/mask.nii": imported().T.astype(np.uint8)}
    for name, image in images.items():
        write_image(image, tmp_path / name, spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM["np"])
    path = tmp_path / "cohort.csv"
    path.write_text("patient_id,np_image,np_mask\nP1,P1/np.nii,\nP2,P2/np.nii,P2/mask.nii", encoding="utf-8")
    return path


def imported():
    stack = np.zeros(SIZE[::-1], dtype=bool)
    stack[4:7, 20:30, 30:42] = True
    return stack


def stroke(start, end, radius_mm=RADIUS_MM):
    """The voxels of a slice within a radius of a line, worked out here."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    along = np.linspace(0, 1, 400)[:, None, None]
    away = [(index - (a + along * (b - a))) * 2.0 for index, a, b in zip((columns, rows), start, end, strict=True)]
    return np.hypot(*away).min(axis=0) <= radius_mm


def paint(page, start, end):
    page.mouse.move(*place_of(page, start))
    page.mouse.down()
    page.mouse.move(*place_of(page, end), steps=4)
    page.mouse.up()
    saved(page)


def to_slice(page, number):
    """Scroll by keys to a slice, from the feet: a mask that is read later may move a page that nobody has moved."""
    page.wait_for_selector("canvas[data-slice]")
    page.keyboard.press("End")
    page.wait_for_selector("canvas[data-slice='0']")
    for _ in range(number):
        page.keyboard.press("ArrowUp")
    page.wait_for_selector(f"canvas[data-slice='{number}']")


def drawn(cohort_path, patient="P1"):
    """The mask that follows from the journal, as the cohort uses it."""
    (path,) = cohort_path.with_suffix(".annotations").glob(f"reader-1.masks/{patient}-np.*.nii.gz")
    return read_volume(path).values.T.astype(bool)


def colour_at(page, voxel):
    """The colour on the canvas at a voxel: the mask is yellow, and the image grey."""
    edge = page.locator("canvas").first.bounding_box()
    x, y = place_of(page, voxel)
    script = "([x, y]) => [...document.querySelector('canvas').getContext('2d').getImageData(x, y, 1, 1).data]"
    return page.evaluate(script, [round(x - edge["x"]), round(y - edge["y"])])


def is_marked(page, voxel):
    red, _, blue, _ = colour_at(page, voxel)
    return red > blue + 20


def test_brush_eraser_slices_between_undo_and_reload(serving, open_page, cohort_path):
    page = open_page(serving())
    to_slice(page, 6)
    page.keyboard.press("d")
    page.keyboard.press("]")
    paint(page, (20, 30), (30, 30))
    first = stroke((20, 30), (30, 30))
    assert (drawn(cohort_path)[6] ^ first).sum() <= 4  # voxels at the very edge
    assert is_marked(page, (25, 30))
    assert not is_marked(page, (25, 40))
    page.keyboard.press("e")
    paint(page, (30, 30), (32, 30))
    assert (drawn(cohort_path)[6] ^ (first & ~stroke((30, 30), (32, 30)))).sum() <= 4
    page.keyboard.press("Control+z")
    saved(page)
    page.wait_for_timeout(100)
    assert is_marked(page, (30, 30))

    to_slice(page, 10)
    page.keyboard.press("d")
    for _ in range(3):
        page.keyboard.press("]")
    paint(page, (25, 30), (25.2, 30))
    page.keyboard.press("i")
    saved(page)
    found = drawn(cohort_path)
    low, high = found[6], found[10]
    distance = [distance_transform_edt(~one) - distance_transform_edt(one) for one in (low, high)]
    for k in (7, 8, 9):
        expected = (distance[0] * (10 - k) + distance[1] * (k - 6)) / 4 <= 0
        assert (found[k] ^ expected).sum() <= 0.1 * expected.sum()
    assert not found[[5, 11]].any()

    page.keyboard.press("Control+z")
    saved(page)
    assert not drawn(cohort_path)[[7, 8, 9]].any()
    page.keyboard.press("Control+Shift+z")
    saved(page)
    assert np.array_equal(drawn(cohort_path), found)
    page.reload()
    page.wait_for_selector("canvas[data-slice]")
    to_slice(page, 8)
    page.wait_for_timeout(100)
    assert is_marked(page, (25, 30))
    page.keyboard.press("Delete")
    saved(page)
    assert not is_marked(page, (25, 30))


def test_keys_pen_and_touch_paint(serving, open_page, cohort_path):
    page = open_page(serving())
    to_slice(page, 10)
    for key in ("d", "Shift+ArrowLeft", "p"):
        page.keyboard.press(key)
    saved(page)
    assert drawn(cohort_path)[10].sum() in range(11, 15)
    session = page.context.new_cdp_session(page)
    for kind, voxel in (("mousePressed", (10, 10)), ("mouseMoved", (14, 10)), ("mouseReleased", (14, 10))):
        x, y = place_of(page, voxel)
        pen = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        session.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **pen})
    saved(page)
    assert drawn(cohort_path)[10, 10, 12]

    def touch(kind, *voxels):
        points = [dict(zip("xy", place_of(page, voxel), strict=True), id=n) for n, voxel in enumerate(voxels)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (50, 50))
    touch("touchMove", (54, 50))
    touch("touchEnd")
    saved(page)
    assert drawn(cohort_path)[10, 50, 52]
    n_entries = len(journal(cohort_path))
    touch("touchStart", (10, 50))  # the first finger of two does not paint
    touch("touchStart", (10, 50), (20, 50))
    touch("touchMove", (8, 50), (22, 50))
    touch("touchEnd")
    saved(page)
    assert len(journal(cohort_path)) == n_entries
    assert not drawn(cohort_path)[10, 50, 10]


def test_imported_mask_is_accepted_corrected_and_refused(serving, open_page, cohort_path):
    page = open_page(serving())
    page.keyboard.press("Shift+Enter")
    page.locator("#list button").nth(1).click()
    page.wait_for_selector("canvas[data-slice='4'], canvas[data-slice='5'], canvas[data-slice='6']")
    page.wait_for_function("() => document.querySelector('.state').textContent.includes('X ')")
    assert journal(cohort_path) == []
    page.locator("canvas").first.focus()
    page.keyboard.press("a")
    saved(page)
    assert np.array_equal(drawn(cohort_path, "P2"), imported())
    assert page.locator(".state").text_content() == "Imported mask, accepted"
    page.keyboard.press("Control+z")
    saved(page)
    to_slice(page, 5)
    page.keyboard.press("e")
    page.keyboard.press("]")
    paint(page, (30, 20), (30, 30))
    expected = imported()
    expected[5] &= ~stroke((30, 20), (30, 30))
    assert (drawn(cohort_path, "P2") ^ expected).sum() <= 4
    assert [(one["kind"], one["origin"]) for one in journal(cohort_path)] == [
        ("mask", "accepted"), ("undo", "drawn"), ("mask", "accepted"), ("mask", "corrected"),
    ]  # fmt: skip
    page.keyboard.press("x")
    saved(page)
    last = journal(cohort_path)[-1]
    assert (last["value"], last["origin"]) == ("none", "refused")
    assert page.locator(".state").text_content() == "Imported mask, refused"
    assert not is_marked(page, (36, 25))


def test_no_acknowledged_stroke_is_lost_when_the_server_is_killed(annotating, open_page, cohort_path):
    process, address = annotating()
    page = open_page(address)
    to_slice(page, 10)
    page.keyboard.press("d")
    paint(page, (20, 20), (26, 20))
    process.kill()
    process.wait()
    assert drawn(cohort_path)[10, 20, 23]
    page.mouse.move(*place_of(page, (20, 40)))
    page.mouse.down()
    page.mouse.move(*place_of(page, (26, 40)), steps=3)
    page.mouse.up()
    page.wait_for_selector("#saved.unsaved")
    assert is_marked(page, (23, 20))
    assert is_marked(page, (23, 40))
    page.close()  # otherwise it may send the stroke before the other tab has looked for it
    _, again = annotating()
    saved(open_page(again, like=page))
    found = drawn(cohort_path)
    assert found[10, 20, 23]
    assert found[10, 40, 23]


def test_strokes_of_two_tabs_are_both_kept_and_the_conflict_is_shown(serving, open_page, cohort_path):
    address = serving()
    page, other = open_page(address), open_page(address)
    for tab, number in ((page, 8), (other, 12)):
        to_slice(tab, number)
        tab.keyboard.press("d")
    paint(page, (20, 20), (26, 20))
    paint(other, (20, 20), (26, 20))
    other.wait_for_selector("#message:not([hidden])")
    found = drawn(cohort_path)
    assert found[8].any()
    assert found[12].any()
    other.keyboard.press("a")
    other.wait_for_selector("#message[hidden]", state="attached")
    assert np.array_equal(drawn(cohort_path), found)
