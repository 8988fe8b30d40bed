"""A reviewer's corrections for single series: the phase of a series or of one of its parts, or that it is left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.sheet import open_sheet
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nephrograde.sheet import Sheet
    from nephrograde.sources.scan.choose import Choice
    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.phase.evidence import PhaseAnswer

_COLUMNS = ("series_uid", "phase")


@dataclass(frozen=True, slots=True)
class Corrections:
    """The phase by SeriesInstanceUID, or by the key of a part of a series; empty if it is left out."""

    phases: Mapping[str, str] = field(default_factory=dict)

    def phase_of(self, header: SeriesHeader) -> str | None:
        """Return what a person said of a series: a phase, empty if it is left out, None if nothing.

        Args:
            header: The series. What is said of its part takes precedence over what is said of all parts.
        """
        return self.phases.get(header.key, self.phases.get(header.series_uid))

    def of_answers(self, answers: Mapping[str, PhaseAnswer], headers: Iterable[SeriesHeader]) -> dict[str, PhaseAnswer]:
        """Replace recognised phases by the reviewer's.

        Args:
            answers: By key of the series.
            headers: All series that have an answer.
        """
        said = {header.key: self.phase_of(header) for header in headers}
        return {
            key: answer
            if (phase := said[key]) is None
            else replace(answer, phase=phase or UNKNOWN, probability=1.0 if phase else answer.probability)
            for key, answer in answers.items()
        }

    def of_choices(self, choices: Iterable[Choice], unreadable: Mapping[str, str]) -> list[Choice]:
        """Replace automatic choices by the reviewer's choice for the same phase.

        Args:
            choices: All series of one patient, chosen from the corrected answers.
            unreadable: Why a series cannot be read, by key; such a series is never chosen.
        """
        corrected = list(choices)
        named = [
            n
            for n, choice in enumerate(corrected)
            if self.phase_of(choice.header) and choice.header.key not in unreadable
        ]
        taken = {self.phase_of(corrected[n].header): n for n in reversed(named)}  # the first of several
        for n, choice in enumerate(corrected):
            if taken.get(choice.answer.phase) == n:
                corrected[n] = replace(choice, chosen=True, reason=Statement.of("chosen-by-person"), grounds=())
            elif choice.chosen and choice.answer.phase in taken:
                corrected[n] = replace(choice, chosen=False, reason=Statement.of("outdone-by-person"), grounds=())
            elif self.phase_of(choice.header) == UNKNOWN:
                corrected[n] = replace(choice, chosen=False, reason=Statement.of("left-out-by-person"), grounds=())
        return corrected


NO_CORRECTIONS = Corrections()


def read_corrections(corrections_path: Path, encoding: str | None = None) -> Corrections:
    r"""Read a table of corrections.

    Args:
        corrections_path: CSV or XLSX with ``series_uid`` and ``phase`` (one of ``PHASES``, or empty to leave the series
            out), and optionally ``part``, where several stacks have one SeriesInstanceUID (empty: all of them). Other
            columns are ignored, so rows can be copied from a ``series.csv`` of any format. A table without rows
            corrects nothing.
        encoding: The encoding of a text file; None detects it.

    Raises:
        InputError: Lists every mistake.

    >>> import pathlib, tempfile
    >>> corrections_path = pathlib.Path(tempfile.mkdtemp()) / "corrections.csv"
    >>> _ = corrections_path.write_text("series_uid,phase\n1.2.3,np\n1.2.4,\n", encoding="utf-8")
    >>> read_corrections(corrections_path).phases
    {'1.2.3': 'np', '1.2.4': ''}
    """
    sheet = open_corrections(corrections_path, encoding)
    problems: list[Problem] = []
    phases: dict[str, str] = {}
    for number, cells in sheet.rows:
        uid, phase = key_of(cells), cells["phase"].casefold()
        place = f"{sheet.name} row {number}"
        if phase not in {*PHASES, UNKNOWN}:
            remedy = f"Write one of {', '.join(PHASES)}, or leave it empty to leave the series out."
            problems.append(Problem(place, f"'{phase}' is not a phase", remedy))
        elif phases.setdefault(uid, phase) != phase:
            problems.append(Problem(place, "names a series twice, with two phases", "Keep one of the rows."))
    if problems:
        raise InputError(problems)
    return Corrections(phases)


def open_corrections(corrections_path: Path, encoding: str | None = None) -> Sheet:
    """Open a table of corrections and check its columns, but not yet its phases.

    Args:
        corrections_path: CSV or XLSX.
        encoding: The encoding of a text file; None detects it.

    Raises:
        InputError: It cannot be read, or lacks a column.
    """
    sheet, problems = open_sheet(corrections_path, encoding)
    if sheet is None or (problems and sheet.rows):
        raise InputError(problems)
    missing = [name for name in _COLUMNS if name not in sheet.headings]
    if missing:
        remedy = "Copy the rows to correct from series.csv, and change their phase."
        raise InputError([Problem(f"{sheet.name}, column {name}", "is missing", remedy) for name in missing])
    return sheet


def key_of(cells: Mapping[str, str]) -> str:
    """Return the key of the series, or part of a series, that a row is about.

    >>> key_of({"series_uid": "1.2.3", "phase": "np"}), key_of({"series_uid": "1.2.3", "part": "2", "phase": "np"})
    ('1.2.3', '1.2.3.2')
    """
    return ".".join(filter(None, (cells["series_uid"], cells.get("part", ""))))
