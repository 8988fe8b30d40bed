"""``scan_folder``: from the folder of a DICOM export to a cohort table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nephrograde.arguments import COUNT, FLAG, HEADINGS, PATH, TEXT, checked, choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.sources.scan.tally import ScanResult


@checked(
    folder=PATH,
    table=PATH,
    grades=PATH,
    corrections=PATH,
    organs=PATH,
    look=choice("uncertain", "all", "never"),
    keep_ids=FLAG,
    workers=COUNT,
    encoding=TEXT,
    columns=HEADINGS,
)
def scan_folder(
    folder: str | Path,
    table: str | Path = "cohort.csv",
    *,
    grades: str | Path | None = None,
    corrections: str | Path | None = None,
    organs: str | Path | None = None,
    look: Literal["uncertain", "all", "never"] = "uncertain",
    keep_ids: bool = False,
    workers: int | None = None,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ScanResult:
    """Find the scans of a DICOM export, recognise their phases, choose the best of each, and write a cohort table.

    Args:
        folder: The export: any tree, archives included.
        table: The cohort table to write; further tables and pictures are written beside it.
        grades: A table to join by ``patient_id``: grades, dates of surgery and other columns.
        corrections: A table with the columns ``series_uid`` and ``phase`` of series that a person has reviewed.
        organs: A folder of TotalSegmentator masks, named by SeriesInstanceUID.
        look: Which images are read to recognise their phase.
        keep_ids: Keep the PatientID of the export instead of P0001, P0002, …
        workers: Processes that read headers; as many as there are processors when None.
        encoding: The encoding of ``grades`` and ``corrections``, if they are text files; detected when None.
        columns: Headings of ``grades`` by standard name, such as ``{"isup_grade": "核分级"}``.

    Returns:
        What was found and written; ``cohort`` and ``series`` are DataFrames.

    Raises:
        InputError: The folder holds no DICOM file, or a joined table is not sound.
        RunError: The table exists and was not written by a scan, or was edited since.
    """
    from nephrograde.sources.scan.scan import ScanSettings
    from nephrograde.sources.scan.scan import scan_folder as scan

    settings = ScanSettings(
        look=look,
        keep_ids=keep_ids,
        workers=workers,
        grades_path=_path(grades),
        corrections_path=_path(corrections),
        organs_dir=_path(organs),
        encoding=encoding,
        columns=columns,
    )
    return scan(Path(folder), Path(table), settings=settings)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
