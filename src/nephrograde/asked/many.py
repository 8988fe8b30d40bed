"""The answers for many patients on the terminal: each as soon as it is there, and at the end who was not graded."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import counted
from nephrograde.terminal import say
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.export.many import Outputs
    from nephrograde.predict.grader import Grader
    from nephrograde.predict.grading import Grading
    from nephrograde.predict.many.gather import Patients
    from nephrograde.predict.many.outcome import PatientGrading

ALL_GRADED, SOME_FAILED = 0, 1
"""Exit codes; that of a refusal is 2, and that of Ctrl-C 130."""


def are_many_patients(grader: Grader, images: Sequence[Path]) -> bool:
    """Whether the images of a command are many patients, and not one for whom phases are named.

    Args:
        grader: The grader.
        images: As typed.
    """
    from nephrograde.predict.many.folder import are_many

    if not grader.is_joined:
        return are_many(images)
    return len(images) == 1 and str(images[0]).partition("=")[0] not in grader.phases and are_many(images)


def refuse_options_of_one(texts: Mapping[str, object]) -> None:
    """Refuse places and values that belong to a single patient.

    Args:
        texts: What was given, by option.

    Raises:
        InputError: Anything was given.
    """
    remedy = "Give it in a table with the columns of a cohort table, or annotations with --annotations."
    problems = [
        Problem(f"--{name.replace('_', '-')}", "is of one patient, but many are graded", remedy) for name in texts
    ]
    if problems:
        raise InputError(problems)


def patient_alone(grader: Grader, places: Mapping[str, Any]) -> Patients:
    """Make the one patient of a command that also writes a table or takes annotations.

    Args:
        grader: The grader.
        places: The images with what was given for them, as the grader takes it.
    """
    from nephrograde.predict.given import given_scans
    from nephrograde.predict.many.folder import name_of
    from nephrograde.predict.many.gather import Patients
    from nephrograde.predict.many.patient import NewPatient

    scans = given_scans(grader, {name: value for name, value in places.items() if name != "clinical" and value})
    first = next(iter(scans.values())).image_path
    return Patients((NewPatient(name_of(first), scans, places.get("clinical") or {}),))


def answer_many(grader: Grader, found: Patients, outputs: Outputs, *, workers: int | None, as_json: bool) -> int:
    """Grade patients, print each answer as soon as it is there, and return the exit code.

    Args:
        grader: The grader.
        found: Whom to grade.
        outputs: What is written.
        workers: Threads; None for as many as there are processors.
        as_json: Whether to print an object in each line.
    """
    from nephrograde.export.many import begin

    for note in found.notes:
        say(told(note), err=True)
    failed = []
    with ExitStack() as stack:
        batch = begin(grader, found.patients, outputs, stack, workers=workers)
        _print_beginning(grader, len(found.patients), len(batch.kept), err=as_json)
        for one in batch.answers:
            say(json.dumps(one.as_dict(), ensure_ascii=False) if as_json else _in_words(one))
            failed += [one] if one.failure is not None else []
    _print_end(failed, len(found.patients), outputs, err=as_json)
    return SOME_FAILED if failed else ALL_GRADED


def _print_beginning(grader: Grader, n: int, n_kept: int, *, err: bool) -> None:
    trained = t(" (trained on SYNTHETIC data)") if grader.study.synthetic else ""
    patients, threshold = counted(n, "patient"), f"{grader.threshold.value:.3f}"
    say(
        t(
            "{model}{trained} grades {patients} at the threshold {threshold}.",
            model=grader.model,
            trained=trained,
            patients=patients,
            threshold=threshold,
        ),
        err=err,
    )
    say(t(RESEARCH_USE_ONLY), err=err)
    if n_kept:
        say(t("In the table already, and not graded again: {n}.", n=n_kept), err=True)


def _in_words(one: PatientGrading) -> str:
    if one.grading is None:
        code = "" if one.failure is None else one.failure.code
        return t("{patient}: not graded ({code})", patient=one.patient_id, code=code)
    lines = [_answer(one.patient_id, one.grading)]
    lines += [told(line) for line in one.grading.certainty()]
    lines += [told(line) for line in one.grading.rare()]
    lines += [told(f"warning: {warning}") for warning in one.grading.warnings]
    return "\n  ".join(lines)


def _answer(patient_id: str, grading: Grading) -> str:
    from nephrograde.predict.grading import digits_apart

    low, high = min(grading.p_high_of_folds), max(grading.p_high_of_folds)
    digits = digits_apart(grading.p_high, grading.threshold)
    numbers = {"p": f"{grading.p_high:.{digits}f}", "low": f"{low:.3f}", "high": f"{high:.3f}"}
    if grading.call == "high":
        return t("{patient}: high grade, p(high) = {p}; folds {low} to {high}", patient=patient_id, **numbers)
    return t("{patient}: low grade, p(high) = {p}; folds {low} to {high}", patient=patient_id, **numbers)


def _print_end(failed: Sequence[PatientGrading], n: int, outputs: Outputs, *, err: bool) -> None:
    if failed:
        say(t("Not graded:"), err=True)
    for one in failed:
        say(f"  {one.patient_id}{t(': ')}{told(str(one.failure))}", err=True)
    say(t("Graded: {n} of {total}.", n=n - len(failed), total=counted(n, "patient")), err=err)
    for path in (outputs.table_path, outputs.dicom_dir, outputs.picture_dir):
        if path is not None:
            say(t("Written: {path}", path=path), err=err)
