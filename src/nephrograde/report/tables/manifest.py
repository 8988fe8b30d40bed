"""The manifest of a run: every image and mask that was read, by patient and phase, with its digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nephrograde.files import write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.results import Results

COLUMNS = ("patient_id", "phase", "kind", "series", "is_public", "sha256")
_NAME = re.compile(r"(?P<phase>[a-z0-9][a-z0-9_-]*)_(?P<kind>image|mask|kidneys) (?P<patient_id>.+)", re.DOTALL)
_PSEUDONYM_LENGTH = 16


def manifest_rows(run: Results) -> list[dict[str, object]]:
    """List the images and masks of a run.

    ``series`` holds the UIDs of the patient's series of that phase, image and masks together, if they are of a public
    collection. Otherwise it is a pseudonym made from the file's content, which tells two series apart and leads to no
    patient without the file.

    Args:
        run: The contents of the run folder.

    Returns:
        One row for each input of the lock file that belongs to a patient, in its order.
    """
    rows: list[dict[str, object]] = []
    for name, digest in run.lock.get("inputs", {}).items():
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        uids = run.origin.uids(found["patient_id"], found["phase"])
        series = " ".join(uids) if uids else f"content-{digest[:_PSEUDONYM_LENGTH]}"
        rows.append({**found.groupdict(), "series": series, "is_public": int(bool(uids)), "sha256": digest})
    return rows


def write_manifest(run: Results) -> Path | None:
    """Write ``report/manifest.csv``, the same in every language; nothing if the run read no image.

    Args:
        run: The contents of the run folder.

    Returns:
        The path, or None.
    """
    rows = manifest_rows(run)
    if not rows:
        return None
    write_rows(run.folder.report.manifest_path, COLUMNS, rows)
    return run.folder.report.manifest_path
