"""Spellings of a person's name in descriptions, and those that are only ordinary words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nephrograde.sources.identity.inflection import cases_of
from nephrograde.sources.identity.korean import korean_names
from nephrograde.sources.identity.scripts import (
    BETWEEN,
    chinese_names,
    cyrillic_words,
    latin_pattern,
    latin_word,
    pinyin_pattern,
    pinyin_readings,
)
from nephrograde.sources.identity.spelling import BREAK, is_han, parts_of
from nephrograde.sources.identity.words import glued_words, is_ordinary_chinese, ordinary_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST_APART = 5
"""Letters of a part of a name that may be written as two words: "Mc Donald"."""
_SHORTEST_INSIDE = 5
"""Letters of a part of a name that is found inside longer words; a shorter one may be there by chance."""
_SHORTEST_OTHER_SCRIPT = 3
_SHORTEST_NUMBER = 4  # a part "10" would also remove the 10 from "10 mm"
_NOBODYS = frozenset(
    {"ct", "mr", "mri", "pet", "abdomen", "chest", "thorax", "pelvis", "kidney", "head", "body", "scan", "test"}
)
"""Where all parts of a name are ordinary words and one of these is among them, it is nobody's: "Abdomen^CT"."""
_LETTER = r"[^\W\d_]"
_START, _END = f"(?<!{_LETTER})", f"(?!{_LETTER})"
_RUN = re.compile(_LETTER + "+")
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_WITHOUT_CASE = 0x2E80  # scripts without letter case or blanks between words
_LONGEST_CHINESE = 4


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One spelling of a name, or of a part of it.

    Attributes:
        pattern: A regular expression for folded texts.
        n_letters: Its length if it may occur inside words; 0 if it stands on its own.
    """

    pattern: str
    n_letters: int = 0

    def find(self, folded: str) -> Iterator[tuple[int, int]]:
        """Yield where the name is in a folded text."""
        for found in _compiled(self.pattern).finditer(folded):
            if not self.n_letters or _may_end_here(folded, found.start(), found.end(), self.n_letters):
                yield found.span()


def name_patterns(name: str) -> Iterator[NamePattern]:
    """Yield the spellings of a name.

    Args:
        name: As in the header: parts separated by ``^`` or blanks, scripts by ``=``.

    Yields:
        The whole name in both orders, and each of its parts unless that is an ordinary word.

    >>> def finds(name, text): return any(list(one.find(parts_of(text)[0])) for one in name_patterns(name))
    >>> finds("Nowak^Jan", "CTNowak"), finds("Lang^Xi", "lang"), finds("Чайковский^Пётр", "Tchaikovsky")
    (True, False, True)
    """
    for group in name.split("="):
        parts = parts_of(group)
        yield from _whole_name(parts)
        for component in group.split("^"):
            yield from _whole_name(parts_of(component))
        for part in parts:
            yield from _part(part)
            yield from _in_other_cases(part, has_accents=not group.isascii())
            if not _is_latin(part) and not is_han(part):
                yield from _in_latin(part)
        for surname, given in chinese_names(group):
            yield from _in_pinyin(surname, given)
        for spellings, given in korean_names(group):
            yield from _in_romanised_korean(spellings, given)


def names_in_other_scripts(names: tuple[str, ...], folded: str) -> Iterator[tuple[int, int]]:
    """Yield where a folded text has a name in another script than the headers.

    Args:
        names: As in the headers.
        folded: The text; if all of it is Latin, there is nothing to find.
    """
    if folded.isascii():
        return
    parts, wholes = _latin_names(names)
    for found in cyrillic_words(folded):
        spelling = _compiled(latin_pattern(found.group()))
        if any(spelling.fullmatch(part) for part in parts):
            yield found.span()
    for found in _RUN.finditer(folded):
        word = found.group()
        if not is_han(word) and not word.isascii() and latin_word(word) in parts | wholes:
            yield found.span()
    if wholes:
        yield from _chinese_spans(wholes, folded)


def _chinese_spans(wholes: frozenset[str], folded: str) -> Iterator[tuple[int, int]]:
    for run in _CHINESE.finditer(folded):
        for length in range(_LONGEST_CHINESE, 1, -1):
            for start in range(run.start(), run.end() - length + 1):
                characters = folded[start : start + length]
                if not is_ordinary_chinese(characters) and not wholes.isdisjoint(pinyin_readings(characters)):
                    yield start, start + length


@lru_cache(maxsize=256)
def _latin_names(names: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the Latin parts of names, and what the pinyin of a whole name or of a given name can be."""
    parts, wholes = set[str](), set[str]()
    for group in (group for name in names for group in name.split("=")):
        found = [part for part in parts_of(group) if _is_latin(part)]
        parts |= {part for part in found if len(part) >= _SHORTEST_OTHER_SCRIPT and part not in ordinary_words()}
        if len(found) > 1:
            given = "".join(found[1:])
            wholes |= {found[0] + given, given + found[0], given, "".join(found[:-1]), found[-1] + "".join(found[:-1])}
        for surname, given in chinese_names(group):
            wholes |= pinyin_readings(surname + given)
    return frozenset(parts), frozenset(one for one in wholes if len(one) > _SHORTEST_OTHER_SCRIPT)


def _whole_name(parts: list[str]) -> Iterator[NamePattern]:
    if len(parts) < 2 or (ordinary_words().issuperset(parts) and not _NOBODYS.isdisjoint(parts)):
        return
    orders = [
        parts,
        parts[::-1],
        [*parts[1:], parts[0]],
        [parts[-1], *parts[:-1]],
        [parts[0], parts[1]],
        [parts[1], parts[0]],
    ]
    for order in dict.fromkeys(map(tuple, orders)):
        if len("".join(order)) >= _SHORTEST_OTHER_SCRIPT:
            yield NamePattern(_START + BETWEEN.join(map(_spelt, order)) + _END)
            if all(is_han(part) for part in order):
                yield NamePattern(BETWEEN.join(map(_spelt, order)))


def _part(part: str) -> Iterator[NamePattern]:
    if part.isdecimal():
        if len(part) >= _SHORTEST_NUMBER:
            yield NamePattern(rf"(?<!\d){part}(?!\d)")
        return
    if len(part) < 2 or part in ordinary_words() or is_ordinary_chinese(part):
        return
    if ord(part[0]) >= _WITHOUT_CASE:
        yield NamePattern(re.escape(part))
        return
    if len(part) >= _SHORTEST_APART:
        yield NamePattern(_START + BETWEEN.join(map(re.escape, part)) + _END)
    yield NamePattern(_spelt(part), n_letters=len(part))


def _in_latin(part: str) -> Iterator[NamePattern]:
    """Spell a part of a name in another script in Latin letters."""
    if len(part) < _SHORTEST_OTHER_SCRIPT and ord(part[0]) < _WITHOUT_CASE:
        return
    if re.fullmatch(r"[\u0400-\u052f]+", part):
        yield NamePattern(_START + latin_pattern(part) + _END, n_letters=len(part))
    spelling = latin_word(part)
    if len(spelling) >= _SHORTEST_OTHER_SCRIPT:
        yield from _part(spelling)


def _in_other_cases(part: str, *, has_accents: bool) -> Iterator[NamePattern]:
    if part in ordinary_words():
        return
    for stem, endings in cases_of(part, has_accents=has_accents):
        yield NamePattern(f"{_START}{_spelt(stem)}(?:{'|'.join(sorted(endings, key=len, reverse=True))}){_END}")


def _in_romanised_korean(spellings: tuple[str, ...], given: str) -> Iterator[NamePattern]:
    for spelling in spellings:
        if len(spelling) >= _SHORTEST_OTHER_SCRIPT and spelling not in ordinary_words():
            yield NamePattern(_START + spelling + _END)
    if given:
        surname, first = f"(?:{'|'.join(spellings)})", BETWEEN.join(map(re.escape, latin_word(given)))
        for order in ((surname, first), (first, surname)):
            yield NamePattern(_START + BETWEEN.join(order) + _END)


def _in_pinyin(surname: str, given: str) -> Iterator[NamePattern]:
    first, last = pinyin_pattern(given), pinyin_pattern(surname)
    for order in ((last, first), (first, last)):
        yield NamePattern(_START + BETWEEN.join(order) + _END)
    for characters, pattern in ((surname, last), (given, first)):
        readings = pinyin_readings(characters)
        if min(map(len, readings)) >= _SHORTEST_OTHER_SCRIPT and readings.isdisjoint(ordinary_words()):
            yield NamePattern(_START + pattern + _END)


def _may_end_here(folded: str, start: int, end: int, n_letters: int) -> bool:
    """Whether a part of a name is one here, or belongs to another word by chance."""
    before = _RUN.search(folded[:start][::-1]) if start and _RUN.match(folded[start - 1]) else None
    after = _RUN.match(folded, end)
    head = before.group()[::-1] if before else ""
    tail = after.group() if after else ""
    if not head and not tail:
        return True
    if n_letters >= _SHORTEST_INSIDE:
        return head + folded[start:end] + tail not in ordinary_words()
    return n_letters > 2 and head in glued_words() and tail in glued_words()


def _spelt(part: str) -> str:
    """Allow a break between letters, which stands where a capital follows a small letter."""
    return f"{BREAK}?".join(map(re.escape, part))


def _is_latin(part: str) -> bool:
    return all(ord(letter) < 0x0250 for letter in part)


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
