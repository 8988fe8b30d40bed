"""One way to write a text, whatever its script, accents, widths and invisible characters, with the way back."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
_ENCODED = re.compile(
    r"&(?:amp;)*(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31}\d{0,2});"
    r"|[%=][cCdD][0-9a-fA-F][%=][89abAB][0-9a-fA-F]|%[eE][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){2}|%[0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}"
    "|[\u00c2-\u00df][\u0080-\u00bf]"  # UTF-8 decoded as Latin-1
    "|[\uff66-\uff9d][\uff9e\uff9f]|[\u3041-\u30ff][\u3099\u309a\uff9e\uff9f]"  # kana and its voicing mark
    "|[\u1100-\u115e][\u1161-\u11a7][\u11a8-\u11ff]?"  # the letters of a Korean syllable
)
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
        while end < len(self.text) and self.origins[end] == self.origins[end - 1]:  # half of an encoded character
            end += 1
        return self.origins[start], self.origins[end]


@lru_cache(maxsize=4096)
def fold(text: str) -> Folded:
    """Fold a text: lower case, without accents, invisible characters and differences of width.

    The letters ä, æ and ae become "a", ö, ø and oe "o", ü and ue "u", å and aa "a", ß "ss", so that all spellings of a
    name are equal. Digits of all scripts become 0 to 9. Where a word ends without a blank, as in "AbdomenKowalska",
    there is a ``BREAK``.

    HTML entities, percent-encoding and the like are decoded, and kana and Hangul are composed.

    Args:
        text: Decoded.

    >>> [fold(name).text for name in ("Müller", "MUELLER", "Søren\u00adsen", "Ågård", "Aagaard")]
    ['muller', 'muller', 'sorensen', 'agard', 'agard']
    """
    return _folded(text, *_written_out(text))


def foldings(text: str) -> tuple[Folded, ...]:
    """Fold a text, and once more without decoding if that makes a difference: "30%Becker" has no encoded character.

    >>> len(foldings("Becker")), foldings("30%Becker")[1].text
    (1, '30%becker')
    """
    if _ENCODED.search(text) is None:
        return (fold(text),)
    return fold(text), _folded(text, text, range(len(text)))


def _folded(text: str, plain: str, places: Sequence[int]) -> Folded:
    letters: list[str] = []
    origins: list[int] = []
    at_last = -1
    for at, sign in enumerate(plain):
        for letter in _folded_sign(sign):
            if at_last >= 0 and at != at_last and _words_meet(plain, at_last, at):
                letters.append(BREAK)
                origins.append(places[at])
            at_last = at
            if letters and (letters[-1], letter) in _COLLAPSED:
                continue
            letters.append(letter)
            origins.append(places[at])
    return Folded("".join(letters), (*origins, len(text)))


def cut_out(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Remove parts of a text, each with a blank in its place.

    Args:
        text: The text.
        spans: Start and end of each part; they may overlap.

    >>> cut_out("CT Kowalska art", [(3, 11)])
    'CT   art'
    """
    left, at = [], 0
    for start, end in sorted(spans):
        if end > at:
            left += [text[at : max(at, start)], " "]
            at = end
    return "".join([*left, text[at:]])


def tidied(text: str) -> str:
    """Merge the blanks of a text from which something was removed, and strip what separated it.

    >>> tidied("CT   art, ")
    'CT art'
    """
    return re.sub(r"\s+", " ", text).strip(" ,;:_^-/")


def parts_of(name: str) -> list[str]:
    """Return the folded parts of a name, in their order: "Kowalska-Nowak^Łucja" has three."""
    parts = re.split(r"[\W_]+", _without_invisible(name))
    return [folded for part in parts if (folded := fold(part).text.replace(BREAK, ""))]


def is_han(text: str) -> bool:
    """Whether a text contains a Chinese character."""
    return _HAN.search(text) is not None


def _written_out(text: str) -> tuple[str, Sequence[int]]:
    """Return a text without encoded characters, and for each character its place in the original."""
    if not _ENCODED.search(text):
        return text, range(len(text))
    signs: list[str] = []
    places: list[int] = []
    at = 0
    for found in _ENCODED.finditer(text):
        signs += text[at : found.start()]
        places += range(at, found.start())
        decoded = _decoded_sign(found.group())
        signs += decoded
        places += [found.start()] * len(decoded)
        at = found.end()
    return "".join([*signs, text[at:]]), (*places, *range(at, len(text)))


@lru_cache(maxsize=4096)
def _decoded_sign(encoded: str) -> str:
    if encoded[0] == "&":
        return html.unescape(html.unescape(encoded.replace("amp;", "")))
    if encoded[0] in "%=":
        decoded = unquote(encoded.replace("=", "%"), errors="replace")
        return unquote(encoded, encoding="latin-1") if "\ufffd" in decoded else decoded
    if encoded[0] == "\\":
        return chr(int(encoded[2:], 16))
    if encoded[0] < "\u0100":
        return encoded.encode("latin-1").decode("utf-8", errors="replace")
    return unicodedata.normalize("NFKC", encoded)


def _without_invisible(text: str) -> str:
    plain = unicodedata.normalize("NFC", _written_out(text)[0])
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
