"""A model of the study: an arm on one phase, or on several phases together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nephrograde.study.phase_set import phase_sets
from nephrograde.vocabulary import model_id, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.study.arm import Arm


@dataclass(frozen=True, slots=True)
class StudyModel:
    """One arm on the images of one patient.

    Attributes:
        id: The model's id, such as ``weak-1-cmp``, or ``weak-1-cmp+np`` on two phases together.
        arm: The arm.
        phase: What the column ``phase`` of every table holds, such as ``cmp`` or ``cmp+np``.
        phases: The phases that it sees, in the order of the arm.
        fusion: How several phases are joined; None for a network on a single phase.
    """

    id: str
    arm: Arm
    phase: str
    phases: tuple[str, ...]
    fusion: Literal["late", "intermediate", "early"] | None = None

    @property
    def has_networks(self) -> bool:
        """Whether networks are fitted for it; late fusion joins the scores of others."""
        return self.fusion != "late"

    @property
    def region_phases(self) -> tuple[str, ...]:
        """The phases under which its prepared regions are listed: early fusion has one region of all phases."""
        return (self.phase,) if self.fusion == "early" else self.phases

    @property
    def parts(self) -> dict[str, str]:
        """The models on single phases that late fusion joins, by phase."""
        return {phase: model_id(self.arm.name, phase) for phase in self.phases}


def models_of(arm: Arm, phases: Sequence[str]) -> list[StudyModel]:
    """List the models of an arm.

    Args:
        arm: The arm.
        phases: Those of the cohort, which an arm sees one by one if it names none itself.
    """
    models = []
    for own in phase_sets(arm.phases, arm.fusion, phases):
        phase = together(own)
        is_part = arm.fusion == "late" and len(own) == 1
        models.append(StudyModel(model_id(arm.name, phase), arm, phase, own, None if is_part else arm.fusion))
    return models
