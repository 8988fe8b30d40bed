"""A patient as graded: the answer, and the scans that it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.cohort.case import Scan
    from nephrograde.predict.grading import Grading
    from nephrograde.predict.seeing import Seen


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """A graded patient, with the scans in memory.

    Attributes:
        grading: The answer.
        scans: The scans that were given, by phase in the order of the model.
        seen: What was read of each; a phase that early fusion could not use is missing.
        first: The phase on which the region of the answer lies.
    """

    grading: Grading
    scans: Mapping[str, Scan] = field(repr=False)
    seen: Mapping[str, Seen] = field(repr=False)
    first: str
