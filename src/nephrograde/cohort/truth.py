"""The true class of a patient as people write it: 0 and 1, yes and no, high and low."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HIGH: Final = frozenset({"1", "true", "yes", "y", "high", "positive", "pos", "是", "高", "高级别", "阳性"})
_LOW: Final = frozenset({"0", "false", "no", "n", "low", "negative", "neg", "否", "低", "低级别", "阴性"})


def read_truth(text: str) -> bool | None:
    """Read whether a patient is high grade.

    Args:
        text: ``1``, ``yes``, ``high``, ``是`` or ``高级别``, and their opposites; in any letter case, with decimals of
            zero and full-width characters.

    Returns:
        None for anything else.

    >>> [read_truth(text) for text in ("1", "否", "１．０", "High", "2", "")]
    [True, False, True, True, None, None]
    """
    plain = without_zeros(unicodedata.normalize("NFKC", text).strip().casefold())
    return True if plain in _HIGH else False if plain in _LOW else None


def without_zeros(text: str) -> str:
    """Remove the decimals of a whole number.

    >>> without_zeros("1.0"), without_zeros("0,00"), without_zeros("10")
    ('1', '0', '10')
    """
    return re.sub(r"[.,]0+$", "", text)
