"""WHO/ISUP grades as written by pathologists and in tables."""

from __future__ import annotations

import re
import unicodedata

_ORGANISATION = r"WHO|ISUP|世界卫生组织|世卫组织|世界衛生組織|国际泌尿病理(?:协会|学会|学组)|國際泌尿病理學會"
_YEAR = r"20(?:12|13|16|22)(?!\d)\s*(?:年版|年|版)?|第[45四五]版|[45]TH\s*ED(?:ITION|N)?(?![A-Z])"
"""Years and editions of the WHO/ISUP grade; 2004 and earlier ones are those of other systems."""
_NOUN = (
    r"(?:(?:肾癌|病理|组织学|组织|肿瘤|腫瘤|組織|NUCLEOLAR|NUCLEAR|HISTOLOGICAL|HISTOLOGIC|PATHOLOGICAL|PATHOLOGIC"
    r"|TUMOU?R)\s?){0,3}"
    r"(?:GRADING|GRADE|GRADO|GRADUS|GRAD|GRAU|STOPIE[ŃN]|СТЕПЕНЬ|GR|G(?!G)|核?(?:分级|分級|级别|級別|等级)(?:系统|标准)?"
    r"|核级|グレード)|SYSTEM|系统"
)
_NUMBER = r"0*[1-4](?:[.,]0*)?(?!\d)|(?:III|IV|II|I)(?![A-Z])|[一二三四]"
_TOKEN = re.compile(
    rf"(?P<organisation>{_ORGANISATION})|(?P<year>{_YEAR})|(?P<noun>{_NOUN})|(?P<number>{_NUMBER})\s?[级級]?"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<stop>[,;.。])|(?P<sign>[:=_/&+-])|(?P<blank>\s)"
)
_KINDS = {
    "organisation": "L", "year": "L", "noun": "L", "number": "N", "open": "(", "close": ")", "stop": ".", "sign": "-",
    "blank": "",
}  # fmt: skip
_LABELS = r"L(?:[.-]*L)*"
_GRADE = re.compile(rf"(?:(?:L|\({_LABELS}\))[.-]*)*(?:N|\(N\))\.?(?:{_LABELS}|\({_LABELS}\))*\.?")
"""A grade by the kinds of its tokens: labels (L), one number (N), and labels again."""
_OTHER_SYSTEM = re.compile(
    r"FUHRMAN|FURHMAN|FURMAN|FUHRMANN|WHO\W*(?:19\d\d|200\d)|(?<!\d)(?:19\d\d|200\d)\W*(?:年版?|版)?\W*WHO"
)
SPELLINGS = "3, III, G3, Grade 3, ISUP 3, ISUP3级, WHO/ISUP 3级, WHO/ISUP (2016) 3级, 核分级：3级, 三级"
"""Accepted spellings of a grade, for messages."""

_LONGEST = 100
"""Characters of a text that may be a grade."""

_NUMERALS = {"I": 1, "II": 2, "III": 3, "IV": 4, "一": 1, "二": 2, "三": 3, "四": 4}


def read_grade(text: str) -> int | None:
    """Read a grade.

    Args:
        text: ``3``, ``3.0``, ``III``, ``Ⅲ``, ``G3``, ``Grade 3``, ``ISUP 3``, ``WHO/ISUP grade III``, ``3级``,
            ``三级``, ``核分级：3级``, ``3级（WHO/ISUP）``, ``WHO/ISUP (2016) grade 3``, in any letter case, with or
            without blanks and full-width digits.

    Returns:
        1 to 4; None for anything else: several grades (``2-3``), no grade (``GX``), a date (``2016-3``), or a grade of
        another system, such as Fuhrman's or that of the WHO of 2004.

    >>> [read_grade(text) for text in ("3", "III级", "WHO/ISUP 2022 G3", "2-3", "GX", "Fuhrman 3", "WHO 2004 G3")]
    [3, 3, 3, None, None, None, None]
    """
    if len(text) > _LONGEST:
        return None
    tokens = _tokens(_plain(text))
    if not _GRADE.fullmatch("".join(_KINDS[kind] for kind, _ in tokens)):
        return None
    found = dict(tokens)
    if "year" in found and "organisation" not in found:
        return None
    grade = found["number"]
    return _NUMERALS.get(grade) or int(re.split("[.,]", grade)[0])


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return the kind and the text of each token; nothing if a part of the text is none."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            return []
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def is_of_other_system(text: str) -> bool:
    """Whether a text names a grading system whose grades are not those of WHO/ISUP.

    >>> [is_of_other_system(text) for text in ("Fuhrman 3", "WHO 2004 grade 3", "WHO (1998) G2", "WHO 2016 G3")]
    [True, True, True, False]
    """
    return _OTHER_SYSTEM.search(_plain(text)) is not None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).upper().split())
