"""The manifest names public series by their UID, and all others by a pseudonym."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nephrograde.cohort.origin import Origin, PublicSeries
from nephrograde.files import read_rows
from nephrograde.report.tables.manifest import manifest_rows, write_manifest
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

UID = "1.3.6.1.4.1.14519.5.2.1.6919.4624.1"


def test_series_of_hospitals_have_pseudonyms(whole_run: Path) -> None:
    rows = manifest_rows(Results.read(whole_run))
    assert [(row["patient_id"], row["phase"], row["kind"]) for row in rows] == [
        ("P1", "cmp", "image"),
        ("P2", "cmp", "image"),
    ]
    assert [row["is_public"] for row in rows] == [0, 0]
    assert len({row["series"] for row in rows}) == 2
    assert rows[0]["sha256"] == "cd" * 32


def test_public_series_have_their_uid(whole_run: Path, tmp_path: Path) -> None:
    run = Results.read(whole_run)
    folder = dataclasses.replace(run.folder, run_dir=tmp_path)
    run = dataclasses.replace(run, folder=folder, origin=Origin(series=(PublicSeries("P2", "cmp", UID),)))
    path = write_manifest(run)
    assert path is not None
    assert [(row["series"] == UID, row["is_public"]) for row in read_rows(path)] == [(False, "0"), (True, "1")]


def test_run_without_images_has_no_manifest(foreign_run: Path) -> None:
    run = Results.read(foreign_run)
    assert write_manifest(run) is None
    assert not run.folder.report.manifest_path.exists()
