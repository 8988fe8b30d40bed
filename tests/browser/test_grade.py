"""The grading page in a browser: a scan is sent, marked and graded, and the answer is shown and handed out."""

from __future__ import annotations

import contextlib
import os
import re
import time

import pytest
from tests.unit.conftest import write_series
from tests.unit.web.grading.conftest import ORIGIN_MM, POINT, SIZE, SPACING_MM, TUMOUR_MM, dicom_zip, grader_path, nifti

__all__ = ["dicom_zip", "grader_path", "nifti", "write_series"]  # fixtures
pytestmark = [
    pytest.mark.needs("starlette", "uvicorn", "playwright", "onnxruntime", programs=["chromium"]),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def grading(grader_path, tmp_path_factory):
    """Serve the grader file from this process: (the address, the desk)."""
    from nephrograde.web.grading.app import make_app
    from nephrograde.web.grading.limits import Limits
    from nephrograde.web.grading.models import read_models
    from nephrograde.web.grading.start import opened_desk
    from nephrograde.web.listening import AppServer, open_socket
    from nephrograde.web.security import Access

    models = read_models([grader_path])
    listening = open_socket("127.0.0.1", 0)
    access = Access("127.0.0.1", listening.getsockname()[1])
    with (
        opened_desk(models, limits=Limits(), base_dir=tmp_path_factory.mktemp("room")) as desk,
        AppServer(make_app(desk, models, access), listening),
    ):
        yield access.address, desk


@pytest.fixture
def visiting(browser, grading):
    """Open the page; fails the test if it reports an error or asks for anything from elsewhere."""
    faults = []
    with contextlib.ExitStack() as stack:

        def start(*, width=1200, language="en"):
            context = browser.new_context(viewport={"width": width, "height": 800}, accept_downloads=True)
            stack.callback(context.close)
            context.set_default_timeout(60_000)
            page = context.new_page()
            origin = grading[0].partition("/?")[0]
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", lambda one: None if one.url.startswith((origin, "data:")) else faults.append(one.url))
            page.goto(grading[0])
            page.wait_for_selector("#grade:not(:empty)", state="attached")
            if language != "en":
                page.click("#language")
                page.wait_for_selector("html[lang=zh-Hans]")
            return page

        yield start
    assert faults == []


def send(page, content, name):
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
    page.wait_for_selector(".pane.active canvas[data-slice]")


def click_tumour(page):
    """Scroll to the slice of the tumour, and click its middle."""
    index = [round((at - start) / step) for at, start, step in zip(TUMOUR_MM, ORIGIN_MM, SPACING_MM, strict=True)]
    page.focus(".pane.active canvas")
    for _ in range(SIZE[2]):
        page.keyboard.press("PageDown")
    for _ in range(index[2]):
        page.keyboard.press("ArrowUp")
    page.wait_for_selector(f'.pane.active canvas[data-slice="{index[2]}"]')
    box = page.locator(".pane.active canvas").bounding_box()
    width, height = box["width"] - 14, box["height"]  # beside the bar
    scale = max(SIZE[0] * SPACING_MM[0] / width, SIZE[1] * SPACING_MM[1] / height)
    x, y = (
        extent / 2 + (index[axis] - (SIZE[axis] - 1) / 2) * SPACING_MM[axis] / scale
        for axis, extent in enumerate((width, height))
    )
    page.mouse.click(box["x"] + x, box["y"] + y)


def graded(page):
    page.click("#grade")
    page.wait_for_selector("#answer:not([hidden]) .call")
    pictures = page.locator("#answer img")
    assert pictures.count() == 2
    for number in range(2):
        pictures.nth(number).evaluate("picture => picture.decode()")
    return page.inner_text("#answer")


@pytest.mark.needs("weasyprint", "highdicom")
def test_zip_is_sent_marked_and_graded_and_the_answer_handed_out(visiting, grading, dicom_zip, absent):
    page = visiting()
    page.set_input_files("#file", {"name": "a.zip", "mimeType": "application/zip", "buffer": b"no archive"})
    page.wait_for_selector("#uploads .bad")
    assert "neither a zip archive nor DICOM nor NIfTI" in page.inner_text("#uploads .bad")
    send(page, dicom_zip({"SeriesDescription": "Delayed"}, {"SeriesDescription": "Arterial"}), "scan.zip")
    assert page.input_value("select[data-phase=cmp]").endswith(" 2")
    assert page.is_disabled("#grade")
    click_tumour(page)
    assert "Research use only" in graded(page)
    printed = page.request.get(f"{grading[0].partition('/?')[0]}{page.get_attribute('#answer a', 'href')}")
    if not printed.ok and "WeasyPrint" in printed.text():
        absent("pdf", f"no PDF can be made here: {printed.text()}")
    for name, beginning in (("report.pdf", b"%PDF"), ("report.dcm", bytes(128) + b"DICM")):
        with page.expect_download() as download:
            page.click(f'#answer a[download="nephrograde-{name}"]')
        assert download.value.path().read_bytes().startswith(beginning)
    page.click("#uploads li:last-child button")
    page.wait_for_selector(".pane", state="detached")
    until = time.monotonic() + 30
    # A walk passes over a folder that is removed meanwhile.
    while any(name.startswith("slices-") for _, _, names in os.walk(grading[1].room.folder) for name in names):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_narrow_page_in_chinese_grades_the_place_that_is_clicked_or_painted(visiting, nifti, grader_path, tmp_path):
    import nephrograde as ng

    page, content = visiting(width=420, language="zh"), nifti(tmp_path)
    send(page, content, "whatever.bin")
    click_tumour(page)
    said = graded(page)
    (tmp_path / "same.nii.gz").write_bytes(content)
    expected = ng.load_grader(grader_path).grade(tmp_path / "same.nii.gz", point=POINT)
    assert "仅供研究使用" in said
    shown = re.search(r"[01]\.[0-9]{3}", page.inner_text("#answer .probability"))
    assert shown is not None
    assert float(shown[0]) == pytest.approx(expected.p_high, abs=0.002)
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.click("#tool-remove")
    page.wait_for_selector("#grade:disabled")
    page.click("#tool-brush")
    click_tumour(page)
    page.wait_for_selector("#grade:enabled")
    assert graded(page)
