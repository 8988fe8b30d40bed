"""Values as a paper prints them: exact decimals, and the proportions that each rounding rule prints that way.

"0.860" is not 0.86. The three decimals say that the proportion was within half a thousandth of 0.860, and an audit
depends on that. So printed values are read from text, stored as integer multiples of their last decimal, and compared
as integers, without floating-point numbers.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.sheet import open_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

SHARES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
"""Measures that are a ratio of two counts, and so constrain the confusion table."""

COLUMNS = ("name", "group", "n", "positives", *SHARES, "auc")
MAX_PATIENTS = 10_000
"""With more patients, almost any three decimals match some table, and an audit is uninformative."""
MAX_DECIMALS = 12


class Rounding(StrEnum):
    """How software rounds a proportion to decimals; the same rule applies to all values of a model.

    ``TIES_EITHER`` rounds to the nearest, and each tie to either side. Software that prints binary floating-point
    numbers does this: it writes 1/80 as 0.013, but 23/80 as 0.287.
    """

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    TRUNCATION = "truncation"
    TIES_EITHER = "ties_either"

    @property
    def words(self) -> str:
        """The rule in words.

        >>> Rounding.HALF_EVEN.words
        'half to even'
        """
        return {
            "half_up": "half up",
            "half_even": "half to even",
            "truncation": "cut off",
            "ties_either": "ties to either side",
        }[self.value]


@dataclass(frozen=True, slots=True)
class Window:
    """The proportions that print as one number: from ``low`` to ``high``, in units of ``1 / (2 · scale)``.

    ``has_low`` and ``has_high`` say whether the window includes its end points.
    """

    low: int
    high: int
    scale: int
    has_low: bool
    has_high: bool

    def complement(self) -> Window:
        """Return the window of one minus the proportion."""
        whole = 2 * self.scale
        return Window(whole - self.high, whole - self.low, self.scale, has_low=self.has_high, has_high=self.has_low)


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A proportion as printed: ``units`` of the last decimal out of ``scale``.

    >>> PrintedNumber.of("85.9%")
    PrintedNumber(units=859, decimals=3, as_percent=True)
    """

    units: int
    decimals: int
    as_percent: bool = False

    @classmethod
    def of(cls, text: str) -> PrintedNumber:
        """Read a proportion from its printed text.

        Full-width characters, a raised decimal point (0·859) and a missing leading zero (.859) are accepted.

        Args:
            text: A proportion between 0 and 1, or a percentage with its sign.

        Returns:
            The number with its decimals.

        Raises:
            ValueError: The text is not a number, is outside 0 to 1, or has too many decimals; the message continues a
                sentence that ends in "is".
        """
        plain = unicodedata.normalize("NFKC", text).strip().replace("·", ".").replace("∙", ".")
        found = re.fullmatch(r"(\d*)(?:\.(\d*))?\s*(%?)", plain, re.ASCII)
        if not found or not (found[1] or found[2]):
            raise ValueError("not a number; write it as printed, like 0.859 or 85.9%")
        fraction, as_percent = found[2] or "", found[3] == "%"
        number = cls(int(found[1] + fraction), len(fraction) + 2 * as_percent, as_percent)
        if number.decimals > MAX_DECIMALS:
            raise ValueError(f"printed with more than {MAX_DECIMALS} decimals; give those of the paper")
        if number.units > number.scale:
            hint = "" if as_percent else "; a percentage needs its sign, like 85.9%"
            raise ValueError(f"more than 1, which a proportion cannot be{hint}")
        return number

    @property
    def scale(self) -> int:
        """The number of units of the last decimal in 1."""
        return int(10**self.decimals)

    @property
    def value(self) -> float:
        """The number as a float; for an AUC, which is not audited digit by digit."""
        return self.units / self.scale

    def __str__(self) -> str:
        shown = self.decimals - 2 * self.as_percent
        digits = str(self.units).zfill(shown + 1)
        text = f"{digits[: len(digits) - shown]}.{digits[len(digits) - shown :]}" if shown else digits
        return f"{text}%" if self.as_percent else text

    def neighbours(self) -> tuple[PrintedNumber, ...]:
        """Return the numbers one unit of the last decimal below and above.

        >>> [str(number) for number in PrintedNumber.of("85.9%").neighbours()]
        ['85.8%', '86.0%']
        """
        near = (self.units - 1, self.units + 1)
        return tuple(PrintedNumber(u, self.decimals, self.as_percent) for u in near if 0 <= u <= self.scale)

    def window(self, rounding: Rounding) -> Window:
        """Find the proportions that a rounding rule prints as this number.

        >>> PrintedNumber.of("0.86").window(Rounding.HALF_UP)
        Window(low=171, high=173, scale=100, has_low=True, has_high=False)
        """
        twice = 2 * self.units
        if rounding is Rounding.TRUNCATION:
            return Window(twice, twice + 2, self.scale, has_low=True, has_high=False)
        even = self.units % 2 == 0
        has_low, has_high = {
            Rounding.HALF_UP: (True, False),
            Rounding.HALF_EVEN: (even, even),
            Rounding.TIES_EITHER: (True, True),
        }[rounding]
        return Window(twice - 1, twice + 1, self.scale, has_low=has_low, has_high=has_high)


@dataclass(frozen=True, slots=True)
class Printed:
    """What a paper prints about one model on one test set.

    Attributes:
        name: The model.
        n: Number of test patients.
        values: Measure to number: any of accuracy, sensitivity, specificity, ppv, npv and auc.
        positives: Number of test patients in the positive class, if the paper states it.
        group: Models of one group are reported to be scored on the same patients.
    """

    name: str
    n: int
    values: Mapping[str, PrintedNumber] = field(default_factory=dict)
    positives: int | None = None
    group: str = ""

    @property
    def shares(self) -> dict[str, PrintedNumber]:
        """The values that constrain the confusion table."""
        return {measure: self.values[measure] for measure in SHARES if measure in self.values}

    def as_text(self) -> str:
        """Write the printed values of the model on one line."""
        words = [f"{'AUC' if measure == 'auc' else measure} {number}" for measure, number in self.values.items()]
        given = [f"{self.positives} positive"] if self.positives is not None else []
        return f"{self.name}: {', '.join([_patients(self.n), *given, *words])}"


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
        return [Problem(place("auc"), f"is printed for {_patients(n)} of one class", remedy)]
    return []


def _patients(n: int) -> str:
    return f"{n} patient" if n == 1 else f"{n} patients"
