"""Many patients graded one after the other, with a table of answers, DICOM objects and pictures if they are wanted."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nephrograde.arguments import COUNT, PATH, PATHS, TEXT, Kind, checked
from nephrograde.errors import InputError, Problem
from nephrograde.export.dicom.objects import grade_to_dicom
from nephrograde.predict.grader import Grader
from nephrograde.predict.many.gather import gather
from nephrograde.predict.many.stream import stream
from nephrograde.predict.many.table import open_answers
from nephrograde.replacement import make_folder
from nephrograde.volume.dicom.references import require_highdicom

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.predict.grading import Grading
    from nephrograde.predict.many.outcome import PatientGrading
    from nephrograde.predict.many.patient import NewPatient

_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]|[. ]$|^[. ]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST_BYTES: Final = 200
_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written besides the answers.

    Attributes:
        dicom_dir: The folder of DICOM objects, in a subfolder for each patient; None for none.
        picture_dir: The folder of pictures, ``<patient>.png``; None for none.
        table_path: The table of answers; None for none.
    """

    dicom_dir: Path | None = None
    picture_dir: Path | None = None
    table_path: Path | None = None

    def prepare(self, grader: Grader, patients: Sequence[NewPatient]) -> None:
        """Check all that can be checked before a scan is read, and make the folders.

        Args:
            grader: The grader.
            patients: Whom to grade.

        Raises:
            InputError: highdicom is not installed, a picture is wanted of several phases or in one file, or a patient's
                id cannot name a file.
            WriteError: A folder cannot be made.
        """
        problems = []
        if self.dicom_dir is not None:
            require_highdicom("--dicom")
        if self.picture_dir is not None and grader.is_joined:
            problems.append(Problem("--picture", "is drawn of one scan", "Grade with the model of a single phase."))
        elif self.picture_dir is not None and self.picture_dir.suffix.casefold() == ".png":
            what = "is a file, where the folder of <patient>.png belongs"
            problems.append(Problem("--picture", what, "Name a folder."))
        folders = [one for one in (self.dicom_dir, self.picture_dir) if one is not None]
        wrong = [one.patient_id for one in patients if not _names_a_file(one.patient_id)] if folders else []
        for patient_id in wrong[:_LISTED]:
            what = f"the id {patient_id!r} cannot name a folder or file"
            problems.append(Problem("patient_id", what, "Give the patient another id, or leave out the files."))
        if problems:
            raise InputError(problems)
        for folder in folders:
            make_folder(folder)

    def named(self) -> dict[str, str]:
        """What is written besides the table, by which a later call knows whether it is there."""
        folders = {"dicom": self.dicom_dir, "picture": self.picture_dir}
        return {name: str(folder.absolute()) for name, folder in folders.items() if folder is not None}

    def grade(self, grader: Grader, patient: NewPatient) -> Grading:
        """Grade a patient, and write the files.

        Args:
            grader: The grader.
            patient: The patient.

        Raises:
            NephrogradeError: As ``Grader.examine`` and ``grade_to_dicom``.
        """
        picture = None if self.picture_dir is None else self.picture_dir / f"{patient.patient_id}.png"
        if self.dicom_dir is None:
            return grader.examine(patient.scans, grader.values_of(patient.clinical), picture=picture).grading
        given: dict[str, Any] = {**patient.given(), "picture": picture, "clinical": dict(patient.clinical) or None}
        written = grade_to_dicom(grader, out_dir=self.dicom_dir / patient.patient_id, **given)
        unwritten = [
            f"The mask of {phase} is not written: its series names no frame of reference." for phase in written.left_out
        ]
        return replace(written.grading, warnings=(*written.grading.warnings, *unwritten))


@dataclass(frozen=True, slots=True)
class Batch:
    """Patients who are being graded.

    Attributes:
        answers: In the order of the patients; one who is in the table already has none.
        kept: The patients who are in the table already.
    """

    answers: Iterator[PatientGrading] = field(repr=False)
    kept: frozenset[str] = frozenset()


def begin(
    grader: Grader, patients: Sequence[NewPatient], outputs: Outputs, stack: ExitStack, *, workers: int | None = None
) -> Batch:
    """Open the table of answers, and begin to grade the patients who are not in it.

    Args:
        grader: The grader.
        patients: Whom to grade.
        outputs: What is written.
        stack: Holds the table as long as it is written.
        workers: As for :func:`grade_many`.

    Raises:
        InputError: As :meth:`Outputs.prepare`, or the table is another one.
        RunError: Another process writes the table.
        WriteError: A folder or the table cannot be written.
    """
    outputs.prepare(grader, patients)
    settings, table = {**outputs.named(), "outside": grader.outside}, None
    if outputs.table_path is not None:
        table = stack.enter_context(open_answers(outputs.table_path, patients, grader.sha256, settings=settings))
    kept: frozenset[str] = frozenset() if table is None else table.kept
    rest = [one for one in patients if one.patient_id not in kept]

    def answers() -> Iterator[PatientGrading]:
        for one in stream(grader, rest, partial(outputs.grade, grader), settings=settings, workers=workers):
            if table is not None:
                table.add(one)
            yield one

    return Batch(answers(), kept)


@checked(
    grader=Kind(lambda value: isinstance(value, Grader), "Give what load_grader returns."),
    patients=PATHS,
    annotations=PATH,
    csv=PATH,
    dicom=PATH,
    pictures=PATH,
    encoding=TEXT,
    workers=COUNT,
)
def grade_many(
    grader: Grader,
    patients: str | Path | Sequence[str | Path],
    *,
    annotations: str | Path | None = None,
    csv: str | Path | None = None,
    dicom: str | Path | None = None,
    pictures: str | Path | None = None,
    encoding: str | None = None,
    workers: int | None = None,
) -> Iterator[PatientGrading]:
    """Grade many patients one after the other, some of them read ahead in threads.

    Patients who cannot be graded do not stop the others: their answer says why. What can be refused before a scan is
    read is refused when the function is called, ``csv`` when the first answer is asked for.

    Args:
        grader: From :func:`~nephrograde.load_grader`.
        patients: A cohort table (CSV, TSV or XLSX; grades are not needed); or, for a model of one phase, a folder with
            one subfolder or image file for each patient, or a list of scans. A patient is called as in the table, or as
            the folder or file without its ending.
        annotations: The folder that ``nephrograde annotate`` wrote, with the labels of one reader, or the table
            ``<reader>.csv`` in it; they replace those of the table.
        csv: A table of answers to write, one row for each patient, which is replaced whole after each of them. If it
            holds answers of the same grader for the same inputs, these patients are not graded again.
        dicom: A folder to write DICOM objects to, as :func:`~nephrograde.grade_to_dicom` does, in a subfolder for each
            patient.
        pictures: A folder to write pictures of the regions to, ``<patient>.png``.
        encoding: The encoding of a table in text; detected when None.
        workers: Threads, each of which holds one patient's scans; as many as there are processors, at most 4, when
            None.

    Returns:
        The answers in the order of the patients, each as soon as it is there; with ``csv``, only the new ones.

    Raises:
        InputError: An argument is of another kind, the table has mistakes, no patient is found or has the annotation
            that the model needs, or ``csv`` is another file or one of another grader.
        GraderError: The grader cannot be used.
        RunError: The networks of a run cannot be read, or another process writes ``csv``.
        WriteError: What is to be written cannot be written.

    >>> import nephrograde as ng
    >>> def print_answers(grader_path, table_path):
    ...     for one in ng.grade_many(ng.load_grader(grader_path), table_path, csv="answers.csv"):
    ...         print(one.patient_id, one.grading.p_high if one.grading else one.failure)
    """
    images = [Path(patients)] if isinstance(patients, str | Path) else [Path(one) for one in patients]
    table, dicom_dir, picture_dir, labels = (
        None if one is None else Path(one) for one in (csv, dicom, pictures, annotations)
    )
    found = gather(grader, images, annotations=labels, encoding=encoding).patients
    outputs = Outputs(dicom_dir, picture_dir, table)

    def answers() -> Iterator[PatientGrading]:
        with ExitStack() as stack:
            yield from begin(grader, found, outputs, stack, workers=workers).answers

    return answers()


def _names_a_file(patient_id: str) -> bool:
    """Whether an id can be the name of a folder or file on any system.

    >>> [_names_a_file(one) for one in ("张三-1", "P/1", "..", "con", "P1.")]
    [True, False, False, False, False]
    """
    is_short = len(patient_id.encode("utf-8", "replace")) <= _LONGEST_BYTES
    return is_short and bool(patient_id) and not (_UNSAFE.search(patient_id) or _RESERVED.fullmatch(patient_id))
