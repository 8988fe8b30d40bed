"""Whether a new scan is what the model was fitted on: its phase, and whether the region lies on a kidney."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from nephrograde.vocabulary import phase_name
from nephrograde.volume.finding import Fault
from nephrograde.volume.phase.evidence import PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.organs.kidneys import Organs
    from nephrograde.vocabulary import Triple
    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.phase.evidence import Evidence
    from nephrograde.volume.volume import Volume

ON_KIDNEY_MM = 10.0
"""A tumour whose edge is at most this far from a kidney lies on it: kidneys are found to within a few millimetres."""
CERTAIN = 0.8
"""Probability from which words or image are taken to name a phase, as when a cohort is scanned."""


Side: TypeAlias = Literal["right", "left"]
APART_MM: Final = 40.0
"""The other kidney is at least this far from a region whose side is told; the spine lies between them."""


class Tumour(NamedTuple):
    """Where the tumour is, as far as the annotation says: its middle (LPS, mm) and half its width (mm)."""

    center_mm: Triple
    radius_mm: float


@dataclass(frozen=True, slots=True)
class Plausibility:
    """What the kidneys of a scan say about it; everything is None if it is not in HU or shows no kidney.

    Attributes:
        phase_seen: The most probable phase, such as "np".
        phase_probability: Its probability.
        kidney_gap_mm: Distance from the edge of the tumour to the nearest kidney that was found; 0 if they touch, None
            if the model is given no place.
        n_kidneys: How many kidneys were found.
        kidney_side: "right" or "left" (of the patient) if both kidneys were found and the region lies on one of them,
            far from the other; None otherwise, as a single kidney may be one that has moved or was transplanted.
        phase_named: The phase that the words of a DICOM series name; None if they name none.
        faults: Warnings with code "phase-suspect", "phase-named", "region-off-kidney" or "kidney-not-found".
    """

    phase_seen: str | None = None
    phase_probability: float | None = None
    kidney_gap_mm: float | None = None
    n_kidneys: int = 0
    faults: tuple[Fault, ...] = ()
    phase_named: str | None = None
    kidney_side: Side | None = None

    @property
    def is_on_kidney(self) -> bool | None:
        """Whether the region lies on a kidney; None if that is unknown."""
        return None if self.kidney_gap_mm is None else self.kidney_gap_mm <= ON_KIDNEY_MM


def judge_scan(
    volume: Volume, tumour: Tumour | None, *, phase: str, header: SeriesHeader | None = None
) -> Plausibility:
    """Judge a scan in HU by its kidneys, and by its words.

    Args:
        volume: The scan.
        tumour: Where the tumour is; None if the model is given no place, so that there is none to check.
        phase: The phase of the model.
        header: What the series says of itself; None if it is no DICOM series.

    >>> from nephrograde.volume.volume import make_volume
    >>> air = make_volume(np.full((64, 64, 30), -1000.0), spacing_mm=(5.0, 5.0, 5.0))
    >>> [fault.code for fault in judge_scan(air, Tumour((0.0, 0.0, 0.0), 20.0), phase="np").faults]
    ['kidney-not-found']
    """
    found = _judge_kidneys(volume, tumour, phase)
    named = None if header is None else phase_by_words(header)
    faults = (*found.faults, *_check_words(named, phase, found))
    return replace(found, phase_named=named, faults=faults)


def _judge_kidneys(volume: Volume, tumour: Tumour | None, phase: str) -> Plausibility:
    from nephrograde.organs.enhancement import judge_enhancement, measure_enhancement
    from nephrograde.organs.kidneys import find_organs

    organs = find_organs(volume)
    if organs is None or not organs.scores:
        message = "no kidney was found, so neither the phase of the scan nor the place of the region could be checked."
        return Plausibility(faults=(Fault("kidney-not-found", "warning", message, "Check both."),))
    gaps_mm = {} if tumour is None else {label: _gap_mm(organs, label, tumour) for label in organs.scores}
    gap_mm = min(gaps_mm.values(), default=None)
    side = _side(gaps_mm)
    faults = [] if gap_mm is None else _check_place(gap_mm)
    enhancement = measure_enhancement(volume, organs)
    if enhancement is None or phase not in PHASES:
        return Plausibility(kidney_gap_mm=gap_mm, n_kidneys=len(organs.scores), faults=tuple(faults), kidney_side=side)
    evidence = judge_enhancement(enhancement)
    seen, probability = _most_probable(evidence, phase)
    faults = [*_check_phase(seen, probability, phase, evidence), *faults]
    return Plausibility(seen, probability, gap_mm, len(organs.scores), tuple(faults), kidney_side=side)


def _most_probable(evidence: Evidence, phase: str) -> tuple[str, float]:
    from nephrograde.organs.enhancement import phase_probabilities

    probability = phase_probabilities(evidence, named=phase)
    if probability[phase] >= 0.5:  # as the check of a cohort: less probable than all others together
        return phase, probability[phase]
    seen = max((one for one in PHASES if one != phase), key=probability.__getitem__)
    return seen, probability[seen]


def _check_phase(seen: str, probability: float, phase: str, evidence: Evidence) -> list[Fault]:
    if seen == phase:
        return []
    message = (
        f"looks {phase_name(seen)} ({seen}, probability {probability:.2f}), but the model was fitted on "
        f"{phase_name(phase)} scans ({phase}): {evidence.seen.english}."
    )
    return [Fault("phase-suspect", "warning", message, "Use a model of that phase, or the scan of this one.")]


def _check_words(named: str | None, phase: str, plausibility: Plausibility) -> list[Fault]:
    """Warn if the words of a series name another phase, and the image does not say so already."""
    if named is None or named == phase or plausibility.phase_seen not in {None, phase}:
        return []
    message = (
        f"its words name the {phase_name(named)} phase ({named}), but the model was fitted on {phase_name(phase)} "
        f"scans ({phase})."
    )
    return [Fault("phase-named", "warning", message, "See that it is the right series.")]


def _check_place(gap_mm: float) -> list[Fault]:
    if gap_mm <= ON_KIDNEY_MM:
        return []
    message = (
        f"the region is not on a kidney: the nearest one that was found is {gap_mm:.0f} mm from the tumour's edge."
    )
    remedy = "Check the place, its unit (mm or vox), and that it was made on this scan."
    return [Fault("region-off-kidney", "warning", message, remedy)]


def _side(gaps_mm: Mapping[int, float]) -> Side | None:
    """The side of the kidney on which a region lies, where there is no doubt about it.

    Args:
        gaps_mm: The distance to each kidney that was found, by label.

    >>> from nephrograde.organs.kidneys import LEFT, RIGHT
    >>> _side({RIGHT: 90.0, LEFT: 2.0}), _side({RIGHT: 20.0, LEFT: 0.0}), _side({LEFT: 0.0}), _side({})
    ('left', None, None, None)
    """
    from nephrograde.organs.kidneys import LEFT, RIGHT

    if set(gaps_mm) != {RIGHT, LEFT}:
        return None
    near, far = sorted(gaps_mm, key=gaps_mm.__getitem__)
    if gaps_mm[near] > ON_KIDNEY_MM or gaps_mm[far] < APART_MM:
        return None
    return "right" if near == RIGHT else "left"


def _gap_mm(organs: Organs, label: int, tumour: Tumour) -> float:
    from nephrograde.organs.windows import places_of

    kidneys = places_of(organs.labels == label)
    away_mm = (kidneys - np.asarray(organs.grid.to_index(tumour.center_mm))) * organs.grid.spacing_mm
    return max(0.0, float(np.linalg.norm(away_mm, axis=1).min()) - tumour.radius_mm)


def phase_by_words(header: SeriesHeader) -> str | None:
    """Return the phase that the words and tags of a series name without its image; None if they name none.

    Args:
        header: What the series says of itself.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> phase_by_words(SeriesHeader(series_uid="1.2", description="Faza tętnicza")), phase_by_words(
    ...     SeriesHeader(series_uid="1.2", description="CAP 5.0")
    ... )
    ('cmp', None)
    """
    from nephrograde.volume.phase.recognise import recognise_phases

    found = recognise_phases([header])[header.key]
    return found.phase if found.phase and found.probability >= CERTAIN else None
