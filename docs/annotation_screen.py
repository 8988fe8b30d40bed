"""Take the pictures of the annotation page for README and documentation, on a SYNTHETIC patient, as SVG.

    python docs/annotation_screen.py docs/_static

Needs Chromium and the extras `test` and `web`. A box is drawn around the tumour of the first phase; the others show it
dashed, and the coronal and sagittal views show where it lies.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from playwright.sync_api import sync_playwright

from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.volume.read import read_volume
from nephrograde.web.listening import open_socket
from nephrograde.web.security import Access
from nephrograde.web.server import Server
from nephrograde.web.start import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.report.text.language import Language

PHASES = ("cmp", "np", "up")
WIDTH_PX, HEIGHT_PX = 1200, 760
EDGE_MM = 3.0
"""A reader leaves a small edge around the tumour."""
KEY_MM = 5.0
"""How far Shift and an arrow move the cross."""


def main() -> None:
    """Write the cohort, draw the box, and take one picture per language."""
    target_dir = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        settings = PhantomSettings(patients=2, phases=PHASES, matrix_px=320)
        table_path = write_cohort(Path(folder), settings)
        pictures: dict[Language, str] = {"en": "annotate.svg", "zh": "annotate.zh.svg"}
        for language, name in pictures.items():
            with serving(table_path, language) as address:
                take(address, box_around(table_path), target_dir / name)


@contextlib.contextmanager
def serving(table_path: Path, language: Language) -> Iterator[str]:
    """Serve the page, with annotations of its own for each language."""
    listening = open_socket("127.0.0.1", 0)
    access = Access("127.0.0.1", listening.getsockname()[1])
    session = open_session(table_path, table_path.with_name(f"annotations-{language}"), "reader")
    with Server(session, access, listening, language=language):
        yield access.address


def box_around(table_path: Path) -> tuple[dict[str, object], dict[str, int]]:
    """The entry of a box around the first patient's tumour in the first phase, and the keys that show its middle."""
    with table_path.open(encoding="utf-8", newline="") as stream:
        row = next(csv.DictReader(stream))
    mask = read_volume(table_path.parent / row[f"{PHASES[0]}_mask"])
    marked = np.argwhere(mask.values > 0)
    corners = np.array(
        [mask.to_mm((float(i), float(j), float(k))) for i, j, k in (marked.min(axis=0), marked.max(axis=0))]
    )
    low, high = corners.min(axis=0) - EDGE_MM, corners.max(axis=0) + EDGE_MM
    value = ";".join(",".join(f"{number:.1f}" for number in corner) for corner in (low, high)) + " mm"
    entry = {"patient_id": row["patient_id"], "phase": PHASES[0], "kind": "box", "value": value, "origin": "drawn"}
    middle = mask.to_mm(((mask.values.shape[0] - 1) / 2, (mask.values.shape[1] - 1) / 2, 0.0))
    right, down = ((low[axis] + high[axis]) / 2 - middle[axis] for axis in (0, 1))
    moves = {
        "ArrowUp": round((high[2] - low[2]) / 2 / mask.spacing_mm[2]),
        "Shift+ArrowRight" if right > 0 else "Shift+ArrowLeft": round(abs(right) / KEY_MM),
        "Shift+ArrowDown" if down > 0 else "Shift+ArrowUp": round(abs(down) / KEY_MM),
    }
    return entry, moves


def take(address: str, box: tuple[dict[str, object], dict[str, int]], picture_path: Path) -> None:
    """Open the page on the box and write the picture."""
    entry, moves = box
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
        page.goto(address)
        page.wait_for_selector(".pane.active canvas[data-slice]")
        sent = {**entry, "id": "0" * 32, "session": "0" * 32, "follows": "", "active_s": 6.0, "version": 1}
        reply = page.request.post(f"{address.partition('/?')[0]}/api/patients/0/entries", data=sent)
        if not reply.ok:
            raise RuntimeError(reply.text())
        page.reload()
        page.wait_for_function("() => document.querySelectorAll('.pane canvas[data-slice]').length >= 3")
        page.keyboard.press("v")
        page.wait_for_timeout(4000)  # the kidneys are found meanwhile
        for key, presses in moves.items():
            for _ in range(presses):
                page.keyboard.press(key)
        page.wait_for_timeout(1000)
        picture = base64.b64encode(page.screenshot(type="jpeg", quality=60)).decode()
        browser.close()
    picture_path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{HEIGHT_PX}">'
        f'<image width="{WIDTH_PX}" height="{HEIGHT_PX}" href="data:image/jpeg;base64,{picture}"/></svg>\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
