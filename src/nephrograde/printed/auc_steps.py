"""The values that an AUC can have: with P positives and N negatives, multiples of 1 / (2 · P · N).

Each pair of a positive and a negative patient counts 1, ½ (equal scores) or 0, so the sum over pairs is a whole number
of halves. In small classes most printed decimals cannot occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nephrograde.printed.measures import Counts
    from nephrograde.printed.numbers import Window


def attainable(window: Window, positives: Counts, n: int, *, repeats: int = 1) -> npt.NDArray[np.bool_]:
    """Find with which numbers of positives an AUC can lie in a window.

    Args:
        window: The AUCs that print as the number.
        positives: Numbers of positives.
        n: Number of patients.
        repeats: Number of AUCs whose mean is printed.

    Returns:
        Whether any multiple of 1 / (2 · P · N · repeats) between 0 and 1 lies in the window.

    Source:
        Hanley & McNeil 1982, Radiology 143:29, for the AUC as a count of pairs.

    >>> from nephrograde.printed.numbers import PrintedNumber, Rounding
    >>> window = PrintedNumber.of("0.907").window(Rounding.HALF_UP)
    >>> attainable(window, np.array([2, 10, 41]), 92).tolist()
    [False, True, True]
    """
    steps = 2 * positives * (n - positives) * repeats
    halves = 2 * window.scale
    low = -(-steps * window.low // halves) if window.has_low else steps * window.low // halves + 1
    top = steps * window.high // halves if window.has_high else -(-steps * window.high // halves) - 1
    found: npt.NDArray[np.bool_] = (np.maximum(low, 0) <= np.minimum(top, steps)) & (steps > 0)
    return found
