"""Learning curves of the ladder: the AUC of each rung by the patients, and so the hours of annotation, it learnt from.

A curve against the number of patients says what further patients give; against the hours of annotation it says which
level uses the time of a reader best: many patients with a click, or few with a mask.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import Area, auc_bounds
from nephrograde.evaluation.performance.stratified import fold_areas
from nephrograde.evaluation.remarks import Reason
from nephrograde.vocabulary import Supervision  # noqa: TC001 (a table is read by the types of its fields)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.repeat import Repeat
    from nephrograde.evaluation.comparison.repeats import RepeatedAuc
    from nephrograde.evaluation.ladder.minutes import Minutes
    from nephrograde.evaluation.scores.scores import Scores
    from nephrograde.study import StudyModel


@dataclass(frozen=True, slots=True)
class LadderPoint:
    """One model at one size: a row of ``statistics/ladder_curves.csv``.

    ``auc`` is the mean of the folds' AUCs out of fold, and of ``drawings`` drawings of the folds, whose networks learnt
    from ``n_learn`` patients, a ``share`` of those that there are; ``hours`` is the time of annotating these patients.
    ``low`` and ``high`` hold for the networks as fitted, as those of one drawing do: drawings are not counted as
    further patients.
    """

    model: str
    arm: str
    supervision: Supervision
    phase: str
    share: float
    drawings: int
    n_learn: int
    hours: float
    auc: float
    low: float
    high: float
    n: int
    n_high: int
    confidence: float


def ladder_points(
    scores: Mapping[Repeat, Scores],
    repeats: Iterable[RepeatedAuc],
    rungs: Sequence[StudyModel],
    *,
    minutes: Mapping[Supervision, Minutes],
    confidence: float,
) -> tuple[LadderPoint, ...]:
    """Compute the learning curve of every rung.

    Args:
        scores: The scores of all repeats, the first included.
        repeats: The AUCs of all repeats, which say how many patients the networks learnt from.
        rungs: From :func:`~nephrograde.evaluation.ladder.ladder.rungs_of`.
        minutes: Minutes of annotation per patient by level.
        confidence: Coverage probability of the intervals.

    Returns:
        The points by model, upwards; none unless the folds were drawn several times or fewer patients learnt from.

    Source:
        LeDell 2015, Electron J Stat 9:1583, for the variance within each drawing, whose mean over drawings is used: it
        is an upper bound of the variance of their mean.
    """
    of_share: dict[float, list[Repeat]] = defaultdict(list)
    for repeat in scores:
        if not repeat.seed:
            of_share[repeat.share].append(repeat)
    if sum(len(drawings) for drawings in of_share.values()) < 2:
        return ()
    sizes: dict[tuple[str, float], list[int]] = defaultdict(list)
    for row in repeats:
        if row.split == "oof" and not row.seed:
            sizes[row.model, row.share].append(row.n_learn)
    points = []
    for model in rungs:
        for share in sorted(of_share):
            areas = [found for repeat in of_share[share] if (found := _area(scores[repeat], model.id)) is not None]
            if not areas or not sizes[model.id, share]:
                continue
            n_learn = round(float(np.mean(sizes[model.id, share])))
            hours = n_learn * minutes[model.arm.supervision].value / 60.0
            place = _Place(model, share, n_learn, hours)
            points.append(_point(place, areas, confidence=confidence))
    return tuple(points)


class _Place(NamedTuple):
    """A model at one size."""

    model: StudyModel
    share: float
    n_learn: int
    hours: float


def _point(place: _Place, areas: Sequence[Area], *, confidence: float) -> LadderPoint:
    area = _mean(areas)
    low, high = auc_bounds(area, z=normal_quantile(confidence))
    return LadderPoint(
        model=place.model.id,
        arm=place.model.arm.name,
        supervision=place.model.arm.supervision,
        phase=place.model.phase,
        share=place.share,
        drawings=len(areas),
        n_learn=place.n_learn,
        hours=place.hours,
        auc=area.value,
        low=low,
        high=high,
        n=area.n_high + area.n_low,
        n_high=area.n_high,
        confidence=confidence,
    )


def _area(scores: Scores, model: str) -> Area | None:
    """The mean AUC of the folds with its variance; None if no fold has patients of both grades."""
    if model not in scores.models:
        return None
    patients = scores.of(model, "oof")
    folds = patients.known_folds
    if folds is None:
        return None
    try:
        return fold_areas(patients.p_high[np.newaxis], patients.is_high, folds).area(0)
    except ScoresError as error:
        if error.reason is not Reason.ONE_GRADE:
            raise
        return None


def _mean(areas: Sequence[Area]) -> Area:
    """The mean AUC of several drawings on the same patients, with the mean of their variances."""
    first = areas[0]
    if len(areas) == 1:
        return first
    value = float(np.mean([area.value for area in areas]))
    variance = float(np.mean([area.variance for area in areas]))
    return Area(value, variance, first.n_high, first.n_low)
