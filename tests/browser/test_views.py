"""Coronal and sagittal views, in a real browser, on an oblique image with unequal voxels."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.cohort.place import parse_point
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))

SIZE, SPACING_MM, ORIGIN_MM = (60, 50, 12), (1.5, 2.0, 5.0), (-40.0, -55.0, -320.0)
BLOCK = ((20, 40), (15, 30), (4, 8))  # first and one past the last voxel: 30 × 30 × 20 mm
TILT = np.deg2rad(20)
DIRECTION = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])


@pytest.fixture(scope="module")
def tilted(tmp_path_factory):
    """The address and the folder of annotations of one patient, whose table is tilted by 20°."""
    from nephrograde.web.security import Access
    from nephrograde.web.server import Server, open_socket
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
