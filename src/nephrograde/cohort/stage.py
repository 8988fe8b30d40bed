"""The cohort stage: read the study and its table, and draw the split once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nephrograde.cohort.annotated import find_annotations
from nephrograde.cohort.origin import keep_origin
from nephrograde.cohort.reader_error import reader_error_mm
from nephrograde.cohort.scanned import find_scanned_table
from nephrograde.cohort.split import draw_split, read_split, write_split
from nephrograde.cohort.table import read_cohort, write_cases
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.files import read_json, sha256_of
from nephrograde.run.provenance import ANNOTATIONS, COHORT_TABLE, read_lock, write_lock
from nephrograde.sheet import clean_heading, open_sheet
from nephrograde.study import CohortSettings, restore_study
from nephrograde.study.file import load_study, salvage_study

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study

_IMAGE = "_image"
_OF_TABLE = (COHORT_TABLE, ANNOTATIONS)


def load_inputs(
    study_path: Path, overrides: tuple[str, ...] = (), *, tell: Callable[[str], None] = lambda _note: None
) -> Study:
    """Read the study file and check the cohort table in one pass.

    Args:
        study_path: The study file.
        overrides: Keys to replace, like ``fit.epochs=2``.
        tell: Called with each sentence on how the table was read, where that was a choice.

    Raises:
        InputError: If either contains mistakes; the error lists all of them.
    """
    study, problems = salvage_study(study_path, overrides)
    if study is not None:
        cohort, faults = read_cohort(study.cohort, study.split)
        problems = [*problems, *faults]
        if study.annotation.error_mm == "readers":
            problems += _readers_problems(study)
        if cohort is not None:
            problems += arm_problems(study, cohort)
        for note in () if cohort is None else cohort.notes:
            tell(note)
    if problems or study is None:
        raise InputError(problems)
    return study


def arm_problems(study: Study, cohort: Cohort) -> list[Problem]:
    """List what the arms need of the cohort and it does not have: grades, and clinical columns to join.

    Args:
        study: The study.
        cohort: Its patients.
    """
    return [*ordinal_problems(study, cohort), *_clinical_problems(study, cohort)]


def _clinical_problems(study: Study, cohort: Cohort) -> list[Problem]:
    """The columns that arms join with the images, but that are not in the table, or hold grades or files."""
    known = ", ".join(cohort.clinical_columns)
    remedy = f"The clinical columns of {study.cohort.table.name} are {known}." if known else "Leave it out."
    return [
        Problem(f"arm.{arm.name}.clinical", f"'{column}' is not a clinical column", remedy)
        for arm in study.arm
        for column in arm.clinical
        if clean_heading(column) not in cohort.clinical_columns
    ]


def ordinal_problems(study: Study, cohort: Cohort) -> list[Problem]:
    """List the arms with an ordinal head whose grades 1 to 4 the cohort does not have.

    Args:
        study: The study.
        cohort: Its patients.
    """
    settings = study.cohort
    arms = [arm.name for arm in study.arm if arm.head == "ordinal"]
    found = {case.grade for case in cohort.cases}
    missing = [str(grade) for grade in (1, 2, 3, 4) if grade not in found]
    if not arms or not missing:
        return []
    place = f"{settings.table.name}, column {settings.columns.get(settings.outcome, settings.outcome)}"
    remedy = f'Set arm.{arms[0]}.head = "binary", or name a column of grades in cohort.outcome.'
    if found <= {None}:
        what = f"holds 0 and 1, but the ordinal head of arm {arms[0]} learns the grades 1 to 4"
        return [Problem(place, what, remedy)]
    grades = " or ".join(missing)
    what = f"has no patient of grade {grades}, but the ordinal head of arm {arms[0]} learns the grades 1 to 4"
    return [Problem(place, what, remedy)]


def _readers_problems(study: Study) -> list[Problem]:
    try:
        reader_error_mm(study.cohort.annotations)
    except InputError as error:
        return error.problems
    return []


def load_source(source_path: Path, encoding: str | None = None) -> tuple[Study | None, CohortSettings]:
    """Read which cohort a study file or a cohort table is about, without its patients.

    Args:
        source_path: A study file (.toml), a cohort table, or the output folder of a scan. Of a table, every phase with
            a column of images counts, and it may have no rows.
        encoding: The encoding of a CSV table; None detects it.

    Returns:
        The study, None for a table; and the ``[cohort]`` section.

    Raises:
        InputError: If the study has mistakes, or the table cannot be read or has no column of images.
    """
    if source_path.suffix.casefold() == ".toml":
        study = load_study(source_path, () if encoding is None else (f'cohort.encoding="{encoding}"',))
        return study, study.cohort
    if source_path.is_dir():
        source_path = find_scanned_table(source_path)
    sheet, problems = open_sheet(source_path, encoding)
    if sheet is None or (problems and sheet.rows):
        raise InputError(problems)
    phases = tuple(heading.removesuffix(_IMAGE) for heading in sheet.headings if heading.endswith(_IMAGE))
    if not phases:
        remedy = "Add a column such as np_image, or name a study file that maps the headings."
        raise InputError([Problem(sheet.name, "has no column of images", remedy)])
    return None, CohortSettings(table=source_path, phases=phases, encoding=encoding)


def open_cohort(study: Study, run: RunFolder, *, command: str = "") -> tuple[Cohort, Split]:
    """Read the table, write ``cases.csv`` and the lock file, and draw the split or read the existing one.

    Args:
        study: The resolved study.
        run: The run folder.
        command: The command line, for the lock file.

    Raises:
        InputError: If the table contains mistakes; the error lists all of them.
        RunError: If the split was drawn for other patients or by other rules, or ``sources.json`` beside the table is
            damaged.
    """
    cohort, problems = read_cohort(study.cohort, study.split)
    problems += [] if cohort is None else arm_problems(study, cohort)
    if problems or cohort is None:
        raise InputError(problems)
    is_drawn = run.split_path.exists()
    if is_drawn and not run.is_run():
        raise RunError(f"{run.split_path} was not written by a run. Name another folder with --out.")
    if is_drawn:
        _check_same_split(study, cohort, run)
    inputs = {name: digest for name, digest in _image_inputs(run).items() if name not in _OF_TABLE}
    inputs |= table_inputs(study)
    write_lock(study, run, inputs=inputs, command=command, has_dicom=cohort.has_dicom)
    keep_origin(study.cohort.table, run.origin_path)
    write_cases(cohort, run.cases_path)
    if not is_drawn:
        write_split(draw_split(cohort, study.split), run.split_path)
    return cohort, read_split(run.split_path)


def reopen_cohort(study: Study, run: RunFolder) -> tuple[Cohort, Split]:
    """Read the patients and the split of a run that is open, and write nothing, as other processes may be at work.

    Args:
        study: The resolved study.
        run: The run folder; its scans are prepared.

    Raises:
        InputError: If the table contains mistakes; the error lists all of them.
        RunError: The folder is not that of a run, or was opened for another study, table or annotations.
    """
    if not run.is_run() or not run.split_path.exists():
        raise RunError(f"{run.run_dir} is not prepared. Run `nephrograde prepare` on the study first.")
    cohort, problems = read_cohort(study.cohort, study.split)
    if problems or cohort is None:
        raise InputError(problems)
    _check_same_split(study, cohort, run)
    lock = read_lock(run)
    opened = {name: digest for name, digest in lock["inputs"].items() if name in _OF_TABLE}
    if without_places(restore_study(lock["study"])) != without_places(study) or opened != table_inputs(study):
        raise RunError(
            f"{run.run_dir} was opened for another study: its settings, the cohort table or the annotations differ. "
            "Give the same --set as then, or run `nephrograde prepare` on the study first."
        )
    return cohort, read_split(run.split_path)


def without_places(study: Study) -> dict[str, Any]:
    """Return what results depend on, without the places of tables, which other machines may call by other names.

    Args:
        study: The resolved study.
    """
    content = study.sealed()
    content["cohort"] = {key: value for key, value in content["cohort"].items() if key not in {"table", "annotations"}}
    return content


def table_inputs(study: Study) -> dict[str, str]:
    """Return the SHA-256 of the cohort table and of the annotations, by their names in the lock file.

    Args:
        study: The resolved study.
    """
    inputs = {COHORT_TABLE: sha256_of(study.cohort.table)}
    if study.cohort.annotations is not None:
        inputs[ANNOTATIONS] = sha256_of(find_annotations(study.cohort.annotations))
    return inputs


def _image_inputs(run: RunFolder) -> dict[str, str]:
    """What the prepare stage has found, even if it was interrupted before it was entered into the lock file."""
    earlier: dict[str, str] = read_lock(run).get("inputs", {}) if run.is_run() else {}
    with suppress(RunError):
        return {**earlier, **read_json(run.image_inputs_path)}
    return earlier


def _check_same_split(study: Study, cohort: Cohort, run: RunFolder) -> None:
    saved = set(read_split(run.split_path).assignments)
    now = {case.patient_id for case in cohort.cases}
    if saved != now:
        raise RunError(
            f"The split in {run.run_dir} was drawn for other patients ({len(now - saved)} are new, "
            f"{len(saved - now)} have gone). Name another folder with --out, so that no test patient is ever "
            "trained on."
        )
    drawn_by = read_lock(run)["study"].get("split") or {}
    now_drawn_by = study.split.drawing()
    if {key: drawn_by.get(key) for key in now_drawn_by} != now_drawn_by:
        raise RunError(
            f"The split in {run.run_dir} was drawn by other rules ([split] has changed since). "
            "Change it back, or name another folder with --out."
        )
