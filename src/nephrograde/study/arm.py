"""An arm of the study: one kind of supervision with its network."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nephrograde.study.section import Count, Name, Section
from nephrograde.vocabulary import Supervision


class Arm(Section):
    """``[[arm]]``: one kind of supervision with its network.

    With ``slices``, the arm is weak: a 2D network on that many axial slices; the ``neighbours`` slices below and above
    each of them are further channels. Without it: a 3D network on a box. At the level "none", the slices are those
    through each kidney, or there is a box around each kidney.
    """

    place = ("arm", 0)

    name: Name
    supervision: Supervision
    slices: Count | None = None
    neighbours: Annotated[int, Field(ge=0, le=8)] = 0
    fit: dict[str, Any] = Field(default_factory=dict)

    def _arms(self) -> tuple[Arm, ...]:
        return (self,)

    @property
    def dimensions(self) -> Literal[2, 3]:
        """2 for an arm on slices, 3 for an arm on a box."""
        return 2 if self.slices else 3

    @property
    def has_mask(self) -> bool:
        """Whether the network sees the delineation, as its last channel."""
        return self.dimensions == 3 and self.supervision is Supervision.MASK

    @property
    def is_pooled(self) -> bool:
        """Whether a patient has several slices or boxes, whose values are pooled."""
        return (self.slices or 0) > 1 or self.supervision is Supervision.NONE

    @model_validator(mode="after")
    def _has_view(self) -> Self:
        if self.supervision is Supervision.SLICE and self.slices is None:
            raise ValueError(
                'supervision "slice" gives no place for a box, so the arm needs slices, such as slices = 1'
            )
        if self.neighbours and self.slices is None:
            raise ValueError("neighbours are channels of a 2D network, so the arm needs slices, such as slices = 1")
        return self
