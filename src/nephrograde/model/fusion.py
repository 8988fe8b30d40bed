"""What a network sees that joins the phases of a patient; can be read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nephrograde.cohort.clinical import Term  # noqa: TC001 - pydantic reads the annotations of the card
from nephrograde.sample.channels import Channels


@dataclass(frozen=True, slots=True)
class Fusion:
    """How one network sees several phases.

    Attributes:
        kind: "intermediate" is one encoder for all phases, whose features are joined before the head; in "early", the
            phases are channels.
        phases: The phases, in the order of the head's inputs, or of the channels.
        differences: Pairs of phases whose difference of features is a further input of the head, or whose difference in
            HU are further channels.
        values: How clinical values become inputs of the head, learnt from the patients that the network learns from.
    """

    kind: Literal["intermediate", "early"]
    phases: tuple[str, ...]
    differences: tuple[tuple[str, str], ...] = ()
    values: tuple[Term, ...] = ()

    def inputs(self, features: int) -> int:
        """Return the number of inputs of the head: features, whether the patient has each phase, and values.

        Args:
            features: Of one picture.

        >>> Fusion("intermediate", ("cmp", "np")).inputs(512), Fusion("early", ("cmp", "np")).inputs(512)
        (1026, 514)
        """
        if self.kind == "early":
            return features + len(self.phases) + len(self.values)
        return (len(self.phases) + len(self.differences)) * features + len(self.phases) + len(self.values)

    def channels(self, count: int) -> Channels | None:
        """Return what the channels of a picture are; None in intermediate fusion, where all show one phase.

        Args:
            count: All of them but a mask.

        Raises:
            ValueError: If they cannot be shared by the phases and differences.

        >>> Fusion("early", ("cmp", "up"), (("cmp", "up"),)).channels(9)
        Channels(phases=2, pairs=((0, 1),), each=3)
        """
        if self.kind != "early":
            return None
        shown = len(self.phases) + len(self.differences)
        if count % shown:
            raise ValueError(f"{count} channels cannot be shared by {shown} phases and differences")
        return Channels(len(self.phases), tuple(self.pairs), count // shown)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The positions of the phases of each difference."""
        return [(self.phases.index(one), self.phases.index(other)) for one, other in self.differences]
