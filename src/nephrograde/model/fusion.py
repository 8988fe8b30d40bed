"""What the linear head of a network sees that joins the phases of a patient; can be read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nephrograde.cohort.clinical import Term  # noqa: TC001 - pydantic reads the annotations of the card


@dataclass(frozen=True, slots=True)
class Fusion:
    """How one network sees several phases.

    Attributes:
        kind: "intermediate" is one encoder for all phases, whose features are joined before the head.
        phases: The phases, in the order of the head's inputs.
        differences: Pairs of phases whose difference of features is a further input.
        values: How clinical values become inputs of the head, learnt from the patients that the network learns from.
    """

    kind: Literal["intermediate"]
    phases: tuple[str, ...]
    differences: tuple[tuple[str, str], ...] = ()
    values: tuple[Term, ...] = ()

    def inputs(self, features: int) -> int:
        """Return the number of inputs of the head: features, whether the patient has each phase, and values.

        Args:
            features: Of one picture.

        >>> Fusion("intermediate", ("cmp", "np")).inputs(512)
        1026
        """
        return (len(self.phases) + len(self.differences)) * features + len(self.phases) + len(self.values)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The positions of the phases of each difference."""
        return [(self.phases.index(one), self.phases.index(other)) for one, other in self.differences]
