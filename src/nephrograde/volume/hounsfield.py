"""Whether the values of a CT are Hounsfield units, judged by where air, fat and soft tissue lie.

The lowest value of an image says little: padding outside the field of view may lie far below air, and a rescaling that
was lost, applied twice or applied with the wrong slope leaves negative values. So the histogram of a coarse copy is
compared with that of a body after every shift and scaling, and the values are HU unless one explains far more of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nephrograde.volume.coarse import CoarseArray

    Values = float | npt.NDArray[np.float64]
    Share = Callable[[Values, Values], npt.NDArray[np.float64]]

AIR_HU = (-1060.0, -940.0)
FAT_HU = (-140.0, -50.0)
SOFT_HU = (-20.0, 130.0)
"""Where most of a body and its surroundings lie, from unenhanced muscle to an enhanced kidney."""
TOLERATED_HU = ((-1100.0, -930.0), (-160.0, 300.0))
"""The same with what varies between scanners and with contrast medium: by this, values as they are count as HU."""
EXPLAINED_FROM = 0.7
"""Fraction of the values that another scaling has to explain before it is believed,"""
BETTER_BY = 0.2
"""and how much more than the values as they are. In 226 real CTs no scaling gains more than 0.08."""
STRANGE_BELOW = 0.35
"""Fraction of the values, less that which no tissue has, below which they are not HU. In real CTs it is 0.6 or more."""
LEAST_RANGE_HU = 5.0
"""Values of a CT, but for the lowest and the highest hundredth, span more than this."""
LEAST_OF_EACH = 0.05
"""Fraction of an image that has to be air, or tissue, if it is to be a landmark."""
PADDING_FROM = 0.02
"""Fraction of an image that has exactly its lowest value, if that is padding."""
FEWEST_CELLS = 2000
MOST_CELLS = 50_000
"""More cells, evenly chosen, would not change the histogram."""
_BIN = 8.0
_RANGE = (-12_000.0, 20_000.0)
_SLOPES = tuple(np.round(np.geomspace(0.25, 4.0, 41), 3).tolist())
_SHIFTS = np.arange(-3200.0, 3200.1, _BIN)
_AIR_AND_TISSUE_HU = (-1000.0, 40.0)


class Scaling(NamedTuple):
    """How the values of an image arise from HU: ``slope`` × HU + ``shift``."""

    slope: float = 1.0
    shift: float = 0.0


def find_scaling(coarse: CoarseArray) -> Scaling | None:
    """Find the shift, or the slope and shift, by which the values of a CT differ from HU.

    Args:
        coarse: From :func:`~nephrograde.volume.coarse.coarsen`.

    Returns:
        Slope 1 and shift 0 if the values are HU, or too few to judge; None if they are not, and nothing explains them.

    >>> body = np.full((20, 32, 32), -1000.0, np.float32)
    >>> body[:, 8:24, 8:24] = 40
    >>> body[:, 8:10] = -100
    >>> find_scaling(body), find_scaling(body + 1024).shift > 1000
    (Scaling(slope=1.0, shift=0.0), True)
    """
    cells = coarse.ravel()
    if cells.size < FEWEST_CELLS:
        return Scaling()
    cells = cells[:: 1 + cells.size // MOST_CELLS]
    low, high = np.quantile(cells, (0.01, 0.99))
    is_lowest = cells == cells.min()
    if PADDING_FROM < is_lowest.mean() < 1 - PADDING_FROM:
        cells = cells[~is_lowest]
    edges = np.arange(_RANGE[0], _RANGE[1] + _BIN, _BIN)
    counts, _ = np.histogram(cells, len(edges) - 1, (edges[0], edges[-1]))  # by arithmetic; given edges are searched
    below = np.concatenate([[0.0], np.cumsum(counts)]) / cells.size

    def share(low: Values, high: Values) -> npt.NDArray[np.float64]:
        return np.subtract(np.interp(high, edges, below), np.interp(low, edges, below))

    tissue = float(share(*TOLERATED_HU[1]))
    beyond = float(share(_RANGE[0], TOLERATED_HU[0][0]) + share(TOLERATED_HU[1][1], _RANGE[1]))
    as_is = 0.0 if tissue < LEAST_OF_EACH else tissue + float(share(*TOLERATED_HU[0])) - beyond
    is_plain = as_is > 1 - BETTER_BY  # no other scaling can explain so much more
    for slopes in () if is_plain else ((1.0,), _SLOPES):  # a shift alone is the likelier fault
        best, explained = _best_scaling(share, slopes)
        if explained >= EXPLAINED_FROM and explained - as_is >= BETTER_BY:
            return best
    return None if as_is < STRANGE_BELOW or high - low < LEAST_RANGE_HU else Scaling()


def _best_scaling(share: Share, slopes: Sequence[float]) -> tuple[Scaling, float]:
    """Return the scaling after which most values lie where those of a body do, and what fraction that is."""
    best, most = Scaling(), 0.0
    for slope in slopes:
        air, fat, soft = (
            share(slope * low + _SHIFTS, slope * high + _SHIFTS) for low, high in (AIR_HU, FAT_HU, SOFT_HU)
        )
        explained = air + fat + soft
        if slope != 1:  # two landmarks are needed for two numbers
            explained = np.where((air > LEAST_OF_EACH) & (fat + soft > LEAST_OF_EACH), explained, 0.0)
        found = float(explained.max())
        if found > most:
            best, most = Scaling(slope, float(np.median(_SHIFTS[explained > found - 0.01]))), found
    return best, most


def explain_scaling(scaling: Scaling) -> Fault:
    """Put into words that values are not HU, and what was probably lost.

    Args:
        scaling: From :func:`find_scaling`; not that of HU.

    >>> print(explain_scaling(Scaling(1.0, 1024.0)).message)
    air lies near 24 and soft tissue near 1064, where HU are -1000 and 40: all values are about 1024 too high.
    """
    air, tissue = (scaling.slope * hu + scaling.shift for hu in _AIR_AND_TISSUE_HU)
    seen = f"air lies near {air:.0f} and soft tissue near {tissue:.0f}, where HU are -1000 and 40"
    if scaling.slope != 1:
        what = f"the values are HU times about {scaling.slope:.2g}, so their slope is wrong"
        remedy = "Convert the scan from its DICOM series again, with its rescale slope and intercept applied once."
    elif scaling.shift > 0:
        what = f"all values are about {scaling.shift:.0f} too high"
        remedy = "Restore the rescale intercept, which was lost: convert the scan from its DICOM series again."
    else:
        what = f"all values are about {-scaling.shift:.0f} too low"
        remedy = "The rescale intercept was probably applied twice: convert the scan from its DICOM series again."
    return Fault("not-hu", "warning", f"{seen}: {what}.", remedy)
