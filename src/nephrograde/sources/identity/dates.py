"""Dates, ages, telephone numbers and other numbers that no description may contain, as patterns for folded texts."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from nephrograde.sources.identity.words import months

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

_NO_LETTER_BEFORE, _NO_LETTER_AFTER = r"(?<![^\W\d_])", r"(?![^\W\d_])"
_NO_DIGIT_BEFORE, _NO_DIGIT_AFTER = r"(?<!\d)", r"(?!\d)"
_YEAR = r"(?:19|20)\d\d"
_BORN = r"(?:born|dob|yob|geb(?:oren)?|jg|ur(?:odz\w*)?|nato|nata|nee?|fodt|fodd|生于|出生)"
_AGE = r"(?:age|aged|alter|wiek|edad|eta|idade|leeftijd|alder|возраст|年龄|年齡)"
_OLD = (
    r"(?:years?|yrs?|y\.?/?o|jahren?|jahrig\w*|jahre|j\.? ?alt|lata|letni\w*|anos?|anni|ans|ar gammal|let|лет|года?"
    r"|세|歳|岁|歲)"
)

_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_SHORTEST_MONTH = 3
_SURE_MONTHS = frozenset(
    {"jan", "feb", "apr", "may", "mai", "maj", "mei", "jun", "jul", "aug", "oct", "okt", "nov", "dec", "dez"}
)
"""Short names of months that are nothing else in a description, so that they need no year: "MAR" is, for instance."""


@cache
def never_wanted() -> tuple[re.Pattern[str], ...]:
    """Return what is removed from every description, whoever the patient is, as patterns for folded texts.

    Dates (with the names of months too), ages, e-mail addresses, telephone numbers that say so, and runs of six digits.
    An id that begins like a date goes as a whole.

    >>> def left(text): return [text := pattern.sub("_", text) for pattern in never_wanted()][-1]
    >>> left("ct 14 may 1944 art"), left("m, 76 years"), left("ct 120 kv 3.0 mar 40"), left("tel. 601 234 567")
    ('ct _ art', 'm, _', 'ct 120 kv 3.0 mar 40', '_')
    """
    names = "|".join(sorted({re.escape(name) for month in months() for name in month}, key=len, reverse=True))
    month = f"{_NO_LETTER_BEFORE}(?:{names}){_NO_LETTER_AFTER}"
    roman = f"{_NO_LETTER_BEFORE}(?:{'|'.join(sorted(_ROMAN, key=len, reverse=True))}){_NO_LETTER_AFTER}"
    day = rf"{_NO_DIGIT_BEFORE}\d{{1,2}}(?:st|nd|rd|th|\.)?"
    patterns = (
        r"\S+@\S+",
        r"(?:tel|phone|fon|mobile|mob|handy|fax|电话|手机)\w*[\W_]{0,3}\+?\d[\d \-./()]{4,}\d",
        r"(?<!\w)\+\d{1,3}(?:[ \-./()]*\d){8,}",
        r"\d{6,}",
        r"\d{1,4}[-./年년]\s?\d{1,2}[-./月월]\s?\d{2,}(?:[-./]\d+(?!\w))*[日일]?",
        r"\d{4}[年년]\s?\d{1,2}[月월](?:\s?\d{1,2}[日일])?",
        r"(?:昭和|平成|令和|大正|明治|民国|民國)\s?\d{1,3}年(?:\d{1,2}月)?(?:\d{1,2}日)?",
        rf"{_NO_DIGIT_BEFORE}(?:\d{{1,2}}_\d{{1,2}}_{_YEAR}|{_YEAR}_\d{{1,2}}_\d{{1,2}}){_NO_DIGIT_AFTER}",
        rf"{day}(?:[ _/-]|de|of|\x1f)*{month}(?:[ _./,-]|de|\x1f)*{_YEAR}{_NO_DIGIT_AFTER}",
        rf"{day}-?{month}[-']?\d\d{_NO_DIGIT_AFTER}",
        rf"{month}[ _.-]*\d{{1,2}}(?:st|nd|rd|th)?[ _,-]+{_YEAR}{_NO_DIGIT_AFTER}",
        rf"{_YEAR}[ _./-]*{month}[ _./-]*\d{{1,2}}{_NO_DIGIT_AFTER}",
        rf"{month}[ _./,-]*{_YEAR}{_NO_DIGIT_AFTER}",
        rf"{day}(?:[_./-] ?)?{roman}[_./-] ?(?:{_YEAR}|\d\d){_NO_DIGIT_AFTER}",
        rf"{day} (?![xi] ){roman} {_YEAR}{_NO_DIGIT_AFTER}",
        rf"{_NO_DIGIT_BEFORE}{_YEAR}[ _./-]{{1,2}}{roman}[ _./-]{{1,2}}\d{{1,2}}{_NO_DIGIT_AFTER}",
        rf"{roman}[_./-]{_YEAR}{_NO_DIGIT_AFTER}|{_NO_DIGIT_BEFORE}{_YEAR}[_./-]{roman}",
        rf"{_NO_LETTER_BEFORE}{_BORN}[\W_]*{_YEAR}{_NO_DIGIT_AFTER}|\*\s?{_YEAR}{_NO_DIGIT_AFTER}",
        rf"{_NO_LETTER_BEFORE}{_AGE}[\W_]*\d{{1,3}}(?:\s?[ymwd]{_NO_LETTER_AFTER})?{_NO_DIGIT_AFTER}",
        rf"{_NO_DIGIT_BEFORE}(?<![.,]){_digits(1, 3)}[\s-]?{_OLD}(?:[\s-]?old)?{_NO_LETTER_AFTER}",
        rf"(?<![\w.,]){_digits(2, 3)}\s?(?:y|lat){_NO_LETTER_AFTER}",
        rf"(?<![\w.,])[mfwk]\s?/\s?\d{{1,3}}(?:\s?y)?{_NO_LETTER_AFTER}{_NO_DIGIT_AFTER}|(?<![\w.,])\d{{1,3}}\s?y?\s?/\s?[mfwk]{_NO_LETTER_AFTER}",
    )
    return tuple(re.compile(pattern) for pattern in patterns)


def birth_date_patterns(day: date) -> Iterator[str]:
    """Yield the ways to write a birth date that are not removed from every description: without a year, or with blanks.

    Args:
        day: The date.
    """
    mark = r"[\s_\-./]{1,2}"
    short = f"{day.year % 100:02d}"
    year, month, date_ = rf"(?:{day.year}|{short})", rf"0?{day.month}", rf"0?{day.day}"
    for order in ((year, month, date_), (date_, month, year), (month, date_, year)):
        yield _NO_DIGIT_BEFORE + mark.join(order) + _NO_DIGIT_AFTER
    sure = [name for name in months()[day.month - 1] if len(name) > _SHORTEST_MONTH or name in _SURE_MONTHS]
    names = "|".join(map(re.escape, sorted(sure, key=len, reverse=True)))
    roman, mark = f"{_ROMAN[day.month - 1]}{_NO_LETTER_AFTER}", r"[\s_./-]"
    yield rf"{_NO_DIGIT_BEFORE}{date_}{mark}{{1,2}}{roman}\.?(?:{mark}{{0,2}}{year})?{_NO_DIGIT_AFTER}"
    ordinal, mark = r"(?:st|nd|rd|th|\.)?", r"[\s_.,'-]*"
    year = f"(?:{mark}{year})?"
    yield f"{_NO_DIGIT_BEFORE}{date_}{ordinal}{mark}(?:{names}){_NO_LETTER_AFTER}{year}{_NO_DIGIT_AFTER}"
    yield f"{_NO_LETTER_BEFORE}(?:{names}){mark}{date_}{ordinal}{year}{_NO_DIGIT_AFTER}"


def _digits(least: int, most: int) -> str:
    return rf"\d{{{least},{most}}}"
