"""TOML as people write it; what is nested too deeply to be a study is refused before it is parsed.

A key of thousands of dots takes the parser gigabytes, and as many nested brackets exceed its recursion.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

DEEPEST = 30
"""Levels of a key or of nested brackets; a study file needs 4."""

LONGEST = 2_000_000
"""Characters of a file; a long study file has a few thousand."""

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
