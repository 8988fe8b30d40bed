"""The error of a reader, simulated where a place is derived from a more expensive annotation.

A point, box or slice computed from a mask is more accurate than any a person gives. Moving it by a random error makes
a cohort with masks answer for cheaper annotations as well.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from nephrograde.study import Study

DERIVED = (Supervision.SLICE, Supervision.POINT, Supervision.BOX)
"""Levels whose annotation can be derived from a more expensive one."""


@dataclass(frozen=True, slots=True)
class HumanError:
    """The error of the places that are derived on one scan; without a size, places stay where they are.

    Attributes:
        size_mm: Standard deviation along each axis, mm, by level.
        seed: Of ``[annotation]``.
        patient_id: The patient.
        phase: The phase of the scan.
    """

    size_mm: Mapping[Supervision, float] = field(default_factory=dict)
    seed: int = 0
    patient_id: str = ""
    phase: str = ""

    def draw_mm(self, level: Supervision, places: int) -> npt.NDArray[np.float64] | None:
        """Draw the errors of a level's places on this scan; they depend on nothing but seed, patient, phase and level.

        Args:
            level: The level that is derived.
            places: How many places it has: 2 for the corners of a box, else 1.

        Returns:
            ``(place, axis)`` in mm along the axes of the scan; None if the level has no error.

        >>> error = HumanError({Supervision.POINT: 3.0}, seed=1, patient_id="P017", phase="np")
        >>> error.draw_mm(Supervision.POINT, 1).shape, error.draw_mm(Supervision.BOX, 2)
        ((1, 3), None)
        """
        size_mm = self.size_mm.get(level, 0.0)
        if not size_mm:
            return None
        key = "\0".join((str(self.seed), self.patient_id, self.phase, level.value))
        generator = np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))
        return generator.normal(0.0, size_mm, (places, 3))


def error_sizes_mm(study: Study) -> dict[Supervision, float]:
    """Return the size of the error that a study asks for, by level.

    Args:
        study: Its ``[annotation]``.

    Returns:
        Standard deviations along each axis, mm; empty if derived places stay where they are.

    Raises:
        InputError: If the size is to be taken from readers, and there are no two.
    """
    size_mm = study.annotation.error_mm
    if size_mm == "readers":
        from nephrograde.cohort.reader_error import reader_error_mm

        return reader_error_mm(study.cohort.annotations)
    return dict.fromkeys(DERIVED, float(size_mm)) if size_mm else {}


EXACT = HumanError()
"""No error: derived places are those of the annotation they come from."""
