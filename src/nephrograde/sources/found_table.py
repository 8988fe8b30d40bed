"""A cohort table that is in the folder already: what a study of it says about phases, headings and grades."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.cohort.grade import read_grade
from nephrograde.cohort.headings import standard_headings
from nephrograde.cohort.scanned import SCANNED
from nephrograde.errors import InputError, Problem
from nephrograde.sheet import is_nothing, open_sheet
from nephrograde.study import NAME_PATTERN, CohortSettings, SplitSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.sheet import Sheet

_STANDARD = ("patient_id", "isup_grade")
_ANNOTATIONS = ("mask", "box", "point", "slice")


@dataclass(frozen=True, slots=True)
class FoundTable:
    """What a study file has to say about a cohort table.

    Attributes:
        table_path: The table.
        n_patients: Number of rows.
        n_images: Number of patients with an image, by phase, for every phase with an image.
        phases: The phases that enough patients of each class have for a study; every phase where no phase has.
        columns: Standard names and the headings that stand for them.
        outcome: The standard name of the column of grades.
        n_graded: Number of patients with a grade.
        n_rarer: Number of patients of the rarer grade, high or low, in that of these phases where they are fewest.
        annotations: Which of mask, box, point and slice any patient has.
    """

    table_path: Path
    n_patients: int
    n_images: Mapping[str, int]
    phases: tuple[str, ...]
    columns: Mapping[str, str]
    outcome: str
    n_graded: int
    n_rarer: int
    annotations: tuple[str, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Phases that too few patients have."""
        return tuple(phase for phase in self.n_images if phase not in self.phases)


def find_table(study_dir: Path) -> FoundTable | None:
    """Find the cohort table of a folder: ``cohort.csv``, ``.tsv`` or ``.xlsx``, or the only one that a scan wrote.

    Args:
        study_dir: The folder; may be missing.

    Returns:
        The table; None if there is none.

    Raises:
        InputError: The table cannot be read, or names no images; or there are several.

    >>> import pathlib, tempfile
    >>> study_dir = pathlib.Path(tempfile.mkdtemp())
    >>> rows = [f"P{k},{k % 4 + 1},{k}.nii.gz,{k}.nii.gz" for k in range(20)]
    >>> lines = ["patient_id,核分级,up_image,cmp_image", *rows, "P20,3,,20.nii.gz"]
    >>> _ = (study_dir / "cohort.csv").write_text(chr(10).join(lines), encoding="utf-8")
    >>> found = find_table(study_dir)
    >>> found.phases, dict(found.n_images), dict(found.columns), found.n_graded
    (('cmp', 'up'), {'cmp': 21, 'up': 20}, {'isup_grade': '核分级'}, 21)
    """
    paths = [path for ending in ("csv", "tsv", "xlsx") if (path := study_dir / f"cohort.{ending}").exists()]
    paths = paths or sorted(_scanned(study_dir))
    if not paths:
        return None
    if len(paths) > 1:
        listed = ", ".join(path.name for path in paths)
        raise InputError([Problem(str(study_dir), f"has several cohort tables: {listed}", "Keep one of them there.")])
    sheet, problems = open_sheet(paths[0])
    if sheet is None or problems:
        raise InputError(problems)
    n_images = _images(sheet)
    if not n_images:
        what = f"names no image in a column <phase>_image (the table has {', '.join(sheet.headings[:20])})"
        raise InputError([Problem(str(paths[0]), what, "Move it away, or name another folder.")])
    heading_of = standard_headings(sheet.headings)
    columns = {name: heading_of[name] for name in _STANDARD if heading_of.get(name, name) != name}
    outcome, heading = _outcome(sheet, heading_of)
    grades = {number: read_grade(cells.get(heading, "")) for number, cells in sheet.rows}
    phases = _phases(sheet, n_images, grades)
    return FoundTable(
        table_path=paths[0],
        n_patients=len(sheet.rows),
        n_images=n_images,
        phases=phases,
        columns=columns,
        outcome=outcome,
        n_graded=sum(grade is not None for grade in grades.values()),
        n_rarer=min(_rarer(_given(sheet, f"{phase}_image"), grades) for phase in phases),
        annotations=tuple(kind for kind in _ANNOTATIONS if any(_given(sheet, f"{p}_{kind}") for p in n_images)),
    )


def _scanned(study_dir: Path) -> Iterator[Path]:
    for state_path in study_dir.glob(f"*{SCANNED}"):
        table_path = state_path.with_name(f"{state_path.name.removesuffix(SCANNED)}.csv")
        if table_path.exists():
            yield table_path


def _images(sheet: Sheet) -> dict[str, int]:
    """Count the patients with an image, by phase: the phases that a template knows first, in its order."""
    present = [heading.removesuffix("_image") for heading in sheet.headings if heading.endswith("_image")]
    usual: tuple[str, ...] = CohortSettings.model_fields["phases"].default
    ordered = [*(phase for phase in usual if phase in present), *(phase for phase in present if phase not in usual)]
    counts = {phase: len(_given(sheet, f"{phase}_image")) for phase in ordered if re.fullmatch(NAME_PATTERN, phase)}
    return {phase: count for phase, count in counts.items() if count}


def _given(sheet: Sheet, heading: str) -> list[int]:
    """The numbers of the rows in which a cell is filled."""
    return [number for number, cells in sheet.rows if not is_nothing(cells.get(heading, ""))]


def _outcome(sheet: Sheet, heading_of: Mapping[str, str]) -> tuple[str, str]:
    """The standard name and the heading of the column of grades."""
    if "isup_grade" in heading_of:
        return "isup_grade", heading_of["isup_grade"]
    for heading in sheet.headings:
        cells = [cells[heading] for _, cells in sheet.rows if not is_nothing(cells[heading])]
        if "grade" in heading.casefold() and any(read_grade(cell) is not None for cell in cells):
            return heading, heading
    return "isup_grade", ""


def _phases(sheet: Sheet, n_images: Mapping[str, int], grades: Mapping[int, int | None]) -> tuple[str, ...]:
    """The phases with as many patients of each class as a study has folds; of all patients, where no grade is known."""
    folds = SplitSettings().folds
    is_graded = any(grade is not None for grade in grades.values())

    def is_enough(rows: Sequence[int]) -> bool:
        return _rarer(rows, grades) >= folds if is_graded else len(rows) >= 2 * folds

    enough = tuple(phase for phase in n_images if is_enough(_given(sheet, f"{phase}_image")))
    return enough or tuple(n_images)


def _rarer(rows: Sequence[int], grades: Mapping[int, int | None]) -> int:
    """Count the patients of the rarer grade, high or low, among some rows."""
    known = [grade for number in rows if (grade := grades[number]) is not None]
    n_high = sum(grade >= 3 for grade in known)
    return min(n_high, len(known) - n_high)
