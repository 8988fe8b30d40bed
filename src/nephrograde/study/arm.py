"""An arm of the study: one kind of supervision with its network."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nephrograde.study.section import Count, Fraction, Name, Section
from nephrograde.vocabulary import ENCODER_NAME, Supervision

FROZEN = "frozen:"
"""What comes before the name of an encoder that stays as it is."""
TUNED = "tuned:"
"""What comes before the name of an encoder that a network is trained from."""
_OF_FROZEN = {"seed", "repeats"}
"""The keys of ``[fit]`` that a model of a frozen encoder depends on."""

FEWEST_WITH_ENCODER = 4
"""Patients of either grade, so that a penalty can be chosen among some who are not learnt from."""


class Arm(Section):
    """``[[arm]]``: one kind of supervision with its network.

    With ``slices``, the arm is weak: a 2D network on that many axial slices; the ``neighbours`` slices below and above
    each of them are further channels. Without it: a 3D network on a box. At the level "none", the slices are those
    through each kidney, or there is a box around each kidney.

    ``network`` is "resnet18", which is trained; "frozen:<encoder>", a pre-trained encoder that stays as it is, with a
    penalised logistic regression on its features; or "tuned:<encoder>", a network that is trained from such an encoder.

    ``head`` is what a network learns: "binary" is high or low grade, "ordinal" are the grades 1 to 4, by a cumulative
    link model whose probability of grade ≥ 3 is that of high grade. The outcome must then be a grade.

    Without ``phases``, there is a model for each phase of the cohort. With several ``phases`` there is one model that
    sees them together, as ``fusion`` says: "early" makes the phases channels of one picture or box, after all were
    carried to the grid of the first one that the patient has; "intermediate" is one encoder for all phases, whose
    features are joined; "late" has a model for each phase as well, whose scores are joined by a logistic regression. A
    patient with at least one of the phases takes part. In the training of "early" and "intermediate", each phase that a
    patient has is left out with the probability ``phase_dropout``, though never all of them. ``clinical`` names columns
    of the cohort table whose values are joined with the phases; with "intermediate" fusion, they can be joined with a
    single phase. ``differences`` are pairs of phases such as "cmp-up", whose difference "intermediate" fusion adds to
    the features, and "early" fusion to the channels, in HU. ``registration`` is how early fusion carries a phase to the
    grid of another: at the same "position" in the patient, or moved by a "rigid" registration of the region.
    """

    place = ("arm", 0)

    name: Name
    supervision: Supervision
    slices: Count | None = None
    neighbours: Annotated[int, Field(ge=0, le=8)] = 0
    network: str = "resnet18"
    head: Literal["binary", "ordinal"] = "binary"
    phases: tuple[Name, ...] = ()
    fusion: Literal["late", "intermediate", "early"] | None = None
    phase_dropout: Fraction = 0.2
    clinical: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    registration: Literal["position", "rigid"] = "position"
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
        return self.network.removeprefix(FROZEN) if self.network.startswith(FROZEN) else None

    @property
    def tuned_encoder(self) -> str | None:
        """The name of the encoder that the network is trained from; None if there is none."""
        return self.network.removeprefix(TUNED) if self.network.startswith(TUNED) else None

    @property
    def fewest_of_a_grade(self) -> int:
        """How many patients of either grade a fit needs."""
        return 1 if self.encoder is None else FEWEST_WITH_ENCODER

    @property
    def is_pooled(self) -> bool:
        """Whether a patient has several slices or boxes, whose values are pooled."""
        return (self.slices or 0) > 1 or self.supervision is Supervision.NONE

    @field_validator("network")
    @classmethod
    def _is_network(cls, network: str) -> str:
        if network != "resnet18" and not re.fullmatch(rf"({FROZEN}|{TUNED}){ENCODER_NAME}", network):
            raise ValueError(
                'is neither "resnet18" nor "frozen:<encoder>" nor "tuned:<encoder>"; `nephrograde weights list` names '
                "the encoders"
            )
        return network

    @model_validator(mode="after")
    def _starts_once(self) -> Self:
        named = sorted({"weights_2d", "weights_3d"} & set(self.fit))
        if self.tuned_encoder is not None and named:
            raise ValueError(f"the network starts from an encoder, so fit cannot set {', '.join(named)}")
        return self

    @model_validator(mode="after")
    def _frozen_does_not_learn(self) -> Self:
        unused = sorted(set(self.fit) - _OF_FROZEN)
        if self.encoder is not None and unused:
            raise ValueError(f"a frozen encoder is not trained, so fit cannot set {', '.join(unused)}")
        if self.encoder is not None and self.fusion in {"intermediate", "early"}:
            raise ValueError('a frozen encoder is not trained, so its phases are joined by fusion = "late"')
        if self.encoder is not None and self.head == "ordinal":
            raise ValueError(
                'the regression on a frozen encoder is logistic, so head = "ordinal" needs a trained network'
            )
        return self

    @property
    def difference_pairs(self) -> tuple[tuple[str, str], ...]:
        """The phases of each difference; those that are not two phases of the arm are left out."""
        pairs = {f"{one}-{other}": (one, other) for one in self.phases for other in self.phases if one != other}
        return tuple(pairs[text] for text in self.differences if text in pairs)

    def sees(self, phase: str) -> bool:
        """Whether a model of the arm is shown this phase.

        Args:
            phase: Such as "cmp".
        """
        return not self.phases or phase in self.phases

    @field_validator("phases")
    @classmethod
    def _phases_differ(cls, phases: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(phases)) < len(phases):
            raise ValueError("lists one phase twice")
        return phases

    @model_validator(mode="after")
    def _has_fusion(self) -> Self:
        if len(self.phases) > 1 and self.fusion is None:
            raise ValueError('several phases need a fusion, such as fusion = "intermediate"')
        fewest = 1 if self.clinical and self.fusion == "intermediate" else 2
        if self.fusion is not None and len(self.phases) < fewest:
            raise ValueError('a fusion needs phases, such as phases = ["cmp", "np"]')
        if self.differences and self.fusion not in {"intermediate", "early"}:
            raise ValueError('differences of phases need fusion = "intermediate" or "early"')
        if self.registration != "position" and self.fusion != "early":
            raise ValueError('a registration carries phases to one grid, which needs fusion = "early"')
        if self.registration == "rigid" and self.supervision is Supervision.SLICE:
            raise ValueError(
                'supervision "slice" gives no place whose surroundings could be registered; use "position"'
            )
        if len(set(map(frozenset, self.difference_pairs))) != len(self.differences):
            raise ValueError('differences are pairs of phases of the arm, each once in one direction, such as "cmp-up"')
        if self.clinical and self.fusion is None:
            raise ValueError('clinical values need a fusion with the images, such as fusion = "intermediate"')
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
