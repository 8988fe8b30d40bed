"""What headers reveal about patients: which attributes, in the header itself and in its sequences."""

from __future__ import annotations

import tomllib
from collections.abc import MutableSequence
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.sources.identity.identity import Identity
from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydicom import Dataset

    from nephrograde.volume.dicom.elements import Item, Value

LAST_GROUP = 0x5200
"""Groups from here on hold functional groups, curves and pixels, and nobody's name."""
_DEEPEST = 16
_FEWEST_DIGITS = 4
_KINDS = ("names", "numbers", "orders", "places", "birth_dates")


class Revealed(NamedTuple):
    """An element that reveals something: its bytes, and the character sets in which they are to be read."""

    tag: int
    raw: bytes
    sets: str


@cache
def kinds_by_tag() -> Mapping[int, str]:
    """What each attribute reveals, by its tag: "names", "numbers", "orders", "birth_dates" or "places"."""
    return {tag: kind for kind in _KINDS for tag in _attributes()[kind].values()}


@cache
def tags_by_keyword() -> Mapping[str, int]:
    """The tags of these attributes by their names."""
    return {keyword: tag for kind in _KINDS for keyword, tag in _attributes()[kind].items()}


@cache
def sequences() -> frozenset[int]:
    """Tags of all sequences in which something may be revealed."""
    from pydicom._dicom_dict import DicomDictionary

    return frozenset(tag for tag, (vr, *_) in DicomDictionary.items() if vr == "SQ" and tag >> 16 < LAST_GROUP)


@cache
def usual_sequences() -> frozenset[int]:
    """Tags of the sequences that the standard provides for persons, ids and orders."""
    return frozenset(_attributes()["sequences"].values())


def identity_from(found: Iterable[tuple[int, str]]) -> Identity:
    """Collect an identity from the values of attributes.

    Args:
        found: Tags and decoded values; other attributes are ignored.

    >>> identity_from([(0x00100010, "Kowalska"), (0x00200010, "CT ABD"), (0x00080050, "ACC77123")])
    Identity(names=('Kowalska',), numbers=('ACC77123',), birth_dates=(), places=())
    """
    kinds: dict[str, dict[str, None]] = {name: {} for name in ("names", "numbers", "birth_dates", "places")}
    for tag, text in found:
        kind = kinds_by_tag().get(tag, "")
        if kind == "orders":
            kind = "numbers" if sum(map(str.isdecimal, text)) >= _FEWEST_DIGITS else ""
        if kind and text.strip():
            kinds[kind][text] = None
    return Identity(**{kind: tuple(texts) for kind, texts in kinds.items()})


def identity_of(source: Dataset) -> Identity:
    """Collect what identifies the patient, and everyone else who is named, from a header and its sequences.

    Args:
        source: The data set as read.
    """
    return identity_from(values_of(source))


def values_of(source: Dataset) -> tuple[tuple[int, str], ...]:
    """Return what a header and its sequences reveal, as :func:`identity_from` takes it.

    Args:
        source: The data set as read.
    """
    return tuple(_values(source, (), depth=0))


def _values(source: Dataset, outer_charsets: tuple[str, ...], *, depth: int) -> Iterator[tuple[int, str]]:
    from nephrograde.volume.dicom.datasets import character_sets_of, texts_of

    charsets = character_sets_of(source, outer_charsets)
    for tag in map(int, source.keys()):
        if tag in kinds_by_tag():
            yield from ((tag, text) for text in texts_of(source, tag, charsets))
        elif tag in sequences() and depth < _DEEPEST:
            items = source[tag].value
            for item in items if isinstance(items, MutableSequence) else ():
                if hasattr(item, "keys"):
                    yield from _values(item, charsets, depth=depth + 1)


def revealed_in(elements: Mapping[int, Value | list[Item]], sets: str) -> tuple[Revealed, ...]:
    """Select what reveals something among elements that were found without pydicom, and in their sequences.

    Args:
        elements: From :func:`~nephrograde.volume.dicom.elements.find_elements`.
        sets: SpecificCharacterSet of the header.

    Returns:
        The values as in the file; equal in all slices of a series, as a rule.
    """
    kinds, found = kinds_by_tag(), []
    for tag, value in elements.items():
        if not isinstance(value, list):
            if tag in kinds and value[1]:
                found.append(Revealed(tag, value[1], sets))
            continue
        for item in value:
            inner = text_in(item, TAGS["SpecificCharacterSet"], "") or sets
            found += [Revealed(held, raw, inner) for held, (_, raw) in item.items() if held in kinds and raw]
    return tuple(found)


@lru_cache(maxsize=256)
def decoded(revealed: tuple[Revealed, ...]) -> tuple[tuple[int, str], ...]:
    """Decode values as :func:`identity_from` takes them.

    Args:
        revealed: From :func:`revealed_in`.
    """
    pairs = ((tag, text.strip(" \0")) for tag, raw, sets in revealed for text in decode_text(raw, sets).split("\\"))
    return tuple(dict.fromkeys((tag, text) for tag, text in pairs if text))


def text_in(elements: Mapping[int, Value | list[Item]] | Item, tag: int, sets: str) -> str:
    """Return one of the elements as decoded text; empty if missing."""
    value = elements.get(tag)
    if not isinstance(value, tuple):
        return ""
    return "\\".join(part.strip(" \0") for part in decode_text(value[1], sets).split("\\"))


@cache
def _attributes() -> dict[str, dict[str, int]]:
    path = resources.files("nephrograde.sources.identity").joinpath("attributes.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
