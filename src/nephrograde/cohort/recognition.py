"""The columns of a table that is not a cohort table, under the headings that people give them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from nephrograde.cohort.columns import Columns
from nephrograde.cohort.headings import OTHER_GRADES, headings_like, plain_heading
from nephrograde.errors import Problem
from nephrograde.sheet import clean_heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.sheet import Sheet


def recognise_columns(
    sheet: Sheet,
    usual: Mapping[str, Sequence[str]],
    named: Mapping[str, str] | None = None,
    *,
    required: Sequence[str],
    row: str,
) -> tuple[Columns, list[Problem]]:
    """Find the columns of a table by their headings.

    Args:
        sheet: The table.
        usual: Usual headings by standard name, without blanks, signs and capital letters; the more specific ones first.
        named: Headings by standard name, where they are not usual ones.
        required: The standard names that the table must have.
        row: What a row of the table is, for messages, such as "read".

    Returns:
        The columns, and the problems: what is missing, and names or headings that do not exist.

    >>> from nephrograde.sheet import Sheet
    >>> usual = {"model": ("model", "模型"), "fold": ("fold", "折")}
    >>> recognise_columns(Sheet("a.csv", ("模型", "sex"), ()), usual, required=["model"], row="score")[0].note
    'a.csv: 模型 as model'
    """
    heading_of: dict[str, str] = {}
    problems: list[Problem] = []
    for name, heading in (named or {}).items():
        wanted = clean_heading(heading)
        if name not in usual:
            problems.append(Problem("columns", f"{name} is not a column of {row}s", f"Use {', '.join(usual)}."))
        elif wanted not in sheet.headings:
            problems.append(
                Problem(
                    sheet.name, f"there is no column '{heading}'", _near(heading, sheet.headings, sheet.headings, row)
                )
            )
        else:
            heading_of[name] = wanted
    recognised: list[str] = []
    for name in usual:
        if name in heading_of or name in (named or {}):
            continue
        free = [heading for heading in sheet.headings if heading not in heading_of.values()]
        if alike := _headings_of(name, usual[name], free):
            heading_of[name] = alike[0]
            if alike[0] != name:
                recognised.append(name)
    free = [heading for heading in sheet.headings if heading not in heading_of.values()]
    for name in required:
        if name not in heading_of and name not in (named or {}):
            what = f"there is no column {name}"
            problems.append(Problem(sheet.name, what, _near(name, free, sheet.headings, row)))
    return Columns(sheet.name, heading_of, None, None, (), (), tuple(recognised)), problems


def _headings_of(name: str, usual: Sequence[str], headings: list[str]) -> list[str]:
    if name in headings:
        return [name]
    if name == "isup_grade":
        return headings_like(name, headings)
    plain = {heading: plain_heading(heading) for heading in headings}
    alike = [heading for heading in headings if plain[heading] in usual and not OTHER_GRADES.search(plain[heading])]
    return sorted(alike, key=lambda heading: usual.index(plain[heading]))


def _near(name: str, free: Sequence[str], headings: Sequence[str], row: str) -> str:
    """Say what to do about a missing column: rename a free one that looks like it, or add it."""
    near = difflib.get_close_matches(name, free, n=1, cutoff=0.7)
    if near:
        return f"Rename '{near[0]}', or name its heading with --columns."
    there = ", ".join(headings)
    return f"Add it, or name its heading with --columns; a row is one {row}. The table has: {there}."
