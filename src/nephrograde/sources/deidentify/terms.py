"""Which values of code strings (VR CS) are kept: the terms that the standard defines, and nothing else.

A code string may hold any 32 characters, and vendors and technicians put names there. Removing the patient's own name
is not enough, because it may be known from nowhere else.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS_OF = {"FrameType": "ImageType"}
_MOST_DIGITS = 3
_FORMS = {
    "PatientOrientation": re.compile(r"[APLRHF]{1,3}"),
    "ContextIdentifier": re.compile(r"\d{1,5}"),
    "TemplateIdentifier": re.compile(r"\d{1,5}"),
}
"""Attributes whose values are formed by a rule: directions, numbers of context groups and templates."""

_CODE_VALUE = re.compile(r"(?=.*\d)(?!(?:.*[A-Z]){5})[A-Z\d.:-]{1,18}", re.ASCII)  # T-71000, RID1301, 108369006
_UNIT = re.compile(r"[\w%/{}.*\[\]-]{1,16}", re.ASCII)
_VERSION = re.compile(r"[\d.]{1,8}", re.ASCII)


def is_term(keyword: str, text: str) -> bool:
    """Check whether a value of a code string is one that the standard defines for its attribute.

    Args:
        keyword: The attribute's name in the standard.
        text: One value of it, decoded.

    Returns:
        True for an Enumerated Value or Defined Term of the attribute, in any letter case. Of attributes with open terms
        (ImageType, BodyPartExamined, ScanOptions and a few others) also for a value that consists of known words and
        up to three digits. False for every value of an attribute without known terms.

    **Source:** DICOM PS3.3, PS3.16 annex L; ``terms.toml``.

    >>> is_term("Modality", "CT"), is_term("Modality", "KOWALSKA"), is_term("ContentLabel", "KOWALSKA")
    (True, False, False)
    >>> is_term("ImageType", "CT_SOM5 SPI"), is_term("ImageType", "AXIAL KOWALSKA"), is_term("BodyPartExamined", "CAP")
    (True, False, True)
    """
    value = text.strip().upper()
    if value in _terms("terms").get(keyword, ()):
        return True
    if form := _FORMS.get(keyword):
        return bool(form.fullmatch(value))
    words = _terms("words").get(_WORDS_OF.get(keyword, keyword))
    return words is not None and _consists_of(value, words | _terms("terms").get(keyword, frozenset()))


def is_code(keyword: str, text: str, scheme: str) -> bool:
    """Check whether a part of a code may be kept: that of a scheme the standard knows, and not a text in its place.

    Args:
        keyword: CodeValue, CodeMeaning, CodingSchemeDesignator or CodingSchemeVersion.
        text: Its value, decoded.
        scheme: CodingSchemeDesignator of the same item.

    Returns:
        True for an allowed part. A meaning is allowed whatever it says, so it must be cleaned.

    **Source:** DICOM PS3.16 section 8.

    >>> is_code("CodeValue", "108369006", "SCT"), is_code("CodeValue", "KOWALSKA", "99HOSPITAL")
    (True, False)
    """
    known = scheme.strip().upper()
    if known not in _terms("schemes")["CodingSchemeDesignator"]:
        return False
    forms = {"CodeValue": _UNIT if known == "UCUM" else _CODE_VALUE, "CodingSchemeVersion": _VERSION}
    return keyword not in forms or forms[keyword].fullmatch(text.upper()) is not None


def _consists_of(value: str, words: frozenset[str]) -> bool:
    parts = [part for part in re.split(r"[ _/.,:+&()=-]+", value) if part]
    numbers = [part for part in parts if part not in words]
    return all(re.fullmatch(r"\d+(KEV|KV|MM)?", part, re.ASCII) for part in numbers) and (
        sum(sign.isdecimal() for part in numbers for sign in part) <= _MOST_DIGITS
    )


@cache
def _terms(section: str) -> Mapping[str, frozenset[str]]:
    text = resources.files("nephrograde.sources.deidentify").joinpath("terms.toml").read_text(encoding="utf-8")
    return {keyword: frozenset(listed) for keyword, listed in tomllib.loads(text)[section].items()}
