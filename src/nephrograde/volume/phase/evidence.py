"""One look at a series and what it says of its phase; and the answer that all looks together give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.vocabulary import KNOWN_PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping

Look: TypeAlias = Literal["timing", "words", "order", "image"]
PHASES = tuple(KNOWN_PHASES)
UNKNOWN = ""
"""The phase of a series of which too little is known to name one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one look at a series says.

    Attributes:
        look: What was looked at.
        text: What was seen, for people: ``"动脉期" in the series description``, ``cortex 182 HU, medulla 61 HU``. Never
            a name, date or id of a patient.
        likelihood: How likely this sight is in each of ``PHASES``, up to a common factor; all above 0.
    """

    look: Look
    text: str
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

    @property
    def text(self) -> str:
        """The evidence in one line, as in ``series.csv``."""
        return "; ".join(f"{one.look}: {one.text}" for one in self.evidence)
