"""One piece of evidence on the phase of a series, and the answer drawn from all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.vocabulary import KNOWN_PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.volume.statement import Statement

PHASES = tuple(KNOWN_PHASES)
UNKNOWN = ""
"""The phase of a series about which too little is known to name one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one observation of a series says.

    Attributes:
        seen: What was observed, one of ``SIGHTS``: words in the series description, HU of the kidneys.
        likelihood: How likely this observation is in each of ``PHASES``, up to a common factor; all above 0.
    """

    seen: Statement
    likelihood: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PhaseAnswer:
    """Which phase a series is.

    Attributes:
        phase: One of ``PHASES``, or ``UNKNOWN``.
        probability: Probability of ``phase``; if unknown, of the most probable phase.
        evidence: All observations, in the order in which they were made.
    """

    phase: str
    probability: float
    evidence: tuple[Evidence, ...]
