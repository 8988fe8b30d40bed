"""A model of the study: what one network, or one network per fold, is fitted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.vocabulary import model_id

if TYPE_CHECKING:
    from nephrograde.study.arm import Arm


@dataclass(frozen=True, slots=True)
class StudyModel:
    """One arm on the images of one patient.

    Attributes:
        id: The model's id, such as ``weak-1-cmp``.
        arm: The arm.
        phase: What the column ``phase`` of every table holds, such as ``cmp``.
        phases: The phases that it sees, in the order of the arm.
    """

    id: str
    arm: Arm
    phase: str
    phases: tuple[str, ...]


def model_of(arm: Arm, phases: tuple[str, ...]) -> StudyModel:
    """Make the model of an arm on these phases.

    Args:
        arm: The arm.
        phases: One or more.
    """
    phase = "+".join(phases)
    return StudyModel(model_id(arm.name, phase), arm, phase, phases)
