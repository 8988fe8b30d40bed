"""Read printed values from a table, from command-line options, or from arguments; all mistakes are listed at once."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.printed.numbers import PrintedNumber
from nephrograde.printed.values import SHARES, Printed, patients_in_words
from nephrograde.sheet import open_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

COLUMNS = ("name", "group", "n", "positives", *SHARES, "auc")
MAX_PATIENTS = 10_000
"""With more patients, almost any three decimals match some table, and an audit is uninformative."""


def parse_printed(cells: Mapping[str, str], *, name: str = "model 1") -> Printed:
    """Read one model from its printed values.

    Args:
        cells: Column (see ``COLUMNS``) to text; empty text means "not printed".
        name: The name to use if ``cells`` has none.

    Returns:
        The model.

    Raises:
        InputError: Some texts are not valid printed values; all of them are listed.

    >>> parse_printed({"n": "92", "accuracy": "0.859", "sensitivity": "0.857"}).as_text()
    'model 1: 92 patients, accuracy 0.859, sensitivity 0.857'
    """
    return _all_or_problems([_parse(cells, str, name)])[0]


def models_of(
    models_path: Path | None, cells: Mapping[str, str], against: Sequence[str], *, encoding: str | None = None
) -> tuple[Printed, ...]:
    """Read the models of an audit from a table or from command-line options.

    Args:
        models_path: A table; see ``read_printed``.
        cells: Column to text of a single model, if there is no table.
        against: The models to audit it against; see ``parse_options``.
        encoding: The encoding of the table, if it is a text file; None detects it.

    Returns:
        The models.

    Raises:
        InputError: Both a table and options are given, or one of them has mistakes.
    """
    if models_path is None:
        return parse_options(cells, against)
    if any(cells.values()) or against:
        problem = Problem(str(models_path), "values are given in addition to the table", "Put them into the table.")
        raise InputError([problem])
    return read_printed(models_path, encoding)


def parse_options(cells: Mapping[str, str], against: Sequence[str]) -> tuple[Printed, ...]:
    """Read a model and those to audit it against from command-line options.

    Args:
        cells: Column to text of the first model.
        against: Each of the others as "key=value,key=value"; n defaults to that of the first model.

    Returns:
        All models, in one group.

    Raises:
        InputError: Some texts are not valid printed values; all of them are listed.

    >>> [m.n for m in parse_options({"n": "90", "auc": "0.907"}, ["name=strong,auc=0.922"])]
    [90, 90]
    """
    read = [_parse(cells, lambda column: f"--{column}" if column in COLUMNS else "options", "model 1")]
    for k, text in enumerate(against, start=2):
        place = f'--against "{text}"'
        parts = [part.partition("=") for part in re.split(r"[,;，；]", text) if part.strip()]
        others = {key.strip().casefold(): value.strip() for key, _, value in parts}
        problems = [Problem(place, f"'{key}' has no value", "Write key=value.") for key, sign, _ in parts if not sign]
        problems += _unknown(others, place, [column for column in COLUMNS if column != "group"])
        if len(others) < len(parts):
            problems.append(Problem(place, "a key is given twice", "Remove one."))
        model, faults = _parse({"n": cells.get("n", ""), **others}, _place_after(place), f"model {k}")
        read.append((model, problems + faults))
    return _all_or_problems(read)


def read_printed(models_path: Path, encoding: str | None = None) -> tuple[Printed, ...]:
    """Read the printed values of many models from a table.

    Args:
        models_path: CSV, text separated by tabs or semicolons, or XLSX, in any encoding that ``sheet.open_sheet``
            reads; one row per model, with the columns n, any of the measures, and optionally name, group and positives.
            In XLSX, format the values as text, because a numeric cell loses its trailing zeros.
        encoding: The encoding of a text file; None detects it.

    Returns:
        The models, in the order of the rows.

    Raises:
        InputError: The table cannot be read or has mistakes; all of them are listed.
    """
    sheet, problems = open_sheet(models_path, encoding)
    if sheet is None or problems:
        raise InputError(problems)
    known = {heading: heading.casefold() for heading in sheet.headings}
    place = f"{sheet.name}, headings"
    problems = _unknown(known.values(), place)
    if len(set(known.values())) < len(known):
        problems.append(Problem(place, "two of them differ only in capitalization", "Rename or remove one."))
    read: list[tuple[Printed | None, list[Problem]]] = [(None, problems)] if problems else []
    for number, row in sheet.rows:
        cells = {known[heading]: text for heading, text in row.items()}
        read.append(_parse(cells, _place_after(f"{sheet.name} row {number}"), f"row {number}"))
    return _all_or_problems(read)


def _place_after(place: str) -> Callable[[str], str]:
    return lambda column: f"{place}, {column}"


def _all_or_problems(read: list[tuple[Printed | None, list[Problem]]]) -> tuple[Printed, ...]:
    problems = [problem for _, faults in read for problem in faults]
    if problems:
        raise InputError(problems)
    return tuple(model for model, _ in read if model)


def _unknown(columns: Iterable[str], place: str, known: Sequence[str] = COLUMNS) -> list[Problem]:
    problems = []
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            remedy = f"Did you mean '{near[0]}'?" if near else f"Known are {', '.join(known)}; remove it."
            problems.append(Problem(place, f"'{column}' is unknown", remedy))
    return problems


def _parse(cells: Mapping[str, str], place: Callable[[str], str], name: str) -> tuple[Printed | None, list[Problem]]:
    """Read one model, or list all its mistakes; the caller handles unknown columns."""
    problems: list[Problem] = []
    values: dict[str, PrintedNumber] = {}
    for measure in (*SHARES, "auc"):
        text = cells.get(measure, "").strip()
        try:
            if text:
                values[measure] = PrintedNumber.of(text)
        except ValueError as error:
            what, _, remedy = str(error).partition("; ")
            remedy = remedy or "compare it with the paper"
            problems.append(Problem(place(measure), f"'{text}' is {what}", f"{remedy[0].upper()}{remedy[1:]}."))
    if not values and not problems:
        problems.append(Problem(place("values"), "nothing is printed", f"Give one of {', '.join(SHARES)}, auc."))
    counts: dict[str, int] = {}
    for column, what in (("n", "the number of test patients"), ("positives", "how many of them are positive")):
        text = unicodedata.normalize("NFKC", cells.get(column, "")).strip()
        if re.fullmatch(r"\d{1,9}", text, re.ASCII):
            counts[column] = int(text)
        elif text or column == "n":
            problems.append(
                Problem(place(column), f"'{text}' is not a whole number" if text else "is missing", f"Give {what}.")
            )
    problems += _wrong_counts(counts, place, has_auc="auc" in values)
    if problems:
        return None, problems
    group = cells.get("group", "").strip()
    return Printed(cells.get("name", "").strip() or name, counts["n"], values, counts.get("positives"), group), []


def _wrong_counts(counts: Mapping[str, int], place: Callable[[str], str], *, has_auc: bool) -> list[Problem]:
    n, positives = counts.get("n"), counts.get("positives")
    if n is None:
        return []
    if n < 1:
        return [Problem(place("n"), f"is {n}", "Give at least 1 test patient.")]
    if n > MAX_PATIENTS:
        remedy = f"Above {MAX_PATIENTS} almost any decimals match some table, and an audit is uninformative."
        return [Problem(place("n"), f"is {n}", remedy)]
    if positives is not None and positives > n:
        return [Problem(place("positives"), f"is {positives}, more than n = {n}", "Give at most n.")]
    if has_auc and (n < 2 or positives in {0, n}):
        remedy = "An AUC needs patients of both classes; correct n, positives or auc."
        return [Problem(place("auc"), f"is printed for {patients_in_words(n)} of one class", remedy)]
    return []
