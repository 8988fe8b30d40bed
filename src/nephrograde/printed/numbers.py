"""Numbers as a paper prints them: exact decimals, and the values that each rounding rule prints that way.

"0.860" is not 0.86. The three decimals say that the proportion was within half a thousandth of 0.860, and an audit
depends on that. So printed values are read from text, stored as integer multiples of their last decimal, and compared
as integers, without floating-point numbers.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

MAX_DECIMALS = 12
MOST_UNITS = 10**10
"""Units of the last decimal above which a likelihood or odds ratio would overflow 64-bit integers."""
_MINUS = str.maketrans({"−": "-", "–": "-", "‐": "-"})


class Rounding(StrEnum):
    """How software rounds a number to decimals; the same rule applies to all values of a model.

    ``TIES_EITHER`` rounds to the nearest, and each tie to either side. Software that prints binary floating-point
    numbers does this: it writes 1/80 as 0.013, but 23/80 as 0.287.
    """

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    TRUNCATION = "truncation"
    TIES_EITHER = "ties_either"


@dataclass(frozen=True, slots=True)
class Window:
    """The values that print as one number: from ``low`` to ``high``, in units of ``1 / (2 · scale)``.

    ``has_low`` and ``has_high`` say whether the window includes its end points.
    """

    low: int
    high: int
    scale: int
    has_low: bool
    has_high: bool

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        """The lowest and the highest value, whether or not the window includes them."""
        return Fraction(self.low, 2 * self.scale), Fraction(self.high, 2 * self.scale)

    def covers(self, value: Fraction) -> bool:
        """Whether a value prints as the number."""
        low, high = self.ends
        return (low < value or (self.has_low and low == value)) and (value < high or (self.has_high and value == high))


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A number as printed: ``units`` of the last decimal, of which ``scale`` make 1.

    >>> PrintedNumber.of("85.9%")
    PrintedNumber(units=859, decimals=3, as_percent=True)
    """

    units: int
    decimals: int
    as_percent: bool = False

    @classmethod
    def of(
        cls, text: str, *, lowest: float = 0.0, highest: float = 1.0, most_decimals: int = MAX_DECIMALS
    ) -> PrintedNumber:
        """Read a number from its printed text.

        Full-width characters, a raised decimal point (0·859) and a missing leading zero (.859) are accepted.

        Args:
            text: A number, or a percentage with its sign.
            lowest: The lowest value that the measure can have; with the defaults it is a proportion.
            highest: The highest value that it can have.
            most_decimals: The largest number of decimals to accept.

        Returns:
            The number with its decimals.

        Raises:
            ValueError: The text is not a number, is outside the limits, or has too many decimals; the message
                continues a sentence that ends in "is".

        >>> PrintedNumber.of("−0.12", lowest=-1.0), PrintedNumber.of("6.1", highest=math.inf)
        (PrintedNumber(units=-12, decimals=2, as_percent=False), PrintedNumber(units=61, decimals=1, as_percent=False))
        """
        plain = unicodedata.normalize("NFKC", text).strip().replace("·", ".").replace("∙", ".").translate(_MINUS)
        found = re.fullmatch(r"(-?)(\d*)(?:\.(\d*))?\s*(%?)", plain, re.ASCII)
        if not found or not (found[2] or found[3]):
            raise ValueError("not a number; write it as printed, like 0.859 or 85.9%")
        fraction, as_percent = found[3] or "", found[4] == "%"
        number = cls(int(found[1] + (found[2] + fraction)), len(fraction) + 2 * as_percent, as_percent)
        if number.decimals > most_decimals:
            raise ValueError(f"printed with more than {most_decimals} decimals; give those of the paper")
        if number.units > highest * number.scale:
            hint = "" if as_percent else "; a percentage needs its sign, like 85.9%"
            raise ValueError(f"more than {highest:g}, which is the highest possible value{hint}")
        if number.units < lowest * number.scale:
            raise ValueError(f"less than {lowest:g}, which is the lowest possible value")
        if abs(number.units) > MOST_UNITS and math.isinf(highest):
            raise ValueError("too large to be examined; compare it with the paper")
        return number

    @property
    def scale(self) -> int:
        """The number of units of the last decimal in 1."""
        return int(10**self.decimals)

    @property
    def value(self) -> float:
        """The number as a float."""
        return self.units / self.scale

    @property
    def exact(self) -> Fraction:
        """The number as a fraction."""
        return Fraction(self.units, self.scale)

    def __str__(self) -> str:
        shown = self.decimals - 2 * self.as_percent
        digits = str(abs(self.units)).zfill(shown + 1)
        sign = "-" if self.units < 0 else ""
        text = f"{digits[: len(digits) - shown]}.{digits[len(digits) - shown :]}" if shown else digits
        return f"{sign}{text}%" if self.as_percent else f"{sign}{text}"

    def neighbours(self, *, lowest: float = 0.0, highest: float = 1.0) -> tuple[PrintedNumber, ...]:
        """Return the numbers one unit of the last decimal below and above, within the limits of the measure.

        >>> [str(number) for number in PrintedNumber.of("85.9%").neighbours()]
        ['85.8%', '86.0%']
        """
        near = (self.units - 1, self.units + 1)
        within = (units for units in near if lowest * self.scale <= units <= highest * self.scale)
        return tuple(PrintedNumber(units, self.decimals, self.as_percent) for units in within)

    def window(self, rounding: Rounding) -> Window:
        """Find the values that a rounding rule prints as this number; negative numbers mirror positive ones.

        >>> PrintedNumber.of("0.86").window(Rounding.HALF_UP)
        Window(low=171, high=173, scale=100, has_low=True, has_high=False)
        """
        if self.units < 0:
            mirrored = PrintedNumber(-self.units, self.decimals).window(rounding)
            return Window(
                -mirrored.high, -mirrored.low, self.scale, has_low=mirrored.has_high, has_high=mirrored.has_low
            )
        twice = 2 * self.units
        if self.units == 0 and rounding is Rounding.TRUNCATION:
            return Window(-2, 2, self.scale, has_low=False, has_high=False)
        if self.units == 0 and rounding is Rounding.HALF_UP:
            return Window(-1, 1, self.scale, has_low=False, has_high=False)
        if rounding is Rounding.TRUNCATION:
            return Window(twice, twice + 2, self.scale, has_low=True, has_high=False)
        even = self.units % 2 == 0
        has_low, has_high = {
            Rounding.HALF_UP: (True, False),
            Rounding.HALF_EVEN: (even, even),
            Rounding.TIES_EITHER: (True, True),
        }[rounding]
        return Window(twice - 1, twice + 1, self.scale, has_low=has_low, has_high=has_high)

    def any_window(self) -> Window:
        """Find the values that print as this number under any rounding rule."""
        twice = 2 * self.units
        low = twice - (1 if self.units > 0 else 2)
        high = twice + (1 if self.units < 0 else 2)
        return Window(low, high, self.scale, has_low=True, has_high=True)
