"""Draw the first screen of a report as an SVG for the README: its own HTML and styles, as text.

    python docs/first_screen.py demo/run-150-20260415/report/report.html docs/_static/first-screen.svg

The picture holds the head of the page, the answer and what each minute of annotation yields; nothing in it is loaded
from elsewhere.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

WIDTH_PX = 1008
MARGIN_PX = 24


def first_screen(page: str, height_px: int) -> str:
    """Put the top of a report into an SVG.

    Args:
        page: The HTML of a report.
        height_px: The height of the picture.

    Raises:
        ValueError: The page is not a report, or its top is not well-formed XML.
    """
    style = re.search(r"<style>\n(.*?)@media print", page, flags=re.DOTALL)
    top = re.search(r"<header>.*?(?=<section id=\"results\">)", page, flags=re.DOTALL)
    if style is None or top is None:
        raise ValueError("The page is not a report of nephrograde.")
    body = top[0].replace("<main>", "").replace(' tabindex="0"', "")
    body = body.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ').replace("xlink:href=", "href=")
    rules = style[1].replace("body {", ".page {").replace("html {", "svg {")
    svg = f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{height_px}">
<style><![CDATA[
{rules}.page {{ padding: {MARGIN_PX}px; }}
]]></style>
<rect width="100%" height="100%" fill="#fff"/>
<foreignObject width="{WIDTH_PX}" height="{height_px}">
<div xmlns="http://www.w3.org/1999/xhtml" class="page">
{body}
</div>
</foreignObject>
</svg>
"""
    try:
        ET.fromstring(svg)  # noqa: S314 (our own page)
    except ET.ParseError as error:
        raise ValueError(f"The top of the page is not well-formed XML: {error}") from None
    return svg


if __name__ == "__main__":
    report_path, svg_path, *height = sys.argv[1:]
    svg = first_screen(Path(report_path).read_text(encoding="utf-8"), int(height[0]) if height else 1860)
    Path(svg_path).write_text(svg, encoding="utf-8")
