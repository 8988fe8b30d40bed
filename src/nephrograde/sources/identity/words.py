"""The words of ``words.toml``: what is removed only together with other parts of a name, and the names of months."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def ordinary_words() -> frozenset[str]:
    """Folded words that are kept even if a name contains them."""
    return frozenset(_words()["ordinary"])


@cache
def glued_words() -> frozenset[str]:
    """Short folded words that are written together with names: "CTNowak"."""
    return frozenset({*_words()["glued"], ""})


@cache
def is_ordinary_chinese(text: str) -> bool:
    """Whether a Chinese text is a word about an examination, or part of one.

    >>> is_ordinary_chinese("静脉"), is_ordinary_chinese("小明")
    (True, False)
    """
    return any(text in word for word in _words()["ordinary_chinese"])


@cache
def months() -> tuple[tuple[str, ...], ...]:
    """The folded names of the months in the languages of hospitals, January first."""
    return tuple(tuple(names) for names in _words()["months"])


@cache
def _words() -> dict[str, Any]:
    path = resources.files("nephrograde.sources.identity").joinpath("words.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
