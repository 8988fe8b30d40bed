"""The language of the page: English sentences in the code, their Chinese in ``locale/zh/*.json``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.vocabulary import phase_name

if TYPE_CHECKING:
    from collections.abc import Iterator

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
HTML_LANGUAGES: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}
"""What a page calls its language, for browsers and screen readers (BCP 47)."""
_spoken: ContextVar[Language] = ContextVar("language", default="en")


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Write everything inside the block in one language.

    >>> with speaking("zh"):
    ...     spoken()
    'zh'
    """
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken() -> Language:
    """Tell the language that is being written."""
    return _spoken.get()


def t(sentence: str, /, **values: object) -> str:
    """Say a sentence in the language of the page.

    Args:
        sentence: The English sentence, a constant, with ``{name}`` where a value goes.
        values: What goes there.

    Returns:
        The sentence with its values; in English where the catalogue has no other.

    >>> t("{n} patients", n=3)
    '3 patients'
    """
    return translated(sentence).format(**values)


def translated(sentence: str) -> str:
    """Look a sentence up in the catalogue, its places for values still open.

    For the few functions that put the values in themselves; all others call :func:`t`.

    Args:
        sentence: The English sentence.

    Returns:
        It, or its Chinese; the English where the catalogue has no other.

    >>> with speaking("zh"):
    ...     translated("{n} patients")
    '{n}例患者'
    """
    return sentence if spoken() == "en" else catalogue(spoken()).get(sentence, sentence)


def phase_in_words(phase: str) -> str:
    """Spell a phase code out in the language of the page; an unknown one stays as it is.

    >>> phase_in_words("cmp"), phase_in_words("pet")
    ('corticomedullary', 'pet')
    """
    return translated(phase_name(phase))


def phase_heading(phase: str) -> str:
    """Spell a phase out in the language of the page, for a heading.

    >>> phase_heading("cmp"), phase_heading("pet")
    ('Corticomedullary', 'pet')
    """
    words = phase_in_words(phase)
    return phase if words == phase else f"{words[0].upper()}{words[1:]}"


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Read every sentence of a language that the package knows, by its English."""
    folder = resources.files("nephrograde.report") / "locale" / language
    found: dict[str, str] = {}
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        found.update(json.loads(part.read_text(encoding="utf-8")))
    return found
