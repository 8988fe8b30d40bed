"""A journal of every file's outcome, kept in the output folder so that an interrupted run can resume.

The journal contains no original names: paths are stored as keyed digests, UIDs as their replacements.
"""

from __future__ import annotations

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem, RunError, WriteError, about_writing
from nephrograde.lock import lock_handle
from nephrograde.replacement import make_folder

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import TextIO

    from nephrograde.sources.deidentify.key import Key

JOURNAL_NAME = "files.csv"
_KEY_ROW = "(key)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one file.

    Attributes:
        source: Digest of the file's path.
        version: Digest of the file's size and time, and of the settings.
        patient_id: The pseudonym; empty if the file belongs to no patient.
        series: For example "study-1/series-2"; empty if the file belongs to no patient.
        file: Path below the output folder; empty if nothing was written.
        study_uid: The replacement UID.
        series_uid: The replacement UID.
        sop_uid: The replacement UID.
        reason: Why the file was set aside or flagged; empty for an ordinary image.
        is_suspect: Whether the file was flagged because of possible burned-in text.
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
    """The journal of an output folder, open for appending and locked; use it in a ``with`` block."""

    def __init__(self, out_dir: Path, key: Key) -> None:
        """Read the journal of an earlier run, if any.

        Args:
            out_dir: The output folder; created if missing.
            key: The key of the run.

        Raises:
            InputError: If the folder contains other files, or was written with another key.
            RunError: If another process writes into the folder.
            WriteError: If the folder cannot be written to.
        """
        self._path = out_dir / JOURNAL_NAME
        self._seal = key.digest("journal")
        self._studies: dict[str, dict[str, str]] = {}
        self._series: dict[tuple[str, str], dict[str, str]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self.by_source: dict[str, Outcome] = {}
        self.by_sop: dict[str, Outcome] = {}
        make_folder(out_dir)
        if not self._path.exists() and any(out_dir.iterdir()):
            what, remedy = "the folder is not empty", "Name a new folder, or that of an earlier run."
            raise InputError([Problem(str(out_dir), what, remedy)])
        with about_writing(self._path):
            self._stream: TextIO = self._path.open("a", encoding="utf-8", newline="")
        try:
            self._lock()
            self._begin()
        except BaseException:
            self._stream.close()
            raise

    def _lock(self) -> None:
        if lock_handle(self._stream.fileno()) is False:
            out_dir = self._path.parent
            raise RunError(f"{out_dir} is being written by another process. Wait until it has finished.")

    def _begin(self) -> None:
        whole_lines = self._read()
        for outcome in whole_lines:
            self._learn(outcome)
        self._writer = csv.DictWriter(self._stream, [one.name for one in fields(Outcome)], lineterminator="\n")
        if not whole_lines:
            with about_writing(self._path):
                self._stream.truncate(0)
                self._writer.writeheader()
                self._writer.writerow({"source": _KEY_ROW, "version": self._seal})
                self._stream.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with about_writing(self._path):
                self._stream.close()
        except WriteError:
            if error is None:  # otherwise the first failure is the one to report
                raise

    def place(self, patient_id: str, study_uid: str, series_uid: str) -> str:
        """Return the folder of a series below that of its patient; studies and series are numbered as they occur.

        Args:
            patient_id: The pseudonym.
            study_uid: The replacement UID.
            series_uid: The replacement UID.
        """
        studies = self._studies.setdefault(patient_id, {})
        study = studies.setdefault(study_uid, f"study-{len(studies) + 1}")
        series = self._series.setdefault((patient_id, study_uid), {})
        return f"{study}/{series.setdefault(series_uid, f'series-{len(series) + 1}')}"

    def next_file(self, patient_id: str, series: str) -> str:
        """Return the path of the next image of a series, below the output folder."""
        return f"{patient_id}/{series}/IM{self._counts.get((patient_id, series), 0) + 1:04d}.dcm"

    def add(self, outcome: Outcome) -> None:
        """Record the outcome of a file, after the file itself was written."""
        row = asdict(outcome)
        with about_writing(self._path):
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
        if len(whole) < len(text):  # a run was killed while writing a line
            os.truncate(self._path, len(whole.encode()))
        rows = list(csv.DictReader(whole.splitlines()))
        if not rows:
            return []
        if rows[0].get("version") != self._seal:
            what, remedy = "it was written with another key", "Give the key file of that run, or name a new folder."
            raise InputError([Problem(str(self._path.parent), what, remedy)])
        return [Outcome(**{**row, "is_suspect": bool(row["is_suspect"])}) for row in rows[1:]]  # type: ignore[arg-type]
