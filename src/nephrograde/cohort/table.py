"""The cohort table: one row per patient, read into cases, with all mistakes reported at once.

A column is identified by its standard name or by the heading in ``cohort.columns``. Missing image files are not checked
here: they become findings when the volume is read, and exclude one scan instead of stopping the study.
"""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nephrograde.cohort.annotated import annotate_cohort, read_annotations
from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.columns import CLINICAL_NUMBERS, name_columns
from nephrograde.cohort.place import (
    Box,
    Point,
    SlicePlace,
    parse_box,
    parse_point,
    parse_slice,
)
from nephrograde.cohort.rows import Faults, Row, check_ids, read_outcomes
from nephrograde.cohort.split import CLASS_WORDS, split_problems
from nephrograde.errors import InputError, PlaceError, Problem
from nephrograde.files import write_rows
from nephrograde.sheet import is_nothing, open_sheet
from nephrograde.study import SplitSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nephrograde.cohort.columns import Columns
    from nephrograde.sheet import Sheet
    from nephrograde.study import CohortSettings

P = TypeVar("P", Point, Box, SlicePlace)

_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LARGEST_PIXEL_MM = 10.0  # no exported slice is coarser
_MOST_GROUPS = 10  # different numbers in a column to stratify by


def read_table(table_path: Path, encoding: str | None = None) -> list[dict[str, str]]:
    """Read any table into rows of text by heading.

    Use it for tables other than a cohort's, which ``read_cohort`` reads.

    Args:
        table_path: CSV, text separated by tabs or semicolons, or XLSX; see ``sheet.open_sheet``.
        encoding: The encoding of a text file; None detects it.

    Returns:
        The non-empty rows; all cells are stripped text.

    Raises:
        InputError: If the file is not a valid table; the error lists every problem.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "队列.csv").write_bytes("病案号;分级 ,1001;3".replace(",", chr(10)).encode("gb18030"))
    ...     read_table(Path(folder, "队列.csv"))
    [{'病案号': '1001', '分级': '3'}]
    """
    sheet, problems = open_sheet(table_path, encoding)
    if sheet is None or problems:
        raise InputError(problems)
    return [cells for _, cells in sheet.rows]


def read_cohort(settings: CohortSettings, split: SplitSettings | None) -> tuple[Cohort | None, list[Problem]]:
    """Read the cohort table, and report everything that is wrong with it for this study.

    Grades 3 and 4 are high, as in the paper. A patient without an image in one phase still takes part in the others.
    A patient without an image in any phase is left out, and the rest of the row is not checked. The labels of
    ``cohort.annotations`` replace those of the table. The existence of the image files is not checked here.

    Args:
        settings: The ``[cohort]`` section.
        split: The ``[split]`` section; whether there are enough patients for it is checked as well. None if the
            patients are not split, because nothing is learnt from them.

    Returns:
        The cohort, None if there are problems; and the problems.

    >>> import tempfile
    >>> from nephrograde.study import CohortSettings, SplitSettings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = ["patient_id,isup_grade,cmp_image", *(f"P{i},{i % 4 + 1},images/{i}.nii.gz" for i in range(40))]
    ...     _ = Path(folder, "cohort.csv").write_text(chr(10).join([*rows, "P7,5,images/x.nii.gz"]), encoding="utf-8")
    ...     settings = CohortSettings(table=Path(folder, "cohort.csv"), phases=("cmp",))
    ...     for problem in read_cohort(settings, SplitSettings())[1]:
    ...         print(problem.place, "|", problem.what)
    cohort.csv row 42, column patient_id | patient P7 is already in row 9
    cohort.csv row 42, column isup_grade | patient P7: grade 5 is not a WHO/ISUP grade
    """
    sheet, problems = open_sheet(settings.table, settings.encoding)
    if sheet is None:
        return None, problems
    columns, column_problems = name_columns(sheet, settings, split or SplitSettings())
    rows = [Row(number, columns.rename(cells)) for number, cells in sheet.rows]
    faults = Faults(columns)
    check_ids(rows, faults)
    scans = read_all_scans(rows, settings, faults)
    phases = [phase for phase in settings.phases if f"{phase}_image" in columns.heading_of]
    present = [row for row in rows if scans[row.label]]
    if not present:  # the other mistakes are reported as well
        problems += no_scan_problems(phases, settings, columns) if rows else []
        present, phases = rows, []
    truths = read_outcomes(present, columns.outcome, faults)
    clinical = _read_clinical(present, columns.clinical, faults)
    split_column = _read_split_column(present, columns.split, faults) if columns.split else None
    problems += column_problems + faults.problems()
    counted = partial(_counted, n_unread=len(present) - len(truths), n_without=len(rows) - len(present))
    if split is not None:
        if split.column is None or split_column is not None:
            problems += counted(*_class_problems(truths, split, split_column))
        problems += counted(_phase_problems(truths, scans, phases=phases, folds=split.folds), len(truths))
    problems += _stratify_problems(clinical, columns)
    annotations, annotation_problems = read_annotations(settings.annotations) if settings.annotations else (None, [])
    problems += annotation_problems
    if problems:
        return None, problems
    cases = tuple(Case(row.label, *truths[row.label], scans[row.label], clinical[row.label]) for row in present)
    without_scan = tuple(row.label for row in rows if not scans[row.label])
    cohort = Cohort(cases, settings.phases, columns.clinical, split_column, columns.notes(sheet), without_scan)
    if annotations is not None:
        cohort, problems = annotate_cohort(cohort, annotations)
    return (None, problems) if problems else (cohort, [])


def is_marked_synthetic(sheet: Sheet) -> bool:
    """Whether a column ``synthetic`` says so of every row.

    Args:
        sheet: A cohort table.

    >>> from nephrograde.sheet import Sheet
    >>> is_marked_synthetic(Sheet("cohort.csv", ("synthetic",), ((2, {"synthetic": "Yes"}),)))
    True
    """
    marks = [cells.get("synthetic", "").casefold() for _, cells in sheet.rows]
    return bool(marks) and set(marks) <= {"yes", "true", "1"}


def write_cases(cohort: Cohort, cases_path: Path) -> None:
    """Write ``cases.csv``: what the study read from the table, for later stages and for review.

    Args:
        cohort: The cohort.
        cases_path: The file to write. Columns: patient_id, is_high (0/1), grade (empty for a 0/1 outcome), the clinical
            columns and ``<phase>_image`` with the number of image files, empty where there is none. Paths stay in the
            table, because they may identify the patient.

    >>> import tempfile
    >>> cohort = Cohort((Case("P1", True, 3, {}, {"size_cm": 4.0}),), ("cmp",), ("size_cm",), None)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_cases(cohort, Path(folder, "cases.csv"))
    ...     read_table(Path(folder, "cases.csv"))
    [{'patient_id': 'P1', 'is_high': '1', 'grade': '3', 'size_cm': '4', 'cmp_image': ''}]
    """
    headings = ["patient_id", "is_high", "grade", *cohort.clinical_columns, *(f"{p}_image" for p in cohort.phases)]
    rows = (
        {"patient_id": case.patient_id, "is_high": int(case.is_high), "grade": case.grade}
        | {column: _as_text(value) for column, value in case.clinical.items()}
        | {f"{phase}_image": len(scan.image_paths) for phase, scan in case.scans.items() if phase in cohort.phases}
        for case in cohort.cases
    )
    write_rows(cases_path, headings, rows)


def _as_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def read_all_scans(rows: list[Row], settings: CohortSettings, faults: Faults) -> dict[str, dict[str, Scan]]:
    """Read the scans of every patient: images and annotations by phase.

    Args:
        rows: The table.
        settings: The ``[cohort]`` section; paths start from the folder of its table.
        faults: Collects the mistakes.

    Returns:
        By patient and phase; a patient without an image has none.
    """
    base_dir = settings.table.parent
    first_use: dict[Path, tuple[str, str]] = {}
    scans: dict[str, dict[str, Scan]] = {}
    for row in rows:
        found = {phase: _read_scan(row, phase, base_dir=base_dir, faults=faults) for phase in settings.phases}
        scans[row.label] = {phase: scan for phase, scan in found.items() if scan is not None}
        images = [(phase, path) for phase, scan in scans[row.label].items() for path in scan.image_paths]
        for phase, path in images:
            image_path = Path(os.path.normpath(path))
            owner, owner_phase = first_use.setdefault(image_path, (row.label, phase))
            if (owner, owner_phase) != (row.label, phase):
                what = f": this image is also that of patient {owner}, phase {owner_phase}"
                remedy = "Give every scan its own image; a shared one would leak from training to test."
                faults.add(row, f"{phase}_image", what=what, remedy=remedy)
    return scans


def _read_scan(row: Row, phase: str, *, base_dir: Path, faults: Faults) -> Scan | None:
    image, mask, kidneys = (row.cell(f"{phase}_{kind}") for kind in ("image", "mask", "kidneys"))
    point = _read_place(row, f"{phase}_point", parse=parse_point, faults=faults)
    box = _read_place(row, f"{phase}_box", parse=parse_box, faults=faults)
    slice_place = _read_place(row, f"{phase}_slice", parse=parse_slice, faults=faults)
    pixel_mm = _read_pixel_size(row, f"{phase}_pixel_mm", faults)
    image_paths = [_as_path(text, base_dir) for text in image.split(";") if text.strip()]
    if image_paths:
        mask_path = _as_path(mask, base_dir) if mask else None
        return Scan(
            phase,
            image_paths[0],
            mask_path,
            point,
            box,
            slice_place,
            further_paths=tuple(image_paths[1:]),
            pixel_mm=pixel_mm,
            kidneys_path=_as_path(kidneys, base_dir) if kidneys else None,
        )
    if f"{phase}_image" in faults.columns.heading_of:
        for column in (f"{phase}_{kind}" for kind in ("mask", "point", "box", "slice", "pixel_mm", "kidneys")):
            if row.cell(column):
                what = f": '{row.cell(column)}' is given, but {phase}_image is empty"
                faults.add(row, column, what=what, remedy="Fill in the image or clear this cell.")
    return None


def _read_place(row: Row, column: str, *, parse: Callable[[str], P], faults: Faults) -> P | None:
    text = row.cell(column)
    if not text:
        return None
    try:
        return parse(text)
    except PlaceError as error:
        faults.add(row, column, what=f": {error.what}", remedy=error.remedy)
    return None


def _read_pixel_size(row: Row, column: str, faults: Faults) -> float | None:
    text = unicodedata.normalize("NFKC", row.cell(column))
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or not 0 < float(text) <= _LARGEST_PIXEL_MM:
        remedy = f"Write the width of a pixel in mm, at most {_LARGEST_PIXEL_MM:g}, or leave the cell empty."
        faults.add(row, column, what=f": '{text}' is not a pixel size", remedy=remedy)
        return None
    return float(text)


def _as_path(text: str, base_dir: Path) -> Path:
    return base_dir / text.strip("\"' ").replace("\\", "/")


def _read_clinical(rows: list[Row], columns: tuple[str, ...], faults: Faults) -> dict[str, dict[str, str | float]]:
    clinical: dict[str, dict[str, str | float]] = {row.label: {} for row in rows}
    for column in columns:
        texts = [(row, unicodedata.normalize("NFKC", row.answer(column))) for row in rows if row.answer(column)]
        given = [text for _, text in texts if not is_nothing(text)]
        is_number = column in CLINICAL_NUMBERS or (bool(given) and all(map(_NUMBER.fullmatch, given)))
        for row, text in texts:
            if not is_number:
                clinical[row.label][column] = row.answer(column)
            elif is_nothing(text):
                continue
            elif _NUMBER.fullmatch(text):
                clinical[row.label][column] = float(text)
            else:
                remedy = "Write a plain number with a decimal point and no unit, or leave the cell empty."
                faults.add(row, column, what=f": '{text}' is not a number", remedy=remedy)
    return clinical


def _read_split_column(rows: list[Row], column: str, faults: Faults) -> dict[str, str]:
    names = {}
    for row in rows:
        name = row.cell(column).casefold()
        if name in {"train", "test"}:
            names[row.label] = name
        else:
            what = f": '{row.cell(column)}' is neither train nor test"
            faults.add(row, column, what=what, remedy="Write train or test in every row.")
    return names


def _class_problems(
    truths: Mapping[str, tuple[bool, int | None]],
    split: SplitSettings,
    split_column: Mapping[str, str] | None,
) -> tuple[list[Problem], int]:
    """Report classes with too few patients, and over how many patients they were counted."""
    is_high = {patient: truth[0] for patient, truth in truths.items()}
    if split_column is not None:
        is_high = {patient: high for patient, high in is_high.items() if patient in split_column}
        split_column = {patient: name for patient, name in split_column.items() if patient in is_high}
    return (split_problems(is_high, split, split_column) if is_high else []), len(is_high)


def _counted(problems: Iterable[Problem], n: int, *, n_unread: int, n_without: int) -> list[Problem]:
    """Add to problems of numbers which patients were counted, unless it was all of them."""
    note = f" (counted over the {n} patients whose row can be read)" if n_unread else ""
    note += f" (without {n_without} who have no image)" if n_without else ""
    return [dataclasses.replace(problem, what=problem.what + note) for problem in problems]


def no_scan_problems(phases: list[str], settings: CohortSettings, columns: Columns) -> list[Problem]:
    """Report that no patient has an image, unless all columns of images are missing, which is reported by itself.

    Args:
        phases: Those with a column of images.
        settings: The ``[cohort]`` section.
        columns: Those of the table.
    """
    if not phases:
        return []
    place = f"{columns.table_name}, column {columns.heading(f'{phases[0]}_image')}"
    what = f"no patient has an image in any phase ({', '.join(settings.phases)})"
    return [Problem(place, what, "Fill in the images, or correct cohort.phases.")]


def _phase_problems(
    truths: Mapping[str, tuple[bool, int | None]],
    scans: Mapping[str, Mapping[str, Scan]],
    *,
    phases: list[str],
    folds: int,
) -> list[Problem]:
    """Report phases that too few patients of a class have, although the cohort has enough of them."""
    problems = []
    for high in (False, True):
        patients = [patient for patient, truth in truths.items() if truth[0] == high]
        for phase in phases if len(patients) >= folds else ():
            n_scans = sum(phase in scans[patient] for patient in patients)
            if n_scans < folds:
                what = f"phase {phase}: only {n_scans} of {len(patients)} patients who are {CLASS_WORDS[high]} have"
                remedy = f"Lower split.folds, or remove {phase} from cohort.phases."
                problems.append(Problem("cohort.phases", f"{what} an image, for {folds} folds", remedy))
    return problems


def _stratify_problems(clinical: Mapping[str, Mapping[str, str | float]], columns: Columns) -> list[Problem]:
    problems = []
    for column in columns.stratify:
        numbers = {values[column] for values in clinical.values() if isinstance(values.get(column), float)}
        if len(numbers) > _MOST_GROUPS:
            what = f"column {columns.heading(column)} holds {len(numbers)} different numbers"
            problems.append(Problem("split.stratify", what, "Stratify by a column with a few groups."))
    return problems
