"""The encoding of a text table: UTF-8, or the one in which its text is most plausible.

Only UTF-8 and UTF-16 can be recognised by rule. In every other encoding of a hospital's spreadsheet, the same bytes are
valid in several, so each candidate is decoded and judged: common characters of headings and names are cheap, rare ones,
symbols inside words and letters from several languages are expensive. A handful of characters is usually enough.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from nephrograde.spreadsheet.alphabets import ALPHABETS, COMMON, SINGLE_BYTE, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    Cost: TypeAlias = Callable[[str], float]

NAMES: Final = {
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "gb18030": "GB18030",
    "cp950": "Big5",
    "cp932": "Shift-JIS",
    "cp949": "EUC-KR",
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "iso8859_2": "ISO 8859-2",
    "cp1254": "Windows-1254",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
}
"""Encodings that are tried, by codec, with the name to show; if two are equally plausible, the earlier one is used."""

JUDGED_BYTES = 200_000
"""The beginning of a long table is enough to judge."""

PLAUSIBLE = 5.0
"""Mean cost of a character above which a text is not taken for one; a few rare characters are allowed."""

ALLOWED = 3.0
"""Cost that even the shortest text may have in addition."""

CLOSE = 4.0
"""A second encoding whose cost is not more than this above the best could be meant as well."""

_WORD: Final = re.compile(r"[^\W\d_¹²³¼½¾]+")
_NOT_PORTUGUESE: Final = re.compile("õ(?!e)|ã(?![oe]|s?$)")
_DAMAGED_SHARE = 0.1


class UndecodableError(Exception):
    """The bytes are not text in the given encoding, or in any known one; the message says so."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a table.

    Attributes:
        text: All of it.
        encoding: The codec.
        is_guessed: It was chosen by plausibility.
        rivals: Other codecs that are nearly as plausible and give another text.
    """

    text: str
    encoding: str
    is_guessed: bool = False
    rivals: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What to tell the user about the choice; empty for UTF-8 and for an encoding that the user named."""
        if not self.is_guessed:
            return ""
        or_ = f", but {' or '.join(map(name_of, self.rivals))} would fit as well" if self.rivals else ""
        return f"was read as {name_of(self.encoding)}, which fits its text best{or_}"


def name_of(encoding: str) -> str:
    """Return the usual name of a codec.

    >>> name_of("cp1250"), name_of("koi8-r")
    ('Windows-1250', 'koi8-r')
    """
    return NAMES.get(encoding, encoding)


def decode_table(raw: bytes, encoding: str | None = None) -> Decoded:
    """Decode a text table.

    Args:
        raw: Its bytes.
        encoding: The codec that the user named; None chooses one.

    Raises:
        UndecodableError: If it is not text in that encoding, or in any known one.

    >>> [decode_table(text.encode(codec)).encoding for text, codec in (("病案号,姓名", "gb18030"),
    ...  ("病歷號,姓名", "big5"), ("患者ID,氏名", "cp932"), ("wiek,płeć", "cp1250"), ("Größe,Müller", "cp1252"))]
    ['gb18030', 'cp950', 'cp932', 'cp1250', 'cp1252']
    """
    if encoding is not None:
        return _decode_as(raw, encoding)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decode_as(raw, "utf-16")
    try:
        return _decode_as(raw, "utf-8-sig")
    except UndecodableError:
        if damage := _damage_of(raw):
            raise UndecodableError(damage) from None
    if b"\0" in raw:
        raise UndecodableError("is neither a workbook nor text")
    beginning = raw[: raw.rfind(b"\n", 0, JUDGED_BYTES) + 1] if len(raw) > JUDGED_BYTES else raw
    judged = {codec: cost for codec in list(NAMES)[2:] if (cost := _cost_of(beginning, codec)) is not None}
    ranked = sorted(judged, key=judged.__getitem__)
    while ranked and judged[ranked[0]] <= PLAUSIBLE * _n_foreign(beginning.decode(ranked[0])) + ALLOWED:
        best, *others = ranked
        try:
            text = _decode_as(raw, best).text
        except UndecodableError:
            ranked = others
            continue
        limit = judged[best] + CLOSE
        shown = beginning.decode(best)
        rivals = [one for one in others if judged[one] <= limit and beginning.decode(one) != shown]
        return Decoded(text, best, is_guessed=True, rivals=tuple(rivals[:2]))
    raise UndecodableError("is neither a workbook nor text in a known encoding")


def _decode_as(raw: bytes, encoding: str) -> Decoded:
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise UndecodableError(f"cannot be read as '{encoding}', which is not an encoding") from None
    except UnicodeDecodeError:
        raise UndecodableError(f"is neither a workbook nor text in {name_of(encoding)}") from None
    if "\0" in text:
        raise UndecodableError("is neither a workbook nor text")
    return Decoded(text, encoding)


def _damage_of(raw: bytes) -> str:
    """Say where UTF-8 is damaged; empty if it is not, or is another encoding."""
    text = raw[: 10 * JUDGED_BYTES].decode("utf-8-sig", errors="replace")
    damaged = text.count("\ufffd")
    if damaged == 0:  # farther down
        text = raw.decode("utf-8-sig", errors="replace")
        damaged = text.count("\ufffd")
    whole = _n_foreign(text) - damaged
    if damaged == 0 or damaged > _DAMAGED_SHARE * whole or whole < 3:
        return ""
    line = text[: text.index("\ufffd")].count("\n") + 1
    return f"is UTF-8 with {damaged} damaged character{'s' if damaged > 1 else ''}, the first in line {line}"


def _n_foreign(text: str) -> int:
    return sum(character > "\x7f" for character in text)


def _cost_of(raw: bytes, codec: str) -> float | None:
    """Return how implausible the bytes are in an encoding; None if they are invalid in it."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    if codec in SINGLE_BYTE:
        return _alphabet_cost(text, codec)
    judge = {"gb18030": _chinese_cost, "cp950": _taiwanese_cost, "cp932": _japanese_cost, "cp949": _korean_cost}[codec]
    total = sum(judge(character) for character in text if character > "\x7f")
    if codec == "cp932":  # no word of half-width katakana has one character
        total += 6.0 * len(re.findall(r"(?<![\uff61-\uff9f])[\uff61-\uff9f](?![\uff61-\uff9f])", text))
    # A single Chinese character inside a European word comes from a wrong encoding.
    return total + 6.0 * len(re.findall(r"(?<=[A-Za-z])[^\x00-\x7f](?=[a-z])", text))


@cache
def _chinese_cost(character: str) -> float:
    code = character.encode("gb18030")
    if len(code) != 2:
        return 14.0
    if 0xA1 <= code[0] <= 0xA3 and code[1] >= 0xA1:
        return 2.0
    if 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1:  # the 3,755 common characters of GB 2312
        return 1.0 if character in COMMON["gb18030"] else 3.0
    return 7.0 if 0xD8 <= code[0] <= 0xF7 and code[1] >= 0xA1 else 11.0


@cache
def _taiwanese_cost(character: str) -> float:
    lead = character.encode("cp950")[0]
    if 0xA4 <= lead <= 0xC6:  # the 5,401 common characters of Big5
        return 1.0 if character in COMMON["cp950"] else 3.2
    return 2.0 if 0xA1 <= lead <= 0xA3 else 9.0


@cache
def _japanese_cost(character: str) -> float:
    if "\u3041" <= character <= "\u30fc":
        return 1.6
    if "\uff61" <= character <= "\uff9f":  # half-width katakana, one byte each
        return 2.2
    if character in COMMON["cp932"]:
        return 1.0
    lead = character.encode("cp932")[0]
    return 2.0 if lead == 0x81 else 3.4 if 0x82 <= lead <= 0x97 else 9.0


@cache
def _korean_cost(character: str) -> float:
    if "\uac00" <= character <= "\ud7a3":
        code = character.encode("cp949")
        is_usual = 0xB0 <= code[0] <= 0xC8 and code[1] >= 0xA1
        return 1.0 if character in COMMON["cp949"] else 3.2 if is_usual else 11.0
    return 3.0 if 0xA1 <= character.encode("cp949")[0] <= 0xA3 else 8.0


def _alphabet_cost(text: str, codec: str) -> float:
    """Judge a text in an alphabet: the language that fits best, and what no language writes."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    signs = [sign for sign in text if sign > "\x7f" and not sign.isalpha()]
    total = sum(map(_sign_cost, signs)) + sum(map(_shape_cost, words)) + 5.0 * _n_inner_signs(text)
    letters = [letter for word in words for letter in word.casefold() if letter > "\x7f"]
    total += min(_language_cost(letters, words, language) for language in SINGLE_BYTE[codec])
    return total


def _language_cost(letters: list[str], words: list[str], language: str) -> float:
    usual, rare = ALPHABETS[language]
    cost = sum(1.6 if letter in usual else 3.2 if letter in rare else 12.0 for letter in letters)
    if language == "pt":  # its nasal vowels come before others, or end a word
        cost += 4.0 * sum(len(_NOT_PORTUGUESE.findall(word.casefold())) for word in words)
    return cost - 3.0 * len({word.casefold() for word in words} & WORDS.get(language, frozenset()))


def _sign_cost(sign: str) -> float:
    if unicodedata.category(sign) in {"Cc", "Co", "Cn"}:
        return 12.0
    return 3.0 if sign in "±°µ²³€–—’‘“”„…×«»·\xa0№½" else 8.0


def _shape_cost(word: str) -> float:
    """Judge the case and the neighbours of the letters of one word."""
    if any(letter.isascii() for letter in word):
        is_latin = all("LATIN" in unicodedata.name(letter, "") for letter in word)
        in_a_row = len(re.findall(r"[^\x00-\x7f]{3,}", word))
        mixed = len(re.findall(r"(?<=[a-z])[A-Z\u00c0-\u00de]|[^\x00-\x7f](?=[A-Z])(?<=[a-z\u00df-\u00ff])", word))
        return (0.0 if is_latin else 6.0) + 5.0 * in_a_row + 4.0 * mixed
    is_latin = "LATIN" in unicodedata.name(word[0], "")
    is_cased = word.islower() or word.isupper() or word.istitle()
    return (4.0 * (len(word) - 1) if is_latin else 0.0) + (0.0 if is_cased else 6.0)


def _n_inner_signs(text: str) -> int:
    return len(re.findall(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘·–—-](?=[^\W\d_])", text))
