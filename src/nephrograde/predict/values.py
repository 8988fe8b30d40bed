"""The clinical values of a new patient, read as the model learnt from them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from nephrograde.cohort.clinical import Value, clinical_value
from nephrograde.errors import InputError, Problem
from nephrograde.sheet import clean_heading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nephrograde.results import Results

NOTHING: Mapping[str, Value] = MappingProxyType({})
"""No clinical values."""


def read_values(given: Mapping[str, str | float], columns: Iterable[str], texts: Collection[str]) -> dict[str, Value]:
    """Read clinical values.

    Args:
        given: By column, as they would stand in the cohort table.
        columns: Those of the model.
        texts: Which of them hold texts.

    Raises:
        InputError: If a column is not one of the model, or a value is not a number.

    >>> read_values({"size_cm": "1", "sex": "F"}, ["size_cm", "sex", "age_years"], {"sex"})
    {'size_cm': 0.0, 'sex': 'F'}
    """
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
            found[name] = clinical_value(name, value, is_text=name in texts)
        except ValueError:
            problems.append(Problem(f"clinical.{name}", f"is {value}, not a number", "Give a number."))
    if problems:
        raise InputError(problems)
    return found


def text_columns(results: Results, model: str) -> frozenset[str]:
    """Return which of the clinical values that a model joins are texts.

    Args:
        results: Of the run.
        model: The model id.
    """
    kinds = {row.column: row.kind for row in results.fusion if row.model == model}
    for fit in results.fits:
        fusion = fit.card.get("fusion") if fit.model == model else None
        kinds |= {term["column"]: term["kind"] for term in (fusion["values"] if fusion else ())}
    return frozenset(column for column, kind in kinds.items() if kind == "entry")
