"""What became of each file, kept in the output folder so that a run can go on where it stopped.

The journal names no original: a path stands in it as a word that only the key can make, a UID as its replacement.
"""

from __future__ import annotations

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import TextIO

    from nephrograde.sources.deidentify.key import Key

JOURNAL_NAME = "files.csv"
_KEY_ROW = "(key)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file.

    Attributes:
        source: Stands for the file's path.
        version: Stands for the file's size and time, and the settings.
        patient_id: The pseudonym; empty where the file is nobody's.
        series: "study-1/series-2"; empty likewise.
        file: Path below the output folder; empty where nothing was written.
        study_uid: The new one.
        series_uid: The new one.
        sop_uid: The new one.
        reason: Why it was set aside or flagged; empty for a plain image.
        is_suspect: Flagged because text may be burnt in.
    """

    source: str
    version: str
    patient_id: str = ""
    series: str = ""
    file: str = ""
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    reason: str = ""
    is_suspect: bool = False


class Journal:
    """The journal of an output folder, open for more; use it in a ``with`` block."""

    def __init__(self, out_dir: Path, key: Key) -> None:
        """Read what an earlier run has written down.

        Args:
            out_dir: The output folder; made where it is missing.
            key: The key that was used, or is to be used.

        Raises:
            InputError: Where the folder holds other things, or was written with another key.
        """
        self._path = out_dir / JOURNAL_NAME
        self._seal = key.digest("journal")
        self._studies: dict[str, dict[str, str]] = {}
        self._series: dict[tuple[str, str], dict[str, str]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self.by_source: dict[str, Outcome] = {}
        self.by_sop: dict[str, Outcome] = {}
        out_dir.mkdir(parents=True, exist_ok=True)
        if not self._path.exists() and any(out_dir.iterdir()):
            what, remedy = "the folder is not empty", "Name a new folder, or the one of an earlier run."
            raise InputError([Problem(str(out_dir), what, remedy)])
        whole_lines = self._read() if self._path.exists() else []
        for outcome in whole_lines:
            self._learn(outcome)
        self._stream: TextIO = self._path.open("w" if not whole_lines else "a", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._stream, [one.name for one in fields(Outcome)], lineterminator="\n")
        if not whole_lines:
            self._writer.writeheader()
            self._writer.writerow({"source": _KEY_ROW, "version": self._seal})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def place(self, patient_id: str, study_uid: str, series_uid: str) -> str:
        """The folder of a series below that of its patient; numbers are given as studies and series are met.

        Args:
            patient_id: The pseudonym.
            study_uid: The new one.
            series_uid: The new one.
        """
        studies = self._studies.setdefault(patient_id, {})
        study = studies.setdefault(study_uid, f"study-{len(studies) + 1}")
        series = self._series.setdefault((patient_id, study_uid), {})
        return f"{study}/{series.setdefault(series_uid, f'series-{len(series) + 1}')}"

    def next_file(self, patient_id: str, series: str) -> str:
        """Path below the output folder of the next image of a series."""
        return f"{patient_id}/{series}/IM{self._counts.get((patient_id, series), 0) + 1:04d}.dcm"

    def add(self, outcome: Outcome) -> None:
        """Write down what became of a file, after the file itself was written."""
        row = asdict(outcome)
        self._writer.writerow({**row, "is_suspect": "1" if outcome.is_suspect else ""})
        self._stream.flush()
        self._learn(outcome)

    def _learn(self, outcome: Outcome) -> None:
        past = self.by_source.get(outcome.source)
        if past is not None and past.file:
            self.by_sop.pop(past.sop_uid, None)
        self.by_source[outcome.source] = outcome
        if outcome.series:
            study, series = outcome.series.split("/")
            self._studies.setdefault(outcome.patient_id, {})[outcome.study_uid] = study
            self._series.setdefault((outcome.patient_id, outcome.study_uid), {})[outcome.series_uid] = series
        if outcome.file:
            self.by_sop[outcome.sop_uid] = outcome
            place, number = (outcome.patient_id, outcome.series), int(PurePosixPath(outcome.file).stem[2:])
            self._counts[place] = max(self._counts.get(place, 0), number)

    def _read(self) -> list[Outcome]:
        text = self._path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if len(whole) < len(text):  # a run was killed within a line
            os.truncate(self._path, len(whole.encode()))
        rows = list(csv.DictReader(whole.splitlines()))
        if not rows:
            return []
        if rows[0].get("version") != self._seal:
            what, remedy = "it was written with another key", "Give the key file of that run, or name a new folder."
            raise InputError([Problem(str(self._path.parent), what, remedy)])
        return [Outcome(**{**row, "is_suspect": bool(row["is_suspect"])}) for row in rows[1:]]  # type: ignore[arg-type]
