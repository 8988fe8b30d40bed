"""The clinical values of a new patient, read as the model learnt from them."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

from nephrograde.cohort.clinical import Value, clinical_value
from nephrograde.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from nephrograde.results import Results

NOTHING: Mapping[str, Value] = MappingProxyType({})
"""No clinical values."""


def read_values(
    given: Mapping[str, str | float], columns: Iterable[str], texts: Mapping[str, Collection[str]]
) -> dict[str, Value]:
    """Read clinical values.

    Args:
        given: By column, as they would stand in the cohort table.
        columns: Those of the model.
        texts: Which of them hold texts, with the entries that the model learnt from.

    Raises:
        InputError: If a column is not one of the model, or a value is not a number.

    >>> read_values({"size_cm": "1", "sex": "F"}, ["size_cm", "sex", "age_years"], {"sex": ("F", "M")})
    {'size_cm': 0.0, 'sex': 'F'}
    >>> read_values({"sex": "1"}, ["sex"], {"sex": ("1.0", "2.0")})  # codes, as the cohort table is read
    {'sex': '1.0'}
    """
    from nephrograde.sheet import clean_heading

    known = list(map(clean_heading, columns))
    problems = []
    found: dict[str, Value] = {}
    for heading, value in given.items():
        name = clean_heading(heading)
        if name not in known:
            remedy = f"It joins {', '.join(known)}." if known else "It joins no clinical values."
            problems.append(Problem(f"clinical.{name}", "is not a column of the model", remedy))
            continue
        try:
            read = clinical_value(name, value, is_text=name in texts)
            found[name] = _entry(read, texts[name]) if name in texts and isinstance(read, str) else read
        except ValueError:
            problems.append(Problem(f"clinical.{name}", f"is {value}, not a number", "Give a number."))
    if problems:
        raise InputError(problems)
    return found


def _entry(text: str, entries: Collection[str]) -> str:
    """The entry that a text stands for: itself, or the same number."""
    if text in entries:
        return text
    return next((one for one in entries if one.strip() == text.strip() or _number(one) == _number(text)), text)


def _number(text: str) -> float:
    """The number that a text writes; NaN, which equals nothing, if it writes none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def text_columns(results: Results, model: str) -> dict[str, tuple[str, ...]]:
    """Return which of the clinical values that a model joins are texts, with the entries that it learnt from.

    Args:
        results: Of the run.
        model: The model id.
    """
    terms = [(row.column, row.kind, row.entry) for row in results.fusion if row.model == model]
    for fit in results.fits:
        fusion = fit.card.get("fusion") if fit.model == model else None
        terms += [(term["column"], term["kind"], term["entry"]) for term in (fusion["values"] if fusion else ())]
    found: dict[str, dict[str, None]] = {}
    for column, kind, entry in terms:
        if kind == "entry":
            found.setdefault(column, {})[entry] = None
    return {column: tuple(entries) for column, entries in found.items()}


def unknown_entries(values: Mapping[str, Value], texts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return a warning for each text that no patient had from whom the model learnt, and that it therefore ignores.

    Args:
        values: By column.
        texts: The entries that the model learnt from, by column of texts.

    >>> unknown_entries({"sex": "m", "size_cm": 1.4}, {"sex": ("F", "M")})
    ("the model has learnt from no patient whose sex is 'm', only from F, M, and ignores it. Check its spelling.",)
    """
    return tuple(
        f"the model has learnt from no patient whose {column} is '{value}', only from {', '.join(texts[column])}, and "
        "ignores it. Check its spelling."
        for column, value in values.items()
        if column in texts and isinstance(value, str) and value not in texts[column]
    )


def missing_values(values: Mapping[str, Value], columns: Sequence[str]) -> tuple[str, ...]:
    """Return a warning where a patient is graded without values that the model joins.

    Args:
        values: By column.
        columns: What the model joins.

    >>> missing_values({"age_years": 61.0}, ("age_years", "sex", "bmi"))
    ('no value of sex, bmi is given, and the model puts in its place what it learnt for patients without one.',)
    """
    absent = [name for name in columns if _is_absent(values.get(name))]
    if not absent:
        return ()
    instead = "the model puts in its place what it learnt for patients without one."
    return (f"no value of {', '.join(absent)} is given, and {instead}",)


def _is_absent(value: Value) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
