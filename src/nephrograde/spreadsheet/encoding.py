"""The encoding of a text table: UTF-8, or the one in which its text is most plausible.

Only UTF-8 and UTF-16 can be recognised by rule. In every other encoding of a hospital's spreadsheet, the same bytes are
valid in several, so each candidate is decoded and judged: common characters of headings and names are cheap, rare ones,
symbols inside words and letters from several languages are expensive. A handful of characters is usually enough.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from nephrograde.spreadsheet.alphabets import ALPHABETS, COMMON, FREQUENT, SINGLE_BYTE, WORDS
from nephrograde.spreadsheet.scripts import thai_cost, word_cost

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
    "koi8_u": "KOI8-U",
    "cp866": "CP866",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp1257": "Windows-1257",
    "cp874": "Windows-874",
    "euc_jp": "EUC-JP",
    "iso8859_5": "ISO 8859-5",
    "mac_cyrillic": "Mac Cyrillic",
    "mac_roman": "Mac Roman",
    "cp850": "CP850",
    "cp852": "CP852",
    "iso2022_jp": "ISO-2022-JP",
    "iso2022_kr": "ISO-2022-KR",
}
"""Encodings that are tried, by codec, with the name to show; if two are equally plausible, the earlier one is used."""

JUDGED_BYTES = 200_000
"""The beginning of a long table is enough to judge."""

PLAUSIBLE = 5.0
"""Mean cost of a character above which a text is not taken for one; a few rare characters are allowed."""

PLAUSIBLE_WORDS = 2.8
"""The same where all letters of a word tell, as in Cyrillic or Greek."""

PLAUSIBLE_OLD = 4.0
"""The same in the encodings of DOS and old Macintoshes."""

ALLOWED = 3.0
"""Cost that even the shortest text may have in addition."""

CLOSE = 4.0
"""A second encoding whose cost is not more than this above the best could be meant as well."""

_WORD: Final = re.compile(r"[^\W\d_¹²³¼½¾]+")
_NOT_PORTUGUESE: Final = re.compile("õ(?!e)|ã(?![oe]|s?$)")
_DAMAGED_SHARE = 0.1
_ODD_SHARE = 0.01
_BY_RULE: Final = {"utf-8-sig", "utf-16", "iso2022_jp", "iso2022_kr"}
_SHIFTS: Final = re.compile(r"[\x0e\x0f\x1b]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_OLD_LATIN: Final = {"mac_roman", "cp850", "cp852"}
_OLD_FACTOR = 2.0  # a letter costs more than the dash or quotation mark of Windows with the same byte
_UNUSUAL: Final = {
    "koi8_u": 2.0,
    "cp866": 4.0,
    "iso8859_5": 4.0,
    "mac_cyrillic": 4.0,
    "cp1257": 2.0,
    "euc_jp": 2.0,
    "mac_roman": 6.0,
    "cp850": 6.0,
    "cp852": 6.0,
}
"""What an encoding costs because few tables are in it."""
_UPPER_CASE = 0.3  # a letter; a table has more small ones
_STRAY_SIGNS: Final = re.compile(r"(?<=[^\W\d_])[□〓■◆〖〗](?=[^\W\d_])")
_ALL_FOREIGN: Final = {"cp1251", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic", "cp1253", "cp1255", "cp1256", "cp874"}


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
        decoded = _decode_as(raw, "utf-8-sig")
    except UndecodableError:
        if damage := _damage_of(raw):
            raise UndecodableError(damage) from None
    else:
        return _shifted(raw) if _SHIFTS.search(decoded.text) else decoded
    if b"\0" in raw:
        raise UndecodableError("is neither a workbook nor text")
    beginning = raw[: raw.rfind(b"\n", 0, JUDGED_BYTES) + 1] if len(raw) > JUDGED_BYTES else raw
    costs = {codec: _cost_of(beginning, codec) for codec in NAMES if codec not in _BY_RULE}
    judged = {codec: cost + _UNUSUAL.get(codec, 0.0) for codec, cost in costs.items() if cost is not None}
    ranked = sorted(judged, key=judged.__getitem__)
    while ranked and judged[ranked[0]] <= _limit(ranked[0]) * _n_foreign(beginning.decode(ranked[0])) + ALLOWED:
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


def _limit(codec: str) -> float:
    if codec in _OLD_LATIN:
        return PLAUSIBLE_OLD
    return PLAUSIBLE_WORDS if codec in _ALL_FOREIGN else PLAUSIBLE


def _shifted(raw: bytes) -> Decoded:
    """Decode a text of seven bits that changes its alphabet by escape sequences."""
    for codec in ("iso2022_jp", "iso2022_kr"):
        try:
            decoded = _decode_as(raw, codec)
        except UndecodableError:
            continue
        if not _SHIFTS.search(decoded.text):
            return Decoded(decoded.text, codec, is_guessed=True)
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
    if _CONTROLS.search(text) or _n_odd(text) > _ODD_SHARE * _n_foreign(text):
        return None
    if codec == "cp874":
        return thai_cost(text)
    if codec in SINGLE_BYTE:
        return _alphabet_cost(text, codec)
    judge = {
        "gb18030": _chinese_cost,
        "cp950": _taiwanese_cost,
        "cp932": _japanese_cost,
        "euc_jp": _japanese_cost,
        "cp949": _korean_cost,
    }[codec]
    total = sum(judge(character) for character in text if character > "\x7f") + 6.0 * len(_STRAY_SIGNS.findall(text))
    if codec in {"cp932", "euc_jp"}:  # no word of half-width katakana has one character
        total += 6.0 * len(re.findall(r"(?<![\uff61-\uff9f])[\uff61-\uff9f](?![\uff61-\uff9f])", text))
    # One or two Chinese characters inside a European word come from a wrong encoding.
    return total + 6.0 * len(re.findall(r"(?<=[A-Za-z])[^\x00-\x7f]{1,2}(?=[a-z])", text))


def _n_odd(text: str) -> int:
    """Count the characters that no language has: for private use, unassigned, or controls of eight bits."""
    odd = {sign for sign in set(text) if sign > "\x7f" and unicodedata.category(sign) in {"Co", "Cn", "Cc"}}
    return sum(map(text.count, odd))


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
    try:
        lead = character.encode("cp932")[0]
    except UnicodeEncodeError:  # JIS X 0212
        return 11.0
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
    letters = Counter(letter for word in words for letter in word.casefold() if letter > "\x7f")
    costs = (_language_cost(letters, words, language) for language in SINGLE_BYTE[codec])
    return total + min(costs) * (_OLD_FACTOR if codec in _OLD_LATIN else 1.0)


def _language_cost(letters: Counter[str], words: list[str], language: str) -> float:
    usual, rare = ALPHABETS[language]
    frequent = FREQUENT.get(language, frozenset())
    cost = sum(
        n
        * (
            1.2
            if letter in frequent
            else 3.2
            if letter in rare
            else 12.0
            if letter not in usual
            else 2.0
            if frequent
            else 1.6
        )
        for letter, n in letters.items()
    )
    if frequent:
        cost += sum(word_cost(word, language) for word in words)
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
        mixed = sum(letter.islower() and following.isupper() for letter, following in pairwise(word))
        return (0.0 if is_latin else 6.0) + 5.0 * in_a_row + 4.0 * mixed
    is_latin = "LATIN" in unicodedata.name(word[0], "")
    if word.isupper():
        return 4.0 * (len(word) - 1) if is_latin else _UPPER_CASE * len(word)
    is_cased = word == word.lower() or word.istitle()
    return (4.0 * (len(word) - 1) if is_latin else 0.0) + (0.0 if is_cased else 6.0)


def _n_inner_signs(text: str) -> int:
    """Count the signs inside words, and those right before a small letter outside ASCII: the first letter of a name."""
    inner = len(re.findall(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘·–—-](?=[^\W\d_])", text))
    first: list[str] = re.findall(r"(?<![^\W\d_])[^\w\s\x00-\x7f’‘“„«·–—№](?=([^\x00-\x7f]))", text)
    return inner + sum(map(str.islower, first))
