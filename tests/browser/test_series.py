"""The page on which a scan's choice of series is reviewed, in a real browser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.browser.conftest import PATIENCE_MS

from nephrograde.files import read_rows
from nephrograde.sources.scan.scan import ScanSettings, scan_folder
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The output of a scan of two patients, served: (the cohort table, the address, who may use it)."""
    from nephrograde.web.listening import open_socket
    from nephrograde.web.security import Access
    from nephrograde.web.server import Server
    from nephrograde.web.start import open_session

    made = tmp_path_factory.mktemp("made")
    write_cohort(made, PhantomSettings(patients=2, phases=("up", "cmp"), dicom=True, matrix_px=64))
    table_path = tmp_path_factory.mktemp("work") / "cohort.csv"
    scan_folder(made / "images", table_path, settings=ScanSettings(look="never", workers=1))
    listening = open_socket("127.0.0.1", 0)
    access = Access("127.0.0.1", listening.getsockname()[1])
    session = open_session(table_path.parent, table_path.parent / "annotations", "li")
    with Server(session, access, listening):
        yield table_path, access.address


@pytest.fixture
def open_series(browser, served):
    """Open the page through the tab of the annotation page; fails if it reports an error or loads from elsewhere."""
    table_path, address = served
    contexts, faults = [], []

    def start(*, like=None, width=1200):
        context = like.context if like else browser.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        origin = address.partition("/?")[0]
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith((origin, "data:")) else faults.append(one.url))
        page.goto(address)
        page.locator("#to-series").click()
        page.wait_for_selector(".series")
        return page

    yield start
    for context in contexts:
        context.close()
    for path in table_path.parent.glob("*.corrections.*"):
        path.unlink()
    assert faults == []


def saved(page):
    page.wait_for_selector("#saved.saved")


def phases(table_path):
    return [row["phase"] for row in read_rows(table_path.with_name("cohort.corrections.csv"))]


def choice(page, k, name):
    return page.locator(".series").nth(k).locator(f"[data-choice='{name}']")


@pytest.mark.slow
def test_one_click_or_key_corrects_a_series(served, open_series):
    table_path, _ = served
    page = open_series()
    page.wait_for_function("() => [...document.querySelectorAll('.series img')].every((one) => one.naturalWidth > 0)")
    choice(page, 0, "np").click()
    saved(page)
    assert phases(table_path) == ["np"]
    for key in ("ArrowDown", "x"):
        page.keyboard.press(key)
    page.wait_for_selector(".series:nth-child(2) .said:not([hidden])")
    saved(page)
    assert phases(table_path) == ["np", ""]
    page.reload()
    page.wait_for_selector(".series")
    assert choice(page, 0, "np").get_attribute("aria-pressed") == "true"
    assert choice(page, 1, "").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Delete")
    page.wait_for_selector(".series:nth-child(1) [data-choice=automatic][aria-pressed=true]")
    saved(page)
    assert phases(table_path) == [""]
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('patient').textContent === 'SYN-0002'")
    lines = table_path.with_name("cohort.corrections.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(json.loads(line)["reader"], json.loads(line)["phase"]) for line in lines] == [
        ("li", "np"),
        ("li", ""),
        ("li", None),
    ]


@pytest.mark.slow
def test_the_patient_asked_for_last_is_shown_even_if_an_earlier_answer_comes_later(open_series):
    page = open_series()
    held: list[Any] = []
    page.route(re.compile(r"/api/series/1\b"), lambda route: held.append(route))  # noqa: PLW0108 (no built-in function)
    page.locator("#list button").nth(1).click()
    page.wait_for_timeout(100)
    with page.expect_response(re.compile(r"/api/series/0\b")):
        page.locator("#list button").nth(0).click()
    with page.expect_response(re.compile(r"/api/series/1\b")):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert page.text_content("#patient") == "SYN-0001"
    assert page.url.endswith("#0")


@pytest.mark.slow
def test_edit_by_hand_is_shown_and_not_overwritten(served, open_series):
    table_path, _ = served
    page = open_series()
    path = table_path.with_name("cohort.corrections.csv")
    uid = read_rows(table_path.with_name("series.csv"))[0]["series_uid"]
    path.write_text(f"series_uid,phase\n{uid},ep\n", encoding="utf-8")
    choice(page, 1, "np").click()
    page.wait_for_selector("#message:not([hidden])")
    page.wait_for_selector(".series:nth-child(1) [data-choice=ep][aria-pressed=true]")
    assert phases(table_path) == ["ep"]
    choice(page, 1, "np").click()
    saved(page)
    assert phases(table_path) == ["ep", "np"]
    other = open_series(like=page)  # another tab
    choice(other, 1, "").click()
    saved(other)
    choice(page, 1, "cmp").click()
    page.wait_for_selector("#message:not([hidden])")
    assert phases(table_path) == ["ep", ""]


@pytest.mark.slow
def test_change_waits_until_the_server_answers(served, open_series):
    table_path, _ = served
    page = open_series()
    page.route("**/api/series/0/0*", lambda route: route.abort())
    choice(page, 0, "np").click()
    page.wait_for_selector("#saved.unsaved")
    assert not table_path.with_name("cohort.corrections.csv").exists()
    page.unroute("**/api/series/0/0*")
    saved(page)
    assert phases(table_path) == ["np"]


WORDS = """() => [document.title, document.body.innerText, ...[...document.querySelectorAll("[aria-label], [title]")]
  .map((element) => `${element.getAttribute("aria-label")} ${element.title}`)]"""


@pytest.mark.slow
def test_phone_and_another_language(open_series):
    page = open_series(width=420)
    english = page.evaluate(WORDS)
    page.locator("#language").click()
    page.wait_for_selector("html[lang=zh-Hans]")
    page.wait_for_function("() => document.querySelector('.choices').textContent.includes('自动')")
    changed = page.evaluate(WORDS)
    page.reload()
    page.wait_for_selector(".series")
    assert changed == page.evaluate(WORDS) != english
    page.locator("#patients-button").click()
    page.locator("#list button").nth(1).click()
    page.wait_for_function("() => document.getElementById('patient').textContent === 'SYN-0002'")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 420
