"""Where a public cohort comes from: its sources to cite, and the UID of each series.

``nephrograde cohort`` writes ``sources.json`` beside the cohort table, and a run keeps a copy. A table from anywhere
else has no such file, so no UID of a hospital's series is ever recorded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from nephrograde.errors import RunError
from nephrograde.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

SOURCES_NAME = "sources.json"
_AGAIN = "Write it again with `nephrograde cohort NAME --out FOLDER --plan`, or delete it."


@dataclass(frozen=True, slots=True)
class Source:
    """A source to cite; ``citation`` is empty where only the DOI is known."""

    doi: str
    citation: str
    licence: str


@dataclass(frozen=True, slots=True)
class PublicSeries:
    """A chosen series of a public collection; several of one phase are the image and its masks."""

    patient_id: str
    phase: str
    series_uid: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The public collections of a cohort, by title, with their sources and series; all empty if it is not public."""

    collections: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    series: tuple[PublicSeries, ...] = ()

    def uids(self, patient_id: str, phase: str) -> tuple[str, ...]:
        """List the UIDs of a patient's chosen series of a phase.

        >>> Origin(series=(PublicSeries("KiTS-00001", "cmp", "1.3.6.1"),)).uids("KiTS-00001", "cmp")
        ('1.3.6.1',)
        """
        return tuple(one.series_uid for one in self.series if (one.patient_id, one.phase) == (patient_id, phase))


def write_origin(origin: Origin, json_path: Path) -> None:
    """Write ``sources.json``.

    Args:
        origin: The sources and series.
        json_path: Replaced as a whole.
    """
    write_json(json_path, asdict(origin))


def read_origin(json_path: Path) -> Origin:
    """Read ``sources.json``; a missing file means that the cohort is not known to be public.

    Args:
        json_path: The file, beside a cohort table or in a run folder.

    Raises:
        RunError: The file is damaged.

    >>> from pathlib import Path
    >>> read_origin(Path("nowhere/sources.json"))
    Origin(collections=(), sources=(), series=())
    """
    if not json_path.exists():
        return Origin()
    try:
        return TypeAdapter(Origin).validate_python(read_json(json_path))
    except ValidationError as error:
        places = ", ".join(dict.fromkeys(".".join(map(str, one["loc"])) for one in error.errors()))
        raise RunError(f"{json_path} is damaged: {places} cannot be used. {_AGAIN}") from None


def keep_origin(table_path: Path, kept_path: Path) -> None:
    """Copy the sources of a cohort table into a run, or remove an earlier copy if the table has none now.

    Args:
        table_path: The cohort table.
        kept_path: The copy in the run folder.

    Raises:
        RunError: The file beside the table is damaged.
    """
    origin = read_origin(table_path.parent / SOURCES_NAME)
    if origin != Origin():
        write_origin(origin, kept_path)
    else:
        kept_path.unlink(missing_ok=True)
