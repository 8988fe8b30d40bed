"""The cases of a name in Slavic languages, whose endings change: "Щербакова", "Щербаковой"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nephrograde.sources.identity.words import ordinary_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST = 5
"""Letters of a name whose cases are looked for; a shorter stem would be that of ordinary words."""
_SHORTEST_STEM = 4
_CYRILLIC: Final = (
    "а у ом ым е ои ою ы и ого ому им ую ая ыи ии ых их ыми ими я ю ем еи ею ев еву евым ову ови еви і іи"
)
_LATIN: Final = (
    "a e i y u o em om ou ej ego emu im ym iej iego iemu ia iu imi owi owie ie ii iem ami ach ow owa owej owna ova ovi "
    "ove ovu ovy eho ho mu ych ich ymi ka ke ku"
)
_VOWELS: Final = frozenset("аеиоуыэюяьaeiouy")
_ADJECTIVES: Final = re.compile(r"(?:[иы]и|ая|яя|ои|ia|ya|iy|yy)$")
_FLEETING: Final = re.compile(r"(?:ie|[eoео])([ckцк])$|ie(n)$")
_SLAVIC: Final = re.compile(r"(?:[oe]v[aey]?|[scz]k[aiy]|[aeiuy]k|ic|cz|[ai]rz|[auy]sz|iec|otn[ay]|enko)$")
_IS_CYRILLIC: Final = re.compile(r"[\u0400-\u052f]+")


def cases_of(part: str, *, has_accents: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the stems of a part of a name, each with the endings that it can have.

    Args:
        part: Folded.
        has_accents: The name is written with letters outside ASCII.

    >>> [stem for stem, _ in cases_of("щербакова", has_accents=True)], list(cases_of("smith", has_accents=False))
    (['щербаков'], [])
    """
    is_cyrillic = _IS_CYRILLIC.fullmatch(part) is not None
    if len(part) < _SHORTEST or not (is_cyrillic or (part.isalpha() and part.isascii())):
        return
    if not is_cyrillic and not has_accents and not _SLAVIC.search(part):
        return
    is_open = part[-1] in _VOWELS
    stems = [part[:-1] if is_open else part]
    if _ADJECTIVES.search(part) and len(part) > _SHORTEST:
        stems.append(part[:-2])
    if _FLEETING.search(part):
        stems.append(_FLEETING.sub(r"\1\2", part))
    for stem in stems:
        if len(stem) >= _SHORTEST_STEM:
            possible = (_CYRILLIC if is_cyrillic else _LATIN).split()
            if is_open:
                possible.append("")
            yield stem, tuple(ending for ending in possible if stem + ending not in ordinary_words())
