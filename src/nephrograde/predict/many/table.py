"""The table of answers, one row for each patient, which is whole at any moment and from which grading is resumed."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nephrograde.errors import InputError, Problem, RunError
from nephrograde.lock import only_writer_of
from nephrograde.predict.many.outcome import GRADED
from nephrograde.predict.many.patient import inputs_sha256
from nephrograde.replacement import check_replaceable, remove_leftovers, replaced
from nephrograde.spreadsheet.cells import RowWriter, as_read
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.predict.grading import Grading
    from nephrograde.predict.many.outcome import PatientGrading
    from nephrograde.predict.many.patient import NewPatient

BETWEEN_WARNINGS: Final = " | "
_ANSWER: Final[Mapping[str, Callable[[Grading], object]]] = {
    "call": lambda one: one.call,
    "p_high": lambda one: one.p_high,
    "p_lowest": lambda one: min(one.p_high_of_folds),
    "p_highest": lambda one: max(one.p_high_of_folds),
    "folds": lambda one: len(one.p_high_of_folds),
    "folds_high": lambda one: one.folds_high,
    "threshold": lambda one: one.threshold,
    "p_recalibrated": lambda one: one.p_calibrated,
    "grade_set": lambda one: one.grade_set,
    "set_error": lambda one: one.set_error,
    "is_referred": lambda one: one.is_referred,
    "phase_seen": lambda one: one.phase_seen,
    "phase_probability": lambda one: one.phase_probability,
    "phase_named": lambda one: one.phase_named,
    "kidney_gap_mm": lambda one: one.kidney_gap_mm,
    "is_on_kidney": lambda one: one.is_on_kidney,
    "unusual": lambda one: BETWEEN_WARNINGS.join(f"{it.phase} {it.quantity} {it.verdict}" for it in one.unusual),
    "warnings": lambda one: BETWEEN_WARNINGS.join(one.warnings),
    "model": lambda one: one.model,
    "phase": lambda one: one.phase,
    "phases_missing": lambda one: ", ".join(one.phases_missing),
    "is_synthetic": lambda one: one.synthetic,
}
"""What each column of an answer holds."""
_FAILURE: Final = ("failure_code", "failure_reason", "failure_remedy")
COLUMNS: Final = (
    *("patient_id", "status"),
    *_ANSWER,
    *_FAILURE,
    *("image", "research_use_only", "grader_sha256", "inputs_sha256"),
)
"""The columns of the table, in order."""
_BOM: Final = "\ufeff"
_ELSEWHERE: Final = "Name another file with --csv."


class AnswerTable:
    """The answers so far, in the order of the patients; made by :func:`open_answers`.

    Args:
        csv_path: The file.
        patients: All who are to be graded, in order.
        grader_sha256: Identifies the grader.
        settings: What was asked for, as the rows depend on it.
    """

    def __init__(
        self, csv_path: Path, patients: Sequence[NewPatient], grader_sha256: str, settings: Mapping[str, str]
    ) -> None:
        self._path, self._grader = csv_path, grader_sha256
        self._order = [patient.patient_id for patient in patients]
        known = self._known()
        now = {one.patient_id: inputs_sha256(one, settings=settings) for one in patients if one.patient_id in known}
        self._rows: dict[str, bytes] = {}
        for patient_id, cells in known.items():
            if cells["status"] == GRADED and cells["inputs_sha256"] == now[patient_id]:
                self._rows[patient_id] = _encoded(cells[column] for column in COLUMNS)
        self.kept: frozenset[str] = frozenset(self._rows)
        """The patients who need not be graded again."""
        self._write()

    def add(self, one: PatientGrading) -> None:
        """Enter an answer or a failure; the file is replaced whole.

        Args:
            one: What came of a patient.

        Raises:
            WriteError: The file cannot be written; it is then as before.
        """
        self._rows[one.patient_id] = _encoded(cells_of(one, self._grader).values())
        self._write()

    def _write(self) -> None:
        rows = [self._rows[patient] for patient in self._order if patient in self._rows]
        content = b"".join([_BOM.encode(), _encoded(COLUMNS), *rows])
        with replaced(self._path) as temporary_path:
            temporary_path.write_bytes(content)

    def _known(self) -> dict[str, dict[str, str]]:
        """The rows of an earlier call, by patient.

        Raises:
            InputError: The file is another one, or holds answers of another grader or for other patients.
        """
        known: dict[str, dict[str, str]] = {}
        for cells in _read(self._path):
            if cells["patient_id"] in known:
                raise _refused(self._path, f"holds patient {cells['patient_id']} twice")
            known[cells["patient_id"]] = cells
        if any(cells["grader_sha256"] != self._grader for cells in known.values()):
            raise _refused(self._path, "holds answers of another grader")
        if others := sorted(known.keys() - set(self._order)):
            raise _refused(self._path, f"holds {len(others)} patients who are not to be graded, such as {others[0]}")
        return known


@contextmanager
def open_answers(
    csv_path: Path, patients: Sequence[NewPatient], grader_sha256: str, *, settings: Mapping[str, str] | None = None
) -> Iterator[AnswerTable]:
    """Open the table of answers, as the only process that writes it.

    Rows of an earlier call stay if they are answers of the same grader for the same inputs. All other patients are to
    be graded, also those who failed.

    Args:
        csv_path: The file; missing, empty, or a table of an earlier call.
        patients: All who are to be graded, in order.
        grader_sha256: Identifies the grader.
        settings: What was asked for, as the rows depend on it.

    Raises:
        InputError: The file is no table of answers, or holds those of another grader or of further patients.
        RunError: Another process writes it.
        WriteError: It cannot be written.
    """
    check_replaceable(csv_path)
    with only_writer_of(csv_path):
        remove_leftovers(csv_path.parent, is_ours=csv_path.name.__eq__)
        yield AnswerTable(csv_path, patients, grader_sha256, settings or {})


def cells_of(one: PatientGrading, grader_sha256: str) -> dict[str, object]:
    """Return a row of the table by column; True and False are 1 and 0, and what is not known is empty.

    Args:
        one: What came of a patient.
        grader_sha256: Identifies the grader.
    """
    answer = {name: None if one.grading is None else value(one.grading) for name, value in _ANSWER.items()}
    failure = (None,) * 3 if one.failure is None else (one.failure.code, one.failure.reason, one.failure.remedy)
    cells = {
        "patient_id": one.patient_id,
        "status": one.status,
        **answer,
        **dict(zip(_FAILURE, failure, strict=True)),
        "image": one.image,
        "research_use_only": RESEARCH_USE_ONLY,
        "grader_sha256": grader_sha256,
        "inputs_sha256": one.inputs_sha256,
    }
    return {name: int(value) if isinstance(value, bool) else value for name, value in cells.items()}


def _encoded(cells: Iterable[object]) -> bytes:
    stream = io.StringIO(newline="")
    RowWriter(stream).write_row(cells)
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _read(csv_path: Path) -> list[dict[str, str]]:
    """The rows of a table of answers; none if it is missing or empty."""
    try:
        text = csv_path.read_text(encoding="utf-8-sig", errors="strict")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise _refused(csv_path, "is no table that `nephrograde predict` wrote") from None
    except OSError as error:
        raise RunError(f"{csv_path} cannot be read ({error.strerror}). Check its permissions.") from None
    if not text.strip():
        return []
    try:
        heading, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        heading, rows = [], []
    if tuple(heading) != COLUMNS or any(len(cells) != len(COLUMNS) for cells in rows):
        raise _refused(csv_path, "is no table that this version of `nephrograde predict` wrote")
    return [dict(zip(COLUMNS, map(as_read, cells), strict=True)) for cells in rows]


def _refused(csv_path: Path, what: str) -> InputError:
    return InputError([Problem(str(csv_path), what, _ELSEWHERE)])
