"""Answers one after the other: some patients are read and graded ahead in threads, so that memory stays bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.errors import GraderError, WriteError
from nephrograde.predict.many.outcome import PatientGrading, failure_of
from nephrograde.predict.many.patient import inputs_sha256
from nephrograde.threads import in_order, one_processor_each, usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nephrograde.predict.grader import Grader
    from nephrograde.predict.grading import Grading
    from nephrograde.predict.many.patient import NewPatient

MOST_WORKERS = 4
"""More threads than this hold more scans in memory than they save time."""
_AHEAD = 2
"""Patients that have begun or are waiting, or whose answers wait for one before them, for each thread."""


def stream(
    grader: Grader,
    patients: Iterable[NewPatient],
    grade: Callable[[NewPatient], Grading],
    *,
    settings: Mapping[str, str] | None = None,
    workers: int | None = None,
) -> Iterator[PatientGrading]:
    """Grade patients one after the other; a patient who cannot be graded does not stop the others.

    At most ``workers`` scans are in memory at once.

    Args:
        grader: The grader; its networks are loaded before the first patient.
        patients: Whom to grade.
        grade: Grades one patient, also in several threads at once.
        settings: What was asked for, by which a later call knows whether an answer still holds.
        workers: Threads; as many as there are processors, at most 4, when None.

    Yields:
        Answers in the order of the patients, each as soon as it is there.

    Raises:
        GraderError: The grader cannot be used.
        RunError: The networks of a run cannot be read.
        WriteError: What ``grade`` writes cannot be written.
    """
    grader.load()

    def answer(patient: NewPatient) -> PatientGrading:
        own = PatientGrading(
            patient.patient_id, patient.image, inputs_sha256=inputs_sha256(patient, settings=settings or {})
        )
        if patient.refusal is not None:
            return replace(own, failure=failure_of(patient.refusal, patient.image))
        try:
            return replace(own, grading=grade(patient))
        except (GraderError, WriteError):  # the next patient would have the same
            raise
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one scan, the others are graded)
            return replace(own, failure=failure_of(error, patient.image))

    n_workers = workers or min(usable_processors(), MOST_WORKERS)
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="nephrograde-grade")
    with one_processor_each():
        try:
            yield from in_order(lambda patient: pool.submit(answer, patient), patients, ahead=n_workers * _AHEAD)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
