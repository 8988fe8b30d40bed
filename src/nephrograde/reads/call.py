"""The analysis of readers in one call, from tables of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nephrograde.arguments import HEADINGS, SHARE, TABLE, TEXT, checked, choice
from nephrograde.errors import InputError
from nephrograde.reads.analysis import ReaderAnalysis, analyse_reads
from nephrograde.reads.aucs import CovarianceMethod
from nephrograde.reads.sources import gather_reads
from nephrograde.sheet import open_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from nephrograde.sheet import Sheet


@checked(
    reads=TABLE,
    scores=TABLE,
    model=TEXT,
    baseline=TEXT,
    covariance=choice(*CovarianceMethod),
    confidence=SHARE,
    columns=HEADINGS,
    encoding=TEXT,
)
def readers(
    reads: pd.DataFrame | str | Path,
    scores: pd.DataFrame | str | Path | None = None,
    *,
    model: str | None = None,
    baseline: str | None = None,
    covariance: Literal["delong", "jackknife"] = "delong",
    confidence: float = 0.95,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> ReaderAnalysis:
    """Analyse several readers who scored the same patients: modalities, a model beside them, and agreement.

    Args:
        reads: A DataFrame, or the path of a table, with one row per read: ``reader``, ``patient_id``, ``score`` (any
            scale from 0 to 100, such as 1 to 5), ``modality`` if there are several (such as reading with and without
            the model), and the truth as ``is_high`` (0/1) or ``isup_grade``, unless ``scores`` has it. Usual other
            headings are recognised, Chinese ones among them.
        scores: The scores of a model, with the columns of ``ng.evaluate``.
        model: The model of ``scores``, if there are several; without ``scores``, the reader of ``reads`` who is the
            model.
        baseline: The modality that is subtracted from the others; the first of the table when None.
        covariance: How the covariance of AUCs is estimated.
        confidence: Coverage probability of all intervals.
        columns: Headings of ``reads`` by standard name, such as ``{"reader": "医师姓名"}``.
        encoding: The encoding of text files; detected when None.

    Returns:
        The analysis by Obuchowski and Rockette, for random readers, fixed readers and fixed cases. ``frame()`` gives
        one row per number, and ``as_dict()`` everything.

    Raises:
        InputError: The reads have mistakes; all of them are listed, with rows and remedies.
        ScoresError: The scores have mistakes.

    >>> import nephrograde as ng
    >>> import pandas as pd
    >>> truth = [0, 0, 0, 1, 1, 1]
    >>> given = {"A": [1, 2, 4, 3, 4, 5], "B": [2, 1, 3, 3, 5, 4], "C": [1, 3, 3, 2, 5, 5]}
    >>> reads = pd.DataFrame(
    ...     [
    ...         {"reader": reader, "patient_id": f"P{k}", "score": score, "is_high": truth[k]}
    ...         for reader, row in given.items()
    ...         for k, score in enumerate(row)
    ...     ]
    ... )
    >>> mean = ng.readers(reads).of("auc", "random-readers")[0]
    >>> round(mean.value, 3), round(mean.low, 3), round(mean.high, 3)
    (0.852, 0.563, 1.0)
    """
    beside = None if scores is None else _table_of(scores, encoding)
    gathered = gather_reads(_table_of(reads, encoding), beside, model=model, columns=columns)
    method = CovarianceMethod(covariance)
    return analyse_reads(gathered, covariance=method, baseline=baseline, confidence=confidence)


def _table_of(table: pd.DataFrame | str | Path, encoding: str | None) -> Sheet:
    sheet, problems = open_table(table, encoding)
    if sheet is None or problems:
        raise InputError(problems)
    return sheet
