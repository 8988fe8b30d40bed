"""Texts of a file that somebody else wrote, made safe to be printed."""

from __future__ import annotations

import unicodedata
from typing import Any

LONGEST = 500
"""Characters of a text that is printed; none of this project's own is as long."""
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, marks of the direction of writing, halves of characters, and ends of lines and paragraphs."""
IN_HEADINGS = "\n\r\t\u00ad\u200b\u200e\u200f\ufeff"
"""They occur in the headings of tables, by which columns are found."""
_JOINERS = "\u200c\u200d"
"""They belong to the spelling of some languages, and move nothing."""


def printable(text: str, most: int = LONGEST, keep: str = "") -> str:
    r"""Return a text on one line that cannot steer a terminal, shortened where it is too long.

    Args:
        text: From a file.
        most: Characters of it.
        keep: Characters that stay all the same.

    >>> printable("a\x1b[2Jb\nc\u202ed"), printable("abcdef", most=4)
    ('a�[2Jb�c�d', 'abc…')
    """
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(
        "\ufffd" if unicodedata.category(one) in _UNSEEN and one not in _JOINERS + keep else one for one in short
    )


def printable_json(content: Any, keep: str = "") -> Any:
    r"""Return the content of a JSON file with all its texts, and the names of all its entries, printable.

    Args:
        content: As ``json.loads`` gives it, or what becomes JSON.
        keep: Characters that stay all the same.

    Raises:
        RecursionError: It is nested too deeply.

    >>> printable_json({"a\n": ["\x1b", 1]})
    {'a�': ['�', 1]}
    """
    if isinstance(content, str):
        return printable(content, keep=keep)
    if isinstance(content, list | tuple):
        return [printable_json(one, keep) for one in content]
    if isinstance(content, dict):
        return {printable(name, keep=keep): printable_json(one, keep) for name, one in content.items()}
    return content
