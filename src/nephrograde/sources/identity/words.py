"""The words of ``words.toml``: what is removed only together with other parts of a name, and the names of months."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACEHOLDER = re.compile(r"(?:anon\w*|unknown|no ?name|patient|匿名\w*|无名\w*)[\W\d_]*", re.IGNORECASE)


@cache
def ordinary_words() -> frozenset[str]:
    """Folded words that are kept even if a name contains them."""
    return frozenset(_words()["ordinary"])


@cache
def descriptive_words() -> frozenset[str]:
    """Folded words that are kept in the description of a patient even if another patient has them for a name."""
    return frozenset(_words()["descriptive"])


def is_placeholder(name: str) -> bool:
    """Whether a name stands for one that was removed, and is nobody's.

    >>> [is_placeholder(name) for name in ("ANONYMOUS^001", "匿名", "Kowalska^Anna")]
    [True, True, False]
    """
    return _PLACEHOLDER.fullmatch(name) is not None


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
def is_descriptive_chinese(text: str) -> bool:
    """Whether a Chinese text is kept in the description of a patient even if another patient is called so.

    >>> is_descriptive_chinese("高清"), is_descriptive_chinese("静脉"), is_descriptive_chinese("小明")
    (True, True, False)
    """
    return is_ordinary_chinese(text) or text in _words()["descriptive_chinese"]


def descriptive_chinese_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where a Chinese text has a word of descriptions; it is kept, whoever is called like a part of it.

    >>> list(descriptive_chinese_spans("肾平面"))
    [(1, 3)]
    """
    for word in _words()["descriptive_chinese"]:
        start = text.find(word)
        while start >= 0:
            yield start, start + len(word)
            start = text.find(word, start + 1)


@cache
def months() -> tuple[tuple[str, ...], ...]:
    """The folded names of the months in the languages of hospitals, January first."""
    return tuple(tuple(names) for names in _words()["months"])


@cache
def _words() -> dict[str, Any]:
    path = resources.files("nephrograde.sources.identity").joinpath("words.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
