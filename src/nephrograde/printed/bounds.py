"""Printed confidence intervals and P values, read from their text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nephrograde.printed.numbers import PrintedNumber

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTERVAL = re.compile(r"^(?P<value>[^(\[]*)[(\[](?P<inside>[^)\]]*)[)\]]\s*$")
_LEVEL = re.compile(r"^\s*(?:(?P<level>\d{2})\s*%\s*)?(?:C\.?I\.?|置信区间|可信区间)\s*[:,：]?\s*", re.IGNORECASE)
_NUMBER = r"[-−]?(?:\d+\.?\d*|\.\d+)\s*%?"
_ENDS = re.compile(rf"^\s*({_NUMBER})\s*(?:-|–|—|−|~|,|;|、|to|至|到)\s*({_NUMBER})\s*$", re.IGNORECASE)
_P = re.compile(r"^(?:p\s*)?(?P<relation>[<>=≤≥]?)\s*(?P<number>[\d.·∙]+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PrintedInterval:
    """A confidence interval as printed.

    Attributes:
        low: The lower bound; below 0 if an interval of the Wald type was not cut.
        high: The upper bound.
        confidence: The confidence level in per cent.
    """

    low: PrintedNumber
    high: PrintedNumber
    confidence: int = 95

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class PrintedP:
    """A P value as printed: equal to, below or above a number."""

    relation: Literal["=", "<", ">"]
    number: PrintedNumber

    @classmethod
    def of(cls, text: str) -> PrintedP:
        """Read a P value.

        Args:
            text: The P value, with or without "P" and a relation.

        Raises:
            ValueError: The text is no P value; the message continues a sentence that ends in "is".

        >>> print(PrintedP.of("P < 0.001"), PrintedP.of("0.62"))
        < 0.001 = 0.62
        """
        found = _P.fullmatch(unicodedata.normalize("NFKC", text).strip())
        if not found:
            raise ValueError("not a P value; write it as printed, like 0.62, <0.001 or >0.05")
        sign = found["relation"]
        relation: Literal["=", "<", ">"] = "<" if sign in {"<", "≤"} else ">" if sign in {">", "≥"} else "="
        return cls(relation, PrintedNumber.of(found["number"]))

    def __str__(self) -> str:
        return f"{self.relation} {self.number}"


def split_interval(text: str) -> tuple[str, PrintedInterval | None]:
    """Separate a printed value from the interval that follows it in brackets.

    Args:
        text: Such as "0.857 (0.715–0.946)" or "85.7% [95% CI 71.5, 94.6]".

    Returns:
        The text of the value, and the interval if there is one.

    Raises:
        ValueError: What stands in brackets is no interval; the message continues a sentence that ends in "is".

    >>> value, interval = split_interval("85.7% [95% CI 71.5, 94.6]")
    >>> value, str(interval)
    ('85.7%', '71.5% to 94.6%')
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _INTERVAL.match(plain)
    if not found:
        return text, None
    value, inside = found["value"].strip(), found["inside"]
    level = _LEVEL.match(inside)
    ends = _ENDS.match(inside[level.end() :] if level else inside)
    if not ends:
        raise ValueError("not followed by an interval; write it as printed, like 0.857 (0.715-0.946)")
    is_percent = value.endswith("%") or ends[2].endswith("%")
    low, high = (_bound(end, is_percent=is_percent) for end in ends.groups())
    if low.exact > high.exact:
        raise ValueError("followed by an interval whose ends are exchanged; compare it with the paper")
    confidence = int(level["level"]) if level and level["level"] else 95
    if confidence < 50:
        raise ValueError("followed by an interval of an unusual level; compare it with the paper")
    return value, PrintedInterval(low, high, confidence)


def _bound(text: str, *, is_percent: bool) -> PrintedNumber:
    marked = text if text.strip().endswith("%") or not is_percent else f"{text}%"
    return PrintedNumber.of(marked, lowest=-1.0, highest=2.0)


def intervals_as_dict(intervals: Mapping[str, PrintedInterval]) -> dict[str, dict[str, object]]:
    """Return printed intervals in their JSON form."""
    return {
        measure: {"low": str(found.low), "high": str(found.high), "confidence": found.confidence}
        for measure, found in intervals.items()
    }
