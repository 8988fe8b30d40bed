"""Names in another script: Latin spellings of Cyrillic and Chinese names, and the way back."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from nephrograde.sources.identity.spelling import fold, is_han

if TYPE_CHECKING:
    from collections.abc import Iterable

BETWEEN = r"[\W_]*"
_CYRILLIC = {
    "а": "a", "б": "b", "в": "(?:v|w|ff?)", "г": "[gh]", "ґ": "g", "д": "d", "е": "(?:[yji]?e|[yji]?o|)",
    "ж": "(?:zh|j|z|sch|sh|dzh|rz)", "з": "[zs]", "и": "[iyj]{1,2}", "і": "[iyj]", "ї": "(?:yi|ji|i)",
    "є": "(?:[yij]?e)", "к": "(?:k|ck?|q)", "л": "ll?", "м": "mm?", "н": "nn?", "о": "o", "п": "p", "р": "r",
    "с": "(?:ss?|c|z)", "т": "tt?", "у": "(?:u|ou|oo|w)", "ф": "(?:ff?|ph|v)", "х": "(?:kh|ch|h|x|j)",
    "ц": "(?:ts|tz|cz|c|z)", "ч": "(?:tsch|tch|ch|cz|tj|c)", "ш": "(?:sch|sh|ch|sz|s)",
    "щ": "(?:schtsch|shch|szcz|stch|sch|sc|sht)", "ъ": "[yj]?", "ы": "[yiu]j?", "ь": "[yij]?", "э": "e?",
    "ю": "(?:[yji]?o?u)", "я": "(?:[yji]?a)", "ў": "[uw]", "ј": "[jyi]", "љ": "lj?", "њ": "nj?", "ћ": "ch?",
    "ђ": "dj?", "џ": "dzh?",
}  # fmt: skip
_GREEK = {"ου": "ou", "αυ": "av", "ευ": "ev"}
_IS_CYRILLIC = re.compile(r"[\u0400-\u052f]+")
_COMPOUND_SURNAMES = frozenset(
    [
        "欧阳",
        "歐陽",
        "司马",
        "司馬",
        "上官",
        "诸葛",
        "諸葛",
        "东方",
        "東方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "宇文",
        "长孙",
        "夏侯",
        "司徒",
    ]
)
_MOST_READINGS = 3
_LONGEST_CHINESE = 4
_ENDING = "ии"  # "-ий"


def cyrillic_words(folded: str) -> Iterable[re.Match[str]]:
    """Iterate over the Cyrillic words of a folded text."""
    return (found for found in _IS_CYRILLIC.finditer(folded) if len(found.group()) > 2)


@lru_cache(maxsize=4096)
def latin_pattern(cyrillic: str) -> str:
    """Return a pattern that matches the Latin spellings of a Cyrillic word, in folded texts.

    Args:
        cyrillic: One folded word.

    >>> spellings = latin_pattern("чаиковскии")
    >>> [bool(re.fullmatch(spellings, word)) for word in ("chaikovsky", "tschaikowski", "chaikovskiy", "tchaikovskaya")]
    [True, True, True, False]
    """
    is_adjective = cyrillic.endswith(_ENDING)
    stem = cyrillic[: -len(_ENDING)] if is_adjective else cyrillic
    return "".join(_CYRILLIC.get(letter, re.escape(letter)) for letter in stem) + ("[iyj]{1,3}" if is_adjective else "")


def latin_word(word: str) -> str:
    """Spell a folded word of any script in Latin letters, folded.

    >>> latin_word("αθηνα"), latin_word("김")
    ('athina', 'gim')
    """
    from anyascii import anyascii

    for greek, latin in _GREEK.items():
        word = word.replace(greek, latin)
    return "".join(sign for sign in fold(anyascii(word)).text if sign.isalpha())


def chinese_names(name: str) -> list[tuple[str, str]]:
    """Return the surname and the given name of a Chinese name; nothing for another.

    >>> chinese_names("王^小明"), chinese_names("欧阳娜娜"), chinese_names("Wang^Xiaoming")
    ([('王', '小明')], [('欧阳', '娜娜')], [])
    """
    parts = [part for part in re.split(r"[\W_]+", name) if part]
    if not parts or not all(is_han(sign) for part in parts for sign in part):
        return []
    if len(parts) > 1:
        return [(parts[0], "".join(parts[1:]))]
    whole = parts[0]
    at = 2 if whole[:2] in _COMPOUND_SURNAMES and len(whole) > 2 else 1
    return [(whole[:at], whole[at:])] if 1 < len(whole) <= _LONGEST_CHINESE else []


def pinyin_pattern(characters: str) -> str:
    """Return a pattern that matches the pinyin of Chinese characters in folded texts, with or without blanks.

    >>> [bool(re.fullmatch(pinyin_pattern(name), text)) for name, text in (("小明", "xiao-ming"), ("吕", "lyu"))]
    [True, True]
    """
    syllables = []
    for number, character in enumerate(characters):
        readings = {spelling for reading in _readings(character) for spelling in (_spellings(reading))}
        # Where two syllables meet, folding may have merged the vowels.
        merged = {reading[1:] for reading in readings if number and reading[0] in "ae"}
        syllables.append(f"(?:{'|'.join(sorted(map(re.escape, readings | merged), key=len, reverse=True))})")
    return BETWEEN.join(syllables)


def pinyin_readings(characters: str) -> set[str]:
    """Return the pinyin of Chinese characters as one word, in all readings, folded.

    >>> "xiaoming" in pinyin_readings("小明")
    True
    """
    each = [
        {spelling for reading in _readings(character) for spelling in _spellings(reading)} for character in characters
    ]
    return {fold("".join(readings)).text for readings in product(*each)}


@lru_cache(maxsize=4096)
def _readings(character: str) -> tuple[str, ...]:
    from pypinyin import Style, pinyin

    found = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
    return tuple(found[0][:_MOST_READINGS]) if found else (character,)


def _spellings(reading: str) -> set[str]:
    """Return the ways to write a syllable: ü is "ü", "v", "u" or "yu"."""
    if "v" not in reading and "ü" not in reading:
        return {fold(reading).text}
    plain = reading.replace("ü", "v")
    return {fold(plain.replace("v", vowel)).text for vowel in ("v", "u", "yu")}
