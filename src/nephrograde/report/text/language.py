"""The language of the page: English sentences in the code, their Chinese in ``locale/zh/*.json``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.vocabulary import TOGETHER, phase_name

if TYPE_CHECKING:
    from collections.abc import Iterator

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
HTML_LANGUAGES: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}
"""The language tag of a page, for browsers and screen readers (BCP 47)."""
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
    """Return the current language."""
    return _spoken.get()


def t(sentence: str, /, **values: object) -> str:
    """Translate a sentence into the language of the page.

    Args:
        sentence: The English sentence, a constant, with ``{name}`` as placeholders.
        values: The values of the placeholders.

    Returns:
        The sentence with its values; in English if the catalogue has no translation.

    >>> t("{n} patients", n=3)
    '3 patients'
    """
    return translated(sentence).format(**values)


def translated(sentence: str) -> str:
    """Look up a sentence in the catalogue without filling in its placeholders.

    For the few functions that fill in the values themselves; all others call :func:`t`.

    Args:
        sentence: The English sentence.

    Returns:
        The translation; the English sentence if the catalogue has none.

    >>> with speaking("zh"):
    ...     translated("{n} patients")
    '{n}例患者'
    """
    return sentence if spoken() == "en" else catalogue(spoken()).get(sentence, sentence)


def phase_in_words(phase: str) -> str:
    """Spell out a phase code, or several phases together, in the language of the page; an unknown code stays.

    >>> phase_in_words("cmp"), phase_in_words("pet")
    ('corticomedullary', 'pet')
    """
    return f" {TOGETHER} ".join(translated(phase_name(one)) for one in phase.split(TOGETHER))


def phase_heading(phase: str) -> str:
    """Spell out a phase in the language of the page, for a heading.

    >>> phase_heading("cmp"), phase_heading("pet")
    ('Corticomedullary', 'pet')
    """
    words = phase_in_words(phase)
    return phase if words == phase else f"{words[0].upper()}{words[1:]}"


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Read all translated sentences of a language, by their English."""
    folder = resources.files("nephrograde.report") / "locale" / language
    found: dict[str, str] = {}
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        found.update(json.loads(part.read_text(encoding="utf-8")))
    return found
