"""The columns of a cohort table: standard names, the user's headings, and missing or misspelt columns."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.cohort.headings import HEADINGS, headings_like
from nephrograde.errors import Problem
from nephrograde.sheet import clean_heading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.sheet import Sheet
    from nephrograde.study import CohortSettings, SplitSettings

CLINICAL_NUMBERS = ("age_years", "size_cm", "volume_ml")
"""Clinical columns that the baselines and the report read as numbers."""

_SCAN_KINDS = ("image", "mask", "point", "box", "slice", "pixel_mm", "kidneys")
_KEPT_NAMES = ("is_high", "grade")
_SHOWN = 20  # columns listed in a message


@dataclass(frozen=True, slots=True)
class Wording:
    """How a missing column is reported.

    Attributes:
        asked_by: What asks for the images of a phase, before the name of the phase.
        remedy: What to do about a heading that is not recognised.
    """

    asked_by: str
    remedy: str


OF_STUDY = Wording("cohort.phases names", "Rename it, or map it in cohort.columns.")
OF_MODEL = Wording("the model sees", "Rename the column.")
"""For the table of a study, and for one of new patients, which belongs to no study."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table by standard name; ``outcome`` and ``split`` are None if the table lacks them.

    ``recognised`` lists the standard columns that were found under a usual heading of hospitals.

    >>> columns = Columns("cohort.csv", {"patient_id": "病案号"}, None, None, (), ())
    >>> columns.heading("patient_id"), columns.rename({"病案号": "1001", "备注": ""})
    ('病案号', {'patient_id': '1001'})
    """

    table_name: str
    heading_of: Mapping[str, str]
    outcome: str | None
    split: str | None
    stratify: tuple[str, ...]
    clinical: tuple[str, ...]
    recognised: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Which headings were taken for a standard column without being told; empty if there are none."""
        used = ", ".join(f"{self.heading_of[name]} as {name}" for name in self.recognised)
        return f"{self.table_name}: {used}" if used else ""

    def notes(self, sheet: Sheet) -> tuple[str, ...]:
        """Return how the table was read, where that was a choice: its encoding or sheet, and recognised headings.

        Args:
            sheet: The table.
        """
        return (*sheet.notes(), *((f"{self.note}.",) if self.note else ()))

    def heading(self, column: str) -> str:
        """Return the heading of a column as written in the table."""
        return self.heading_of.get(column, column)

    def rename(self, cells: Mapping[str, str]) -> dict[str, str]:
        """Return the cells of a row by standard name."""
        return {name: cells[heading] for name, heading in self.heading_of.items()}


def name_columns(
    sheet: Sheet, settings: CohortSettings, split: SplitSettings, *, wording: Wording = OF_STUDY
) -> tuple[Columns, list[Problem]]:
    """Identify the columns, and report every column that is missing, used twice or misspelt.

    Args:
        sheet: The table.
        settings: The ``[cohort]`` section with the phases, the outcome and the user's headings.
        split: The ``[split]`` section, which may also name columns.
        wording: What asks for the columns, and where a heading can be mapped.

    Returns:
        The columns that were found, and the problems.

    >>> from pathlib import Path
    >>> from nephrograde.sheet import Sheet
    >>> from nephrograde.study import CohortSettings, SplitSettings
    >>> sheet = Sheet("cohort.csv", ("病案号", "isup_grade", "cmp_imag"), ())
    >>> columns, problems = name_columns(sheet, CohortSettings(table=Path(), phases=("cmp",)), SplitSettings())
    >>> columns.note
    'cohort.csv: 病案号 as patient_id'
    >>> print(problems[0].what, problems[0].remedy)
    is missing, and cohort.phases names cmp Did you mean 'cmp_imag'? Rename it, or map it in cohort.columns.
    """
    heading_of, problems = _map_headings(sheet, settings)
    mapped = {clean_heading(name) for name in settings.columns}
    outcome = clean_heading(settings.outcome)
    split_name = clean_heading(split.column) if split.column is not None else None
    heading_of, recognised = _recognise(heading_of, {"patient_id", outcome} - mapped, kept={split_name, *mapped})
    wanted = {"patient_id": "is missing", outcome: "is missing"}
    wanted |= {f"{phase}_image": f"is missing, and {wording.asked_by} {phase}" for phase in settings.phases}
    for name, what in wanted.items():
        if name not in heading_of and name not in mapped:
            remedy = _remedy(name, sheet.headings, ending=wording.remedy)
            problems.append(Problem(f"{sheet.name}, column {name}", what, remedy))
    taken = {"patient_id", outcome, split_name}
    clinical = tuple(
        name
        for name in heading_of
        if name not in taken and not name.endswith(tuple(f"_{kind}" for kind in _SCAN_KINDS))
    )
    stratify = tuple(clean_heading(name) for name in split.stratify)
    problems += _split_column_problems(sheet, split_name, stratify, heading_of=heading_of, clinical=clinical)
    problems += _misspelt(sheet.name, heading_of, settings.phases)
    for name in (name for name in _KEPT_NAMES if name in clinical):
        what = f"is the standard name of what is read from column {heading_of.get(outcome, outcome)}"
        problems.append(Problem(f"{sheet.name}, column {heading_of[name]}", what, "Rename or remove this column."))
    columns = Columns(
        table_name=sheet.name,
        heading_of=heading_of,
        outcome=outcome if outcome in heading_of else None,
        split=split_name if split_name in heading_of else None,
        stratify=tuple(name for name in stratify if name in clinical),
        clinical=clinical,
        recognised=recognised,
    )
    return columns, problems


def _recognise(
    heading_of: dict[str, str], wanted: set[str], *, kept: set[str | None]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Find standard columns under the usual headings of hospitals, as ``scan`` does."""
    recognised = []
    for name in sorted(wanted & HEADINGS.keys() - heading_of.keys()):
        if alike := [heading for heading in headings_like(name, heading_of) if heading not in kept]:
            # A table that has one column under two names is named by the more specific one.
            heading_of = {name if key == alike[0] else key: heading for key, heading in heading_of.items()}
            recognised.append(name)
    return heading_of, tuple(reversed(recognised))


def _map_headings(sheet: Sheet, settings: CohortSettings) -> tuple[dict[str, str], list[Problem]]:
    """Map standard names to headings: first those in ``cohort.columns``, then headings that are standard names."""
    problems = []
    heading_of: dict[str, str] = {}
    name_of: dict[str, str] = {}
    mapped = {clean_heading(name): clean_heading(heading) for name, heading in settings.columns.items()}
    for name, heading in mapped.items():
        place = f"cohort.columns.{name}"
        if heading not in sheet.headings:
            remedy = _remedy(heading, sheet.headings, ending="Correct the heading.")
            problems.append(Problem(place, f"{sheet.name} has no column '{heading}'", remedy))
        elif heading in name_of:
            what = f"names the column '{heading}', as cohort.columns.{name_of[heading]} does"
            problems.append(Problem(place, what, "Map each name to a different column."))
        else:
            heading_of[name], name_of[heading] = heading, name
    heading_of |= {heading: heading for heading in sheet.headings if heading not in name_of and heading not in mapped}
    return heading_of, problems


def _split_column_problems(
    sheet: Sheet, split: str | None, stratify: Iterable[str], *, heading_of: Mapping[str, str], clinical: Iterable[str]
) -> list[Problem]:
    problems = []
    if split is not None and split not in heading_of:
        remedy = _remedy(split, sheet.headings, ending="Correct split.column.")
        problems.append(Problem("split.column", f"{sheet.name} has no column '{split}'", remedy))
    for name in stratify:
        if name not in heading_of:
            remedy = _remedy(name, sheet.headings, ending="Correct split.stratify.")
            problems.append(Problem("split.stratify", f"{sheet.name} has no column '{name}'", remedy))
        elif name not in clinical:
            what = f"'{name}' is not a clinical column"
            remedy = "Remove it; the split is always stratified by the outcome."
            problems.append(Problem("split.stratify", what, remedy))
    return problems


def _misspelt(table_name: str, heading_of: Mapping[str, str], phases: Iterable[str]) -> list[Problem]:
    """Report columns that resemble a mask, point, box or slice of a phase without one and match no other phase."""
    known = [f"{phase}_{kind}" for phase in phases for kind in _SCAN_KINDS]
    absent = [name for name in known if name not in heading_of and not name.endswith("_image")]
    problems = []
    for name, heading in heading_of.items():
        is_other_phase = any(f"{name.removesuffix(f'_{kind}')}_image" in heading_of for kind in _SCAN_KINDS)
        near = difflib.get_close_matches(name.casefold(), absent, n=1, cutoff=0.85)
        if near and name not in known and not (is_other_phase and name.endswith(_SCAN_KINDS)):
            remedy = f"Did you mean '{near[0]}'? Rename it in either case."
            problems.append(Problem(f"{table_name}, column {heading}", "is not a known column", remedy))
    return problems


def _remedy(name: str, headings: tuple[str, ...], ending: str) -> str:
    by_folded = {heading.casefold(): heading for heading in headings}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3)
    if near:
        return f"Did you mean {' or '.join(repr(by_folded[match]) for match in near)}? {ending}"
    more = f" and {len(headings) - _SHOWN} more" if len(headings) > _SHOWN else ""
    return f"The table has {', '.join(headings[:_SHOWN])}{more}. {ending}"
