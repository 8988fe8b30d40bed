"""The ids of all patients of an export, as the description of any other patient may write them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from nephrograde.sources.identity.spelling import BREAK, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nephrograde.sources.identity.spelling import Folded

_GROUP: Final = re.compile(rf"[^\W\d_]+(?:{BREAK}[^\W\d_]+)*|\d+")
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_SHORTEST: Final = 5
_SHORTEST_SPACED: Final = 8
"""Digits of an id that is found with blanks at any place; a shorter one only where the header divides it."""
_FEWEST_DIGITS: Final = 4
"""Of an id whose letters are an ordinary word; "CT-001" would remove the first words of "CT 001 art"."""
_PARAMETERS: Final = frozenset({"b", "fov", "hu", "kv", "ma", "mas", "te", "ti", "tr"})
"""What precedes up to four digits in descriptions: "b1000", "TE 2000"."""
_MOST_WORDS: Final = 6
_EQUIVALENT: Final = frozenset({"", "-", "/", "_", "\\", "\u2010", "\u2011", "\u2013", "\u2014"})
"""What may separate groups of digits in place of what the header has: not a point, which makes a decimal."""
_WIDEST_GAP: Final = 3
_DECIMAL: Final = re.compile(r"(?<![\d.,])\d+[.,]\d+(?![.,]?\d)")
_LONGEST_DECIMAL: Final = 8
"""Characters of a number with decimals; a longer one is an id with a suffix: "10023456.2"."""


class KnownIds:
    """The ids of patients, each in the spellings that are looked for.

    Args:
        is_plain: Whether a folded word says nothing about who somebody is.

    >>> known = KnownIds(is_plain=lambda word: len(word) < 2)
    >>> known.add("12-3456")
    >>> [bool(list(known.spans(fold(text)))) for text in ("12-3456", "12/3456", "123456", "12 34 56", "12.3456")]
    [True, True, True, False, False]
    """

    def __init__(self, *, is_plain: Callable[[str], bool]) -> None:
        self._is_plain = is_plain
        self._wholes: set[str] = set()
        self._cores: set[str] = set()
        self._written: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        self._divided: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        self._lengths: set[int] = set()

    def add(self, text: str) -> None:
        """Add an id as a header has it; one of fewer than five letters and digits is ignored."""
        folded = fold(text).text.replace(BREAK, "")
        found = list(_WORD.finditer(folded))
        groups = [one.group() for one in found]
        gaps = [folded[one.end() : other.start()].strip() for one, other in pairwise(found)]
        digits = [group for group in groups if group.isdecimal()]
        letters = [group for group in groups if not group.isdecimal()]
        n_digits = len("".join(digits))
        if len("".join(groups)) >= _SHORTEST:
            is_parameter = n_digits <= _FEWEST_DIGITS and not _PARAMETERS.isdisjoint(letters)
            is_short = n_digits < _FEWEST_DIGITS and all(map(self._is_plain, letters))
            if letters and not is_short and not is_parameter:
                self._wholes.add("".join(groups))
            is_usual = (is_parameter and len(groups) == 2) or (is_short and _has_blank(folded, found))
            if not (letters and is_usual):
                self._put(self._written, groups, gaps)
        for core in ("".join(digits).lstrip("0"), *(one.lstrip("0") for one in digits)):
            if len(core) >= _SHORTEST:
                self._cores.add(core)
        self._add_divided(groups, gaps)

    def spans(self, folded: Folded) -> Iterator[tuple[int, int]]:
        """Yield where a folded text has one of the ids, as places in the original text."""
        readings = [_WORD] if BREAK not in folded.text else [_WORD, _GROUP]
        decimals = [one.span() for one in _DECIMAL.finditer(folded.text) if len(one.group()) <= _LONGEST_DECIMAL]
        for reading in readings:
            found = list(reading.finditer(folded.text))
            words = [one.group().replace(BREAK, "") for one in found]
            for start, first in enumerate(found):
                is_decimal = any(begin <= first.start() < end for begin, end in decimals)
                for length in sorted({*range(1, _MOST_WORDS + 1), *self._lengths}):
                    end = start + length
                    if end > len(words):
                        break
                    if length == 1 and is_decimal:
                        continue
                    if self._is_joined(words[start:end]) or self._is_written(folded.text, found[start:end]):
                        yield folded.span(first.start(), found[end - 1].end())

    def _add_divided(self, groups: Sequence[str], gaps: Sequence[str]) -> None:
        """Add the digits of an id without its prefix, divided as the header divides them."""
        is_digits = [group.isdecimal() for group in groups]
        if True not in is_digits:
            return
        start = is_digits.index(True)
        end = len(groups) - is_digits[::-1].index(True)
        run, between = groups[start:end], gaps[start : end - 1]
        if len(run) < 2 or not all(map(str.isdecimal, run)) or len("".join(run)) < _SHORTEST:
            return
        self._put(self._written, run, between)
        run = [run[0].lstrip("0"), *run[1:]]
        if run[0] and len("".join(run)) >= _SHORTEST:
            self._put(self._divided, run, between)

    def _put(
        self, spellings: dict[tuple[str, ...], set[tuple[str, ...]]], groups: Sequence[str], gaps: Sequence[str]
    ) -> None:
        spellings.setdefault(tuple(groups), set()).add(tuple(gaps))
        self._lengths.add(len(groups))

    def _is_written(self, text: str, found: Sequence[re.Match[str]]) -> bool:
        """Whether words are an id with the separators of its header, or with equivalent ones between digits."""
        words = [one.group().replace(BREAK, "") for one in found]
        known = self._written.get(tuple(words), set())
        divided = self._divided.get((words[0].lstrip("0"), *words[1:]), set())
        if not known and not divided:
            return False
        gaps = [text[one.end() : other.start()] for one, other in pairwise(found)]
        if any(len(gap) > _WIDEST_GAP for gap in gaps):
            return False
        stripped = tuple(gap.replace(BREAK, "").strip() for gap in gaps)
        return stripped in known or any(
            all(gap == own or gap in _EQUIVALENT for gap, own in zip(stripped, owns, strict=True)) for owns in divided
        )

    def _is_joined(self, words: Sequence[str]) -> bool:
        whole = "".join(words)
        if len(words) == 1:
            return whole.lstrip("0") in self._cores
        if len(words) > _MOST_WORDS:
            return False
        if whole in self._wholes:
            return True
        return len(whole) >= _SHORTEST_SPACED and whole.isdecimal() and whole.lstrip("0") in self._cores


def _has_blank(text: str, found: Sequence[re.Match[str]]) -> bool:
    return any(text[one.end() : other.start()].isspace() for one, other in pairwise(found))
