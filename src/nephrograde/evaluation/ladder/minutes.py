"""What an annotation costs: minutes of a reader per patient, by level of supervision, and where they come from.

The minutes of a level are those that the study file gives, else those measured in the journals of the readers, else a
default. They count one label per patient: a label on one phase is carried to the others by its position. The network
does not matter: three slices, neighbouring slices or a box in 3D follow from the same point, and cost the same.

The published times are of other readers, programs and, for the point and the box, of photographs. They place the levels
in their order of magnitude; the time measured in a cohort's own journals replaces them.

Source:
    Click: 2.4 s, the median for the first object of an image (Bearman 2016, ECCV, LNCS 9911:549). Box: 35 s for one
    high-quality box (ImageNet; Su 2012, AAAI Technical Report WS-12-08, as cited by Papadopoulos 2017, ICCV). Mask:
    450 s, the median of a radiologist who segmented renal masses below 4 cm on CT (Can Urol Assoc J,
    doi:10.5489/cuaj.9476). The time to find the tumour and its slice, 15 s, is an assumption: no publication that
    measured it was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping

SEARCH_S = 15.0
"""Assumed time to find the tumour and its slice, s."""
CLICK_S, BOX_S, MASK_S = 2.4, 35.0, 450.0
"""Published times of a click, a box and a tumour delineated in 3D, s; the last one includes the search."""


class MinutesSource(StrEnum):
    """Where the minutes of a level come from."""

    STUDY = "study"
    MEASURED = "measured"
    PUBLISHED = "published"
    PARTLY_ASSUMED = "partly-assumed"
    ASSUMED = "assumed"
    NO_ANNOTATION = "no-annotation"


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes of annotation per patient.

    Attributes:
        value: The minutes.
        source: Where they come from.
        n: How many patients they were measured on, counted once per reader; 0 if they were not measured.
    """

    value: float
    source: MinutesSource
    n: int = 0


DEFAULT_MINUTES: Mapping[Supervision, Minutes] = {
    Supervision.NONE: Minutes(0.0, MinutesSource.NO_ANNOTATION),
    Supervision.SLICE: Minutes(SEARCH_S / 60.0, MinutesSource.ASSUMED),
    Supervision.POINT: Minutes((SEARCH_S + CLICK_S) / 60.0, MinutesSource.PARTLY_ASSUMED),
    Supervision.BOX: Minutes((SEARCH_S + BOX_S) / 60.0, MinutesSource.PARTLY_ASSUMED),
    Supervision.MASK: Minutes(MASK_S / 60.0, MinutesSource.PUBLISHED),
}


def choose_minutes(
    given: Mapping[Supervision, float], measured: Mapping[Supervision, Minutes]
) -> dict[Supervision, Minutes]:
    """Choose the minutes of every level: those given, else those measured, else the default.

    Args:
        given: Minutes by level in the study file.
        measured: Minutes by level in the journals.

    >>> found = choose_minutes({Supervision.MASK: 12.0}, {Supervision.POINT: Minutes(0.4, MinutesSource.MEASURED, 50)})
    >>> [f"{minutes.value:.2f} {minutes.source}" for minutes in found.values()]
    ['0.00 no-annotation', '0.25 assumed', '0.40 measured', '0.83 partly-assumed', '12.00 study']
    """
    of_study = {level: Minutes(value, MinutesSource.STUDY) for level, value in given.items()}
    return {level: of_study.get(level) or measured.get(level) or DEFAULT_MINUTES[level] for level in Supervision}
