"""WHO/ISUP grades as written by pathologists and in tables."""

from __future__ import annotations

import re
import unicodedata

_GRADE = re.compile(
    r"(?:(?:WHO[/-]?ISUP|ISUP[/-]?WHO|ISUP|WHO)[:=]?)?"
    r"(?:(?:NUCLEARGRADE|GRADE|GRAD|STOPIEŃ|GR\.?|G|核分级|分级)[:=]?)?"
    r"(0*[1-4](?:[.,]0*)?|I{1,3}|IV|[一二三四])级?"
)
_NUMERALS = {"I": 1, "II": 2, "III": 3, "IV": 4, "一": 1, "二": 2, "三": 3, "四": 4}


def read_grade(text: str) -> int | None:
    """Read a grade.

    Args:
        text: ``3``, ``3.0``, ``III``, ``Ⅲ``, ``G3``, ``Grade 3``, ``ISUP 3``, ``WHO/ISUP grade III``, ``3级``,
            ``三级``, ``核分级3级``, in any letter case, with or without blanks and full-width digits.

    Returns:
        1 to 4; None for anything else: several grades (``2-3``), no grade (``GX``), or a grade of another system.

    >>> [read_grade(text) for text in ("3", "3.0", "III级", "WHO/ISUP 3", "2-3", "GX", "Fuhrman 3")]
    [3, 3, 3, 3, None, None, None]
    """
    match = _GRADE.fullmatch("".join(unicodedata.normalize("NFKC", text).upper().split()))
    if match is None:
        return None
    return _NUMERALS.get(match[1]) or int(re.split("[.,]", match[1])[0])
