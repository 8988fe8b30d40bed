"""The picture of a report in the README: made from the page, small, and without anything from elsewhere."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """<html><head><style>
:root { --ink: #000; }
body { color: var(--ink); }
@media print { p { color: red; } }
</style></head><body><header><h1>name</h1></header><main>
<p class="lead">AUC 0.906<br></p>
<section id="ladder"><svg viewBox="0 0 1 1"><line id="a" x1="0"/><use xlink:href="#a"/></svg></section>
<section id="results"></section></main></body></html>"""


@pytest.fixture(scope="module")
def first_screen():
    spec = importlib.util.spec_from_file_location("first_screen", ROOT / "docs" / "first_screen.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.first_screen


def test_picture_is_the_top_of_the_page_without_what_is_printed(first_screen) -> None:
    svg = first_screen(PAGE.replace("<br>", "<br/>"), 500)
    root = ET.fromstring(svg)  # noqa: S314 (our own page)
    texts = "".join(root.itertext())
    assert "AUC 0.906" in texts
    assert ".page { color: var(--ink); }" in texts
    assert "red" not in texts
    assert root.find(".//{http://www.w3.org/2000/svg}line") is not None
    assert root.find(".//{http://www.w3.org/2000/svg}use[@href='#a']") is not None
    assert "results" not in svg


@pytest.mark.parametrize("page", ["<html></html>", PAGE])
def test_page_that_cannot_be_drawn_is_refused(first_screen, page: str) -> None:
    with pytest.raises(ValueError, match=r"not a report|well-formed"):
        first_screen(page, 500)


def test_picture_in_the_readme_is_small_text_and_loads_nothing() -> None:
    svg = (ROOT / "docs" / "_static" / "first-screen.svg").read_text(encoding="utf-8")
    ET.fromstring(svg)  # noqa: S314 (our own file)
    assert len(svg) < 60_000
    assert "SYNTHETIC DATA" in svg
    assert "<image" not in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xhtml", "")
