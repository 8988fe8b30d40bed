"""Words in alphabets other than the Latin one: what no language writes, though every letter of it is one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

VOWELS: Final = {"ru": "аеёиоуыэюя", "uk": "аеєиіїоуюя", "bg": "аеиоуъюя", "sr": "аеиоур", "el": "αεηιουωάέήίόύώϊϋΐΰ"}

_IMPROBABLE: Final = re.compile(
    # ы and signs after vowels, at the start, or doubled; й after consonants; long runs of consonants or vowels
    "^[ыьъ]|[аеёиоуыэюя][ьъы]|[ьъ]{2}|[бвгджзклмнпрстфхцчшщ]й|[бвгджзйклмнпрстфхцчшщ]{5,}|[аеёиоуыэюя]{4,}|[жшчщцгкх][ыюяэ]"
)
_ACCENTED: Final = re.compile("[άέήίόύώΐΰ]")
_INNER_FINAL: Final = re.compile("[ךםןףץ](?=.)|ς(?=.)|[ةى](?=.)")
_MISPLACED_LETTER: Final = re.compile("[כמנפצ]$")
_THAI_SIGN: Final = re.compile("[\u0e01-\u0e3a\u0e40-\u0e5b]")
_THAI_FAULT: Final = re.compile(
    "[\u0e40-\u0e44](?![\u0e01-\u0e2e])|(?<![\u0e01-\u0e2e])[\u0e31\u0e34-\u0e3a]"
    "|(?<![\u0e01-\u0e2e\u0e31\u0e34-\u0e39])[\u0e47-\u0e4e]"
)
_THAI_IN_LATIN: Final = re.compile("(?<=[A-Za-z])[\u0e01-\u0e5b]|[\u0e01-\u0e5b](?=[A-Za-z])")
_LONGEST_ABBREVIATION = 4


@lru_cache(maxsize=8192)
def word_cost(word: str, language: str) -> float:
    """Judge the order of the letters of a word.

    Args:
        word: Letters only.
        language: A key of ``alphabets.FREQUENT``.

    Returns:
        How much the word costs beyond its letters; less than 0 where it is typical of the language.

    >>> word_cost("степень", "ru"), word_cost("рбрбдьрпхлпт", "ru") > 4, word_cost("βαθμός", "el") < 0
    (0.0, True, True)
    """
    low = word.lower()
    cost = 6.0 * len(_INNER_FINAL.findall(low))
    if language in VOWELS:
        is_short = len(word) <= (_LONGEST_ABBREVIATION if word.isupper() else 2)
        cost += 0.0 if is_short or any(vowel in low for vowel in VOWELS[language]) else 4.0
    if language in {"ru", "uk", "bg"}:
        cost += 3.0 * len(_IMPROBABLE.findall(low))
    if language == "el" and len(word) > 2 and not word.isupper():
        n_accents = len(_ACCENTED.findall(low))
        cost += -2.0 if n_accents == 1 else 2.0
    if language == "he":
        cost += 2.0 * len(_MISPLACED_LETTER.findall(low))
    return cost


def thai_cost(text: str) -> float:
    """Judge a text as Thai, whose vowels and tones stand around consonants.

    >>> thai_cost("สมชาย") < thai_cost("ศโเ")
    True
    """
    foreign = sum(sign > "\x7f" for sign in text)
    thai = len(_THAI_SIGN.findall(text))
    return (
        1.7 * thai + 8.0 * (foreign - thai) + 6.0 * (len(_THAI_FAULT.findall(text)) + len(_THAI_IN_LATIN.findall(text)))
    )
