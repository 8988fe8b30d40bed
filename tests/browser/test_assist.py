"""A mask from a click on the annotation page, by a server that speaks the protocol of nnInteractive."""

from __future__ import annotations

import pytest
from tests.nninteractive_stub import RADIUS, stub_server

from nephrograde.volume.read import read_volume

from .test_annotate import click, journal, saved

pytestmark = [
    pytest.mark.needs("playwright", "starlette", "uvicorn", "nnInteractive.inference.remote", programs=("chromium",)),
    pytest.mark.slow,
]


def test_a_click_becomes_a_mask_that_a_person_accepts(serving, open_page, cohort_path):
    from nephrograde.web.assist import Assistant

    with stub_server() as stub:
        assistant = Assistant(stub.address)
        page = open_page(serving(assistant=assistant))
        said = page.locator(".pane.active .state")
        offered = "() => document.querySelector('.pane.active .state').textContent.includes('CC BY-NC')"
        page.keyboard.press("q")
        page.wait_for_function("() => !document.getElementById('message').hidden")
        assert "Click on the tumour first" in page.locator("#message").text_content()
        click(page, (20, 40))
        page.locator("#tool-assist").click()
        page.wait_for_function(offered)
        assert [one["kind"] for one in journal(cohort_path)] == ["point"]  # nothing is saved until it is accepted

        page.keyboard.press("x")
        page.wait_for_function("() => document.querySelector('.pane.active .state').textContent === ''")
        page.keyboard.press("q")
        page.wait_for_function(
            "() => document.querySelector('.pane.active .state').textContent.includes('A accepts it')"
        )
        page.keyboard.press("a")
        saved(page)
        assert said.text_content() == "Imported mask, accepted"
        last = journal(cohort_path)[-1]
        assert (last["kind"], last["phase"], last["origin"]) == ("mask", "np", "accepted")
        mask_path = next((cohort_path.with_suffix(".annotations") / "reader-1.masks").glob("*.nii.gz"))
        marked = read_volume(mask_path).values.nonzero()
        assert [(axis.min(), axis.max()) for axis in marked] == [
            (20 - RADIUS, 20 + RADIUS), (40 - RADIUS, 40 + RADIUS), (10 - RADIUS, 10 + RADIUS),
        ]  # fmt: skip
        assistant.close()


def test_without_a_server_the_page_offers_no_mask_from_clicks(serving, open_page):
    page = open_page(serving())
    assert page.locator("#tool-assist").is_hidden()
