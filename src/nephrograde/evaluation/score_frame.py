"""Score tables in a DataFrame, read column by column: each distinct cell once.

Cells are read as those of a file are, by the same functions. If any cell, heading or pair of rows is not as it should
be, nothing is read here, and the table is read row by row instead, which names all problems with their rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nephrograde.cohort.truth import read_truth
from nephrograde.evaluation.lesions import LESION_COLUMN
from nephrograde.evaluation.scores.score_columns import recognise_scores
from nephrograde.evaluation.scores.score_table import read_fold, read_number, read_split
from nephrograde.evaluation.scores.scores import NO_FOLD, SPLITS, ScoreColumns, Scores
from nephrograde.sheet import Sheet, cell_text, clean_heading, frame_headings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt
    import pandas as pd

Value = TypeVar("Value")
_STANDARD = ("patient_id", "model", "is_high", "p_high", "split", "fold", LESION_COLUMN)


@dataclass(frozen=True, slots=True, eq=False)
class FrameScores:
    """What a DataFrame holds: the scores, and the text of each patient in the columns that define subgroups."""

    scores: Scores
    groups: Mapping[str, Mapping[str, str]]


def read_frame(
    frame: pd.DataFrame, named: Mapping[str, str] | None = None, subgroups: Iterable[str] = ()
) -> FrameScores | None:
    """Read a score table from a DataFrame in which every cell is as it should be.

    Args:
        frame: The table, with the columns of :func:`~nephrograde.evaluation.scores.score_table.read_scores`.
        named: Headings by standard name, where they are not usual ones.
        subgroups: Columns that define subgroups; those that the table does not have are ignored.

    Returns:
        What it holds; None if it must be read row by row: something is wrong with it, its rows are lesions, or a column
        holds values of several types.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"patient_id": ["A", "B"], "model": "m", "is_high": [0, 1], "p_high": [0.25, 0.75]})
    >>> read_frame(table).scores.of("m", "test").p_high.tolist()
    [0.25, 0.75]
    >>> read_frame(table.assign(p_high=["0.25", "high"])) is None
    True
    """
    headings = frame_headings(frame)
    there = [heading for heading in headings if heading]
    if not len(frame) or len(set(there)) < len(there):
        return None
    recognised, problems = recognise_scores(Sheet("the DataFrame", tuple(there), ()), named)
    heading_of = recognised.heading_of
    asked = {column: clean_heading(column) for column in subgroups}
    if problems or LESION_COLUMN in {*heading_of, *there} or set(asked.values()) & {*_STANDARD, *heading_of.values()}:
        return None

    def column(heading: str) -> pd.Series[Any]:
        return frame.iloc[:, headings.index(heading)]

    scores = _columns({name: column(heading) for name, heading in heading_of.items()})
    if scores is None or not scores.agree():
        return None
    groups = {}
    for name, heading in asked.items():
        if heading in there:
            texts = _texts(scores, column(heading))
            if texts is None:
                return None
            groups[name] = texts
    return FrameScores(Scores(scores), groups)


def _columns(cells: Mapping[str, pd.Series[Any]]) -> ScoreColumns | None:
    """The score columns of a table; None if a cell is not as it should be."""
    rows = len(cells["patient_id"])
    patients = _distinct(cells["patient_id"], lambda text: text or None)
    models = _distinct(cells["model"], lambda text: text or None)
    truths, p_high = _values(cells["is_high"], read_truth), _probabilities(cells["p_high"])
    splits = _values(cells["split"], read_split) if "split" in cells else np.full(rows, "test", dtype=np.object_)
    folds = _values(cells["fold"], read_fold) if "fold" in cells else np.full(rows, NO_FOLD, dtype=np.object_)
    if patients is None or models is None or truths is None or p_high is None or splits is None or folds is None:
        return None
    return ScoreColumns(
        patients.values,
        models.values,
        patient_of=patients.codes,
        model_of=models.codes,
        split_of=np.where(splits == SPLITS[0], 0, 1).astype(np.int64),
        folds=folds.astype(np.int64),
        is_high=truths.astype(np.bool_),
        p_high=p_high,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Distinct:
    """The distinct values of a column, and the position of the value of each row."""

    values: list[Any]
    codes: npt.NDArray[np.int64]


def _distinct(column: pd.Series[Any], read: Callable[[str], Value | None]) -> _Distinct | None:
    """Read each distinct cell of a column; None if one cannot be read, or if the column mixes types.

    Cells whose texts differ may be read as the same value, such as ``P1`` and ``P1`` with a blank.
    """
    import pandas as pd

    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf" and column.dtype.itemsize <= 8:
        numbers = column.to_numpy()
        if column.dtype.kind == "f" and (np.signbit(numbers) & (numbers == 0.0)).any():
            return None  # "-0.0" is another text than "0.0", although the numbers are equal
        codes, found = pd.factorize(numbers)
        texts = [str(one) for one in found.astype(np.object_).tolist()]
        if (codes < 0).any():
            codes, texts = np.where(codes < 0, len(texts), codes), [*texts, ""]
    else:
        cells = column.astype(object).where(column.notna(), "").tolist()
        if set(map(type, cells)) != {str}:
            return None
        codes, found = pd.factorize(np.array(cells, dtype=np.object_))
        texts = found.tolist()
    values = [read(cell_text(text)) for text in texts]
    if any(value is None for value in values):
        return None
    positions: dict[Any, int] = {}
    same = np.array([positions.setdefault(value, len(positions)) for value in values], dtype=np.int64)
    return _Distinct(list(positions), same[codes])


def _values(column: pd.Series[Any], read: Callable[[str], Value | None]) -> npt.NDArray[np.object_] | None:
    found = _distinct(column, read)
    if found is None:
        return None
    values = np.empty(len(found.values), dtype=np.object_)
    values[:] = found.values
    return np.asarray(values[found.codes])


def _probabilities(column: pd.Series[Any]) -> npt.NDArray[np.float64] | None:
    """Numbers are taken as they are: written out and read again, they are the same."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf" and column.dtype.itemsize <= 8:
        return column.to_numpy().astype(np.float64)
    found = _values(column, read_number)
    return None if found is None else found.astype(np.float64)


def _texts(scores: ScoreColumns, column: pd.Series[Any]) -> dict[str, str] | None:
    """The text of each patient; None if two rows of a patient differ."""
    found = _distinct(column, str)
    if found is None:
        return None
    of_patient = np.zeros(len(scores.patients), dtype=np.int64)
    of_patient[scores.patient_of] = found.codes
    if (of_patient[scores.patient_of] != found.codes).any():
        return None
    return {patient: found.values[code] for patient, code in zip(scores.patients, of_patient.tolist(), strict=True)}
