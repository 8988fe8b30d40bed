"""What identifies a patient, and how to remove it from a text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from nephrograde.volume.dicom.moment import read_day

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPECIAL_LETTERS = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ß": "ss", "đ": "d", "Đ": "D"})
_BIRTH_FORMATS = ("%Y%m%d", "%y%m%d", "%d%m%Y", "%m%d%Y", "%d%m%y", "%Y{0}%m{0}%d", "%d{0}%m{0}%Y", "%m{0}%d{0}%Y")
_NEVER_WANTED = re.compile(
    r"\d{6,}"  # dates, telephone, insurance and accession numbers
    r"|\d{1,4}[-./年]\d{1,2}[-./月]\d{2,4}日?"
    r"|\S+@\S+"
)
_ORDINARY = frozenset(
    {
        "ct",
        "mr",
        "mri",
        "pet",
        "pt",
        "us",
        "seg",
        "sr",
        "ap",
        "pa",
        "hu",
        "kv",
        "original",
        "derived",
        "primary",
        "secondary",
        "axial",
        "coronal",
        "sagittal",
        "localizer",
        "helical",
        "abd",
        "abdomen",
        "pelvis",
        "chest",
        "thorax",
        "kidney",
        "renal",
        "head",
        "neck",
        "body",
        "liver",
        "routine",
        "art",
        "arterial",
        "ven",
        "venous",
        "portal",
        "nephro",
        "late",
        "early",
        "delay",
        "delayed",
        "native",
        "nativ",
        "phase",
        "contrast",
        "pre",
        "post",
        "with",
        "without",
        "iv",
        "oral",
        "cmp",
        "np",
        "up",
        "ep",
        "soft",
        "bone",
        "lung",
        "standard",
        "smooth",
        "thin",
        "thick",
        "series",
        "study",
        "scan",
        "test",
        "demo",
        "synthetic",
    }
)
"""Words that are kept even if a name contains them: the name "CRLM-CT-1004" must not remove "CT" from every image."""
_BETWEEN = r"[\W_]*"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ufffd]")
_SHORTEST_NUMBER = 4  # an id "12" would also remove the 12 from "12 mm"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the header of one file reveals about the patient's identity. Not for logs or reports.

    Attributes:
        names: The names of the patient and of everyone else in the header.
        numbers: The patient's ids and the order numbers.
        birth_dates: As written, YYYYMMDD.
        places: Names of hospitals and addresses.
    """

    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _pattern(self.names, self.numbers, self.birth_dates, self.places))

    def joined(self, other: Identity) -> Identity:
        """Merge two identities, as found in two files of one patient."""
        kinds = ("names", "numbers", "birth_dates", "places")
        return Identity(
            *(tuple(dict.fromkeys((*getattr(self, kind), *getattr(other, kind)))) for kind in kinds)  # in order, unique
        )

    def removed_from(self, text: str) -> str:
        """Remove everything that identifies the patient from a text.

        Runs of six or more digits, dates and e-mail addresses are always removed. A name that occurs nowhere else in
        the header cannot be recognised. A text with control characters is damaged and is removed entirely.

        Args:
            text: A description, decoded.

        Returns:
            The remaining text, with runs of blanks merged. Names are found in any letter case and order, with or
            without accents.

        **Source:** DICOM PS3.15 E.3.5 (Clean Descriptors Option) specifies what must be removed.

        >>> who = Identity(names=("Kowalska^Łucja",), numbers=("44051401458",), birth_dates=("19440514",))
        >>> who.removed_from("KOWALSKA_LUCJA jama brzuszna, faza tętnicza 14.05.1944")
        'jama brzuszna, faza tętnicza'
        >>> Identity(names=("Wang^Xiaoming=王^小明",)).removed_from("王小明 皮髓质期 1.0mm")
        '皮髓质期 1.0mm'
        """
        if _CONTROL.search(text):
            return ""
        cleaned = _NEVER_WANTED.sub(" ", self._pattern.sub(" ", unicodedata.normalize("NFC", text)))
        return text if cleaned == text else re.sub(r"\s+", " ", cleaned).strip(" ,;:_^-/")


@lru_cache(maxsize=256)
def _pattern(
    names: tuple[str, ...], numbers: tuple[str, ...], birth_dates: tuple[str, ...], places: tuple[str, ...]
) -> re.Pattern[str]:
    wanted = {
        *(one for name in names for one in _name_patterns(name)),
        *(one for number in numbers for one in _number_patterns(number)),
        *(re.escape(one) for birth_date in birth_dates for one in _spelt_dates(birth_date)),
        *(re.escape(spelling) for place in places for spelling in _spellings(place) if len(spelling) > 2),
    }
    return re.compile("|".join(sorted(wanted, key=_whole_names_first)) or r"(?!)", re.IGNORECASE)


def _whole_names_first(pattern: str) -> tuple[bool, int]:
    return _BETWEEN not in pattern, -len(pattern)


def _spellings(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text.translate(_SPECIAL_LETTERS))
    without_accents = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return {unicodedata.normalize("NFC", one).strip() for one in (text, without_accents)}


def _name_patterns(name: str) -> Iterable[str]:
    for spelling in {one for group in name.split("=") for one in _spellings(group)}:
        parts = [part for part in re.split(r"[\W_]+", spelling) if part]
        for order in (parts, parts[::-1]):
            if len("".join(order)) > 1:
                yield _BETWEEN.join(map(re.escape, order)) if len(parts) > 1 else _word(order[0])
        for part in parts:
            if len(part) > 1 and part.casefold() not in _ORDINARY:
                yield _word(part)


def _number_patterns(number: str) -> Iterable[str]:
    number = number.strip()
    if len(number) >= (_SHORTEST_NUMBER if number.isdecimal() else _SHORTEST_NUMBER - 1):
        yield re.escape(number) if len(number) > _SHORTEST_NUMBER else _alone(number)


def _word(part: str) -> str:
    """Match inside longer words only if the part is too long to occur there by chance."""
    is_latin = all(ord(letter) < 0x2E80 for letter in part)
    return _alone(part) if is_latin and len(part) < 5 else re.escape(part)


def _alone(part: str) -> str:
    return rf"(?<![^\W_]){re.escape(part)}(?![^\W_])"


def _spelt_dates(birth_date: str) -> Iterable[str]:
    day = read_day(birth_date)
    if day is None:
        return
    for written in _BIRTH_FORMATS:
        for mark in "-./ ":
            yield day.strftime(written.format(mark))
    yield f"{day.year}年{day.month}月{day.day}日"
