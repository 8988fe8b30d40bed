"""One look at a series and what it says of its phase; and the answer that all looks together give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.vocabulary import KNOWN_PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.volume.statement import Statement

PHASES = tuple(KNOWN_PHASES)
UNKNOWN = ""
"""The phase of a series of which too little is known to name one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one look at a series says.

    Attributes:
        seen: What was seen, one of ``SIGHTS``: words in the series description, HU of the kidneys.
        likelihood: How likely this sight is in each of ``PHASES``, up to a common factor; all above 0.
    """

    seen: Statement
    likelihood: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PhaseAnswer:
    """Which phase a series is.

    Attributes:
        phase: One of ``PHASES``, or ``UNKNOWN``.
        probability: Of ``phase``; of the most probable phase where it is unknown.
        evidence: All looks, in the order in which they were taken.
    """

    phase: str
    probability: float
    evidence: tuple[Evidence, ...]
