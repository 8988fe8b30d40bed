"""Spellings of an id: with and without its leading zeros, prefix and separators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nephrograde.sources.identity.spelling import BREAK, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST = 4  # an id "12" would also remove the 12 from "12 mm"
_SHORTEST_CORE = 5  # nor does an id "KH-0120" remove the 120 from "120 kV"
_SHORTEST_SPACED = 6
_BETWEEN = r"[\W_]{0,2}"


def number_patterns(number: str) -> Iterator[str]:
    """Yield patterns for an id in folded texts.

    Args:
        number: As in the header; an id without digits is a name, and has no pattern here.

    >>> def finds(number, text): return any(re.search(pattern, fold(text).text) for pattern in number_patterns(number))
    >>> finds("00012345", "12345 art"), finds("KH-98765", "MRN98765"), finds("44051401458", "440514 01458")
    (True, True, True)
    >>> finds("000120", "120 kV"), finds("KH-98765", "1987651")
    (False, False)
    """
    groups = groups_of(number)
    digits = [group for group in groups if group.isdecimal()]
    if not digits:
        return
    whole = "".join(groups)
    if len(whole) >= _SHORTEST - (len(digits) < len(groups)):
        yield _bounded(groups, is_short=len(whole) <= _SHORTEST)
    for core in dict.fromkeys(("".join(digits).lstrip("0"), *(one.lstrip("0") for one in digits))):
        if len(core) >= _SHORTEST_CORE:
            between = _BETWEEN if len(core) >= _SHORTEST_SPACED else ""
            yield rf"(?<!\d)(?:0{between})*{between.join(core)}(?!\d)"


def groups_of(number: str) -> list[str]:
    """Return the runs of digits and of letters of an id, folded.

    >>> groups_of("KH-98765")
    ['kh', '98765']
    """
    return re.findall(r"\d+|[^\W\d_]+", fold(number).text.replace(BREAK, ""))


def _bounded(groups: list[str], *, is_short: bool) -> str:
    if len(groups) == 1:  # without its zeros it may be too short, see the cores
        body = re.escape(groups[0])
        return rf"(?<![^\W_]){body}(?![^\W_])" if is_short else rf"(?<!\d){body}(?!\d)"
    patterns = [f"0*{group.lstrip('0')}" if group.strip("0").isdecimal() else re.escape(group) for group in groups]
    body = r"[\W_]*".join(patterns)
    if is_short:
        return rf"(?<![^\W_]){body}(?![^\W_])"
    before = r"(?<!\d)" if groups[0].isdecimal() else r"(?<![^\W\d_])"
    return before + body + (r"(?!\d)" if groups[-1].isdecimal() else r"(?![^\W\d_])")
