"""Score tables as files and DataFrames: read from any source, and written."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.cohort.truth import read_truth
from nephrograde.evaluation.scores.score_columns import recognise_scores, rename_columns
from nephrograde.evaluation.scores.scores import COLUMNS, NO_FOLD, Score, Scores, SplitName, contradictions, table_error
from nephrograde.files import write_rows
from nephrograde.sheet import Sheet, clean_heading, open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

_MOST_DIGITS = 9

_SPLIT_WORDS: dict[str, SplitName] = {
    **dict.fromkeys(("oof", "out of fold", "out-of-fold", "折外", "折外预测"), "oof"),
    **dict.fromkeys(("test", "test set", "测试", "测试集", "測試集"), "test"),
}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


def read_scores(scores_path: Path) -> Scores:
    r"""Read a score table from any source.

    The columns ``patient_id``, ``model``, ``is_high`` (0/1, true/false) and ``p_high`` are required; without ``split``
    every row is a test row; ``fold`` may be missing or empty; other columns are ignored.

    Args:
        scores_path: CSV (comma, semicolon or tab), or any other format of a cohort table.

    Returns:
        The table.

    Raises:
        ScoresError: The file cannot be read, or has problems; the first ten are listed with row, patient and model.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores_path = pathlib.Path(folder, "theirs.csv")
    ...     _ = scores_path.write_text("patient_id,model,is_high,p_high\nP001,theirs,1,0.75\n", encoding="utf-8")
    ...     read_scores(scores_path).rows
    (Score(patient_id='P001', model='theirs', split='test', fold=None, is_high=True, p_high=0.75),)
    """
    return parse_scores(open_scores(scores_path))


def open_scores(
    scores: pd.DataFrame | str | Path, encoding: str | None = None, columns: Mapping[str, str] | None = None
) -> Sheet:
    """Read a score table as text cells.

    Args:
        scores: A DataFrame, or a path as for :func:`read_scores`.
        encoding: The encoding of a text file; None detects it.
        columns: Headings by standard name, where they are not usual ones.

    Returns:
        The table with its standard headings.

    Raises:
        ScoresError: It cannot be read as a table, or a column is missing.
    """
    sheet, faults = open_table(scores, encoding)
    if faults or sheet is None:
        name = Path(scores).resolve().name if isinstance(scores, str | Path) else "the DataFrame"
        raise table_error(name, [str(fault) for fault in faults])
    return with_standard_headings(sheet, columns)


def with_standard_headings(sheet: Sheet, columns: Mapping[str, str] | None = None) -> Sheet:
    """Give a score table its standard headings.

    Args:
        sheet: The table.
        columns: Headings by standard name, where they are not usual ones.

    Raises:
        ScoresError: A column is missing, or a name or heading does not exist.
    """
    recognised, problems = recognise_scores(sheet, columns)
    if problems:
        raise table_error(sheet.name, [str(problem) for problem in problems])
    return rename_columns(sheet, recognised)


def parse_scores(sheet: Sheet) -> Scores:
    """Parse a table of text cells as scores, by the rules of :func:`read_scores`.

    Args:
        sheet: The headings, and the cells of every row by heading.

    Raises:
        ScoresError: The table has problems; the first ten are listed with row, patient and model.

    >>> cells = {"patient_id": "P001", "model": "theirs", "is_high": "1", "p_high": "0.75"}
    >>> len(parse_scores(Sheet("theirs.csv", tuple(cells), ((2, cells),))).rows)
    1
    """
    sheet = with_standard_headings(sheet)
    problems: list[str] = []
    rows: list[Score] = []
    numbers: list[int] = []
    for number, cells in sheet.rows:
        score = _parse(cells)
        if isinstance(score, Score):
            rows.append(score)
            numbers.append(number)
        else:
            problems += [f"Row {number}, {text}" for text in score]
    problems += contradictions(rows, numbers)
    if problems:
        raise table_error(sheet.name, problems)
    return Scores(tuple(rows))


def parse_groups(sheet: Sheet, columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Read the columns of a score table that define subgroups.

    Args:
        sheet: A table with valid scores.
        columns: The requested columns; those that the table does not have are ignored.

    Returns:
        The text of each patient, by column.

    Raises:
        ScoresError: Two rows of a patient differ.

    >>> cells = {"patient_id": "P001", "model": "theirs", "is_high": "1", "p_high": "0.75", "sex": "F"}
    >>> parse_groups(Sheet("theirs.csv", tuple(cells), ((2, cells),)), ("sex", "centre"))
    {'sex': {'P001': 'F'}}
    """
    groups: dict[str, dict[str, str]] = {}
    problems = []
    for column in columns:
        heading = clean_heading(column)
        if heading not in sheet.headings:
            continue
        texts = groups.setdefault(column, {})
        for number, cells in sheet.rows:
            text = cells.get(heading, "")
            before = texts.setdefault(cells["patient_id"], text)
            if before != text:
                problems.append(
                    f"Row {number}, patient {cells['patient_id']}: {column} is {text or 'empty'}, but "
                    f"{before or 'empty'} in an earlier row. Correct the one that is wrong."
                )
    if problems:
        raise table_error(sheet.name, problems)
    return groups


def write_scores(scores: Scores, scores_path: Path) -> None:
    """Write ``scores.csv``; probabilities keep all digits, and test rows have an empty fold.

    Args:
        scores: The table.
        scores_path: The file; its folder is created if it is missing.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scores_path = pathlib.Path(folder, "scores.csv")
    ...     write_scores(Scores((Score("P001", "size", "test", None, True, 0.75),)), scores_path)
    ...     scores_path.read_text(encoding="utf-8").splitlines()
    ['patient_id,model,split,fold,is_high,p_high', 'P001,size,test,,1,0.75']
    """
    write_rows(scores_path, COLUMNS, map(row_of, scores.rows))


def row_of(score: Score) -> dict[str, object]:
    """Return a score as a row of a table with the columns of ``scores.csv``.

    Args:
        score: The score.

    >>> row_of(Score("P001", "size", "test", None, True, 0.75))["is_high"]
    1
    """
    return {
        "patient_id": score.patient_id,
        "model": score.model,
        "split": score.split,
        "fold": score.fold,
        "is_high": int(score.is_high),
        "p_high": float(score.p_high),
    }


def read_split(text: str) -> SplitName | None:
    """Read the split of a row; None for anything else than ``oof`` and ``test`` in usual words.

    >>> read_split("Test "), read_split("折外"), read_split("train")
    ('test', 'oof', None)
    """
    return _SPLIT_WORDS.get(unicodedata.normalize("NFKC", text).strip().casefold())


def read_fold(text: str) -> int | None:
    """Read the number of a fold; None for anything else, :data:`NO_FOLD` for an empty cell.

    >>> read_fold("3"), read_fold("3.0"), read_fold(""), read_fold("3.5")
    (3, 3, -1, None)
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        return NO_FOLD
    digits = plain.removesuffix(".0")
    return int(digits) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else None


def read_number(text: str) -> float | None:
    """Read a number, with a decimal point or a decimal comma; None for anything else.

    >>> read_number("0.5"), read_number("0,5"), read_number("０.５"), read_number("half")
    (0.5, 0.5, 0.5, None)
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    try:
        return float(plain.replace(",", ".") if _DECIMAL_COMMA.fullmatch(plain) else plain)
    except ValueError:
        return None


def _parse(cells: Mapping[str, str]) -> Score | list[str]:
    """The row as a score, or everything that is wrong with it."""
    patient_id, model = cells.get("patient_id", ""), cells.get("model", "")
    is_high, p_high = read_truth(cells.get("is_high", "")), read_number(cells.get("p_high", ""))
    split, fold = read_split(cells.get("split", "test")), read_fold(cells.get("fold", ""))
    problems = []
    if not patient_id:
        problems.append("patient_id is empty. Write the id of the patient")
    if not model:
        problems.append("model is empty. Write the name of the model")
    if split is None:
        split_text = unicodedata.normalize("NFKC", cells.get("split", "")).strip().casefold() or "empty"
        problems.append(f"split is {split_text}. Write oof (out of fold) or test; omit training predictions")
    if fold is None:
        fold_text = unicodedata.normalize("NFKC", cells.get("fold", "")).strip()
        problems.append(f"fold is {fold_text}. Write an integer from 0, or leave it empty")
    if is_high is None:
        problems.append(f"is_high is {cells.get('is_high') or 'empty'}. Write 1 (high grade) or 0 (low grade)")
    if p_high is None:
        problems.append(f"p_high is {cells.get('p_high') or 'empty'}, not a number. Write a number from 0 to 1")
    if is_high is None or p_high is None or split is None or fold is None or problems:
        return [f"patient {patient_id or '?'}, model {model or '?'}: {problem}." for problem in problems]
    return Score(patient_id, model, split, None if fold == NO_FOLD else fold, is_high, p_high)
