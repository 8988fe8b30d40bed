"""Numbers as a paper prints them: exact decimals, and the values that each rounding rule prints that way.

"0.860" is not 0.86. The three decimals say that the proportion was within half a thousandth of 0.860, and an audit
depends on that. So printed values are read from text, stored as integer multiples of their last decimal, and compared
as integers, without floating-point numbers.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

MAX_DECIMALS = 12


class Rounding(StrEnum):
    """How software rounds a proportion to decimals; the same rule applies to all values of a model.

    ``TIES_EITHER`` rounds to the nearest, and each tie to either side. Software that prints binary floating-point
    numbers does this: it writes 1/80 as 0.013, but 23/80 as 0.287.
    """

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    TRUNCATION = "truncation"
    TIES_EITHER = "ties_either"

    @property
    def words(self) -> str:
        """The rule in words.

        >>> Rounding.HALF_EVEN.words
        'half to even'
        """
        return {
            "half_up": "half up",
            "half_even": "half to even",
            "truncation": "cut off",
            "ties_either": "ties to either side",
        }[self.value]


@dataclass(frozen=True, slots=True)
class Window:
    """The proportions that print as one number: from ``low`` to ``high``, in units of ``1 / (2 · scale)``.

    ``has_low`` and ``has_high`` say whether the window includes its end points.
    """

    low: int
    high: int
    scale: int
    has_low: bool
    has_high: bool

    def complement(self) -> Window:
        """Return the window of one minus the proportion."""
        whole = 2 * self.scale
        return Window(whole - self.high, whole - self.low, self.scale, has_low=self.has_high, has_high=self.has_low)


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A proportion as printed: ``units`` of the last decimal out of ``scale``.

    >>> PrintedNumber.of("85.9%")
    PrintedNumber(units=859, decimals=3, as_percent=True)
    """

    units: int
    decimals: int
    as_percent: bool = False

    @classmethod
    def of(cls, text: str) -> PrintedNumber:
        """Read a proportion from its printed text.

        Full-width characters, a raised decimal point (0·859) and a missing leading zero (.859) are accepted.

        Args:
            text: A proportion between 0 and 1, or a percentage with its sign.

        Returns:
            The number with its decimals.

        Raises:
            ValueError: The text is not a number, is outside 0 to 1, or has too many decimals; the message continues a
                sentence that ends in "is".
        """
        plain = unicodedata.normalize("NFKC", text).strip().replace("·", ".").replace("∙", ".")
        found = re.fullmatch(r"(\d*)(?:\.(\d*))?\s*(%?)", plain, re.ASCII)
        if not found or not (found[1] or found[2]):
            raise ValueError("not a number; write it as printed, like 0.859 or 85.9%")
        fraction, as_percent = found[2] or "", found[3] == "%"
        number = cls(int(found[1] + fraction), len(fraction) + 2 * as_percent, as_percent)
        if number.decimals > MAX_DECIMALS:
            raise ValueError(f"printed with more than {MAX_DECIMALS} decimals; give those of the paper")
        if number.units > number.scale:
            hint = "" if as_percent else "; a percentage needs its sign, like 85.9%"
            raise ValueError(f"more than 1, which a proportion cannot be{hint}")
        return number

    @property
    def scale(self) -> int:
        """The number of units of the last decimal in 1."""
        return int(10**self.decimals)

    @property
    def value(self) -> float:
        """The number as a float; for an AUC, which is not audited digit by digit."""
        return self.units / self.scale

    def __str__(self) -> str:
        shown = self.decimals - 2 * self.as_percent
        digits = str(self.units).zfill(shown + 1)
        text = f"{digits[: len(digits) - shown]}.{digits[len(digits) - shown :]}" if shown else digits
        return f"{text}%" if self.as_percent else text

    def neighbours(self) -> tuple[PrintedNumber, ...]:
        """Return the numbers one unit of the last decimal below and above.

        >>> [str(number) for number in PrintedNumber.of("85.9%").neighbours()]
        ['85.8%', '86.0%']
        """
        near = (self.units - 1, self.units + 1)
        return tuple(PrintedNumber(u, self.decimals, self.as_percent) for u in near if 0 <= u <= self.scale)

    def window(self, rounding: Rounding) -> Window:
        """Find the proportions that a rounding rule prints as this number.

        >>> PrintedNumber.of("0.86").window(Rounding.HALF_UP)
        Window(low=171, high=173, scale=100, has_low=True, has_high=False)
        """
        twice = 2 * self.units
        if rounding is Rounding.TRUNCATION:
            return Window(twice, twice + 2, self.scale, has_low=True, has_high=False)
        even = self.units % 2 == 0
        has_low, has_high = {
            Rounding.HALF_UP: (True, False),
            Rounding.HALF_EVEN: (even, even),
            Rounding.TIES_EITHER: (True, True),
        }[rounding]
        return Window(twice - 1, twice + 1, self.scale, has_low=has_low, has_high=has_high)
