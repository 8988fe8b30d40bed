"""Coronal and sagittal views, in a real browser, on an oblique image with unequal voxels."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))

SIZE, SPACING_MM, ORIGIN_MM = (60, 50, 12), (1.5, 2.0, 5.0), (-40.0, -55.0, -320.0)
BLOCK = ((20, 40), (15, 30), (4, 8))  # first and one past the last voxel: 30 × 30 × 20 mm
TILT = np.deg2rad(20)
DIRECTION = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])


@pytest.fixture(scope="module")
def tilted(tmp_path_factory):
    """The address and the folder of annotations of one patient, whose table is tilted by 20°."""
    from nephrograde.web.listening import open_socket
    from nephrograde.web.security import Access
    from nephrograde.web.server import Server
    from nephrograde.web.start import open_session

    folder = tmp_path_factory.mktemp("tilted")
    values = np.full(SIZE, -500, dtype=np.int16)
    values[tuple(slice(*ends) for ends in BLOCK)] = 400
    for phase in ("np", "up"):
        path = folder / f"{phase}.nii"
        write_image(values, path, spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM, direction=DIRECTION)
    (folder / "cohort.csv").write_text("patient_id,np_image,up_image\nP1,np.nii,up.nii\n", encoding="utf-8")
    listening = open_socket("127.0.0.1", 0)
    access = Access("127.0.0.1", listening.getsockname()[1])
    session = open_session(folder / "cohort.csv", folder / "cohort.annotations", "li")
    with Server(session, access, listening):
        yield access.address, session.journal


def in_mm(index):
    return DIRECTION @ (np.array(index) * SPACING_MM) + ORIGIN_MM


BRIGHT = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const columns = new Array(width).fill(0), rows = new Array(height).fill(0);
  for (let n = 0; n < width * height; n += 1) {
    if (data[4 * n] < 150 || data[4 * n + 2] < 150 || n % width > width - 15) continue;  // beside the bar
    columns[n % width] += 1;
    rows[Math.floor(n / width)] += 1;
  }
  const ends = (counts) => {
    const found = counts.map((count, n) => [count, n]).filter(([count]) => count > 20).map(([, n]) => n);
    return [Math.min(...found), Math.max(...found) + 1];
  };
  return [...ends(columns), ...ends(rows)];
}"""


def block_of(page, plane):
    """Left, right, top and bottom of the bright block on the screen, px."""
    page.wait_for_selector(f".pane.{plane} canvas[data-slice]")
    return page.locator(f".pane.{plane} canvas").first.evaluate(BRIGHT)


@pytest.mark.slow
def test_views_have_the_proportions_of_the_patient_and_lead_to_a_place(tilted, open_page):
    address, journal = tilted
    page = open_page(address)
    page.keyboard.press("v")
    for plane, (across_mm, down_mm) in {"axial": (30, 30), "coronal": (30, 20), "sagittal": (30, 20)}.items():
        left, right, top, bottom = block_of(page, plane)
        assert (right - left) / (bottom - top) == pytest.approx(across_mm / down_mm, rel=0.06)

    left, right, top, bottom = block_of(page, "coronal")
    edge = page.locator(".coronal canvas").bounding_box()
    # The head is at the top: a quarter from the bottom is the middle of the lowest but one slice of the four.
    page.mouse.click(edge["x"] + (left + right) / 2, edge["y"] + bottom - (bottom - top) * 3 / 8)
    page.wait_for_selector(".axial.active canvas[data-slice='5']")
    page.wait_for_selector(".axial:not(.active) canvas[data-slice='5']")
    left, right, top, bottom = block_of(page, "sagittal")
    edge = page.locator(".sagittal canvas").bounding_box()
    page.mouse.click(edge["x"] + left + (right - left) / 4, edge["y"] + bottom - (bottom - top) * 5 / 8)
    page.wait_for_selector(".axial.active canvas[data-slice='6']")
    page.locator(".axial canvas").first.focus()
    page.keyboard.press("p")
    page.wait_for_selector("#saved.saved")
    point = parse_point(journal.entries()[-1].value).position
    assert np.abs(np.array(point) - in_mm((29.5, 15 + 15 / 4 - 0.5, 6))).max() < 1.0


@pytest.mark.slow
def test_views_follow_the_keys_and_the_active_phase_and_are_remembered(tilted, open_page):
    address, _ = tilted
    page = open_page(address)
    page.locator("#tool-views").click()
    page.wait_for_selector(".sagittal canvas[data-slice='30']")
    page.locator(".sagittal canvas").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".sagittal canvas[data-slice='31']")
    slice_before = int(page.locator(".axial.active canvas").get_attribute("data-slice"))
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_selector(f".axial.active canvas[data-slice='{slice_before + 1}']")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".axial canvas").nth(1).focus()
    page.wait_for_function("() => document.querySelectorAll('.axial')[1].classList.contains('active')")
    page.wait_for_timeout(200)
    assert any("/phases/up/coronal/" in url for url in asked)
    page.reload()
    page.wait_for_selector(".coronal canvas[data-slice]")
    page.keyboard.press("v")
    page.wait_for_selector(".coronal", state="detached")
    assert page.locator("#tool-views").get_attribute("aria-pressed") == "false"


@pytest.mark.slow
def test_height_of_a_box_and_the_slice_are_dragged_in_a_view(tilted, open_page):
    address, journal = tilted
    page = open_page(address)
    page.keyboard.press("v")
    page.wait_for_selector(".coronal canvas[data-slice]")
    for key in ("b", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "b", "s", "Shift+ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_selector("#saved.saved")
    edge = page.locator(".coronal canvas").bounding_box()
    down = min(edge["width"] / (SIZE[0] * SPACING_MM[0]), edge["height"] / (SIZE[2] * SPACING_MM[2])) * SPACING_MM[2]
    across = down / SPACING_MM[2] * SPACING_MM[0]
    middle = (edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2)
    first = int(page.locator(".axial.active canvas").get_attribute("data-slice"))

    def drag_up(right, up, slices):
        at = (middle[0] + right * across, middle[1] - (first - (SIZE[2] - 1) / 2) * down - up)
        page.mouse.move(*at)
        page.mouse.down()
        page.mouse.move(at[0], at[1] - slices * down, steps=4)
        page.mouse.up()
        page.wait_for_selector("#saved.saved")
        return journal.entries()[-1]

    box = parse_box(drag_up(3, 4, 3).value)  # just above the line of the box on one slice: its upper end
    depths = np.sort([np.linalg.solve(DIRECTION, np.array(corner) - ORIGIN_MM)[2] / SPACING_MM[2]
                      for corner in (box.corner_a, box.corner_b)])  # fmt: skip
    assert depths == pytest.approx([first, first + 3], abs=0.15)
    moved = drag_up(-20, 0, 2)  # the line of the chosen slice, beside the box
    assert (moved.kind, moved.origin) == ("slice", "drawn")
    middle_mm = in_mm([(SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2, first + 2])
    assert parse_slice(moved.value).coordinate == pytest.approx(middle_mm[2], abs=0.01)
