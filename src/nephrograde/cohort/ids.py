"""Ids of patients as people type them: which are the same, and which only look so."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOOKALIKES: Final = str.maketrans(
    "авекмнорстухіјѕԁ" + "αβεζηικμνορτυχ" + "\u2010\u2011\u2012\u2013\u2014\u2212",
    "abekmhopctyxijsd" + "abezhikmnoptyx" + "------",
)
"""Cyrillic and Greek letters whose capitals look like Latin ones, and dashes."""
_ZEROS: Final = re.compile(r"(?<!\d)0+(?=\d)")


def compared_id(patient_id: str) -> str:
    r"""Return an id without differences that people do not see: case, full-width and invisible characters, blanks.

    >>> compared_id("Ｐ0002 ") == compared_id("p00\u200b02")
    True
    """
    plain = unicodedata.normalize("NFKC", patient_id).casefold()
    return "".join(sign for sign in plain if not sign.isspace() and unicodedata.category(sign) != "Cf")


def similar_forms(patient_id: str) -> frozenset[str]:
    """Return forms of an id, one of which it shares with every id that differs from it in little.

    Ids are similar if they differ only in letters of other alphabets that look alike, in dashes, in the letter O for a
    zero, or in zeros before a number. They may belong to one patient or to two.

    Args:
        patient_id: As in a table or header.

    >>> [not similar_forms("P001").isdisjoint(similar_forms(one)) for one in ("р001", "PO01", "P1", "P010", "P00l")]
    [True, True, True, False, False]
    """
    plain = "".join(str(unicodedata.decimal(sign, sign)) for sign in compared_id(patient_id)).translate(_LOOKALIKES)
    return frozenset({plain.replace("o", "0"), _ZEROS.sub("", plain)})


def similar_pairs(patient_ids: Iterable[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """Pair ids with those of another table that are similar, but not the same.

    Args:
        patient_ids: Ids of one table.
        others: Ids of the other table.

    >>> similar_pairs(["P1", "00123"], ["p1", "123"])
    [('00123', '123')]
    """
    known: dict[str, str] = {}
    exact = set()
    for other in others:
        exact.add(compared_id(other))
        for form in similar_forms(other):
            known.setdefault(form, other)
    return [
        (patient_id, next(known[form] for form in sorted(forms) if form in known))
        for patient_id in patient_ids
        if compared_id(patient_id) not in exact and not (forms := similar_forms(patient_id)).isdisjoint(known)
    ]


def is_shortened(patient_id: str) -> bool:
    """Whether a spreadsheet has replaced a long number by ``1.1E+17``.

    >>> is_shortened("1.10101E+17"), is_shortened("1,10101E+17"), is_shortened("110101199003071234")
    (True, True, False)
    """
    return re.fullmatch(r"\d([.,]\d+)?[eE]\+\d+", patient_id) is not None
