"""CT numbers of the synthetic abdomen, per phase, and the appearance of a tumour of a given severity.

Sources:

* [EJR2007] 128 patients, bolus tracking, Eur J Radiol 2007;63:420: the renal cortex enhances by 195–217 HU in the
  corticomedullary phase, cortex minus medulla is 110–140 HU until 30 s and under 30 HU from 45 s on, the medulla
  reaches +145 HU, the renal artery +240–288 HU; unenhanced kidney 30–50 HU.
* [AJR2012] 193 unenhanced tumours, PMID 22528901: lowest and highest region 27.5 ± 10.4 and 39.7 ± 10.6 HU.
* [UJ2015] small hypervascular clear cell carcinoma, doi 10.5301/uj.5000256: 34 ± 7 HU unenhanced, 173 ± 45
  corticomedullary, 149 ± 34 nephrographic, 98 ± 36 excretory.
* [AR2016] Acta Radiol 2016, doi 10.1177/0284185116649795: necrosis is associated with high grade (60 of 173, odds
  ratio 25.7).

Values without a citation follow textbook anatomy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def _row(up: float, cmp: float, np: float, ep: float) -> Mapping[str, float]:
    return MappingProxyType({"up": up, "cmp": cmp, "np": np, "ep": ep})


TISSUE_HU: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "cortex": _row(36, 240, 198, 150),  # EJR2007: 36 + 204; close to the medulla from 45 s on
        "medulla": _row(36, 115, 184, 148),  # EJR2007: 125 below the cortex; later 36 + 148
        "collecting": _row(6, 8, 10, 420),
        "aorta": _row(42, 300, 165, 135),  # EJR2007: +240–288 in the renal artery
        "renal_vein": _row(40, 185, 160, 130),
        "cava": _row(40, 105, 150, 130),
        "liver": _row(56, 74, 112, 100),
        "liver_vessel": _row(44, 96, 150, 118),
        "spleen": _row(48, 150, 122, 105),
        "pancreas": _row(40, 105, 92, 80),
        "bowel_wall": _row(40, 85, 82, 75),
        "bowel_content": _row(18, 18, 18, 20),
        "muscle": _row(54, 58, 64, 64),
        "blood_vessel": _row(38, 110, 130, 115),  # mesenteric strands
        "capsule": _row(32, 72, 118, 112),
        "necrosis": _row(20, 23, 26, 27),
    }
)
"""CT number of each tissue by phase; tissues that do not take up contrast are in ``PLAIN_HU``."""

PLAIN_HU: Mapping[str, float] = MappingProxyType(
    {"air": -1000.0, "fat": -102.0, "skin": 15.0, "bile": 9.0, "gas": -880.0, "bone": 165.0, "compact_bone": 420.0,
     "disc": 85.0, "canal": 25.0, "stool": -60.0, "couch": 20.0}
)  # fmt: skip
"""CT numbers of tissues that look the same in every phase."""


@dataclass(frozen=True, slots=True)
class Signal:
    """How one phase shows severity.

    Attributes:
        spread: Standard deviation of the noise between hidden and visible severity (the oracle's is 1 within a
            class): the larger, the less informative the phase.
        mean_hu: Mean CT number of the solid part over low-grade tumours.
        spread_hu: Standard deviation of that CT number over low-grade tumours.
        texture_hu: Amplitude of the texture of an average tumour.
    """

    spread: float
    mean_hu: float
    spread_hu: float
    texture_hu: float


SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        "cmp": Signal(0.3, 173.0, 45.0, 16.0),  # UJ2015
        "np": Signal(0.9, 149.0, 34.0, 13.0),  # UJ2015
        "up": Signal(2.0, 34.0, 7.0, 3.0),  # UJ2015, AJR2012
        "ep": Signal(1.4, 98.0, 36.0, 9.0),  # UJ2015
    }
)
"""The spreads make CMP most informative, then NP, then UP, as the paper found. CT numbers as cited."""

LOW_GRADE_SEVERITY = -1.0
"""Mean severity of low-grade tumours at the default oracle; the cited CT numbers apply at this severity."""


@dataclass(frozen=True, slots=True)
class Look:
    """The appearance of a tumour of one visible severity in one phase.

    Attributes:
        solid_hu: CT number of the viable part.
        texture_hu: Amplitude of its texture.
        necrosis: Fraction of the volume that is necrotic.
        roughness: Amplitude of the contour's bumps as a fraction of the radius.
        capsule: Completeness of the capsule, 0 to 1.
    """

    solid_hu: float
    texture_hu: float
    necrosis: float
    roughness: float
    capsule: float


def look_of(phase: str, visible_severity: float) -> Look:
    """Convert the severity that a phase shows to the appearance that is painted.

    Rising severity means less enhancement, more necrosis, a rougher texture and contour, and a broken capsule.

    Args:
        phase: One of ``PHASES``.
        visible_severity: Severity with the phase's noise; about −1 for low and +1 for high grade.

    Returns:
        The appearance of the tumour.

    Source: CT numbers UJ2015, AJR2012; necrosis AR2016. The shape of the curves has no source.

    >>> round(look_of("cmp", -1.0).solid_hu), round(look_of("cmp", 1.0).solid_hu)
    (173, 87)
    >>> round(look_of("cmp", -1.0).necrosis, 2), round(look_of("cmp", 1.0).necrosis, 2)
    (0.05, 0.32)
    """
    signal = SIGNALS[phase]
    slope = signal.spread_hu / math.hypot(1.0, signal.spread)
    wanted = signal.mean_hu - slope * (visible_severity - LOW_GRADE_SEVERITY)
    floor = TISSUE_HU["necrosis"][phase] - 6.0 if phase == "up" else 42.0
    rising = 1.0 / (1.0 + math.exp(-visible_severity))
    return Look(
        solid_hu=_not_below(wanted, floor),
        texture_hu=signal.texture_hu * (0.4 + 1.2 * rising),
        necrosis=0.55 / (1.0 + math.exp(-1.3 * (visible_severity - 0.75))),
        roughness=0.03 + 0.07 * rising,
        capsule=1.0 - rising,
    )


def _not_below(value: float, floor: float, *, softness: float = 8.0) -> float:
    """Bend a value so that it approaches the floor instead of crossing it, preserving the order of values."""
    above = (value - floor) / softness
    return floor + softness * (above if above > 30 else math.log1p(math.exp(above)))
