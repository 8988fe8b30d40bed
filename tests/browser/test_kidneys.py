"""The kidneys as places to start, and the side of a label, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.cohort.place import parse_point
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import draw_body, scan_patient
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.needs("playwright", "starlette", "uvicorn", programs=("chromium",))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A patient with two kidneys, one without any: the address, the journal and the body."""
    from nephrograde.web.listening import open_socket
    from nephrograde.web.security import Access
    from nephrograde.web.server import Server
    from nephrograde.web.start import open_session

    folder = tmp_path_factory.mktemp("phantom")
    patient = cohort_patients(PhantomSettings(patients=2, phases=("np",), seed=11))[0]
    body = draw_body(patient, seed=11)
    scan = scan_patient(patient, body, phase="np", matrix_px=144, seed=11)
    both = scan.values_hu.T
    without = np.full_like(both, -1000) + np.arange(144, dtype=np.int16)[:, None, None]
    for name, values in (("np-1", both), ("np-2", without)):
        write_image(values, folder / f"{name}.nii", spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)
    (folder / "cohort.csv").write_text("patient_id,np_image\nP1,np-1.nii\nP2,np-2.nii\n", encoding="utf-8")
    listening = open_socket("127.0.0.1", 0)
    access = Access("127.0.0.1", listening.getsockname()[1])
    session = open_session(folder / "cohort.csv", folder / "cohort.annotations", "li")
    with Server(session, access, listening):
        yield access.address, session.journal, body


@pytest.mark.slow
def test_a_key_shows_one_kidney_after_the_other(phantom, open_page):
    address, journal, body = phantom
    page = open_page(address)
    page.wait_for_selector("#kidneys[data-state=found]")
    for side, kidney in zip(("right", "left"), body.kidneys, strict=True):
        page.keyboard.press("k")
        page.keyboard.press("p")
        page.wait_for_function(f"() => document.querySelector('.place').textContent.includes('{side} kidney')")
        page.wait_for_selector("#saved.saved")
        point_mm = parse_point(journal.entries()[-1].value).position
        assert np.linalg.norm(np.array(point_mm) - (np.array(kidney.centre_mm) + body.table_mm)) < 20
    page.keyboard.press("k")
    page.keyboard.press("p")
    page.wait_for_function("() => document.querySelector('.place').textContent.includes('right kidney')")


@pytest.mark.slow
def test_search_begins_after_the_first_slice_and_says_that_there_is_no_kidney(phantom, open_page):
    address, _, _ = phantom
    page = open_page(address)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#list button").nth(1).click()
    page.wait_for_selector("#kidneys[data-state=none]")
    first_slice = next(n for n, url in enumerate(asked) if "/patients/1/phases/np/slices/" in url)
    assert first_slice < next(n for n, url in enumerate(asked) if url.endswith("/patients/1/kidneys"))
    page.keyboard.press("k")
    page.wait_for_function("() => document.getElementById('message').textContent.includes('No kidney')")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("p")
    page.wait_for_function("() => document.querySelector('.place').textContent.includes('right side')")
