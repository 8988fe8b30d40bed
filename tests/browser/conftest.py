"""A headless Chromium, and the annotation page as the command serves it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nephrograde.volume.volume import write_image

SIZE, SPACING_MM = (64, 64, 20), (2.0, 2.0, 5.0)
ORIGIN_MM = {"np": (-63.0, -63.0, -300.0), "up": (-63.0, -63.0, -290.0)}


PATIENCE_MS = 120_000
"""How long the page may take for what a test waits for, on a machine that others use."""

_RUNNING: list[tuple[contextlib.ExitStack, Any]] = []
"""The browser of this process, which the tests of all files here share."""


@pytest.fixture
def browser():
    if not _RUNNING:
        from playwright.sync_api import sync_playwright

        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        with contextlib.ExitStack() as stack:
            playwright = stack.enter_context(sync_playwright())
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
            stack.callback(chromium.close)
            _RUNNING.append((stack.pop_all(), chromium))
    return _RUNNING[0][1]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """End the browser before a test of another folder: it keeps an event loop, beside which no other can run."""
    if _RUNNING and (nextitem is None or nextitem.path.parent != Path(__file__).parent):
        stack, _ = _RUNNING.pop()
        stack.close()


@pytest.fixture
def cohort_path(tmp_path):
    """Three patients with two phases, whose grids are shifted by two slices."""
    values = np.random.default_rng(1).integers(-50, 200, SIZE).astype(np.int16)
    rows = ["patient_id,np_image,up_image"]
    for patient in ("P1", "P2", "P3"):
        for phase, origin_mm in ORIGIN_MM.items():
            write_image(values, tmp_path / patient / f"{phase}.nii", spacing_mm=SPACING_MM, origin_mm=origin_mm)
        rows.append(f"{patient},{patient}/np.nii,{patient}/up.nii")
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def serving(cohort_path):
    """Serve the cohort from this process, and return the address."""
    with contextlib.ExitStack() as stack:

        def start(*, language="en", assistant=None):
            from nephrograde.web.listening import open_socket
            from nephrograde.web.security import Access
            from nephrograde.web.server import Server
            from nephrograde.web.start import open_session

            listening = open_socket("127.0.0.1", 0)
            access = Access("127.0.0.1", listening.getsockname()[1])
            session = open_session(cohort_path, cohort_path.with_suffix(".annotations"), "reader-1")
            stack.enter_context(Server(session, access, listening, language=language, assistant=assistant))
            return access.address

        yield start


@pytest.fixture
def annotating(cohort_path):
    """Start the command as a process of its own: (the process, the address that it prints)."""
    with contextlib.ExitStack() as stack:

        def start():
            words = [sys.executable, "-m", "nephrograde", "annotate", cohort_path, "--no-browser"]
            process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            return process, process.stdout.readline().split()[-1]

        yield start


@pytest.fixture
def open_page(browser):
    """Open an address; fails the test if the page reports an error or asks for anything from elsewhere."""
    faults = []
    contexts = []

    def start(address, *, like=None, width=1200):
        context = like.context if like else browser.new_context(viewport={"width": width, "height": 800})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        origin = address.partition("/?")[0]
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith((origin, "data:")) else faults.append(request)
        )
        page.goto(address)
        page.wait_for_selector(".pane.active canvas[data-slice]")
        return page

    yield start
    for context in contexts:
        context.close()
    assert faults == []
