"""The annotation page in Chromium on scans of 512 x 512 x 300 voxels: time to the first slice, and from wheel to slice.

Three phases side by side, as a reader scrolls: one notch of the wheel, and the next as soon as all phases have drawn
their slice, or at 30 notches per second; then in the coronal and sagittal views of one phase. Prints percentiles with
the number of notches, and the memory of server and page.

    python bench/annotate.py [--slices 300]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from nephrograde.volume.volume import write_image

PHASES = ("cmp", "np", "up")
FAST_NOTCHES_PER_S = 30
# Time in the page: from the wheel event to the frame in which the last phase has drawn its slice.
MEASURE = """async ({ notches, pause_ms, direction, panes: chosen }) => {
  const panes = [...document.querySelectorAll(chosen)];
  const times = [];
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (let n = 0; n < notches; n += 1) {
    const wanted = panes.map((pane) => Number(pane.dataset.slice) + direction);
    const start = performance.now();
    panes[0].dispatchEvent(new WheelEvent('wheel', { deltaY: -100 * direction, cancelable: true, bubbles: true }));
    while (panes.some((pane, p) => Number(pane.dataset.slice) !== wanted[p])) await frame();
    times.push(performance.now() - start);
    const left = pause_ms - (performance.now() - start);
    if (left > 0) await new Promise((done) => setTimeout(done, left));
  }
  return times;
}"""


def main() -> None:
    """Write the scans, serve them, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--notches", type=int, default=120)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table_path = write_cohort(Path(folder), slices=given.slices)
        words = [sys.executable, "-m", "nephrograde", "annotate", str(table_path), "--no-browser"]
        start = time.perf_counter()
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101
            address = process.stdout.readline().split()[-1]
            print(f"server: {time.perf_counter() - start:.2f} s from the command to the address")
            measure(address, notches=given.notches)
            print(f"server: {resident_mb(process.pid):.0f} MB resident")
            process.kill()


def measure(address: str, *, notches: int) -> None:
    """Open the page and scroll."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        start = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("canvas[data-slice]")
        print(f"page: {time.perf_counter() - start:.2f} s to the first slice")
        page.wait_for_function("() => document.querySelectorAll('canvas[data-slice]').length === 3")
        print(f"page: {time.perf_counter() - start:.2f} s to all three phases")
        time.sleep(8)  # the next patient is read meanwhile
        for name, pause_ms, direction, panes in (
            ("as fast as it draws, up", 0, 1, ".axial canvas"),
            (f"{FAST_NOTCHES_PER_S} notches per second, down", 1000 / FAST_NOTCHES_PER_S, -1, ".axial canvas"),
            ("the same slices again, up", 0, 1, ".axial canvas"),
            ("coronal view, as fast as it draws", 0, 1, ".coronal canvas"),
            ("sagittal view, as fast as it draws", 0, 1, ".sagittal canvas"),
            ("beside both views, as fast as it draws, down", 0, -1, ".axial canvas"),
        ):
            if panes == ".coronal canvas":
                page.keyboard.press("v")
                page.wait_for_selector(".sagittal canvas[data-slice]")
            settings = {"notches": notches, "pause_ms": pause_ms, "direction": direction, "panes": panes}
            times = page.evaluate(MEASURE, settings)
            report(name, times)
        heap: Any = page.evaluate("() => performance.memory.usedJSHeapSize")
        print(f"page: {heap / 1e6:.0f} MB of JavaScript heap")
        browser.close()


def report(name: str, times_ms: list[float]) -> None:
    """Print the percentiles of a series."""
    median, high, most = np.percentile(times_ms, (50, 95, 100))
    print(f"wheel to slice, {name}: median {median:.1f} ms, 95th percentile {high:.1f} ms, longest {most:.1f} ms, "
          f"n = {len(times_ms)}")  # fmt: skip


def write_cohort(folder: Path, *, slices: int) -> Path:
    """Two patients in three phases: noise on a body, so that files have the size of real ones."""
    rng = np.random.default_rng(20260415)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.where(x**2 + (y / 0.7) ** 2 < 0.8, 40.0, -1000.0)[:, :, None]
    rows = ["patient_id," + ",".join(f"{phase}_image" for phase in PHASES)]
    for patient in ("P1", "P2"):
        for phase in PHASES:
            values = (body + rng.normal(0, 12, (512, 512, slices))).astype(np.int16)
            path = folder / patient / f"{phase}.nii.gz"
            write_image(values, path, spacing_mm=(0.75, 0.75, 1.0), origin_mm=(-192.0, -192.0, -400.0))
        rows.append(",".join([patient, *(f"{patient}/{phase}.nii.gz" for phase in PHASES)]))
    table_path = folder / "cohort.csv"
    table_path.write_text("\n".join(rows), encoding="utf-8")
    return table_path


def resident_mb(pid: int) -> float:
    """The memory of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


if __name__ == "__main__":
    main()
