"""One way to write a text, whatever its script, accents, widths and invisible characters, with the way back."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BREAK = "\x1f"
"""Stands where two words meet without a blank: "AbdomenKowalska", "王小明CT"."""

_LETTERS = {"ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n"}
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")  # letters without a shape
_INVISIBLE = frozenset({"Cf", "Mn", "Me"})
_LAST_WITH_ACCENTS = 0x058F  # Latin, Greek, Cyrillic and Armenian
_ALSO_WITH_ACCENTS = range(0x1E00, 0x2000)
_COLLAPSED = frozenset({("a", "e"), ("o", "e"), ("u", "e"), ("a", "a")})
_KATAKANA = range(0x30A1, 0x30F7)
_TO_HIRAGANA = 0x60
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as it is compared.

    Attributes:
        text: The folded text.
        origins: For each of its characters, the place of the one it comes from; at the end, the length of the original.
    """

    text: str
    origins: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the part of the original text that a part of the folded text comes from."""
        return self.origins[start], self.origins[end]


@lru_cache(maxsize=4096)
def fold(text: str) -> Folded:
    """Fold a text: lower case, without accents, invisible characters and differences of width.

    The letters ä, æ and ae become "a", ö, ø and oe "o", ü and ue "u", å and aa "a", ß "ss", so that all spellings of a
    name are equal. Digits of all scripts become 0 to 9. Where a word ends without a blank, as in "AbdomenKowalska",
    there is a ``BREAK``.

    Args:
        text: Decoded.

    >>> [fold(name).text for name in ("Müller", "MUELLER", "Søren\u00adsen", "Ågård", "Aagaard")]
    ['muller', 'muller', 'sorensen', 'agard', 'agard']
    """
    letters: list[str] = []
    origins: list[int] = []
    at_last = -1
    for at, sign in enumerate(text):
        for letter in _folded_sign(sign):
            if at_last >= 0 and at != at_last and _words_meet(text, at_last, at):
                letters.append(BREAK)
                origins.append(at)
            at_last = at
            if letters and (letters[-1], letter) in _COLLAPSED:
                continue
            letters.append(letter)
            origins.append(at)
    return Folded("".join(letters), (*origins, len(text)))


def parts_of(name: str) -> list[str]:
    """Return the folded parts of a name, in their order: "Kowalska-Nowak^Łucja" has three."""
    parts = re.split(r"[\W_]+", _without_invisible(name))
    return [folded for part in parts if (folded := fold(part).text.replace(BREAK, ""))]


def is_han(text: str) -> bool:
    """Whether a text contains a Chinese character."""
    return _HAN.search(text) is not None


def _without_invisible(text: str) -> str:
    plain = unicodedata.normalize("NFC", text)
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Cf" and sign not in _FILLERS)


@lru_cache(maxsize=4096)
def _folded_sign(sign: str) -> str:
    if unicodedata.category(sign) in _INVISIBLE or sign in _FILLERS:
        return ""
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    return "".join(_without_accents(unicodedata.normalize("NFKC", sign).casefold()))


def _without_accents(letters: str) -> Iterator[str]:
    for letter in letters:
        if ord(letter) in _KATAKANA:
            yield chr(ord(letter) - _TO_HIRAGANA)
            continue
        if ord(letter) > _LAST_WITH_ACCENTS and ord(letter) not in _ALSO_WITH_ACCENTS:
            yield letter
            continue
        for plain in unicodedata.normalize("NFKD", letter):
            if unicodedata.category(plain) not in _INVISIBLE:
                yield _LETTERS.get(plain, plain)


def _words_meet(text: str, before: int, at: int) -> bool:
    one, other = text[before], text[at]
    if not (one.isalpha() and other.isalpha()):
        return False
    if is_han(one) != is_han(other):
        return True
    following = text[at + 1] if at + 1 < len(text) else ""
    return other.isupper() and (one.islower() or (one.isupper() and following.islower()))
