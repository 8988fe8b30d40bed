"""Which series of a patient become the scans of the study, and why the others do not.

Pure functions of the header values, so that a folder of files and a public index are handled in the same way. A series
is first excluded by its kind (``kinds.py``); the remaining series of one visit of the patient compete phase by phase.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.sources.scan.kinds import Kernel, kernel_of, set_aside, step_of
from nephrograde.volume.dicom.moment import read_day
from nephrograde.volume.phase.evidence import PHASES, UNKNOWN
from nephrograde.volume.statement import CONFLICT, Statement, write_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.volume.dicom.header import SeriesHeader
    from nephrograde.volume.phase.evidence import PhaseAnswer

Reasons: TypeAlias = "tuple[Statement, ...]"
"""A reason, followed by its grounds."""

Merit: TypeAlias = "tuple[float | str, Statement]"

KIDNEYS_NEEDED = 0.5
"""A series that covers a smaller fraction of the kidneys' height is excluded: it shows only one pole."""

_BEST_STEP_MM = (1.0, 3.0)
_ENOUGH_MM = 250.0
_EXTENT_STEP_MM = 50.0
_KERNEL_ORDER: dict[Kernel, int] = {"soft": 0, "unknown": 1, "medium": 2, "sharp": 3}


@dataclass(frozen=True, slots=True)
class Choice:
    """One series, what it is, and whether it was chosen.

    Attributes:
        header: The series.
        answer: Its phase.
        chosen: Whether it is the patient's scan in its phase.
        reason: Why, one of ``REASONS``.
        grounds: What decided, from ``GROUNDS``.
    """

    header: SeriesHeader
    answer: PhaseAnswer
    chosen: bool
    reason: Statement
    grounds: tuple[Statement, ...] = ()

    @property
    def text(self) -> str:
        """The reason and its grounds as written in ``series.csv``."""
        return write_statements((self.reason, *self.grounds))


def choose_series(
    series: Iterable[tuple[SeriesHeader, PhaseAnswer]],
    *,
    surgery: Mapping[str, date] | None = None,
    kidneys: Mapping[str, tuple[float, float]] | None = None,
    unreadable: Mapping[str, str] | None = None,
) -> list[Choice]:
    """Choose the best series of each phase for every patient, all from one visit.

    A visit is all studies of one day, because many hospitals book the unenhanced and the enhanced scan separately; a
    study without a date is a visit of its own. If the day of surgery is known, the last visit up to that day is chosen;
    otherwise the visit with the most phases, and among several the latest. Within the visit, the series of a phase
    compete by these criteria, in order: fraction of the kidneys covered (if their position is known), certainty of the
    phase, soft kernel, original before derived, length in steps of 50 mm up to 250 mm, slice distance closest to
    1–3 mm, number of images, and finally the lowest series number.

    Args:
        series: Every series with its phase, of any number of patients, distinguished by ``patient_id``.
        surgery: Day of surgery by patient, where known.
        kidneys: Lowest and highest position of the kidneys along the slice normal in mm, by key of the series in which
            they were found; they also apply to the other series of the same study.
        unreadable: Why a series could not be read, by key.

    Returns:
        One choice per series, in the order given.

    Slices of 1–3 mm are preferred because thinner ones are mostly noise at abdominal dose and thicker ones blur small
    tumours.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> from nephrograde.volume.phase.evidence import PhaseAnswer
    >>> arterial = PhaseAnswer("cmp", 0.95, ())
    >>> thick, thin, scout = (
    ...     SeriesHeader(series_uid=str(n), modality="CT", description=text, n_images=n, step_mm=step)
    ...     for text, n, step in [("arterial", 40, 5.0), ("arterial", 150, 1.25), ("SCOUT", 2, None)]
    ... )
    >>> for choice in choose_series([(thick, arterial), (thin, arterial), (scout, PhaseAnswer("", 0.25, ()))]):
    ...     print(choice.chosen, choice.text)
    False better-series | by.step:step_mm=1.25
    True best-of:n=2 | by.step:step_mm=1.25
    False localiser
    """
    pairs = list(series)
    choices: dict[int, Choice] = {}
    indices = sorted(range(len(pairs)), key=lambda i: pairs[i][0].patient_id)
    for patient, members in groupby(indices, key=lambda i: pairs[i][0].patient_id):
        numbers = list(members)
        day = (surgery or {}).get(patient)
        extents = _kidneys_by_study([pairs[i][0] for i in numbers], kidneys or {})
        one_patient = _choose_patient([pairs[i] for i in numbers], day, extents, unreadable or {})
        choices.update(zip(numbers, one_patient, strict=True))
    return [choices[i] for i in range(len(pairs))]


def is_contradicted(choice: Choice) -> bool:
    """Whether the words and the image of a series that matters contradict each other, and no person has decided.

    Args:
        choice: A series; it matters if it was chosen, or would be a candidate if its phase were known.
    """
    is_open = choice.chosen and choice.reason.code != "chosen-by-person"
    has_conflict = any(evidence.seen.code == CONFLICT for evidence in choice.answer.evidence)
    return has_conflict and (is_open or choice.reason.code == "phase-contradicted")


def kidney_share(header: SeriesHeader, kidneys_mm: tuple[float, float] | None) -> float:
    """Return the fraction of the kidneys' height that a series covers.

    Args:
        header: The series.
        kidneys_mm: Lowest and highest position of the kidneys; None if unknown.

    Returns:
        0 to 1; 1 if either position is unknown, because nothing then speaks against the series.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> kidney_share(SeriesHeader(series_uid="1", extent_mm=(-100.0, 50.0)), (0.0, 100.0))
    0.5
    """
    if header.extent_mm is None or kidneys_mm is None or header.orientation not in {"", "axial"}:
        return 1.0
    low, high = kidneys_mm
    covered = min(high, header.extent_mm[1]) - max(low, header.extent_mm[0])
    return max(0.0, min(1.0, covered / (high - low))) if high > low else 1.0


def _kidneys_by_study(
    headers: Sequence[SeriesHeader], kidneys: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Find where the kidneys of each study lie."""
    found: dict[str, list[tuple[float, float]]] = {}
    for header in headers:
        if header.key in kidneys:
            found.setdefault(header.study_uid, []).append(kidneys[header.key])
    # Use the longest: a series that cuts off the kidneys shows them shorter than they are.
    return {study: max(extents, key=lambda extent: extent[1] - extent[0]) for study, extents in found.items()}


def _choose_patient(
    pairs: Sequence[tuple[SeriesHeader, PhaseAnswer]],
    surgery: date | None,
    kidneys: Mapping[str, tuple[float, float]],
    unreadable: Mapping[str, str],
) -> list[Choice]:
    reasons: dict[int, Reasons] = {}
    for i, (header, answer) in enumerate(pairs):
        reason = (
            set_aside(header, has_kidneys=header.study_uid in kidneys)
            or _kidney_reason(header, kidneys.get(header.study_uid))
            or (Statement.of("unreadable", fault=unreadable[header.key]) if header.key in unreadable else None)
            or (_unknown_reason(answer) if answer.phase == UNKNOWN else None)
        )
        if reason:
            reasons[i] = (reason,)
    candidates = [i for i in range(len(pairs)) if i not in reasons]
    visits: dict[str, list[int]] = {}
    for i in candidates:
        visits.setdefault(_visit(pairs[i][0]), []).append(i)
    taken, why_not = _choose_visit({visit: [pairs[i] for i in members] for visit, members in visits.items()}, surgery)
    for visit, members in visits.items():
        if visit != taken:
            for i in members:
                reasons[i] = why_not[visit]
    chosen: set[int] = set()
    for phase in PHASES:
        rivals = [i for i in visits.get(taken, []) if pairs[i][1].phase == phase]
        if rivals:
            chosen.add(_contest(rivals, pairs, kidneys, reasons))
    return [
        Choice(header, answer, i in chosen, reasons[i][0], reasons[i][1:]) for i, (header, answer) in enumerate(pairs)
    ]


def _unknown_reason(answer: PhaseAnswer) -> Statement:
    has_conflict = any(evidence.seen.code == CONFLICT for evidence in answer.evidence)
    return Statement.of("phase-contradicted" if has_conflict else "phase-unknown")


def _kidney_reason(header: SeriesHeader, kidneys_mm: tuple[float, float] | None) -> Statement | None:
    share = kidney_share(header, kidneys_mm)
    if share >= KIDNEYS_NEEDED:
        return None
    return Statement.of("kidneys-not-in-view", share_percent=_percent(share))


def _visit(header: SeriesHeader) -> str:
    day = read_day(header.study_date)
    return f"study {header.study_uid}" if day is None else day.isoformat()


def _choose_visit(
    visits: Mapping[str, Sequence[tuple[SeriesHeader, PhaseAnswer]]], surgery: date | None
) -> tuple[str, dict[str, Reasons]]:
    """Return the chosen visit, empty if there is none, and for each other visit the reason it was not chosen."""
    day_of = {visit: read_day(members[0][0].study_date) for visit, members in visits.items()}
    why_not: dict[str, Reasons] = {}
    open_visits = list(visits)
    if surgery is not None:
        late = [visit for visit in visits if (day := day_of[visit]) is not None and day > surgery]
        why_not |= dict.fromkeys(late, (Statement.of("after-surgery"),))
        open_visits = [visit for visit in visits if visit not in late]
    if not open_visits:
        return "", why_not

    def rank(visit: str) -> tuple[int, date, int, str]:
        n_phases = len({answer.phase for _, answer in visits[visit]})
        by_phases = n_phases if surgery is None else 0
        return by_phases, day_of[visit] or date.min, n_phases, visit

    taken = max(open_visits, key=rank)
    n_phases = rank(taken)[2]
    for visit in open_visits:
        if visit == taken:
            continue
        if surgery is not None:
            ground = Statement.of("visit.nearer-surgery")
        elif rank(visit)[0] == n_phases:
            ground = Statement.of("visit.later")
        else:
            ground = Statement.of("visit.more-phases", n=n_phases)
        why_not[visit] = (Statement.of("another-visit"), ground)
    return taken, why_not


def _contest(
    rivals: Sequence[int],
    pairs: Sequence[tuple[SeriesHeader, PhaseAnswer]],
    kidneys: Mapping[str, tuple[float, float]],
    reasons: dict[int, Reasons],
) -> int:
    """Find the best of the rivals, and record the reasons for all of them."""
    merits = {i: _merits(*pairs[i], kidneys.get(pairs[i][0].study_uid)) for i in rivals}
    best, *others = sorted(rivals, key=lambda i: [value for value, _ in merits[i]])
    won_by: list[Statement] = []
    for other in others:
        place = next((n for n, pair in enumerate(zip(merits[best], merits[other], strict=True)) if _differ(pair)), None)
        ground = Statement.of("by.nothing") if place is None else merits[best][place][1]
        reasons[other] = (Statement.of("better-series"), ground)
        won_by.append(ground)
    if others:
        reasons[best] = (Statement.of("best-of", n=len(rivals)), *dict.fromkeys(won_by))
    else:
        reasons[best] = (Statement.of("only-series"),)
    return best


def _differ(pair: tuple[Merit, Merit]) -> bool:
    return pair[0][0] != pair[1][0]


def _merits(header: SeriesHeader, answer: PhaseAnswer, kidneys_mm: tuple[float, float] | None) -> list[Merit]:
    """List the merits of a series, most important first: a number (lower is better) and the ground it gives."""
    step_mm, kernel = step_of(header), kernel_of(header)
    share = math.floor(20 * kidney_share(header, kidneys_mm) + 0.5) / 20
    extent_mm = _extent(header)
    length_steps = math.floor(min(extent_mm, _ENOUGH_MM) / _EXTENT_STEP_MM)
    certainty = 2 - (answer.probability >= 0.7) - (answer.probability >= 0.9)
    by_step = Statement.of("by.step-unknown") if step_mm is None else Statement.of("by.step", step_mm=f"{step_mm:g}")
    number = math.inf if header.series_number is None else header.series_number
    return [
        (-share, Statement.of("by.kidneys", share_percent=_percent(share))),
        (certainty, Statement.of("by.certainty", probability=f"{answer.probability:.2f}")),
        (_KERNEL_ORDER[kernel], Statement.of("by.kernel", kernel=kernel)),
        (header.image_type.upper().startswith("DERIVED"), Statement.of("by.original")),
        (-length_steps, Statement.of("by.length", length_mm=f"{extent_mm:.0f}")),
        (_step_distance(step_mm), by_step),
        (-header.n_images, Statement.of("by.images", n=header.n_images)),
        (number, Statement.of("by.number")),
        (header.key, Statement.of("by.uid")),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _extent(header: SeriesHeader) -> float:
    if header.extent_mm is not None:
        return header.extent_mm[1] - header.extent_mm[0]
    step_mm = step_of(header)
    return 0.0 if step_mm is None else (header.n_images - 1) * step_mm


def _step_distance(step_mm: float | None) -> float:
    """How far a slice distance lies outside the best range, in doublings; an unknown one counts as 5 mm."""
    low, high = _BEST_STEP_MM
    step_mm = 5.0 if step_mm is None else step_mm
    return round(max(math.log2(low / step_mm), math.log2(step_mm / high), 0.0) * 4) / 4
