"""The ladder of supervision: what each level of annotation yields, and what it costs.

A study that has arms of several levels (nothing, a slice, a point, a box, a mask) asks how little annotation is enough.
Every model is a rung: its AUC with an interval, the minutes of annotation per patient, and whether it is not worse than
the model of the most expensive level on the same phase, as a rule that of the mask, by more than the margin.

The networks are compared out of fold, within folds, where there are most patients; the test patients, who have no part
in the choice of a rung, have rows of their own. The tests of one split are one family, adjusted by Holm's method, so
that "not worse" is said of any rung by mistake in at most 2.5 % of studies; ``bench/ladder.py`` measures this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.evaluation.comparison.equivalence import LEVEL, judge
from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.comparison.pairs import auc_differences, pair_models
from nephrograde.evaluation.ladder.minutes import MinutesSource  # noqa: TC001 (a table is read by the types of its fields)
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import paired_bounds, tail_beyond
from nephrograde.evaluation.remarks import Caution, Reason, Verdict
from nephrograde.evaluation.scores.scores import SPLITS
from nephrograde.vocabulary import Supervision  # noqa: TC001 (a table is read by the types of its fields)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.evaluation.comparison.pairs import AucDifference
    from nephrograde.evaluation.ladder.minutes import Minutes
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.scores.scores import Scores, SplitName
    from nephrograde.evaluation.tables import ModelEstimate
    from nephrograde.study import StudyModel


@dataclass(frozen=True, slots=True)
class LadderRow:
    """One model in one split: a row of ``statistics/ladder.csv``.

    ``dimensions``, ``slices`` and ``neighbours`` describe the network: on that many slices, with the neighbours of each
    as channels; ``network`` is that of the arm, such as "resnet18" or "frozen:efficientnet-lite0". ``auc`` with ``low``
    and ``high`` is that of ``estimates.csv``. ``minutes`` are those of annotation per patient; ``minutes_n`` counts the
    patients that they were measured on. ``difference`` is the AUC minus that of ``reference``, on the ``n_compared``
    patients that both scored, with its two-sided 95 % interval; ``p_not_worse`` tests whether the model is not worse by
    ``margin`` or more, and ``p_adjusted`` is adjusted over the ``family_size`` tests of the split. ``verdict`` is
    "not-worse", "worse", "undecided" or says why it is withheld; it is None for the reference.
    NaN means "not computed".
    """

    model: str
    arm: str
    supervision: Supervision
    phase: str
    dimensions: int
    slices: int | None
    neighbours: int
    network: str
    split: str
    minutes: float
    minutes_source: MinutesSource
    minutes_n: int
    auc: float
    low: float
    high: float
    n: int
    n_high: int
    confidence: float
    reference: str
    margin: float
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    n_compared: int = 0
    p_not_worse: float = math.nan
    p_adjusted: float = math.nan
    family_size: int | None = None
    verdict: Verdict | None = None
    reason: Reason | None = None
    caution: Caution | None = None

    @property
    def is_reference(self) -> bool:
        """Whether the other models of its phase are compared with it."""
        return self.model == self.reference


def rungs_of(models: Sequence[StudyModel], scored: Sequence[str]) -> list[StudyModel]:
    """Choose the models that make up a ladder.

    Args:
        models: Every model of a study.
        scored: The models that have scores.

    Returns:
        Those that have scores; none if they are all of one level.
    """
    rungs = [one for one in models if one.id in scored]
    return rungs if len({one.arm.supervision for one in rungs}) > 1 else []


def climb(
    scores: Scores,
    estimates: Sequence[ModelEstimate],
    models: Sequence[StudyModel],
    *,
    minutes: Mapping[Supervision, Minutes],
    margin: float,
) -> tuple[LadderRow, ...]:
    """Place every model of a study on the ladder of supervision.

    The reference of a phase is the first arm of the study file among those of its most expensive level.

    Args:
        scores: The scores of the study.
        estimates: The estimates made from them.
        models: Every model of the study.
        minutes: Minutes of annotation per patient by level.
        margin: The smallest difference in AUC that would matter.

    Returns:
        The rows out of fold, then those of the test patients, in the order of the models; none if only one level has
        scores.

    Raises:
        ScoresError: Two models disagree on a patient's truth.

    Source:
        Margin and tests: :mod:`nephrograde.evaluation.comparison.equivalence`. Holm 1979.
    """
    rungs = rungs_of(models, scores.models)
    aucs = {(model, split): made for model, split, made in estimates if made.measure == "auc"}
    rows: list[LadderRow] = []
    for split in SPLITS:
        made = [
            _place(rung, aucs[rung.id, split], split=split, cost=minutes[rung.arm.supervision], margin=margin)
            for rung in rungs
            if len(scores.of(rung.id, split))
        ]
        rows += _compared(_with_references(made), scores, split)
    return tuple(rows)


def _place(rung: StudyModel, estimate: Estimate, *, split: SplitName, cost: Minutes, margin: float) -> LadderRow:
    arm = rung.arm
    return LadderRow(
        model=rung.id,
        arm=arm.name,
        supervision=arm.supervision,
        phase=rung.phase,
        dimensions=arm.dimensions,
        slices=arm.slices,
        neighbours=arm.neighbours,
        network=arm.network,
        split=split,
        minutes=cost.value,
        minutes_source=cost.source,
        minutes_n=cost.n,
        auc=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=estimate.n,
        n_high=estimate.n_high,
        confidence=estimate.confidence or 0.95,
        reference="",
        margin=margin,
        reason=estimate.reason,
        caution=estimate.caution,
    )


def _with_references(rows: Sequence[LadderRow]) -> list[LadderRow]:
    """Name the reference of each phase: the first arm of its most expensive level."""
    references: dict[str, LadderRow] = {}
    for row in rows:
        if row.phase not in references or row.supervision.cost > references[row.phase].supervision.cost:
            references[row.phase] = row
    return [replace(row, reference=references[row.phase].model) for row in rows]


class _Test(NamedTuple):
    """Whether a model is not worse, or worse, than its reference by the margin."""

    difference: AucDifference
    low: float = math.nan
    high: float = math.nan
    p_not_worse: float = math.nan
    p_worse: float = math.nan
    withheld: Verdict | None = None
    reason: Reason | None = None


def _compared(rows: Sequence[LadderRow], scores: Scores, split: SplitName) -> list[LadderRow]:
    """Compare the models of one split with their references; these tests are a family."""
    tests = {row.model: _test(row, scores, split) for row in rows if not row.is_reference}
    p_adjusted = dict(zip(tests, holm([test.p_not_worse for test in tests.values()]), strict=True))
    p_worse = dict(zip(tests, holm([test.p_worse for test in tests.values()]), strict=True))
    size = sum(not math.isnan(p) for p in p_adjusted.values())
    found = []
    for row in rows:
        if (test := tests.get(row.model)) is None:
            found.append(row)
            continue
        verdict = test.withheld or _verdict(p_adjusted[row.model], p_worse[row.model])
        fitted = Caution.FITTED_FOLDS if split == "oof" and test.reason is None else None
        found.append(
            replace(
                row,
                difference=test.difference.value,
                difference_low=test.low,
                difference_high=test.high,
                n_compared=test.difference.n,
                p_not_worse=test.p_not_worse,
                p_adjusted=p_adjusted[row.model],
                family_size=size if not math.isnan(test.p_not_worse) else None,
                verdict=None if test.reason else verdict,
                reason=row.reason or test.reason,
                caution=row.caution or test.difference.caution or fitted,
            )
        )
    return found


def _test(row: LadderRow, scores: Scores, split: SplitName) -> _Test:
    pair = pair_models({name: scores.of(name, split) for name in (row.model, row.reference)}, split=split)
    (difference,) = auc_differences(pair)
    reason = difference.reason
    if reason is None and difference.variance == 0.0:
        reason = Reason.RANKED_ALIKE
    if reason is not None or difference.areas is None:
        return _Test(difference, reason=reason)
    a, b = difference.areas
    low, high = paired_bounds(a, b, difference.covariance, z=normal_quantile(1.0 - 2.0 * LEVEL))
    verdict = judge(a, b, low, high, margin=row.margin)
    if verdict.is_withheld:
        return _Test(difference, low, high, withheld=verdict)
    return _Test(
        difference,
        low,
        high,
        tail_beyond(a, b, difference.covariance, limit=-row.margin, level=LEVEL),
        tail_beyond(b, a, difference.covariance, limit=row.margin, level=LEVEL),
    )


def _verdict(p_not_worse: float, p_worse: float) -> Verdict:
    if p_not_worse < LEVEL:
        return Verdict.NOT_WORSE
    return Verdict.WORSE if p_worse < LEVEL else Verdict.UNDECIDED
