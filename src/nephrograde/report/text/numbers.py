"""Numbers as journals print them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.report.text.language import spoken, t, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
NOTHING = "–"


def decimal(value: float, decimals: int = 3) -> str:
    """Format a number with fixed decimals and a true minus sign; NaN is a dash.

    >>> decimal(-0.01512), decimal(float("nan")), decimal(-0.0001)
    ('−0.015', '–', '0.000')
    """
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def bounds(low: float, high: float, decimals: int = 3) -> str:
    """Format an interval; “to” replaces the dash if a bound is negative.

    >>> bounds(0.8423, 0.9718), bounds(-0.076, 0.046)
    ('[0.842–0.972]', '[−0.076 to 0.046]')
    """
    if math.isnan(low) or math.isnan(high):
        return ""
    texts = {"low": decimal(low, decimals), "high": decimal(high, decimals)}
    return f"[{t('{low} to {high}', **texts)}]" if low < 0 else f"[{texts['low']}–{texts['high']}]"


def with_bounds(value: float, low: float, high: float, decimals: int = 3) -> str:
    """Format a value with its interval, if it has one.

    >>> with_bounds(0.9, 0.8423, 0.9718, 2), with_bounds(0.9, math.nan, math.nan)
    ('0.90 [0.84–0.97]', '0.900')
    """
    return f"{decimal(value, decimals)} {bounds(low, high, decimals)}".rstrip()


def p_value(p: float) -> str:
    """Format a P value for a column headed P: never 0.000, never rounded across 0.05.

    >>> [p_value(p) for p in (0.0000004, 0.0042, 0.031, 0.0496, 0.62, 1.0)]
    ['<0.001', '0.004', '0.03', '0.0496', '0.62', '>0.99']

    Source:
        AMA Manual of Style, 11th edition, section 19.5.
    """
    if math.isnan(p):
        return NOTHING
    if p < 0.001:
        return "<0.001"
    if p > 0.99:
        return ">0.99"
    decimals = 3 if p < 0.01 else 2
    while decimals < 6 and (round(p, decimals) < 0.05) != (p < 0.05):
        decimals += 1
    return f"{p:.{decimals}f}"


def p_sentence(p: float) -> str:
    """Format a P value for running text, with no-break spaces.

    >>> [p_sentence(p).replace("\N{NO-BREAK SPACE}", " ") for p in (0.0000004, 0.031)]
    ['P < 0.001', 'P = 0.03']
    """
    text = p_value(p)
    words = ["P", text[0], text[1:]] if text[0] in "<>" else ["P", "=", text]
    return "\N{NO-BREAK SPACE}".join(words)


def share(part: int, whole: int) -> str:
    """Format a count with its percentage.

    >>> share(49, 90), share(0, 0)
    ('49 (54%)', '0')
    """
    return f"{part} ({100 * part / whole:.0f}%)" if whole else str(part)


def counted(count: int, singular: str, plural: str = "") -> str:
    """Format a count with its noun; the catalogue has the noun as ``{n} plural``.

    Args:
        count: The number.
        singular: The English noun in the singular.
        plural: The plural, if it is not the singular with an s.

    >>> counted(1, "patient"), counted(3, "patient"), counted(2, "class", "classes")
    ('1 patient', '3 patients', '2 classes')
    """
    noun = singular if count == 1 and spoken() == "en" else plural or f"{singular}s"
    return translated(f"{{n}} {noun}").format(n=f"{count:,}")


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return t("{words} and {last}", words=enumerated(words[:-1]), last=words[-1])


def running_text(*sentences: str) -> str:
    """Join sentences; Chinese ones, which end in a full-width stop, without a space.

    >>> running_text("One.", "", "Two."), running_text("一。", "二。")
    ('One. Two.', '一。二。')
    """
    return " ".join(filter(None, sentences)).replace("。 ", "。")


def enumerated(words: Sequence[str]) -> str:
    """Join words with commas.

    >>> enumerated(["a", "b", "c"])
    'a, b, c'
    """
    return t(", ").join(words)


def duration(seconds: float) -> str:
    """Format a duration.

    >>> duration(42.4), duration(754), duration(7380)
    ('42 s', '12 min 34 s', '2 h 03 min')
    """
    whole = round(seconds)
    if whole < 60:
        return t("{seconds} s", seconds=whole)
    if whole < 3600:
        return t("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")
    return t("{hours} h {minutes} min", hours=whole // 3600, minutes=f"{whole % 3600 // 60:02d}")
