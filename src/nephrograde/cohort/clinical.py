"""Clinical columns of the cohort as numbers: read from the table, standardised on the patients that are learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.case import Cohort

Value: TypeAlias = "float | str | None"

EXTENTS = ("size_cm", "volume_ml")
"""Columns that are read as logarithms."""
_CODES = ("sex",)  # a number in such a column is a code, not a quantity


def present_columns(columns: Iterable[str], available: Iterable[str], *, with_size: bool = True) -> tuple[str, ...]:
    """Select the clinical columns that a cohort table has, in the order of the study.

    Args:
        columns: Names of columns as in the study.
        available: The clinical columns of the table.
        with_size: Whether ``size_cm`` and ``volume_ml`` are kept.

    >>> present_columns(["age_years", "size_cm", "centre"], ["size_cm", "age_years"], with_size=False)
    ('age_years',)
    """
    known = set(available)
    from nephrograde.sheet import clean_heading

    names = dict.fromkeys(map(clean_heading, columns))
    return tuple(name for name in names if name in known and (with_size or name not in EXTENTS))


def logarithm(value: float) -> float:
    """Return the logarithm of an extent; NaN unless it is positive and finite.

    Args:
        value: Such as a size in cm.
    """
    return math.log(value) if math.isfinite(value) and value > 0 else math.nan


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """Clinical columns of a cohort.

    Attributes:
        names: The columns.
        rows: One value per column by patient id; a missing number is NaN and a missing text None. Size and volume are
            logarithms.
        numbers: Positions of the columns of numbers.
        codes: Positions of the columns of texts.
    """

    names: tuple[str, ...]
    rows: Mapping[str, tuple[Value, ...]]
    numbers: tuple[int, ...]
    codes: tuple[int, ...]


def clinical_table(cohort: Cohort, columns: Sequence[str]) -> ClinicalTable:
    """Collect the clinical columns that a cohort table has.

    Args:
        cohort: The patients with their clinical values.
        columns: Names of columns as in the study.
    """
    names = present_columns(columns, cohort.clinical_columns)
    texts = {
        name
        for name in names
        if name in _CODES or any(isinstance(case.clinical.get(name), str) for case in cohort.cases)
    }
    rows = {
        case.patient_id: tuple(clinical_value(name, case.clinical.get(name), is_text=name in texts) for name in names)
        for case in cohort.cases
    }
    return ClinicalTable(
        names,
        rows,
        tuple(position for position, name in enumerate(names) if name not in texts),
        tuple(position for position, name in enumerate(names) if name in texts),
    )


def clinical_value(name: str, value: Value, *, is_text: bool) -> Value:
    """Read a cell of a clinical column.

    Args:
        name: The column.
        value: The cell; None if it is empty.
        is_text: Whether the column holds texts.

    >>> clinical_value("size_cm", 1.0, is_text=False), clinical_value("sex", None, is_text=True)
    (0.0, None)
    """
    if is_text:
        return value if value is None else str(value)
    number = float(value) if value is not None and math.isfinite(float(value)) else math.nan
    return logarithm(number) if name in EXTENTS else number


@dataclass(frozen=True, slots=True)
class Term:
    """One standardised input that is made of a column.

    Attributes:
        column: Such as "age_years", or a phase.
        kind: "number", "missing" (1 where the number is missing) or "entry" (1 where the text is ``entry``).
        entry: Of a column of texts.
        fill: What takes the place of a missing number: the median.
        center: What is subtracted.
        spread: What the difference is divided by.
    """

    column: str
    kind: Literal["number", "missing", "entry"]
    entry: str = ""
    fill: float = 0.0
    center: float = 0.0
    spread: float = 1.0

    def of(self, value: Value) -> float:
        """Return the input of one patient.

        Args:
            value: That of the column; NaN or None if it is missing.
        """
        if self.kind == "entry":
            return float(value is not None and str(value) == self.entry)
        number = math.nan if value is None else float(value)
        if self.kind == "missing":
            number = float(math.isnan(number))
        elif math.isnan(number):
            number = self.fill
        return (number - self.center) / self.spread


def learn_terms(names: Sequence[str], rows: Sequence[Sequence[Value]], texts: Iterable[int] = ()) -> tuple[Term, ...]:
    """Learn how columns become standardised inputs, from the patients that are learnt from.

    A missing number is replaced by the median, and a further input says that it was missing, where any is. Texts are
    one input for each entry; a missing text is none of them.

    Args:
        names: The columns.
        rows: The values of each patient that is learnt from.
        texts: Positions of the columns of texts.

    >>> terms = learn_terms(["age", "sex"], [(50.0, "F"), (70.0, "M"), (math.nan, None)], texts=[1])
    >>> [(term.column, term.kind, term.entry) for term in terms]
    [('age', 'number', ''), ('age', 'missing', ''), ('sex', 'entry', 'F'), ('sex', 'entry', 'M')]
    >>> [round(one, 2) for one in encode(terms, {"age": 70.0, "sex": "M"})]
    [1.22, -0.71, 0.0, 1.0]
    """
    are_texts = set(texts)
    terms: list[Term] = []
    for position, name in enumerate(names):
        values = [row[position] for row in rows]
        if position in are_texts:
            entries = sorted({str(value) for value in values if value is not None})
            terms += [Term(name, "entry", entry) for entry in entries]
            continue
        numbers = [math.nan if value is None else float(value) for value in values]
        known = [number for number in numbers if not math.isnan(number)]
        fill = median(known) if known else 0.0
        filled = [fill if math.isnan(number) else number for number in numbers]
        terms.append(Term(name, "number", "", fill, *_scale(filled)))
        if len(known) < len(numbers):
            terms.append(Term(name, "missing", "", 0.0, *_scale([float(math.isnan(number)) for number in numbers])))
    return tuple(terms)


def encode(terms: Sequence[Term], values: Mapping[str, Value]) -> list[float]:
    """Return the inputs of one patient.

    Args:
        terms: As :func:`learn_terms` returns them.
        values: By column; a column that is not there is missing.
    """
    return [term.of(values.get(term.column)) for term in terms]


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; 1 where all values are the same."""
    if not values:
        return 0.0, 1.0
    spread = pstdev(values)
    return fmean(values), spread if spread > 1e-12 * max(map(abs, values)) else 1.0
