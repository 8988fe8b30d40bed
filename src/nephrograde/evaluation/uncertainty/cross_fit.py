"""Recalibrated probabilities and prediction sets of patients whose outcomes played no part in them.

What all out-of-fold patients of the model teach is applied to the test patients. To an out-of-fold patient, only what
the patients of the other folds teach is applied: the patient's own outcome is left out, and so are those of all others
who are scored by the same network. Where folds are not known, the patients are divided by grade and at random.

The networks of the other folds were trained on the patient, so a trace of the outcome is left in their scores. Only
further networks, fitted within the folds, would remove it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.calibration.maps import VennAbersMap, merged
from nephrograde.evaluation.calibration.recalibration import Way, learn_map, why_not_learnt
from nephrograde.evaluation.uncertainty.conformal import GradeSet, SetKind, conformal_cutoffs, why_no_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nephrograde.evaluation.remarks import Reason
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName
    from nephrograde.vocabulary import BoolVector, FloatVector

Block: TypeAlias = "Mapping[str, Sequence[Any] | npt.NDArray[Any]]"
"""Rows by column."""
FoldVector: TypeAlias = Annotated[npt.NDArray[np.int64], "patient"]

DRAWN_FOLDS = 10
"""Number of parts where folds are not known."""


@dataclass(frozen=True, slots=True)
class CalibratedScore:
    """A score with its recalibrated probabilities and its prediction sets; a row of ``scores/calibrated.csv``.

    ``platt``, ``isotonic`` and ``venn_abers`` are probabilities; ``venn_abers_low`` and ``venn_abers_high`` are the two
    that the last was merged from. ``by_class`` and ``marginal`` are prediction sets: ``high``, ``low``, ``both`` or
    ``none``. What could not be computed is NaN or empty.
    """

    patient_id: str
    model: str
    split: str
    fold: int | None
    is_high: int
    p_high: float
    platt: float
    isotonic: float
    venn_abers: float
    venn_abers_low: float
    venn_abers_high: float
    by_class: GradeSet | None
    marginal: GradeSet | None


@dataclass(frozen=True, slots=True, eq=False)
class CrossFitted:
    """The patients of one model in one split, with what was computed for them.

    ``probabilities`` are by way, ``sets`` by kind, in the order of ``patients``; what could not be computed is absent,
    and ``reasons`` says why. ``is_drawn`` is whether the folds were drawn because they are not known.
    """

    patients: ModelScores
    probabilities: Mapping[Way, FloatVector]
    bounds: tuple[FloatVector, FloatVector] | None
    sets: Mapping[SetKind, tuple[GradeSet, ...]]
    reasons: Mapping[Way | SetKind, Reason]
    is_drawn: bool = False

    @property
    def how(self) -> str:
        """How out-of-fold patients were judged, in English."""
        return "cross-fitted over folds" + (" drawn at random" if self.is_drawn else "")

    def columns(self, model: str, split: SplitName) -> Block:
        """Give the fields of :class:`CalibratedScore` by name, each of all patients.

        Args:
            model: The model id.
            split: Of the scores.
        """
        patients, count = self.patients, len(self.patients)
        nothing = np.full(count, math.nan)
        nobody: tuple[GradeSet | None, ...] = (None,) * count
        ways = {way.name.lower(): self.probabilities.get(way, nothing) for way in Way}
        low, high = self.bounds or (nothing, nothing)
        sets = {kind.name.lower(): self.sets.get(kind, nobody) for kind in SetKind}
        return {
            "patient_id": patients.patient_ids,
            "model": (model,) * count,
            "split": (split,) * count,
            "fold": patients.folds or nobody,
            "is_high": patients.is_high.astype(np.int64),
            "p_high": patients.p_high,
            **ways,
            "venn_abers_low": low,
            "venn_abers_high": high,
            **sets,
        }

    def rows(self, model: str, split: SplitName) -> Iterator[CalibratedScore]:
        """Give a row per patient.

        Args:
            model: The model id.
            split: Of the scores.
        """
        columns = (
            column.tolist() if isinstance(column, np.ndarray) else column
            for column in self.columns(model, split).values()
        )
        yield from map(CalibratedScore, *columns)


class JudgedRows(Sequence[CalibratedScore]):
    """The rows of many patients, made or read each time they are gone through, as they would take most of the memory.

    Args:
        give: Makes or reads the rows.
        blocks: Gives them by column, some at a time; None if that is to be made from the rows.
    """

    def __init__(
        self, give: Callable[[], Iterable[CalibratedScore]], blocks: Callable[[], Iterable[Block]] | None = None
    ) -> None:
        self._give, self._blocks = give, blocks

    def blocks(self) -> Iterable[Block]:
        """Give the rows by column, some at a time."""
        return _by_column(self) if self._blocks is None else self._blocks()

    def __iter__(self) -> Iterator[CalibratedScore]:
        return iter(self._give())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> CalibratedScore: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CalibratedScore, ...]: ...
    def __getitem__(self, index: int | slice) -> CalibratedScore | tuple[CalibratedScore, ...]:
        return tuple(self)[index]

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def blocks_of(rows: Sequence[CalibratedScore]) -> Iterable[Block]:
    """Give rows by column, some at a time.

    Args:
        rows: Made lazily or not.
    """
    return rows.blocks() if isinstance(rows, JudgedRows) else _by_column(rows)


def _by_column(rows: Sequence[CalibratedScore]) -> Iterable[Block]:
    listed = list(rows)
    return [{one.name: [getattr(row, one.name) for row in listed] for one in fields(CalibratedScore)}]


def cross_fit(oof: ModelScores, *, error: float, seed: int) -> CrossFitted:
    """Recalibrate the out-of-fold patients of a model and find their prediction sets, fold by fold.

    Args:
        oof: The out-of-fold scores of the model.
        error: The error of the sets.
        seed: Of the folds, where they are not known.

    Returns:
        The patients. A way or a kind of set is left out for all of them where it is impossible for one fold.
    """
    known = oof.known_folds
    is_drawn = known is None or len(set(known)) < 2
    folds = (
        draw_folds(oof.is_high, DRAWN_FOLDS, np.random.default_rng(seed))
        if known is None or is_drawn
        else np.array(known, dtype=np.int64)
    )
    parts = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    return _fitted(oof, oof, parts, error=error, is_drawn=is_drawn)


def fit_to_all(oof: ModelScores, new: ModelScores, *, error: float) -> CrossFitted:
    """Recalibrate new patients and find their prediction sets, from all out-of-fold patients of the model.

    Args:
        oof: The out-of-fold scores of the model.
        new: Other patients, whose truths play no part.
        error: The error of the sets.
    """
    return _fitted(oof, new, [(np.arange(len(oof)), np.arange(len(new)))], error=error)


def draw_folds(is_high: BoolVector, folds: int, stream: np.random.Generator) -> FoldVector:
    """Divide the patients of either grade evenly and at random.

    Args:
        is_high: The truths of the patients.
        folds: Number of folds.
        stream: Of random numbers.

    Returns:
        The fold of each patient.

    >>> sorted(draw_folds(np.array([True, True, False, False]), 2, np.random.default_rng(1))[:2].tolist())
    [0, 1]
    """
    found = np.zeros(is_high.size, dtype=np.int64)
    for grade in (True, False):
        of_grade = stream.permutation(np.flatnonzero(is_high == grade))
        found[of_grade] = np.arange(of_grade.size) % folds
    return found


def _fitted(
    oof: ModelScores,
    new: ModelScores,
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    *,
    error: float,
    is_drawn: bool = False,
) -> CrossFitted:
    """Learn on the first patients of every part, and apply to the second."""
    # Scores in order are looked up several times faster in a map.
    parts = [(learnt, applied[np.argsort(new.p_high[applied])]) for learnt, applied in parts]
    probabilities: dict[Way, FloatVector] = {}
    reasons: dict[Way | SetKind, Reason] = {}
    low, high = np.full(len(new), math.nan), np.full(len(new), math.nan)
    for way in Way:
        found = np.full(len(new), math.nan)
        for learnt, applied in parts:
            scores, truths = oof.p_high[learnt], oof.is_high[learnt]
            reason = why_not_learnt(scores, truths)
            if reason is not None:
                reasons[way] = reason
                break
            one = learn_map(scores, truths, way)
            if isinstance(one, VennAbersMap):
                low[applied], high[applied] = one.bounds(new.p_high[applied])
                found[applied] = merged(low[applied], high[applied])
            else:
                found[applied] = one.apply(new.p_high[applied])
        else:
            probabilities[way] = found
    sets: dict[SetKind, tuple[GradeSet, ...]] = {}
    for kind in SetKind:
        given = np.empty(len(new), dtype=np.object_)
        for learnt, applied in parts:
            reason = why_no_sets(oof.is_high[learnt], error=error, kind=kind)
            if reason is not None:
                reasons[kind] = reason
                break
            cutoffs = conformal_cutoffs(oof.p_high[learnt], oof.is_high[learnt], error=error, kind=kind)
            given[applied] = cutoffs.sets_of(new.p_high[applied])
        else:
            sets[kind] = tuple(given.tolist())
    bounds = (low, high) if Way.VENN_ABERS in probabilities else None
    return CrossFitted(new, probabilities, bounds, sets, reasons, is_drawn)
