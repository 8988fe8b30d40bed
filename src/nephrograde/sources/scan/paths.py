"""Where a scan writes, and who may write there: one process, over nothing that a person has edited."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.cohort.scanned import SCANNED, series_path_of
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.files import read_json, sha256_of
from nephrograde.lock import only_writer_of
from nephrograde.replacement import remove_leftovers
from nephrograde.run.quality_folder import page_path_of
from nephrograde.staging import REPLACES
from nephrograde.volume.series_table import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScanPaths:
    """Where a scan writes: everything is placed next to its table and named after it."""

    table_path: Path

    def beside(self, ending: str) -> Path:
        """Return the path of a file or folder next to the table.

        >>> from pathlib import Path
        >>> ScanPaths(Path("out/cohort.csv")).beside("series").as_posix()
        'out/cohort.series'
        """
        return self.table_path.with_name(f"{self.table_path.stem}.{ending}")

    @property
    def series_path(self) -> Path:
        """The table of all series: ``series.csv`` next to ``cohort.csv``, otherwise prefixed with the table's name."""
        return series_path_of(self.table_path)

    @property
    def corrections_path(self) -> Path:
        """The corrections of a person, which a scan reads if it is not told of others; a scan never writes them."""
        return self.beside("corrections.csv")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files next to the table that a scan writes, except its caches and pages."""
        return (
            self.table_path,
            self.series_path,
            *(self.beside(ending) for ending in (SCANNED[1:], "key.csv", "skipped.csv")),
            *(page_path_of(self.series_path, language) for language in ("en", "zh")),
        )

    @property
    def dirs(self) -> tuple[Path, ...]:
        """The folders next to the table that a scan fills: lists, pictures, and what the images showed."""
        return (self.beside("series"), self.beside("thumbs"), self.beside("looks"))


@contextmanager
def only_scan(paths: ScanPaths) -> Iterator[None]:
    """Be the only process that writes these tables and the key beside them, for the duration of the block.

    Temporary files of a killed process are removed first.

    Args:
        paths: Where the scan writes.

    Raises:
        RunError: Another process is writing them.
        WriteError: They cannot be written.
    """
    with only_writer_of(paths.beside("key.csv"), is_private=True):
        names = {path.name for path in paths.files}
        remove_leftovers(paths.table_path.parent, is_ours=names.__contains__)
        for folder in paths.dirs:
            remove_leftovers(folder)
        yield


def require_apart(folder: Path, paths: ScanPaths) -> None:
    """Check that a scan writes a CSV table, and neither it nor the key beside it into the scanned folder.

    Args:
        folder: The export that is scanned.
        paths: Where the scan writes.

    Raises:
        InputError: If the name of the table does not end in ``.csv``, or the table is inside the export.
    """
    problems = []
    place = str(paths.table_path)
    if paths.table_path.suffix.lower() != ".csv":
        what = "the name of the table does not end in .csv"
        problems.append(Problem(place, what, "Name a CSV file; a scan writes no other format."))
    if folder.resolve() in paths.table_path.resolve().parents:
        what = "is inside the input folder, and the key of the real identities would be written next to it"
        problems.append(Problem(place, what, "Name a table in a separate folder."))
    if problems:
        raise InputError(problems)


def claim_table(paths: ScanPaths) -> None:
    """Check that the tables may be written: they do not exist, or a scan wrote them and nobody edited them.

    Unedited tables of an older format may be overwritten.

    Args:
        paths: Where the scan writes.

    Raises:
        RunError: If a table has another origin, was edited since, or has a newer format.
    """
    state_path = paths.beside(SCANNED[1:])
    written = read_json(state_path) if state_path.exists() else {}
    if isinstance(number := written.get("format", 1), int) and number > FORMAT:
        raise RunError(
            f"{state_path} is of format {number}, written by a newer nephrograde; this version writes {FORMAT}. Run: "
            "pip install --upgrade nephrograde, or give another name for the new table."
        )
    for path in (paths.table_path, paths.series_path):
        if path.exists() and sha256_of(path) not in _known(written, path.name):
            raise RunError(
                f"{path} was edited since it was scanned, or comes from elsewhere; it would be overwritten. Move it "
                "away, or give another name for the new table."
            )


def _known(written: Mapping[str, object], name: str) -> list[object]:
    """What a scan wrote under a name; two versions if it was interrupted while it replaced one by the other."""
    earlier = written.get(REPLACES)
    return [written.get(name), earlier.get(name) if isinstance(earlier, dict) else None]
