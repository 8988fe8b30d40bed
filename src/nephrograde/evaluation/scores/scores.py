"""The score table, from which every number of the evaluation is computed.

Each row gives one model's probability of high grade for one patient, and the true grade. Values are matched by patient
id, never by row order. A table from any source is accepted as long as it has the patient, the model, the truth and the
probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast, overload

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nephrograde.vocabulary import BoolVector, FloatVector

SplitName: TypeAlias = Literal["oof", "test"]
SPLITS: tuple[SplitName, ...] = ("oof", "test")
COLUMNS = ("patient_id", "model", "split", "fold", "is_high", "p_high")
PROBLEMS_SHOWN = 10
NO_FOLD = -1
Numbers: TypeAlias = Annotated[npt.NDArray[np.int64], "row"]


@dataclass(frozen=True, slots=True)
class Score:
    """One row of ``scores.csv``.

    ``oof`` (out of fold) rows come from the one network that was not trained on the patient, and have its fold;
    ``test`` rows come from the ensemble of all folds and have none.

    >>> Score("P001", "weak-1-cmp", "oof", 0, True, 0.75).p_high
    0.75
    """

    patient_id: str
    model: str
    split: SplitName
    fold: int | None
    is_high: bool
    p_high: float


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """The patients of one model in one split: columns of equal length; ``folds`` may be empty where it is not known."""

    patient_ids: tuple[str, ...]
    is_high: BoolVector
    p_high: FloatVector
    folds: tuple[int | None, ...] = ()

    def __len__(self) -> int:
        return len(self.patient_ids)

    @property
    def known_folds(self) -> tuple[int, ...] | None:
        """The fold of every patient; None if that of any is not known.

        >>> truths, p_high = np.array([False, True]), np.array([0.25, 0.75])
        >>> ModelScores(("A", "B"), truths, p_high, (0, 1)).known_folds
        (0, 1)
        >>> ModelScores(("A", "B"), truths, p_high, (0, None)).known_folds is None
        True
        """
        if not self.folds or len(self.folds) != len(self) or None in self.folds:
            return None
        return cast("tuple[int, ...]", self.folds)

    def select(self, patient_ids: tuple[str, ...]) -> ModelScores:
        """Select the given patients, in the given order; all of them must be present.

        >>> both = ModelScores(("A", "B"), np.array([False, True]), np.array([0.25, 0.75]))
        >>> both.select(("B",)).p_high.tolist()
        [0.75]
        """
        if patient_ids == self.patient_ids:
            return self
        position = {patient_id: k for k, patient_id in enumerate(self.patient_ids)}
        order = [position[patient_id] for patient_id in patient_ids]
        folds = tuple(self.folds[k] for k in order) if self.folds else ()
        return ModelScores(patient_ids, self.is_high[order], self.p_high[order], folds)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreColumns(Sequence[Score]):
    """The rows of a large score table, stored by column; a row is made where it is asked for.

    Attributes:
        patients: The ids, each once.
        models: The model ids, each once.
        patient_of: For each row, the position of its patient.
        model_of: For each row, the position of its model.
        split_of: For each row, the position of its split in :data:`SPLITS`.
        folds: The fold of each row; :data:`NO_FOLD` where there is none.
        is_high: The truths.
        p_high: The probabilities.
    """

    patients: Sequence[str]
    models: Sequence[str]
    patient_of: Numbers
    model_of: Numbers
    split_of: Numbers
    folds: Numbers
    is_high: BoolVector
    p_high: FloatVector

    def __len__(self) -> int:
        return self.p_high.size

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Score, ...]: ...
    def __getitem__(self, index: int | slice) -> Score | tuple[Score, ...]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        fold = int(self.folds[index])
        return Score(
            self.patients[self.patient_of[index]],
            self.models[self.model_of[index]],
            SPLITS[self.split_of[index]],
            None if fold == NO_FOLD else fold,
            bool(self.is_high[index]),
            float(self.p_high[index]),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def agree(self) -> bool:
        """Whether :func:`contradictions` would find nothing.

        >>> zero = np.zeros(1, dtype=np.int64)
        >>> first = {"patient_of": zero, "model_of": zero, "split_of": zero, "folds": zero, "is_high": zero > 0}
        >>> [ScoreColumns(["A"], ["size"], p_high=np.array([p]), **first).agree() for p in (0.75, 1.75)]
        [True, False]
        """
        if not ((self.p_high >= 0.0) & (self.p_high <= 1.0)).all():
            return False
        both = np.sort(self.patient_of * len(self.models) + self.model_of)
        if (both[1:] == both[:-1]).any():
            return False
        truths = np.zeros(len(self.patients), dtype=np.bool_)
        truths[self.patient_of] = self.is_high
        return bool((truths[self.patient_of] == self.is_high).all())

    def grouped(self) -> dict[tuple[str, str], ModelScores]:
        """The patients of each model and split, sorted by id."""
        ranks = np.empty(len(self.patients), dtype=np.int64)
        ranks[sorted(range(len(self.patients)), key=self.patients.__getitem__)] = np.arange(len(self.patients))
        ids = np.array(self.patients, dtype=np.object_)
        members = {}
        for model in range(len(self.models)):
            for split in range(len(SPLITS)):
                rows = np.flatnonzero((self.model_of == model) & (self.split_of == split))
                if rows.size:
                    members[int(rows[0])] = self.models[model], SPLITS[split], rows
        groups: dict[tuple[str, str], ModelScores] = {}
        for _, (name, split_name, rows) in sorted(members.items()):
            chosen = rows[np.argsort(ranks[self.patient_of[rows]])]
            is_high, p_high = self.is_high[chosen], self.p_high[chosen]
            is_high.setflags(write=False)
            p_high.setflags(write=False)
            folds: tuple[int | None, ...] = tuple(self.folds[chosen].tolist())
            if NO_FOLD in folds:
                folds = tuple(None if fold == NO_FOLD else fold for fold in folds)
            groups[name, split_name] = ModelScores(tuple(ids[self.patient_of[chosen]]), is_high, p_high, folds)
        return groups


@dataclass(frozen=True, slots=True)
class Scores:
    """A valid score table: probabilities are within 0 to 1, and no row contradicts another.

    Args:
        rows: In any order; the order of models is that of their first rows.

    Raises:
        ScoresError: A probability outside 0 to 1, a patient twice in one model and split, a truth that differs
            between rows of a patient, or a patient of one model in both splits. All problems at once.

    >>> table = Scores((Score("B", "size", "test", None, True, 0.75), Score("A", "size", "test", None, False, 0.25)))
    >>> table.models, table.of("size", "test").patient_ids
    (('size',), ('A', 'B'))
    """

    rows: Sequence[Score]
    _groups: Mapping[tuple[str, str], ModelScores] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = self.rows if isinstance(self.rows, ScoreColumns) else None
        if columns is None or not columns.agree():
            problems = list(contradictions(self.rows, None))
            if problems:
                raise table_error("the scores", problems)
        object.__setattr__(self, "_groups", _grouped(self.rows) if columns is None else columns.grouped())

    @property
    def models(self) -> tuple[str, ...]:
        """All model ids, in order of appearance."""
        return tuple(dict.fromkeys(model for model, _ in self._groups))

    @property
    def has_test(self) -> bool:
        """Whether any model has test rows."""
        return any(split == "test" for _, split in self._groups)

    def out_of_fold(self) -> Scores:
        """The table without its test rows."""
        return Scores(tuple(row for row in self.rows if row.split == "oof"))

    def of(self, model: str, split: SplitName) -> ModelScores:
        """Select the patients of one model in one split, sorted by id, so that row order does not matter.

        Returns:
            The patients; empty if the model has no rows in that split.

        Raises:
            ScoresError: The table has no such model.
        """
        if model not in self.models:
            raise ScoresError(f"No scores of model {model}. The table has: {', '.join(self.models) or 'nothing'}.")
        nobody = ModelScores((), np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.float64))
        return self._groups.get((model, split), nobody)


def paired_vectors(p_high: npt.ArrayLike, is_high: npt.ArrayLike) -> tuple[FloatVector, BoolVector]:
    """Check that predictions and truths match, and return them as float and bool vectors.

    Args:
        p_high: One prediction per patient; any finite number that increases with the suspicion of high grade.
        is_high: The truths of the same patients in the same order: bool, or 0 and 1.

    Returns:
        Both as numpy vectors of one length.

    Raises:
        ScoresError: Different lengths, no patient, a value that is not finite, or a truth other than 0 and 1.

    >>> paired_vectors([0.25, 0.75], [0, 1])
    (array([0.25, 0.75]), array([False,  True]))
    """
    predictions = np.asarray(p_high, dtype=np.float64)
    truths = np.asarray(is_high)
    if predictions.ndim != 1 or predictions.shape != truths.shape:
        raise ScoresError(f"{predictions.shape} predictions for {truths.shape} truths. Give one of each per patient.")
    if not predictions.size:
        raise ScoresError("No patient to evaluate. Give at least one row.", Reason.NO_PATIENTS)
    if not np.isfinite(predictions).all():
        where = int(np.flatnonzero(~np.isfinite(predictions))[0])
        raise ScoresError(
            f"Prediction {where + 1} is {predictions[where]}. Leave that patient out or score it again.",
            Reason.NOT_FINITE,
        )
    if truths.dtype != np.bool_ and not np.isin(truths, (0, 1)).all():
        raise ScoresError("is_high has values other than 0 and 1. Write 1 for high grade and 0 for low grade.")
    return predictions, truths.astype(np.bool_)


def _grouped(rows: Sequence[Score]) -> dict[tuple[str, str], ModelScores]:
    members: dict[tuple[str, str], list[Score]] = {}
    for row in rows:
        members.setdefault((row.model, row.split), []).append(row)
    groups = {}
    for key, group in members.items():
        group.sort(key=lambda row: row.patient_id)
        is_high = np.array([row.is_high for row in group], dtype=np.bool_)
        p_high = np.array([row.p_high for row in group], dtype=np.float64)
        is_high.setflags(write=False)
        p_high.setflags(write=False)
        folds = tuple(row.fold for row in group)
        groups[key] = ModelScores(tuple(row.patient_id for row in group), is_high, p_high, folds)
    return groups


def contradictions(rows: Sequence[Score], numbers: Sequence[int] | None) -> Iterator[str]:
    """Describe rows whose p_high is not a probability or that contradict an earlier row.

    Args:
        rows: The scores.
        numbers: The numbers of the rows in their table; None if there is none.
    """
    first: dict[tuple[str, str, str], int] = {}
    truths: dict[str, int] = {}
    for k, row in enumerate(rows):
        place = f"Row {numbers[k]}, " if numbers else ""
        who = f"{place}patient {row.patient_id}, model {row.model}"
        if not 0.0 <= row.p_high <= 1.0:
            yield f"{who}: p_high is {row.p_high}, not a probability. Write a number from 0 to 1."
        before = first.setdefault((row.patient_id, row.model, row.split), k)
        if before != k:
            earlier = f" (first in row {numbers[before]})" if numbers else ""
            yield f"{who}: a second {row.split} row{earlier}. Keep one; average over folds or slices first."
        elsewhere: SplitName = "oof" if row.split == "test" else "test"
        if (row.patient_id, row.model, elsewhere) in first:
            yield f"{who}: is in split oof and in split test. Keep the test patients out of training."
        earliest = rows[truths.setdefault(row.patient_id, k)]
        if earliest.is_high != row.is_high:
            yield (
                f"{who}: is_high is {int(row.is_high)}, but {int(earliest.is_high)} for model {earliest.model}. "
                "Correct the one that is wrong."
            )


def table_error(name: str, problems: Sequence[str]) -> ScoresError:
    """Return the error that lists the problems of a score table, the first ten in full.

    Args:
        name: The table.
        problems: Each in a sentence.
    """
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    rest = f", the first {PROBLEMS_SHOWN}" if len(problems) > PROBLEMS_SHOWN else ""
    shown = "\n".join(f"  {problem}" for problem in problems[:PROBLEMS_SHOWN])
    return ScoresError(f"{count} in {name}{rest}:\n{shown}")
