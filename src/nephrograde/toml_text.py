"""TOML as people write it; what is nested too deeply to be a study is refused before it is parsed.

A key of thousands of dots takes the parser gigabytes, and as many nested brackets exceed its recursion.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from typing import Any

from nephrograde.errors import Problem

_SHOWN = 80

DEEPEST = 30
"""Levels of a key or of nested brackets; a study file needs 4."""

LONGEST = 2_000_000
"""Characters of a file; a long study file has a few thousand."""

SAMPLE = "See `nephrograde init DIR` for a sample."

_HALF_WIDTH = {"“": '"', "”": '"', "‘": "'", "’": "'", "【": "[", "】": "]", "、": ",", "。": "."}
"""Signs of Chinese keyboards to which Unicode knows no equivalent; of the others, it does."""

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""' + r"|'''.*?'''" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'" + r"|#[^\n]*|[\[\]{}.=,\n]",
    re.DOTALL,
)


def read_toml(text: str) -> dict[str, Any]:
    """Parse a TOML text.

    Args:
        text: The content of a file.

    Raises:
        TOMLDecodeError: If it is not TOML, or is longer or nested more deeply than any study.

    >>> read_toml("fit.epochs = 2")
    {'fit': {'epochs': 2}}
    >>> read_toml("x = " + "[" * 100)
    Traceback (most recent call last):
        ...
    tomllib.TOMLDecodeError: More than 30 levels of brackets (at line 1)
    """
    if len(text) > LONGEST:
        raise tomllib.TOMLDecodeError(f"More than {LONGEST:,} characters")
    depth = dots = 0
    for found in _TOKEN.finditer(text):
        sign = found[0]
        depth += (sign in "[{") - (sign in "]}")
        dots = dots + 1 if sign == "." else dots if sign[0] in "\"'" else 0
        if depth > DEEPEST or dots > DEEPEST:
            what = "levels of brackets" if depth > DEEPEST else "levels in a key"
            line = text.count("\n", 0, found.start()) + 1
            raise tomllib.TOMLDecodeError(f"More than {DEEPEST} {what} (at line {line})")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise tomllib.TOMLDecodeError(str(error)) from None


def syntax_problem(place: str, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    r"""Say where a text is not TOML, why, and what to write instead.

    Args:
        place: The name of the file.
        text: Its content.
        error: What :func:`read_toml` raised.

    >>> try:
    ...     _ = read_toml("[split]\nfolds ＝ 5")
    ... except tomllib.TOMLDecodeError as error:
    ...     print(syntax_problem("a.toml", "[split]\nfolds ＝ 5", error))
    a.toml line 2: is not TOML: Expected '=' after a key in a key/value pair. Write '=' for '＝' in: folds ＝ 5
    """
    reason, _, where = str(error).rpartition(" (at ")
    line = re.match(r"line (\d+)", where)
    if line is None:
        return Problem(place, f"is not TOML: {error}", SAMPLE)
    wrong = text.replace("\r\n", "\n").split("\n")[int(line[1]) - 1]
    wrong = _TOKEN.sub(lambda found: "" if found[0].startswith("#") else found[0], wrong).strip()
    return Problem(f"{place} line {line[1]}", f"is not TOML: {reason}", _remedy(wrong, reason))


def _remedy(line: str, reason: str) -> str:
    bare = _TOKEN.sub(lambda found: found[0] if len(found[0]) == 1 else "", line)  # without texts and comments
    bare = re.sub(r"(?<=[\"']).*", lambda rest: re.sub("[^“”‘’＂＇]", "", rest[0]), bare)  # an open text lacks its end
    shown = line[:_SHOWN]
    for sign in bare:
        plain = _HALF_WIDTH.get(sign) or unicodedata.normalize("NFKC", sign)
        if plain != sign and plain.isascii():
            return f"Write '{plain}' for '{sign}' in: {shown}"
    if "\\" in line:
        return f"In a path, write / for each backslash, in: {shown}"
    if reason.startswith(("Cannot overwrite", "Cannot declare", "Duplicate")):
        return f"Remove all but one of: {shown}"
    return f"Correct: {shown}" if line else SAMPLE
