"""Whether the scan that wrote the cohort table was finished, as a finding about the whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.cohort.scanned import is_scan_unfinished
from nephrograde.volume.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path


def report_unfinished_scan(table_path: Path) -> list[Finding]:
    """Report a table whose scan was interrupted, or that lies beside the series of another scan.

    Args:
        table_path: The cohort table.

    Returns:
        At most one warning "scan-unfinished", without patient, phase and column.

    >>> import pathlib, tempfile
    >>> table_path = pathlib.Path(tempfile.mkdtemp()) / "cohort.csv"
    >>> report_unfinished_scan(table_path)
    []
    >>> _ = table_path.with_name("series.csv").write_text("patient_id,study_uid,series_uid", encoding="utf-8")
    >>> report_unfinished_scan(table_path)[0].code
    'scan-unfinished'
    """
    if not is_scan_unfinished(table_path):
        return []
    message = "the scan that wrote the cohort table was not finished, or its table of series was changed since."
    remedy = "Run `nephrograde scan` again with the same arguments before using the table."
    return [Finding("", "", "", "scan-unfinished", "warning", message, remedy)]
