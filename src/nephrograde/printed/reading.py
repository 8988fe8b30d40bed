"""Read printed values from a table, from command-line options, or from arguments; all mistakes are listed at once."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.printed.bounds import PrintedInterval, PrintedP, split_interval
from nephrograde.printed.measures import PROPORTIONS, SHARES, decimals_of, limits_of
from nephrograde.printed.numbers import PrintedNumber
from nephrograde.printed.values import Printed, Span
from nephrograde.sheet import open_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

MEASURES = (*SHARES, "auc")
COLUMNS = ("name", "group", "n", "positives", *MEASURES, "p", "mean_of", "folds")
MAX_PATIENTS = 10_000
"""With more patients, almost any three decimals match some table, and an audit is uninformative."""

MOST_IN_FOLDS = 500
"""Largest number of patients of which means over folds are examined."""

_SPAN = re.compile(r"(\d{1,9})\s*(?:-|–|—|−|~|to|至|到|\.\.)\s*(\d{1,9})")
_LIMIT = re.compile(r"(>=|<=|≥|≤)\s*(\d{1,9})")
_OUTSIDE_BRACKETS = re.compile(r"[,;，；](?![^(\[（]*[)\]）])")
_ALSO = {"lr+": "lr_plus", "lr-": "lr_minus", "plr": "lr_plus", "nlr": "lr_minus", "p_value": "p"}


def parse_printed(cells: Mapping[str, str], *, name: str = "model 1") -> Printed:
    """Read one model from its printed values.

    Args:
        cells: Column (see ``COLUMNS``) to text; empty text means "not printed".
        name: The name to use if ``cells`` has none.

    Returns:
        The model.

    Raises:
        InputError: Some texts are not valid printed values; all of them are listed.

    >>> printed = parse_printed({"n": "90-92", "accuracy": "0.859", "sensitivity": "0.857 (0.715-0.946)"})
    >>> printed.patients, str(printed.values["sensitivity"]), str(printed.intervals["sensitivity"])
    (Span(low=90, high=92), '0.857', '0.715 to 0.946')
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
    p = cells.get("p", "").strip()
    read = [_parse({**cells, "p": ""}, _place_of_option, "model 1")]
    if p and len(against) != 1:
        remedy = 'Write it into --against, as in "auc=0.92,p=0.62": the comparison with the first model.'
        read[0][1].append(Problem("--p", "needs exactly one --against", remedy))
    for k, text in enumerate(against, start=2):
        place = f'--against "{text}"'
        parts = [part.partition("=") for part in _OUTSIDE_BRACKETS.split(text) if part.strip()]
        others = {_column(key): value.strip() for key, _, value in parts}
        problems = [Problem(place, f"'{key}' has no value", "Write key=value.") for key, sign, _ in parts if not sign]
        problems += _unknown(others, place, [column for column in COLUMNS if column != "group"])
        if len(others) < len(parts):
            problems.append(Problem(place, "a key is given twice", "Remove one."))
        inherited = {column: cells.get(column, "") for column in ("n", "mean_of", "folds")}
        compared = {"p": p} if len(against) == 1 else {}
        model, faults = _parse({**inherited, **compared, **others}, _place_after(place), f"model {k}")
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
    known = {heading: _column(heading) for heading in sheet.headings}
    place = f"{sheet.name}, headings"
    problems = _unknown(known.values(), place)
    if len(set(known.values())) < len(known):
        problems.append(Problem(place, "two of them differ only in capitalization", "Rename or remove one."))
    read: list[tuple[Printed | None, list[Problem]]] = [(None, problems)] if problems else []
    groups: set[str] = set()
    for number, row in sheet.rows:
        cells = {known[heading]: text for heading, text in row.items()}
        model, faults = _parse(cells, _place_after(f"{sheet.name} row {number}"), f"row {number}")
        if model is not None:
            if model.p is not None and model.group not in groups:
                remedy = "Give it for another model: P compares its AUC with that of the first."
                faults.append(
                    Problem(f"{sheet.name} row {number}, p", "is given for the first model of its group", remedy)
                )
            groups.add(model.group)
        read.append((model, faults))
    return _all_or_problems(read)


def _place_of_option(column: str) -> str:
    return f"--{column.replace('_', '-')}" if column in COLUMNS else "options"


def _column(heading: str) -> str:
    """Return the name of a column, which may be written in capitals, and with spaces or hyphens."""
    plain = unicodedata.normalize("NFKC", heading).strip().casefold().replace("−", "-")
    return _ALSO.get(plain, re.sub(r"[\s-]+", "_", plain))


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
    intervals: dict[str, PrintedInterval] = {}
    for measure in MEASURES:
        text = cells.get(measure, "").strip()
        try:
            if text:
                values[measure], interval = _value(measure, text)
                if interval is not None:
                    intervals[measure] = interval
        except ValueError as error:
            problems.append(_problem(place(measure), text, error))
    if not values and not problems:
        problems.append(Problem(place("values"), "nothing is printed", f"Give one of {', '.join(MEASURES)}."))
    p: PrintedP | None = None
    p_text = cells.get("p", "").strip()
    try:
        p = PrintedP.of(p_text) if p_text else None
    except ValueError as error:
        problems.append(_problem(place("p"), p_text, error))
    spans = _spans(cells, place, problems)
    problems += _wrong_counts(spans, place, has_auc="auc" in values)
    problems += _wrong_folds(spans, place, values)
    if problems:
        return None, problems
    n, single = spans["n"], Span(1, 1)
    return Printed(
        name=cells.get("name", "").strip() or name,
        n=n.low,
        n_to=None if n.low == n.high else n.high,
        values=values,
        positives=spans.get("positives"),
        group=cells.get("group", "").strip(),
        mean_of=spans.get("mean_of", single).low,
        folds=spans.get("folds", single).low,
        intervals=intervals,
        p=p,
    ), []


def _value(measure: str, text: str) -> tuple[PrintedNumber, PrintedInterval | None]:
    value, interval = split_interval(text)
    if interval is not None and measure not in {*PROPORTIONS, "auc"}:
        raise ValueError("printed with an interval, which is not examined for this measure; give the value alone")
    lowest, highest = limits_of(measure)
    return PrintedNumber.of(value, lowest=lowest, highest=highest, most_decimals=decimals_of(measure)), interval


def _problem(place: str, text: str, error: ValueError) -> Problem:
    what, _, remedy = str(error).partition("; ")
    remedy = remedy or "compare it with the paper"
    return Problem(place, f"'{text}' is {what}", f"{remedy[0].upper()}{remedy[1:]}.")


def _spans(cells: Mapping[str, str], place: Callable[[str], str], problems: list[Problem]) -> dict[str, Span]:
    """Read the columns that hold one whole number or, for patients and positives, limits."""
    spans: dict[str, Span] = {}
    for column, what in (
        ("n", "the number of test patients, or a range like 80-100"),
        ("positives", "how many of them are positive, or limits like 30-50 or >=30"),
        ("mean_of", "the number of tables whose mean is printed"),
        ("folds", "the number of folds over which the values are means"),
    ):
        text = unicodedata.normalize("NFKC", cells.get(column, "")).strip()
        single = re.fullmatch(r"\d{1,9}", text, re.ASCII)
        several, limit = _SPAN.fullmatch(text), _LIMIT.fullmatch(text)
        if single:
            spans[column] = Span(int(text), int(text))
        elif several and column in {"n", "positives"}:
            spans[column] = Span(int(several[1]), int(several[2]))
        elif limit and column == "positives":
            bound = int(limit[2])
            spans[column] = Span(bound, MAX_PATIENTS) if limit[1] in {">=", "≥"} else Span(0, bound)
        elif text or column == "n":
            wrong = f"'{text}' is not a whole number" if text else "is missing"
            problems.append(Problem(place(column), wrong, f"Give {what}."))
    return spans


def _wrong_counts(spans: Mapping[str, Span], place: Callable[[str], str], *, has_auc: bool) -> list[Problem]:
    n, positives = spans.get("n"), spans.get("positives")
    problems = [
        Problem(place(column), f"is {span}", "Write the lower number first.")
        for column, span in spans.items()
        if span.low > span.high
    ]
    if n is None or problems:
        return problems
    repeats = spans.get("mean_of", Span(1, 1)).low
    if n.low < 1:
        problems.append(Problem(place("n"), f"is {n}", "Give at least 1 test patient."))
    elif repeats < 1:
        problems.append(Problem(place("mean_of"), f"is {repeats}", "Give at least 1 table."))
    elif n.high * repeats > MAX_PATIENTS:
        remedy = f"Above {MAX_PATIENTS} almost any decimals match some table, and an audit is uninformative."
        shown = f"is {n}" if repeats == 1 else f"is {n} in each of {repeats} tables"
        problems.append(Problem(place("n"), shown, remedy))
    elif positives is not None and positives.low > n.high:
        problems.append(Problem(place("positives"), f"is {positives}, more than n = {n}", "Give at most n."))
    elif has_auc and (n.high < 2 or (positives and (positives.high < 1 or positives.low >= n.high))):
        patients = "1 patient" if n.high == 1 else f"{n} patients"
        remedy = "An AUC needs patients of both classes; correct n, positives or auc."
        problems.append(Problem(place("auc"), f"is printed for {patients} of one class", remedy))
    return problems


def _wrong_folds(
    spans: Mapping[str, Span], place: Callable[[str], str], values: Mapping[str, PrintedNumber]
) -> list[Problem]:
    n, folds = spans.get("n", Span(MOST_IN_FOLDS, MOST_IN_FOLDS)), spans.get("folds", Span(1, 1)).low
    if folds == 1:
        return []
    problems: list[Problem] = []
    if folds < 1 or folds > n.low:
        problems.append(Problem(place("folds"), f"is {folds}", "Give at least 1 fold, and at most one per patient."))
    if n.high > MOST_IN_FOLDS:
        problems.append(
            Problem(place("n"), f"is {n}, too many for means over folds", f"Give at most {MOST_IN_FOLDS} patients.")
        )
    if spans.get("mean_of", Span(1, 1)).low > 1:
        problems.append(Problem(place("folds"), "is given in addition to mean_of", "Give one of the two."))
    if not {"sensitivity", "specificity"} <= values.keys():
        problems.append(
            Problem(place("folds"), "needs sensitivity and specificity", "Give both as printed, or leave folds out.")
        )
    return problems
