"""What does a scan of a very large export take? 300,000 DICOM files against a quarter of them, in one run.

The export consists of copies of one synthetic patient (three phases, 32 × 32 pixels, about 200 files) with identifiers
of their own. ``nephrograde scan`` runs in a process of its own, with as many readers as there are processors, and
writes the cohort table, the table of series, the pictures and the pages; once more it finds the catalogue of headers
there. The table gives the largest resident size of a process (the command or one of its readers), and the seconds of
all processors, which other programs disturb least. The exit code is 1 where a further series takes more than 20 KiB
of memory, where a file takes more than 1.1 times as long as at a quarter of them, or where patients are missing.

Run: python -m bench.large_export [--files 300000]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.commands import Cost, run

from nephrograde.run.provenance import machine

FLAT, SERIES_KIB = 1.1, 20.0
PHASES = ("cmp", "np", "up")


def write(export_dir: Path, files: int) -> None:
    """Write an export of about as many files, in a process of its own, so that its size is not taken for another's."""
    command = [sys.executable, "-m", "bench.large_export", "--files", str(files), "--write", str(export_dir)]
    subprocess.run(command, check=True)


def n_rows(table_path: Path) -> int:
    """Number of patients of a cohort table."""
    with table_path.open(encoding="utf-8") as stream:
        return sum(1 for _ in stream) - 1


def main() -> int:
    """Print the table; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        from bench.growth import write_export

        write_export(options.write, files=options.files, phases=PHASES)
        return 0
    found: dict[str, tuple[int, int, Cost]] = {}
    missed = []
    for label, files in {"a quarter": options.files // 4, "all": options.files}.items():
        with tempfile.TemporaryDirectory() as folder:
            top = Path(folder)
            write(top, files)
            (top / "scanned").mkdir()
            table_path, log_path = top / "scanned" / "cohort.csv", top / "log.txt"
            patients = len(list((top / "export").iterdir()))
            written = sum(1 for path in (top / "export").rglob("IM*"))
            for again in ("", ", once more"):
                cost = run(["scan", str(top / "export"), "--out", str(table_path)], log_path)
                found[f"{label}{again}"] = (written, patients, cost)
                print(f"{label}{again}: {cost}", file=sys.stderr, flush=True)
                if cost.code or n_rows(table_path) != patients:
                    missed.append(f"{label}{again}: exit code {cost.code}, see {log_path.read_text()[-2000:]}")
    print(f"{machine()}; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}\n")
    print("| files | patients | memory | processors | a file | clock |\n| --- | --- | --- | --- | --- | --- |")
    for label, (files, patients, one) in found.items():
        each_ms = 1000 * one.cpu_s / files
        print(
            f"| {files:,} ({label}) | {patients:,} | {one.mib:.0f} MiB | {one.cpu_s:.0f} s | {each_ms:.2f} ms | "
            f"{one.clock_s:.0f} s |"
        )
    (few, fewer, small), (many, more, large) = found["a quarter"], found["all"]
    series_kib = 1024 * (large.mib - small.mib) / (len(PHASES) * (more - fewer))
    longer = large.cpu_s / many / (small.cpu_s / few)
    print(
        f"\nA further series takes {series_kib:.1f} KiB of memory (at most {SERIES_KIB:.0f}), and a file at four times"
    )
    print(f"as many files {longer:.2f} times as long (at most {FLAT}).")
    missed += ["a series takes too much memory"] * (series_kib > SERIES_KIB) + ["time is not flat"] * (longer > FLAT)
    for line in missed:
        print(f"Missed: {line}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
