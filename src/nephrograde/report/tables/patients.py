"""The cohort table: who the patients were, by split."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.report.tables.paper import absent_patients
from nephrograde.report.tables.wording import level_words
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.numbers import share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nephrograde.results import Results, Row

FIRST = ("age_years", "sex", "size_cm", "volume_ml")
"""The known clinical columns, in the order of the table; all others follow."""
MEASURED = ("age_years", "size_cm", "volume_ml")
AS_MEAN = ("age_years",)
SYNTHETIC_COLUMNS = ("severity", "synthetic")
"""Columns of a synthetic cohort that describe how it was made, not the patients."""
MANY_LEVELS = 8
FEW_CODES = 5


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One line: a heading if ``cells`` is empty, indented under a heading if ``is_part``."""

    label: str
    cells: tuple[str, ...] = ()
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class CohortTable:
    """The columns with the number of patients in each, and the lines."""

    columns: tuple[tuple[str, int], ...]
    rows: tuple[CohortRow, ...]


def cohort_table(run: Results) -> CohortTable | None:
    """Describe the patients by split: outcome, grades, phases, age, sex, size and every other clinical column.

    Missing values are counted with each number, never imputed. Patients who were left out because they have no image
    are counted in a line of their own.

    Returns:
        The table, or None if the run has no cohort table (a score table from elsewhere).
    """
    if not run.cases:
        return None
    groups = _groups(run)
    members = [rows for _, rows in groups]

    def line(label: str, describe: Callable[[Sequence[Row]], str], *, is_part: bool = False) -> CohortRow:
        return CohortRow(label, tuple(describe(rows) for rows in members), is_part)

    low, high = level_words(run)
    rows = [
        line(low[0].upper() + low[1:], lambda rows: _counted(rows, "is_high", "0")),
        line(high[0].upper() + high[1:], lambda rows: _counted(rows, "is_high", "1")),
    ]
    if any(row.get("grade") for row in run.cases):
        rows.append(CohortRow(t("WHO/ISUP grade")))
        rows += [line(grade, _counter("grade", grade), is_part=True) for grade in "1234"]
        if any(not row.get("grade") for row in run.cases):
            rows.append(line(t("not given"), _counter("grade", ""), is_part=True))
    if absent := absent_patients(run):  # in no split, and not counted in any other line
        cells = ("–",) * (len(groups) - 1)
        rows.append(CohortRow(t("Left out, no image in any phase, n"), (*cells, str(len(absent)))))
    phases = _phases(run)
    rows.append(CohortRow(t("Phases available")))
    rows += [line(_phase_label(phase), _presence(f"{phase}_image"), is_part=True) for phase in phases]
    for column in _clinical_columns(run):
        rows += _clinical_rows(column, run.cases, members)
    if not any("size_cm" in row for row in run.cases):
        rows += _measured_rows(run, groups)
    return CohortTable(tuple((name, len(group)) for name, group in groups), tuple(rows))


def _groups(run: Results) -> list[tuple[str, list[Row]]]:
    of_split = {patient: place.split for patient, place in run.split.assignments.items()}
    groups = [
        (heading, [row for row in run.cases if of_split.get(row["patient_id"]) == split])
        for split, heading in (("train", t("Training")), ("test", t("Test")))
    ]
    groups = [(heading, rows) for heading, rows in groups if rows]
    return [*groups, (t("All"), list(run.cases))]


def _phases(run: Results) -> list[str]:
    if run.study is not None:
        return list(run.study.cohort.phases)
    return [column.removesuffix("_image") for column in run.cases[0] if column.endswith("_image")]


def _phase_label(phase: str) -> str:
    name = phase_in_words(phase)
    return phase if name == phase else t("{name} ({code})", name=name, code=phase)


def _clinical_columns(run: Results) -> list[str]:
    known = {"patient_id", "is_high", "grade", *(SYNTHETIC_COLUMNS if run.is_synthetic else ())}
    columns = [name for name in run.cases[0] if name not in known and not name.endswith("_image")]
    return sorted(columns, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def _column_label(column: str) -> str:
    known = {
        "age_years": t("Age, years"),
        "sex": t("Sex"),
        "size_cm": t("Tumour size, cm"),
        "volume_ml": t("Tumour volume, ml"),
    }
    return known.get(column, column)


def _counted(rows: Sequence[Row], column: str, value: str) -> str:
    return share(sum(row.get(column) == value for row in rows), len(rows))


def _counter(column: str, value: str) -> Callable[[Sequence[Row]], str]:
    return lambda rows: _counted(rows, column, value)


def _presence(column: str) -> Callable[[Sequence[Row]], str]:
    return lambda rows: share(sum(bool(row.get(column)) for row in rows), len(rows))


def _clinical_rows(column: str, cases: Sequence[Row], members: Sequence[Sequence[Row]]) -> list[CohortRow]:
    values = [row[column] for row in cases if row.get(column)]
    label = _column_label(column)
    if not values:
        return []
    levels = [level for level, _ in Counter(values).most_common()]
    is_code = column not in MEASURED and len(levels) <= FEW_CODES and all(level.isdigit() for level in levels)
    if not is_code and all(_is_number(value) for value in values):
        is_mean = column in AS_MEAN
        title = t("{label}, mean ± SD", label=label) if is_mean else t("{label}, median [IQR]", label=label)
        texts = [_summary([row.get(column, "") for row in rows], as_mean=is_mean) for rows in members]
        return [CohortRow(title, tuple(texts))]
    if len(levels) > MANY_LEVELS:
        given = tuple(share(sum(bool(row.get(column)) for row in rows), len(rows)) for rows in members)
        return [CohortRow(t("{label} given ({n} distinct)", label=label, n=len(levels)), given)]
    parts = [CohortRow(level, tuple(_counted(rows, column, level) for rows in members), True) for level in levels]
    if len(values) < len(cases):
        missing = tuple(share(sum(not row.get(column) for row in rows), len(rows)) for rows in members)
        parts.append(CohortRow(t("missing"), missing, True))
    return [CohortRow(label), *parts]


def _measured_rows(run: Results, groups: Sequence[tuple[str, list[Row]]]) -> list[CohortRow]:
    """Tumour size from the masks, if the cohort table has none: the largest over a patient's phases."""
    diameters: dict[str, float] = {}
    for region in run.regions:
        if region.get("tumour_diameter_mm"):
            patient, found = region["patient_id"], float(region["tumour_diameter_mm"])
            diameters[patient] = max(found, diameters.get(patient, 0.0))
    if not diameters:
        return []
    texts = [_summary([str(diameters.get(row["patient_id"], "")) for row in rows], as_mean=False) for _, rows in groups]
    return [CohortRow(t("Tumour diameter in the mask, mm, median [IQR]"), tuple(texts))]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _summary(texts: Sequence[str], *, as_mean: bool) -> str:
    values = np.array([float(text) for text in texts if text])
    missing = len(texts) - len(values)
    note = " " + t("({n} missing)", n=missing) if missing else ""
    if not len(values):
        return f"–{note}"
    if as_mean:
        spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
        return f"{values.mean():.1f}{spread}{note}"
    quarter, middle, three_quarters = np.percentile(values, [25, 50, 75])
    return f"{middle:.1f} [{quarter:.1f}–{three_quarters:.1f}]{note}"
