"""What other rooms say, in the language of the terminal or of a page.

Refusals and findings are English in the code, in files and in exceptions, with their values filled in: what is stored
does not depend on who reads it. Only the terminal and the pages show them in another language. The catalogue
``locale/messages/zh.json`` holds the same sentences with placeholders, by which they are recognised; a sentence that it
does not hold stays as it is. What this package prints itself goes through :func:`~nephrograde.report.text.language.t`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from string import Formatter
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.report.text.language import catalogue, spoken, t

if TYPE_CHECKING:
    from nephrograde.errors import Problem
    from nephrograde.report.text.language import Language

_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)")
_ENDS_OF_SENTENCES = ("。", "！", "？", "：", "；", "\n")
_NUMBERS = frozenset({"n", "m", "k", "l", "row", "line", "fold"})
"""Placeholders for numbers alone."""
_SENTENCES = frozenset({"text", "why", "what", "reason"})
"""Placeholders for text that may consist of several sentences."""
_TERMS = frozenset({"times", "kind", "grade", "call", "ends", "rule", "phase", "sides"})
"""Placeholders for words of ours, one or several after commas; those of others are names, which stay."""
_LISTS = frozenset({"models"})
"""Placeholders for names, listed as in "a, b and c"."""
_ITEMS = frozenset({"columns", "headings", "ids", "labels", "names", "others", "pairs", "phases", "rows", "who"})
"""Placeholders for names after commas, which stay; the commas do not."""
_PARTS = frozenset({"counts", "listed"})
"""Placeholders for several texts after semicolons or commas, each of which the catalogue holds."""
_DEEPEST = 4
"""Sentences within sentences: a problem that quotes another one."""


class _Pattern(NamedTuple):
    """A sentence of the catalogue: how it is recognised, its translation, and how much of it is no placeholder."""

    expression: re.Pattern[str]
    translation: str
    n_literal: int


def told(text: str) -> str:
    """Translate lines of English sentences into the language of the terminal or page.

    Args:
        text: As another room wrote it, with its values.

    Returns:
        The lines; a sentence that the catalogue does not hold stays English.

    >>> from nephrograde.report.text.language import speaking
    >>> with speaking("zh"):
    ...     told("no such file or folder. Correct the path in the cohort table."), told("Nonesuch.")
    ('没有此文件或文件夹。请改正队列表中的路径。', 'Nonesuch.')
    """
    language = spoken()
    if language == "en":
        return text
    if (whole := _known(text, language)) is not None:
        return whole
    return "\n".join(_told_line(line, language) for line in text.split("\n"))


def problem_in_words(problem: Problem) -> str:
    """Translate a mistake in an input: where it is, what it is, and what to do.

    Args:
        problem: The mistake.

    >>> from nephrograde.errors import Problem
    >>> from nephrograde.report.text.language import speaking
    >>> with speaking("zh"):
    ...     problem_in_words(Problem("fit.epoch", "unknown key", "Did you mean 'epochs'?"))
    'fit.epoch：未知的键。是否应为“epochs”？'
    """
    if spoken() == "en":
        return str(problem)
    return t(
        "{place}: {what}. {remedy}", place=told(problem.place), what=told(problem.what), remedy=told(problem.remedy)
    )


def _told_line(line: str, language: Language) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    body = line.strip()
    if not body:
        return line
    whole = _known(body, language)
    return indent + (whole if whole is not None else _joined(_told_sentences(body, language)))


def _told_sentences(text: str, language: Language, depth: int = 0) -> list[str]:
    """Translate sentence by sentence; several that the catalogue holds as one are recognised together."""
    sentences = _SENTENCE_END.split(text)
    parts: list[str] = []
    while sentences:
        for count in range(len(sentences), 0, -1):
            known = _known(" ".join(sentences[:count]), language, depth)
            if known is not None:
                parts.append(known)
                sentences = sentences[count:]
                break
        else:
            parts.append(_about(sentences.pop(0), language, depth))
    return parts


def _about(sentence: str, language: Language, depth: int) -> str:
    """Translate a sentence known with another end, or what follows its first colon, as in ``a.toml: no such file``."""
    if " " in sentence:
        for text, gained, lost in ((sentence.removesuffix("."), "。", ""), (f"{sentence}.", "", "。")):
            known = _known(text, language, depth) if text != sentence else None
            if known is not None:
                return known.removesuffix(lost) + gained
    place, colon, rest = sentence.partition(": ")
    if colon and depth < _DEEPEST:
        for text, end in ((rest, ""), (rest.removesuffix("."), "。")):
            known = _known(text, language, depth + 1)
            if known is not None:
                stopped = f"{known[:-1]}。" if known.endswith(".") else known  # the last value took the full stop
                return f"{place}：{stopped}{end}"
    return sentence


def _joined(parts: list[str]) -> str:
    text = ""
    for part in parts:
        text += part if not text or text.endswith(_ENDS_OF_SENTENCES) else f" {part}"
    return text


def _known(text: str, language: Language, depth: int = 0) -> str | None:
    """Translate a text that the catalogue holds as one entry; None if it does not."""
    exact = _exact(language).get(text)
    if exact is not None:
        return exact
    for pattern in _patterns(language):
        match = pattern.expression.fullmatch(text)
        if match is not None:
            values = {name: _value(name, value, language, depth + 1) for name, value in match.groupdict().items()}
            return pattern.translation.format(**values)
    return None


def _value(name: str, value: str, language: Language, depth: int) -> str:
    """Translate the value of a placeholder if it is a text of several words, or a term where terms are expected."""
    if name in _TERMS:
        for between, pattern in ((t(", "), ", | and the "), (" + ", r" \+ ")):
            terms = re.split(pattern, value)
            if all(term in _exact(language) for term in terms):
                return between.join(_exact(language)[term] for term in terms)
    if name in _PARTS:
        between, joint = ("; ", t("; ")) if "; " in value else (", ", t(", "))
        return joint.join(_known(part, language, depth) or part for part in value.split(between))
    if name in _LISTS:
        return "、".join(re.split(", | and ", value))
    if depth <= _DEEPEST and " " in value.strip():
        value = _joined(_told_sentences(value, language, depth))
    return value.replace(", ", "、") if name in _ITEMS else value


@cache
def _messages(language: Language) -> dict[str, str]:
    path = resources.files("nephrograde.report") / "locale" / "messages" / f"{language}.json"
    entries: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return entries


@cache
def _exact(language: Language) -> dict[str, str]:
    """The sentences without placeholders, also those of the pages."""
    everything = {**catalogue(language), **_messages(language)}
    return {english: chinese for english, chinese in everything.items() if "{" not in english}


@cache
def _patterns(language: Language) -> list[_Pattern]:
    """The sentences with placeholders, those with the most words of their own first."""
    patterns = [_pattern(english, chinese) for english, chinese in _messages(language).items() if "{" in english]
    return sorted(patterns, key=lambda pattern: -pattern.n_literal)


def _pattern(english: str, chinese: str) -> _Pattern:
    """Build the expression of a sentence; a placeholder that occurs twice has the same value twice."""
    expression, n_literal = "", 0
    names: set[str] = set()
    for literal, name, _, _ in Formatter().parse(english):
        expression += re.escape(literal)
        n_literal += len(literal)
        if name is not None:
            expression += f"(?P={name})" if name in names else f"(?P<{name}>{_expression_of(name)})"
            names.add(name)
    return _Pattern(re.compile(expression, re.DOTALL), chinese, n_literal)


def _expression_of(name: str) -> str:
    """What a placeholder may stand for: a number, several sentences, or anything within one sentence."""
    if name in _NUMBERS:
        return r"[\d.,:−+-]+"
    return ".+?" if name in _SENTENCES else r"(?:(?![.!?] [A-Z`]).)+?"
