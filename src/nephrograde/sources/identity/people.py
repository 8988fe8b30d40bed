"""The patients of an export, whom the description of any other patient may name.

Texts are looked up word by word, so the cost of a text does not depend on the number of patients. Many words of
descriptions are somebody's name. Therefore less counts as a name here than in the patient's own descriptions: whole
names, longer parts of names that are no ordinary word, and ids of five or more letters and digits.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final

from nephrograde.sources.identity.ids import KnownIds
from nephrograde.sources.identity.inflection import cases_of
from nephrograde.sources.identity.korean import korean_names
from nephrograde.sources.identity.revealing import tags_by_keyword
from nephrograde.sources.identity.scripts import chinese_names, latin_word, pinyin_readings
from nephrograde.sources.identity.spelling import cut_out, foldings, is_han, parts_of, tidied
from nephrograde.sources.identity.words import (
    descriptive_chinese_spans,
    descriptive_words,
    glued_words,
    is_descriptive_chinese,
    is_placeholder,
    ordinary_words,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nephrograde.sources.identity.spelling import Folded

_NAMES: Final = ("PatientName", "OtherPatientNames", "PatientBirthName")
_IDS: Final = ("PatientID", "OtherPatientIDs")
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_WITHOUT_CASE: Final = 0x2E80
"""Scripts whose words are short, and are written without blanks: Chinese, kana, Hangul."""
_SHORTEST_PART: Final = 5
_SHORTEST_DIVIDED: Final = 7
"""Letters of a part of a name that is found written as two words: "Mc Donald"."""
_SHORTEST_WHOLE: Final = 4
_SHORTEST_GLUED: Final = 6
"""Letters of a whole name that is found without a blank between its parts."""
_SHORTEST_WITHOUT_CASE: Final = 3
_SHORTEST_STEM: Final = 5
_MOST_WORDS: Final = 6
_CHINESE_LENGTHS: Final = (4, 3, 2)
_SHORTEST_PINYIN: Final = 3
"""Characters of a Chinese name whose Latin spelling is in a header; two characters are often another word."""


class People:
    """The names and ids of all patients, each held once.

    >>> people = People()
    >>> people.add([(0x00100010, "Zielinska^Ewa"), (0x00100020, "KH-98765")])
    >>> people.add([(0x00100010, "Low^Art"), (0x00100020, "120")])
    >>> people.removed_from("ZIELINSKA low dose art 120 kV, as KH98765")
    'low dose art 120 kV, as'
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._spaced: set[str] = set()
        self._glued: set[str] = set()
        self._parts: set[str] = set()
        self._stems: dict[str, frozenset[str]] = {}
        self._chinese: set[str] = set()
        self._ids = KnownIds(is_plain=_is_plain)
        self._cleaned = lru_cache(maxsize=4096)(self._without)

    def add(self, found: Collection[tuple[int, str]], *, public_id: str = "") -> None:
        """Add a patient.

        Args:
            found: Tags and decoded values of a header; only names and ids of the patient count.
            public_id: An id or name that is written as it is, and does not count.
        """
        ids = {text for tag, text in found if tag in _tags(_IDS)} - {public_id}
        names = {text for tag, text in found if tag in _tags(_NAMES)} - {public_id}
        for text in (ids | names) - self._known:
            self._known.add(text)
            self._cleaned.cache_clear()
            if any(map(str.isdecimal, text)):
                self._ids.add(text)
            if not is_placeholder(text):
                self._add_name(text, is_label=text in ids and any(map(str.isdecimal, text)))

    def mark(self) -> str:
        """Return a digest that differs when other patients are known."""
        return hashlib.sha256(repr(sorted(self._known)).encode("utf-8", "surrogatepass")).hexdigest()

    def removed_from(self, text: str) -> str:
        """Remove the patients' names and ids from a text; the rest stays, with runs of blanks merged.

        Args:
            text: A description, decoded.
        """
        return self._cleaned(text)

    def is_in(self, text: str) -> bool:
        """Check whether a text contains a name or an id of one of the patients."""
        return any(next(self._spans(folded), None) is not None for folded in foldings(text))

    def _without(self, text: str) -> str:
        spans = [span for folded in foldings(text) for span in self._spans(folded)]
        return tidied(cut_out(text, spans)) if spans else text

    def _add_name(self, name: str, *, is_label: bool) -> None:
        """Add a name; one that is an id as well, such as "TRIAL-LYMPH-001", as a whole only."""
        for group in name.split("="):
            for component in (group, *group.split("^")):
                self._add_whole(parts_of(component))
            self._add_whole(list(map(_in_latin, parts_of(group))))
            if not is_label:
                for spelling in (spelling for part in parts_of(group) for spelling in (part, _in_latin(part))):
                    self._add_part(spelling, has_accents=not group.isascii())
            self._add_romanised(group)

    def _add_romanised(self, name: str) -> None:
        """Add the Latin spellings of a Chinese or Korean name."""
        for surname, given in chinese_names(name):
            if not is_descriptive_chinese(surname + given):
                self._chinese.add(surname + given)
            for first, last in product(pinyin_readings(surname), pinyin_readings(given)):
                self._add_whole([first, last])
        for spellings, given in korean_names(name):
            for spelling in spellings:
                self._add_whole([spelling, latin_word(given)])

    def _add_whole(self, parts: Sequence[str]) -> None:
        words = [word for part in parts for word in _WORD.findall(part)]
        orders = [words, words[::-1], [*words[1:], *words[:1]], [*words[-1:], *words[:-1]]]
        if not any(map(str.isdecimal, words)):
            orders += [words[:2], words[1::-1]]
        for order in orders:
            whole = "".join(order)
            if len(order) < 2 or len(whole) < _shortest(whole, _SHORTEST_WHOLE):
                continue
            if all(map(_is_plain, order)) or is_descriptive_chinese(whole):
                continue
            self._spaced.add(" ".join(order))
            if len(whole) >= _shortest(whole, _SHORTEST_GLUED):
                self._glued.add(whole)

    def _add_part(self, part: str, *, has_accents: bool) -> None:
        if is_han(part) or not part.isalpha() or len(part) < _shortest(part, _SHORTEST_PART) or _is_plain(part):
            return
        self._parts.add(part)
        for stem, endings in cases_of(part, has_accents=has_accents):
            if len(stem) >= _SHORTEST_STEM:
                self._stems[stem] = self._stems.get(stem, frozenset()) | frozenset(endings)

    def _spans(self, folded: Folded) -> Iterator[tuple[int, int]]:
        yield from self._ids.spans(folded)
        found = list(_WORD.finditer(folded.text))
        words = [one.group() for one in found]
        spellings = [words] if folded.text.isascii() else [words, list(map(_in_latin, words))]
        for spelt in spellings:
            for start in range(len(spelt)):
                for end in range(start + 1, min(start + _MOST_WORDS, len(spelt)) + 1):
                    if self._is_somebody(spelt[start:end]):
                        yield folded.span(found[start].start(), found[end - 1].end())
        for one in found:
            if is_han(one.group()):
                yield from (folded.span(*span) for span in self._chinese_spans(one))

    def _is_somebody(self, words: Sequence[str]) -> bool:
        whole = "".join(words)
        if len(words) == 1:
            return whole in self._glued or self._is_part(whole)
        if " ".join(words) in self._spaced or whole in self._glued:
            return True
        return len(whole) >= _SHORTEST_DIVIDED and whole in self._parts and not all(map(_is_plain, words))

    def _is_part(self, word: str) -> bool:
        if word in self._parts:
            return not _is_plain(word)
        for cut in range(_SHORTEST_STEM, len(word) + 1):
            if word[cut:] in self._stems.get(word[:cut], ()) and not _is_plain(word):
                return True
        return any(
            (word.startswith(glued) and word[len(glued) :] in self._parts)
            or (word.endswith(glued) and word[: -len(glued)] in self._parts)
            for glued in glued_words()
            if glued and len(word) >= _SHORTEST_PART + len(glued)
        )

    def _chinese_spans(self, run: re.Match[str]) -> Iterator[tuple[int, int]]:
        text = run.group()
        kept = list(descriptive_chinese_spans(text))
        for length in _CHINESE_LENGTHS:
            for start in range(len(text) - length + 1):
                if any(first <= start and start + length <= last for first, last in kept):
                    continue
                characters = text[start : start + length]
                if characters in self._chinese or self._is_pinyin_name(characters):
                    yield run.start() + start, run.start() + start + length

    def _is_pinyin_name(self, characters: str) -> bool:
        if len(characters) < _SHORTEST_PINYIN or not self._glued or is_descriptive_chinese(characters):
            return False
        return not self._glued.isdisjoint(pinyin_readings(characters))


@lru_cache
def _tags(keywords: tuple[str, ...]) -> frozenset[int]:
    return frozenset(tags_by_keyword()[keyword] for keyword in keywords)


def _is_plain(word: str) -> bool:
    """Whether a word says nothing about who somebody is."""
    return (
        len(word) < 2 or word.isdecimal() or word in ordinary_words() or word in descriptive_words()
    ) and not _is_without_case(word)


def _is_without_case(word: str) -> bool:
    return ord(word[0]) >= _WITHOUT_CASE


def _shortest(text: str, usual: int) -> int:
    return _SHORTEST_WITHOUT_CASE if text and _is_without_case(text) else usual


@lru_cache(maxsize=8192)
def _in_latin(word: str) -> str:
    """Spell a word of an alphabet other than the Latin one in Latin letters; Chinese is spelt as a whole name."""
    return word if word.isascii() or is_han(word) else latin_word(word) or word
