"""Tables of patients whose grades are not needed: for annotation, and to grade new patients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nephrograde.cohort.columns import OF_MODEL, OF_STUDY, name_columns
from nephrograde.cohort.rows import Faults, Row, check_ids
from nephrograde.cohort.table import no_scan_problems, read_all_scans
from nephrograde.errors import Problem
from nephrograde.sheet import clean_heading, open_sheet
from nephrograde.study import CohortSettings, SplitSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Scan
    from nephrograde.cohort.columns import Columns, Wording
    from nephrograde.sheet import Sheet

_OUTCOMES = ("isup_grade", "is_high", "grade")
"""Columns that the table of a study may have besides its outcome, and that are not read here."""


@dataclass(frozen=True, slots=True)
class Ungraded:
    """The patients of a table who have a scan.

    Attributes:
        scans: By patient and phase, in the order of the table.
        clinical: The cells of the clinical columns that were asked for, by patient; empty cells are left out.
        without_scan: The ids of the patients who have no scan of these phases.
        notes: How the table was read, where that was a choice.
    """

    scans: Mapping[str, Mapping[str, Scan]]
    clinical: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    without_scan: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_scans(settings: CohortSettings) -> tuple[dict[str, dict[str, Scan]], list[Problem]]:
    """Read only the scans of a cohort table, for work that needs no outcome, such as annotation.

    Args:
        settings: The ``[cohort]`` section.

    Returns:
        The scans by patient and phase, in the order of the table, without patients who have none; and the problems.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from nephrograde.study import CohortSettings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = ["patient_id,np_image", "P1,P1/np.nii.gz", "P2,"]
    ...     _ = Path(folder, "cohort.csv").write_text(chr(10).join(rows), encoding="utf-8")
    ...     scans, problems = read_scans(CohortSettings(table=Path(folder, "cohort.csv"), phases=("np",)))
    >>> list(scans), scans["P1"]["np"].image_path.name, problems
    (['P1'], 'np.nii.gz', [])
    """
    sheet, problems = open_sheet(settings.table, settings.encoding)
    if sheet is None:
        return {}, problems
    columns, rows, scans, faults = _read(sheet, settings, OF_STUDY)
    problems += faults
    if not any(scans.values()) and not problems:
        problems += no_scan_problems(list(settings.phases), settings, columns)
    return {row.label: scans[row.label] for row in rows if scans[row.label]}, problems


def read_ungraded(
    table_path: Path, phases: Collection[str], clinical: Collection[str] = (), *, encoding: str | None = None
) -> tuple[Ungraded, list[Problem]]:
    """Read a table of patients whose grades are not known, and report everything that is wrong with it.

    The columns are those of a cohort table. Grades may be there, and are not read.

    Args:
        table_path: CSV, text separated by tabs or semicolons, or XLSX; its paths start from its folder.
        phases: Those that are wanted, each of which needs a column of images.
        clinical: Clinical columns that are wanted.
        encoding: The encoding of a text file; None detects it.

    Returns:
        The patients, and the problems.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = ["病案号,分级,cmp_image,age_years", "1001,,1001.nii.gz,61", "1002,3,,"]
    ...     _ = Path(folder, "患者.csv").write_bytes(chr(10).join(rows).encode("gb18030"))
    ...     found, problems = read_ungraded(Path(folder, "患者.csv"), ["cmp"], ["age_years"])
    >>> list(found.scans), found.clinical, found.without_scan, problems
    (['1001'], {'1001': {'age_years': '61'}}, ('1002',), [])
    """
    sheet, problems = open_sheet(table_path, encoding)
    if sheet is None:
        return Ungraded({}), problems
    wanted = tuple(map(clean_heading, clinical))
    others = tuple(heading for heading in sheet.headings if heading.casefold() not in {*_OUTCOMES} - {*wanted})
    settings = CohortSettings(table=table_path, phases=tuple(phases))
    columns, rows, scans, faults = _read(replace(sheet, headings=others), settings, OF_MODEL)
    problems += [*faults, *(_without_column(sheet, name) for name in wanted if name not in columns.heading_of)]
    if not any(scans.values()) and not problems:
        what = f"no patient has an image ({', '.join(phases)})"
        problems.append(Problem(f"{sheet.name}, column {settings.phases[0]}_image", what, "Fill in the images."))
    present = [row for row in rows if scans[row.label]]
    cells = {row.label: {name: row.answer(name) for name in wanted if row.answer(name)} for row in present}
    return Ungraded(
        {row.label: scans[row.label] for row in present},
        cells,
        tuple(row.label for row in rows if not scans[row.label]),
        columns.notes(sheet),
    ), problems


def _read(
    sheet: Sheet, settings: CohortSettings, wording: Wording
) -> tuple[Columns, list[Row], dict[str, dict[str, Scan]], list[Problem]]:
    """The columns, the rows, and the scans of every patient, with everything that is wrong."""
    unasked = settings.model_copy(update={"outcome": "patient_id"})  # so that no column of outcomes is missed
    columns, problems = name_columns(sheet, unasked, SplitSettings(), wording=wording)
    rows = [Row(number, columns.rename(cells)) for number, cells in sheet.rows]
    faults = Faults(columns)
    check_ids(rows, faults)
    scans = read_all_scans(rows, settings, faults)
    return columns, rows, scans, [*problems, *faults.problems()]


def _without_column(sheet: Sheet, name: str) -> Problem:
    what = "is missing, and the model joins it with the images"
    return Problem(
        f"{sheet.name}, column {name}", what, "Add the column; leave cells empty where the value is not known."
    )
