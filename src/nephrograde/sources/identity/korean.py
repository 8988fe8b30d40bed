"""Korean surnames in Latin letters, which people spell in other ways than the official romanisation."""

from __future__ import annotations

from typing import Final

_SURNAMES: Final = {
    "김": ("kim", "gim"),
    "이": ("lee", "yi", "rhee", "ri"),
    "박": ("park", "pak", "bak"),
    "최": ("choi", "choe", "choy"),
    "정": ("jung", "jeong", "chung", "jong"),
    "강": ("kang", "gang"),
    "조": ("cho", "jo"),
    "윤": ("yoon", "yun", "youn"),
    "장": ("jang", "chang"),
    "임": ("lim", "im", "rim"),
}
"""The usual spellings of the ten commonest surnames, which more than 60 % of Koreans have.

**Source:** Statistics Korea, Population and Housing Census 2015, for the order of surnames.
"""


def korean_names(name: str) -> list[tuple[tuple[str, ...], str]]:
    """Return the Latin spellings of the surname and the given name in Hangul; nothing for another name.

    >>> korean_names("김^민준"), korean_names("Kim^Minjun")
    ([(('kim', 'gim'), '민준')], [])
    """
    letters = "".join(sign for sign in name if sign.isalpha())
    if not letters or letters[0] not in _SURNAMES or not all("\uac00" <= sign <= "\ud7a3" for sign in letters):
        return []
    return [(_SURNAMES[letters[0]], letters[1:])]
