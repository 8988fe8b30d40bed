"""The table of all series, ``series.csv``: every series of a scan or plan, its phase, and why it was chosen or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.files import read_rows, write_rows
from nephrograde.volume.statement import Statement, read_statements, write_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FORMAT = 2
"""Format of ``series.csv`` and ``scan.json``. In format 1, which had no number, reasons were English sentences."""

SERIES_COLUMNS = (
    "patient_id",
    "study_uid",
    "series_uid",
    "part",
    "description",
    "slices",
    "step_mm",
    "thickness_mm",
    "phase",
    "probability",
    "evidence",
    "chosen",
    "reason",
    "format",
)
_LATER = frozenset({"part", "slices", "step_mm", "thickness_mm"})
"""Columns that the first tables of this format did not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesEntry:
    """One series, a row of ``series.csv``.

    Attributes:
        patient_id: The pseudonym.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        description: From the header, without what identifies the patient.
        phase: Code of the phase; empty if unknown.
        probability: Probability of the phase.
        evidence: The evidence for the phase.
        is_chosen: Whether it is the patient's scan in its phase, or the mask of one.
        reason: Why.
        grounds: What decided, if several series were eligible.
        part: Which of several stacks with this SeriesInstanceUID, "1", "2", …; empty if it is the only one.
        slices: Number of images; None if unknown.
        step_mm: Distance between slices, from their positions.
        thickness_mm: Slice thickness, from the header.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    description: str
    phase: str
    probability: float
    evidence: tuple[Statement, ...]
    is_chosen: bool
    reason: Statement
    grounds: tuple[Statement, ...] = ()
    part: str = ""
    slices: int | None = None
    step_mm: float | None = None
    thickness_mm: float | None = None


def write_series(series_path: Path, entries: Iterable[SeriesEntry]) -> None:
    """Write the table of all series.

    Args:
        series_path: Where to write.
        entries: In the order of the rows.
    """
    write_rows(series_path, SERIES_COLUMNS, (cells_of(entry) for entry in entries))


def cells_of(entry: SeriesEntry) -> dict[str, str]:
    """Convert a series to the cells of its row."""
    return {
        "patient_id": entry.patient_id,
        "study_uid": entry.study_uid,
        "series_uid": entry.series_uid,
        "part": entry.part,
        "description": entry.description,
        "slices": "" if entry.slices is None else str(entry.slices),
        "step_mm": _as_text(entry.step_mm),
        "thickness_mm": _as_text(entry.thickness_mm),
        "phase": entry.phase,
        "probability": f"{entry.probability:.3f}",
        "evidence": write_statements(entry.evidence),
        "chosen": "yes" if entry.is_chosen else "no",
        "reason": write_statements((entry.reason, *entry.grounds)),
        "format": str(FORMAT),
    }


def read_series(series_path: Path) -> list[SeriesEntry]:
    """Read a table of all series.

    Args:
        series_path: ``series.csv``.

    Returns:
        The series. A reason that a person wrote into the table becomes a statement with that text as its code.

    Raises:
        RunError: If the table is missing, has another format, or lacks a column.
    """
    rows = read_rows(series_path)
    if rows and (others := {row.get("format") or "1" for row in rows} - {str(FORMAT)}):
        raise RunError(
            f"{series_path} is of format {', '.join(sorted(others))}, and this version reads {FORMAT}. Make it again "
            "with the command that wrote it: nephrograde scan FOLDER --out cohort.csv, or nephrograde cohort NAME "
            "--out FOLDER --plan. A table that was edited is not overwritten: give its corrections with --corrections."
        )
    missing = sorted(set(SERIES_COLUMNS) - _LATER - set(rows[0])) if rows else []
    if missing:
        raise RunError(f"{series_path} lacks the columns {', '.join(missing)}. Scan the folder again.")
    return [_entry(row) for row in rows]


def _entry(row: Mapping[str, str]) -> SeriesEntry:
    reason, *grounds = read_statements(row["reason"]) or (Statement(""),)
    return SeriesEntry(
        patient_id=row["patient_id"],
        study_uid=row["study_uid"],
        series_uid=row["series_uid"],
        description=row["description"],
        phase=row["phase"],
        probability=_number(row["probability"]),
        evidence=read_statements(row["evidence"]),
        is_chosen=row["chosen"] == "yes",
        reason=reason,
        grounds=tuple(grounds),
        part=row.get("part", ""),
        slices=int(slices) if (slices := row.get("slices", "")).isascii() and slices.isdigit() else None,
        step_mm=_number(row.get("step_mm", "")) or None,
        thickness_mm=_number(row.get("thickness_mm", "")) or None,
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _as_text(value_mm: float | None) -> str:
    return "" if value_mm is None else f"{value_mm:g}"
