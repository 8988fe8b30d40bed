"""What identifies a patient, and how to remove it from a text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from nephrograde.sources.identity.dates import birth_date_patterns, never_wanted
from nephrograde.sources.identity.names import NamePattern, name_patterns, names_in_other_scripts
from nephrograde.sources.identity.numbers import number_patterns
from nephrograde.sources.identity.spelling import Folded, cut_out, fold, foldings, tidied
from nephrograde.volume.dicom.moment import read_day

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ufffd]")
_MOST_ROUNDS = 4
_SHORTEST_PLACE = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """What the headers of a patient's files reveal about the patient's identity. Not for logs or reports.

    Attributes:
        names: The names of the patient and of everyone else in the headers.
        numbers: The patient's ids, telephone numbers and the order numbers.
        birth_dates: As written, YYYYMMDD.
        places: Names of hospitals and addresses.
    """

    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.names, self.numbers, self.birth_dates, self.places)))

    def __hash__(self) -> int:
        return self._hash

    def joined(self, other: Identity) -> Identity:
        """Merge two identities, as found in two files of one patient."""
        kinds = ("names", "numbers", "birth_dates", "places")
        return Identity(
            *(tuple(dict.fromkeys((*getattr(self, kind), *getattr(other, kind)))) for kind in kinds)  # in order, unique
        )

    def in_order(self) -> Identity:
        """Return the same identity with its texts sorted, whatever the order of the files."""
        return Identity(*(tuple(sorted(texts)) for texts in (self.names, self.numbers, self.birth_dates, self.places)))

    def removed_from(self, text: str) -> str:
        """Remove everything that identifies the patient from a text.

        Runs of six or more digits, dates, ages and e-mail addresses are always removed. A name that occurs in no header
        cannot be recognised. A text with control characters is damaged and is removed entirely.

        Args:
            text: A description, decoded.

        Returns:
            The remaining text, with runs of blanks merged. Names are found in any letter case and order, with or
            without accents, with "ue" for "ü" and vice versa, and in Latin letters where the header has Cyrillic or
            Chinese ones and vice versa; numbers with or without leading zeros, prefixes and blanks.

        **Source:** DICOM PS3.15 E.3.5 (Clean Descriptors Option) specifies what must be removed.

        >>> who = Identity(names=("Kowalska^Łucja",), numbers=("44051401458",), birth_dates=("19440514",))
        >>> who.removed_from("KOWALSKA_LUCJA jama brzuszna, faza tętnicza 14.05.1944")
        'jama brzuszna, faza tętnicza'
        >>> Identity(names=("Wang^Xiaoming",)).removed_from("王小明 皮髓质期 1.0mm")
        '皮髓质期 1.0mm'
        """
        return _cleaned(self, text)

    def is_in(self, text: str) -> bool:
        """Check whether a text contains something that identifies this patient; any other number may be in it."""
        return any(next(_identifying_spans(self, folded), None) is not None for folded in foldings(text))


@lru_cache(maxsize=4096)
def _cleaned(identity: Identity, text: str) -> str:
    if _CONTROL.search(text):
        return ""
    cleaned = text
    for _ in range(_MOST_ROUNDS):  # what is left on both sides may form another name
        shorter = _without_spans(identity, cleaned)
        if shorter == cleaned:
            break
        cleaned = shorter
    return text if cleaned == text else tidied(cleaned)


def _without_spans(identity: Identity, text: str) -> str:
    spans: list[tuple[int, int]] = []
    for folded in foldings(text):
        spans += _identifying_spans(identity, folded)
        spans += [folded.span(*found.span()) for pattern in never_wanted() for found in pattern.finditer(folded.text)]
    return cut_out(text, spans)


def _identifying_spans(identity: Identity, folded: Folded) -> Iterator[tuple[int, int]]:
    names, others = _patterns(identity)
    for name in names:
        yield from (folded.span(*found) for found in name.find(folded.text))
    yield from (folded.span(*found) for found in names_in_other_scripts(identity.names, folded.text))
    yield from (folded.span(*found.span()) for pattern in others for found in pattern.finditer(folded.text))


@lru_cache(maxsize=256)
def _patterns(identity: Identity) -> tuple[tuple[NamePattern, ...], tuple[re.Pattern[str], ...]]:
    words = (*identity.names, *(number for number in identity.numbers if not any(map(str.isdecimal, number))))
    names = dict.fromkeys(pattern for name in words for pattern in name_patterns(name))
    days = [day for text in identity.birth_dates if (day := read_day(text)) is not None]
    others = [
        *(pattern for number in identity.numbers for pattern in number_patterns(number)),
        *(pattern for day in days for pattern in birth_date_patterns(day)),
        *(pattern for place in identity.places if (pattern := _place_pattern(place))),
    ]
    return tuple(names), tuple(re.compile(pattern) for pattern in dict.fromkeys(others))


def _place_pattern(place: str) -> str:
    """Return a pattern for the name of a hospital or an address as a whole."""
    words = [word for word in re.split(r"[\W_]+", fold(place).text) if word]
    if sum(map(len, words)) < _SHORTEST_PLACE:
        return ""
    return r"(?<![^\W_])" + r"[\W_]*".join(map(re.escape, words)) + r"(?![^\W_])"
