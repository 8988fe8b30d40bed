"""An arm of the study: one kind of supervision with its network."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nephrograde.study.section import Count, Name, Section
from nephrograde.vocabulary import Supervision

_FROZEN = "frozen:"
_OF_FROZEN = {"seed", "repeats"}
"""The keys of ``[fit]`` that a model of a frozen encoder depends on."""


class Arm(Section):
    """``[[arm]]``: one kind of supervision with its network.

    With ``slices``, the arm is weak: a 2D network on that many axial slices; the ``neighbours`` slices below and above
    each of them are further channels. Without it: a 3D network on a box. At the level "none", the slices are those
    through each kidney, or there is a box around each kidney.

    ``network`` is "resnet18", which is trained, or "frozen:<encoder>": a pre-trained encoder that stays as it is, with
    a penalised logistic regression on its features.
    """

    place = ("arm", 0)

    name: Name
    supervision: Supervision
    slices: Count | None = None
    neighbours: Annotated[int, Field(ge=0, le=8)] = 0
    network: str = "resnet18"
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
    def encoder(self) -> str | None:
        """The name of the frozen encoder; None where a network is trained."""
        return self.network.removeprefix(_FROZEN) if self.network.startswith(_FROZEN) else None

    @property
    def is_pooled(self) -> bool:
        """Whether a patient has several slices or boxes, whose values are pooled."""
        return (self.slices or 0) > 1 or self.supervision is Supervision.NONE

    @field_validator("network")
    @classmethod
    def _is_network(cls, network: str) -> str:
        if network != "resnet18" and not re.fullmatch(rf"{_FROZEN}[a-z0-9][a-z0-9_.-]*", network):
            raise ValueError(
                'is neither "resnet18" nor "frozen:<encoder>"; `nephrograde weights list` names the encoders'
            )
        return network

    @model_validator(mode="after")
    def _frozen_does_not_learn(self) -> Self:
        unused = sorted(set(self.fit) - _OF_FROZEN)
        if self.encoder is not None and unused:
            raise ValueError(f"a frozen encoder is not trained, so fit cannot set {', '.join(unused)}")
        return self

    @model_validator(mode="after")
    def _has_view(self) -> Self:
        if self.supervision is Supervision.SLICE and self.slices is None:
            raise ValueError(
                'supervision "slice" gives no place for a box, so the arm needs slices, such as slices = 1'
            )
        if self.neighbours and self.slices is None:
            raise ValueError("neighbours are channels of a 2D network, so the arm needs slices, such as slices = 1")
        return self
