"""WHO/ISUP grades as written by pathologists and in tables."""

from __future__ import annotations

import re
import unicodedata

_YEAR = "(?:20(?:04|12|13|16|22))?"
_NAME = rf"{_YEAR}(?:WHO[/&+-]?ISUP|ISUP[/&+-]?WHO|ISUP|WHO){_YEAR}"
_SYSTEM = rf"(?:{_NAME}|\({_NAME}\)|\[{_NAME}\])"
_NOUN = (
    r"(?:肾癌|病理|组织学|组织|肿瘤|NUCLEOLAR|NUCLEAR|HISTOLOGICAL|HISTOLOGIC|TUMOU?R)?"
    r"(?:GRADE|GRADING|GRAD|GRADO|GRAU|STOPIE[ŃN]|GR\.?|G|核分级|核级|分级|级别|分級|核分級|グレード|等级)"
)
_NUMBER = r"0*[1-4](?:[.,]0*)?|I{1,3}|IV|[一二三四]"
_GRADE = re.compile(
    rf"(?:{_SYSTEM}[:=_-]?)?(?:{_NOUN}{_SYSTEM}?[:=_-]?)?"
    rf"(?:(?P<plain>{_NUMBER})[级級]?|\((?P<bracketed>{_NUMBER})[级級]?\))[,;]?{_SYSTEM}?[.;。]?"
)
SPELLINGS = "3, III, G3, Grade 3, ISUP 3, ISUP3级, WHO/ISUP 3级, 核分级：3级, 三级"
"""Accepted spellings of a grade, for messages."""

_NUMERALS = {"I": 1, "II": 2, "III": 3, "IV": 4, "一": 1, "二": 2, "三": 3, "四": 4}


def read_grade(text: str) -> int | None:
    """Read a grade.

    Args:
        text: ``3``, ``3.0``, ``III``, ``Ⅲ``, ``G3``, ``Grade 3``, ``ISUP 3``, ``WHO/ISUP grade III``, ``3级``,
            ``三级``, ``核分级：3级``, ``3级（WHO/ISUP）``, ``WHO/ISUP 2016 grade 3``, in any letter case, with or
            without blanks and full-width digits.

    Returns:
        1 to 4; None for anything else: several grades (``2-3``), no grade (``GX``), or a grade of another system.

    >>> [read_grade(text) for text in ("3", "3.0", "III级", "WHO/ISUP 3", "2-3", "GX", "Fuhrman 3")]
    [3, 3, 3, 3, None, None, None]
    """
    match = _GRADE.fullmatch("".join(unicodedata.normalize("NFKC", text).upper().split()))
    if match is None:
        return None
    grade = match["plain"] or match["bracketed"]
    return _NUMERALS.get(grade) or int(re.split("[.,]", grade)[0])
