"""Fifty synthetic patients in three phases annotated in Chromium by a scripted reader at human speed.

The reader knows where each tumour is, as a radiologist does after a look, and works with wheel, mouse and keys: scroll
to the slice with the largest area, draw a box around the tumour, look at the next phase, accept the box that is carried
there if it fits or draw it again, next patient. Each action takes the time of the keystroke-level model, and the mouse
misses by a pixel. Prints the total time, the seconds that the journal counted, and how far the boxes are from
the masks.

Source:
    Card, Moran & Newell 1980, Commun ACM 23:396 (keystroke 0.28 s, pointing 1.1 s, button 0.1 s, mental preparation
    1.35 s).

    python bench/annotate_cohort.py [--patients 50] [--speed 1]
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from playwright.sync_api import sync_playwright

from nephrograde.annotations.cost import annotation_cost
from nephrograde.annotations.journal import Journal
from nephrograde.cohort.annotated import read_annotations
from nephrograde.cohort.place import Box
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from nephrograde.volume.volume import Volume

KEY_S, POINT_S, BUTTON_S, THINK_S = 0.28, 1.1, 0.1, 1.35
SLICE_S = 0.1
"""A reader who looks for something scrolls about ten slices a second."""
FITS_MM = 1.0
"""A carried box that is off by more is drawn again."""
HAND_PX = 1.0
"""Standard deviation of where the mouse is pressed and released, along each axis of the screen."""
PHASES = ("cmp", "np", "up")
SCROLLBAR_PX = 14
Places: TypeAlias = npt.NDArray[np.float64]


class Truth(NamedTuple):
    """The tumour's rectangle on the slice with its largest area: two opposite corners ``(corner, axis)``, in mm."""

    volume: Volume
    slice: int
    corners_mm: Places

    @property
    def middle_mm(self) -> Places:
        """The middle of the rectangle."""
        middle: Places = self.corners_mm.mean(axis=0)
        return middle


class Reader:
    """A scripted person in front of one page.

    Args:
        page: The annotation page.
        speed: 1 for human speed; a larger number for a quick trial.
    """

    def __init__(self, page: Page, *, speed: float) -> None:
        self.page = page
        self.speed = speed
        self.rng = np.random.default_rng(20260415)

    def wait(self, seconds: float) -> None:
        """Take the time of an action."""
        time.sleep(seconds / self.speed)

    def press(self, key: str) -> None:
        """Press a key."""
        self.wait(KEY_S)
        self.page.keyboard.press(key)

    def annotate(self, patient_id: str, truths: dict[str, Truth]) -> None:
        """Annotate one patient in all phases, and go on to the next."""
        self.page.wait_for_function("id => document.getElementById('patient').textContent === id", arg=patient_id)
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('canvas.axial, .pane canvas')].length >= 3 && "
            "[...document.querySelectorAll('.pane')].every(one => one.querySelector('canvas[data-slice]'))"
        )
        drawn_mm: Places | None = None
        for number, phase in enumerate(PHASES):
            truth = truths[phase]
            self.wait(THINK_S)
            if number:
                self.press("Tab")
            if drawn_mm is not None and np.linalg.norm(drawn_mm - truth.corners_mm, axis=1).max() <= FITS_MM:
                self.press("a")
                continue
            self.scroll(number, truth)
            if drawn_mm is None:  # in the other phases, the reader knows what to draw
                self.wait(THINK_S)
            self.drag(number, truth)
            drawn_mm = truth.corners_mm if drawn_mm is None else drawn_mm  # the page carries that of the first phase
        self.page.wait_for_selector("#saved.saved")
        self.press("Enter")

    def scroll(self, number: int, truth: Truth) -> None:
        """Turn the wheel over a phase until it shows the slice."""
        canvas = self.page.locator(".pane").nth(number).locator("canvas[data-slice]").first
        edge = canvas.bounding_box()
        assert edge is not None  # noqa: S101
        self.page.mouse.move(edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2)
        for _ in range(2 * truth.volume.values.shape[2]):
            left = truth.slice - int(canvas.get_attribute("data-slice") or 0)
            if not left:
                return
            self.wait(SLICE_S)
            shown = canvas.get_attribute("data-slice")
            self.page.mouse.wheel(0, -100 if left > 0 else 100)
            self.page.wait_for_function(
                "([n, old]) => document.querySelectorAll('.pane')[n].querySelector('canvas[data-slice]')"
                ".dataset.slice !== old",
                arg=[number, shown],
            )
        raise RuntimeError(f"slice {truth.slice} was not reached")

    def drag(self, number: int, truth: Truth) -> None:
        """Draw the rectangle around the tumour."""
        aimed = np.array([self.place(number, truth.volume, corner) for corner in truth.corners_mm])
        start, end = aimed + self.rng.normal(0, HAND_PX, aimed.shape)
        self.wait(POINT_S)
        self.page.mouse.move(*start)
        self.wait(BUTTON_S)
        self.page.mouse.down()
        self.wait(POINT_S)
        self.page.mouse.move(*end, steps=8)
        self.wait(BUTTON_S)
        self.page.mouse.up()

    def place(self, number: int, volume: Volume, corner_mm: Places) -> tuple[float, float]:
        """Where a place is on the screen, if the whole image is shown."""
        edge = self.page.locator(".pane").nth(number).locator("canvas[data-slice]").first.bounding_box()
        assert edge is not None  # noqa: S101
        size, spacing_mm = volume.values.shape, volume.spacing_mm
        index = volume.to_index((float(corner_mm[0]), float(corner_mm[1]), float(corner_mm[2])))
        width = edge["width"] - SCROLLBAR_PX
        scale = min(width / (size[0] * spacing_mm[0]), edge["height"] / (size[1] * spacing_mm[1]))
        x, y = ((index[axis] - (size[axis] - 1) / 2) * spacing_mm[axis] * scale for axis in (0, 1))
        return edge["x"] + width / 2 + x, edge["y"] + edge["height"] / 2 + y


def main() -> None:
    """Write the phantoms, annotate them, and compare with their masks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=50)
    parser.add_argument("--speed", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table_path = write_cohort(Path(folder), PhantomSettings(patients=given.patients, phases=PHASES))
        truths = read_truths(table_path)
        table_path = without_masks(table_path)
        words = [sys.executable, "-m", "nephrograde", "annotate", str(table_path), "--no-browser", "--reader", "script"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101
            address = process.stdout.readline().split()[-1]
            seconds = annotate(address, truths, speed=given.speed)
            process.kill()
        n_boxes = len(truths) * len(PHASES)
        print(f"{len(truths)} synthetic patients, {n_boxes} boxes: {seconds / 60:.1f} min at speed {given.speed:g}")
        compare(table_path.with_suffix(".annotations"), truths)


def without_masks(table_path: Path) -> Path:
    """Write the table that the reader is given: images, and no mask that could be accepted."""
    with table_path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    given_path = table_path.with_name("to-annotate.csv")
    with given_path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [name for name in rows[0] if not name.endswith("_mask")], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return given_path


def read_truths(table_path: Path) -> dict[str, dict[str, Truth]]:
    """Read the tumour's rectangle of every scan, by patient and phase."""
    with table_path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {
        row["patient_id"]: {
            phase: truth_of(table_path.parent / row[f"{phase}_image"], table_path.parent / row[f"{phase}_mask"])
            for phase in PHASES
        }
        for row in rows
    }


def truth_of(image_path: Path, mask_path: Path) -> Truth:
    """The rectangle of a mask on its largest slice, on the edges of its outermost voxels."""
    volume, mask = read_volume(image_path), read_volume(mask_path).values > 0
    k = int(mask.sum(axis=(0, 1)).argmax())
    columns, rows = (np.flatnonzero(mask[:, :, k].any(axis=axis)) for axis in (1, 0))
    corners = [(float(one[0]), float(two[0]), float(k)) for one, two in ((columns, rows), (columns[::-1], rows[::-1]))]
    return Truth(volume, k, np.array([volume.to_mm(corner) for corner in corners]))


def annotate(address: str, truths: dict[str, dict[str, Truth]], *, speed: float) -> float:
    """Annotate all patients, and return the seconds from the opened page to the last label."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        start = time.perf_counter()
        page.goto(address)
        reader = Reader(page, speed=speed)
        for patient_id, of_phases in truths.items():
            reader.annotate(patient_id, of_phases)
        page.wait_for_selector("#saved.saved")
        seconds = time.perf_counter() - start
        browser.close()
    return seconds


def compare(folder: Path, truths: dict[str, dict[str, Truth]]) -> None:
    """Print how far the annotations lie from the masks, and the seconds in the journal."""
    annotations, problems = read_annotations(folder / "script.csv")
    assert not problems  # noqa: S101
    off_mm = []
    for (patient_id, phase), given in annotations.labels.items():
        box = given["box"]
        assert isinstance(box, Box)  # noqa: S101
        corners = np.sort(np.array([box.corner_a, box.corner_b]), axis=0)
        truth = truths[patient_id][phase]
        off_mm.append(np.linalg.norm(corners.mean(axis=0) - truth.middle_mm))
    wanted = sum(map(len, truths.values()))
    median, high, most = np.percentile(off_mm, (50, 95, 100))
    print(f"boxes found: {len(off_mm)} of {wanted}; middle to middle of the mask: median {median:.2f} mm, "
          f"95th percentile {high:.2f} mm, largest {most:.2f} mm")  # fmt: skip
    for row in annotation_cost({"script": Journal(folder, "script").entries()}):
        what = f"{row.kind} {row.per}" if row.kind else row.per
        print(f"seconds a {what}: median {row.median_s:.1f} ({row.q1_s:.1f} to {row.q3_s:.1f}), n = {row.n}")


if __name__ == "__main__":
    main()
