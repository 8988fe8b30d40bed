"""What 100,000 patients in 20 hospitals would take: storage, hours and money, from the figures of the bench.

Nothing is measured here. Every speed and size is read from docs/reference/bench.md, and every price and number of
patients is an assumption that an option changes. A figure that the page no longer has ends the script.

Run: python bench/many_sites.py [--patients 100000] [--sites 20] …
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

FIGURES_PATH = Path(__file__).resolve().parents[1] / "docs" / "reference" / "bench.md"
FIGURES = {
    "headers": r"\| this package, 2 processes \| ([\d,.]+) ",
    "graded": r"\| `nephrograde predict grader\.zip cohort\.csv --csv answers\.csv` \| ([\d,.]+) ",
    "slices": r"DICOM series of 512 × 512 × (\d+ to \d+) voxels",
    "trained": r"\| 2D 224², bf16, batch 16 \| off [^\n]*\n\| \| on \| ([\d,.]+) ",
    "weights": r"The file, ([\d,.]+) MB here",
    "boxes": r"journal counted ([\d,.]+) s per patient",
    "scores": r"\| scores \| ([\d,.]+) \| [\d.]+ \| [\d.]+ \|",
    "statistics": r"\| statistics \| ([\d,.]+) \| [\d.]+ \| [\d.]+ \|",
    "sharing": r"\| scores \| [\d,.]+ \| ([\d.]+) \|",
    "combining": r"\| scores \| [\d,.]+ \| [\d.]+ \| ([\d.]+) \|",
}
"""Where each figure stands: files/s, scans/s, slices, samples/s, MB of five folds, seconds of a reader, kB and
seconds of sharing 5,000 patients."""
SHARED_PATIENTS = 5000
"""Patients of a hospital in the bench of sharing."""
PIXELS, BYTES = 512 * 512, 2
FOLDS = 5


def read_figures() -> dict[str, float]:
    """Read the measured figures; a range becomes its middle."""
    page, found = FIGURES_PATH.read_text(encoding="utf-8"), {}
    for name, pattern in FIGURES.items():
        match = re.search(pattern, page)
        if match is None:
            sys.exit(f"{FIGURES_PATH.name} has no figure of '{name}'. Adapt the pattern to its table.")
        numbers = [float(one.replace(",", "")) for one in match[1].split(" to ")]
        found[name] = sum(numbers) / len(numbers)
    return found


def parse() -> argparse.Namespace:
    """The assumptions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--sites", type=int, default=20)
    parser.add_argument("--phases", type=int, default=3, help="scans of a patient")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--core-hour", type=float, default=0.05, help="price of a processor core for an hour, USD")
    parser.add_argument("--reader-hour", type=float, default=60.0, help="price of an hour of a reader, USD")
    parser.add_argument("--gb-month", type=float, default=0.02, help="price of 1 GB stored for a month, USD")
    parser.add_argument("--gb-sent", type=float, default=0.09, help="price of 1 GB sent, USD")
    return parser.parse_args()


def rows_of(given: argparse.Namespace, figures: dict[str, float]) -> list[tuple[str, str, str, str]]:
    """One row per step: what, in each hospital, in all, and the price of all."""
    n, sites = given.patients, given.sites
    scan_gb = figures["slices"] * PIXELS * BYTES / 1e9
    images_gb = n * given.phases * scan_gb
    files = n * given.phases * figures["slices"]
    sample_gb = figures["weights"] / FOLDS / 1000
    of_site = n / sites / SHARED_PATIENTS

    def hours(what: str, seconds: float) -> tuple[str, str, str, str]:
        price = 2 * seconds / 3600 * given.core_hour  # every speed is that of two cores
        return what, f"{seconds / 3600 / sites:,.2f} h", f"{seconds / 3600:,.1f} h", f"{price:,.2f}"

    def sent(what: str, gb: float) -> tuple[str, str, str, str]:
        return what, _size(gb / sites), _size(gb), f"{gb * given.gb_sent:,.2f}"

    return [
        (
            "images, stored for a year",
            _size(images_gb / sites),
            _size(images_gb),
            f"{images_gb * given.gb_month * 12:,.0f}",
        ),
        hours("reading all headers", files / figures["headers"]),
        (
            "boxes on all phases, drawn by a reader",
            f"{n * figures['boxes'] / 3600 / sites:,.0f} h",
            f"{n * figures['boxes'] / 3600:,.0f} h",
            f"{n * figures['boxes'] / 3600 * given.reader_hour:,.0f}",
        ),
        hours("grading one phase of each patient", n / figures["graded"]),
        ("sharing", f"{figures['sharing'] * of_site:,.1f} s", f"{figures['sharing'] * of_site * sites:,.0f} s", "0.00"),
        sent("scores sent", figures["scores"] * of_site * sites / 1e6),
        sent("or statistics sent", figures["statistics"] * sites / 1e6),
        ("combining", "–", f"{figures['combining']:,.1f} s", "0.00"),
        sent("for comparison: all images sent to one place", images_gb),
        _at_one_place(
            hours(
                f"for comparison: training there, {FOLDS} folds × {given.epochs} epochs, one picture per patient",
                n * (FOLDS - 1) * given.epochs / figures["trained"],
            )
        ),
        sent(
            f"federated training: weights there and back, {given.epochs} rounds × {FOLDS} folds",
            2 * sites * given.epochs * FOLDS * sample_gb,
        ),
    ]


def _at_one_place(row: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    return row[0], "–", *row[2:]


def _size(gb: float) -> str:
    for unit, factor in (("TB", 1e-3), ("GB", 1.0), ("MB", 1e3)):
        if gb * factor >= 1.0:
            return f"{gb * factor:,.1f} {unit}"
    return f"{gb * 1e6:,.0f} kB"


def main() -> None:
    """Print the inputs and the table as Markdown."""
    given, figures = parse(), read_figures()
    print(", ".join(f"{name} {value:g}" for name, value in figures.items()))
    print(f"\n| step | each of {given.sites} hospitals | all | USD, all |\n| --- | --- | --- | --- |")
    for row in rows_of(given, figures):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
