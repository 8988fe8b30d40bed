"""Other readers in a real browser: nothing before both are done, and a consensus that decides."""

from __future__ import annotations

import contextlib
import uuid

import pytest

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))


@pytest.fixture
def serving_reader(cohort_path):
    """Serve the cohort for a reader: (the session, the address)."""
    with contextlib.ExitStack() as stack:

        def start(reader, *, decides=False):
            from nephrograde.web.listening import open_socket
            from nephrograde.web.security import Access
            from nephrograde.web.server import Server
            from nephrograde.web.start import open_session

            listening = open_socket("127.0.0.1", 0)
            access = Access("127.0.0.1", listening.getsockname()[1])
            folder = cohort_path.with_suffix(".annotations")
            session = open_session(cohort_path, folder, reader, decides=decides)
            stack.enter_context(Server(session, access, listening))
            return session, access.address

        yield start


def say(session, kind, value, *, phase="np", number=0):
    patient_id = session.patients[number].patient_id
    given = {"id": uuid.uuid4().hex, "patient_id": patient_id, "phase": phase, "kind": kind, "value": value}
    session.save(number, given)


@pytest.mark.slow
def test_disagreement_is_decided_on_the_page(serving_reader, open_page):
    (chen, _), (li, _) = serving_reader("chen"), serving_reader("li")
    say(chen, "point", "20,0,-250 mm")
    say(li, "point", "-20,0,-250 mm")
    for session in (chen, li):
        say(session, "done", "yes", phase="")
    session, address = serving_reader("consensus", decides=True)
    page = open_page(address)
    page.click("#agreement-link")
    page.click("#list a:text('P1')")
    page.wait_for_selector("#readers [data-reader=chen]")
    page.click("#readers [data-reader=chen]")
    page.wait_for_selector("#saved.saved")
    assert session.journal.labels()["P1"].value("np", "point") == "20,0,-250 mm"
    page.click("#agreement-link")
    page.wait_for_selector("#list tr.decided")
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 420


@pytest.mark.slow
def test_reader_sees_the_other_when_both_are_done(serving_reader, open_page):
    (chen, _), (_, address) = serving_reader("chen"), serving_reader("li")
    say(chen, "point", "20,0,-250 mm")
    say(chen, "done", "yes", phase="")
    page = open_page(address)
    page.wait_for_selector("#agreement-link")
    assert page.locator("#readers .name").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_selector("#saved.saved")
    page.wait_for_function("() => document.getElementById('patient').textContent === 'P2'")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector("#readers .name:has-text('chen')")
    assert page.locator("#readers button").count() == 0
