"""What a scan leaves beside the cohort table, and whether it belongs to it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem, RunError
from nephrograde.files import read_json, sha256_of
from nephrograde.staging import REPLACES

if TYPE_CHECKING:
    from pathlib import Path

SCANNED = ".scan.json"
"""Ending of the index that a scan writes last; it names the SHA-256 of both tables."""
_FIRST_COLUMNS = b"patient_id,study_uid,series_uid"


def series_path_of(table_path: Path) -> Path:
    """Return the path of the table of all series that belongs to a cohort table.

    >>> from pathlib import Path
    >>> [series_path_of(Path(name)).name for name in ("cohort.csv", "zhongshan.csv")]
    ['series.csv', 'zhongshan.series.csv']
    """
    stem = table_path.stem
    return table_path.with_name("series.csv" if stem == "cohort" else f"{stem}.series.csv")


def find_scanned_table(folder: Path) -> Path:
    """Find the cohort table in the output folder of a scan.

    Args:
        folder: The folder.

    Raises:
        InputError: It holds the output of no scan, or of several.
    """
    names = sorted(path.name.removesuffix(SCANNED) for path in folder.glob(f"*{SCANNED}"))
    tables = [table for name in names if (table := folder / f"{name}.csv").is_file()]
    if len(tables) == 1:
        return tables[0]
    if not tables:
        what, remedy = "holds no cohort table of a scan", "Name the folder of `nephrograde scan --out`, or a table."
    else:
        listed = ", ".join(table.name for table in tables)
        what, remedy = f"holds the cohort tables of several scans ({listed})", "Name one of the tables."
    raise InputError([Problem(str(folder), what, remedy)])


def is_scan_unfinished(table_path: Path) -> bool:
    """Tell whether a scan began to write tables here and did not end, judging by its index.

    A person may edit the cohort table, so only the table of series has to be the one that the index names. Without a
    table of series, there was no scan.

    Args:
        table_path: The cohort table.
    """
    series_path = series_path_of(table_path)
    with suppress(OSError):
        with series_path.open("rb") as stream:
            is_ours = stream.read(len(_FIRST_COLUMNS)) == _FIRST_COLUMNS
        if not is_ours:
            return False
        try:
            index = read_json(table_path.with_name(f"{table_path.stem}{SCANNED}"))
        except RunError:  # missing or damaged
            return True
        return REPLACES in index or index.get(series_path.name) != sha256_of(series_path)
    return False
