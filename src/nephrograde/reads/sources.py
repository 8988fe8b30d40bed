"""Where reads and the scores of a model come from: a table of reads, and a table of scores beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.evaluation.scores.score_table import parse_scores
from nephrograde.evaluation.scores.scores import SPLITS
from nephrograde.reads.table import ModelReads, Reads, parse_reads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.sheet import Sheet


def gather_reads(
    reads: Sheet, scores: Sheet | None = None, *, model: str | None = None, columns: Mapping[str, str] | None = None
) -> Reads:
    """Read a table of reads, with a model from a table of scores or from among the readers.

    Args:
        reads: The reads; see :func:`~nephrograde.reads.table.parse_reads`.
        scores: A score table, as for ``nephrograde evaluate``.
        model: The model of ``scores``; may be None if it has only one. Without ``scores``, the reader of ``reads`` who
            is the model.
        columns: Headings of ``reads`` by standard name, where they are not usual ones.

    Raises:
        InputError: The reads have mistakes, or there is no such model.
        ScoresError: The scores have mistakes.
    """
    if scores is None:
        return parse_reads(reads, model_reader=model or "", columns=columns)
    return parse_reads(reads, model_scores(scores, model), columns=columns)


def model_scores(sheet: Sheet, model: str | None = None) -> ModelReads:
    """Select the scores of one model: those of the test set, or out-of-fold scores where it has no others.

    Args:
        sheet: A score table.
        model: Its model; None if it has only one.

    Raises:
        InputError: There is no such model, or none is named and there are several.
        ScoresError: The table has mistakes.

    >>> from nephrograde.sheet import Sheet
    >>> cells = {"patient_id": "P1", "model": "size", "is_high": "1", "p_high": "0.75"}
    >>> model_scores(Sheet("scores.csv", tuple(cells), ((2, cells),))).scores
    {'P1': 0.75}
    """
    table = parse_scores(sheet)
    known = ", ".join(table.models)
    if model is None and len(table.models) > 1:
        raise InputError([Problem(sheet.name, "has several models", f"Name one with --model: {known}.")])
    chosen = table.models[0] if model is None else model
    if chosen not in table.models:
        raise InputError([Problem(sheet.name, f"there is no model '{chosen}'", f"Name one with --model: {known}.")])
    split = "test" if len(table.of(chosen, "test")) else SPLITS[0]
    rows = table.of(chosen, split)
    return ModelReads(
        chosen,
        dict(zip(rows.patient_ids, map(float, rows.p_high), strict=True)),
        dict(zip(rows.patient_ids, map(bool, rows.is_high), strict=True)),
    )
