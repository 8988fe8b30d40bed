"""The tables of ``statistics/``: one dataclass per row, written and read without loss of digits."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_type_hints

from nephrograde.errors import RunError
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.files import finite, read_rows, without_nan, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Row = TypeVar("Row")
ModelEstimate: TypeAlias = tuple[str, str, Estimate]
ESTIMATE_COLUMNS = ("model", "split", *(field.name for field in fields(Estimate)))

_NOTE = "; note: "
_EVALUATE = "Run `nephrograde evaluate` again."
_COUNTS = frozenset(
    {
        *("n", "n_high", "part", "whole", "replicates", "caution_value", "only_a", "only_b", "dropped_a"),
        *("dropped_b", "family_size", "patients_needed", "tested_groups", "detectable"),
        *("drawing", "seed", "n_learn", "degrees", "folds", "drawings"),
        *("minutes", "minutes_n", "hours", "n_compared", "slices", "neighbours", "n_met", "n_scored"),
    }
)
_SHARES = frozenset(
    {
        *("confidence", "predicted", "observed", "threshold", "auc", "prevalence", "at", "share", "by_chance"),
        *("platt", "isotonic", "venn_abers", "venn_abers_low", "venn_abers_high", "high_from", "low_to", "error"),
        *("expected_low", "expected_high", "reference_auc"),
    }
)
_PROPORTIONS = frozenset(
    {
        *("auc", "auc_delong", "auc_bootstrap", "auc_lesions", "auc_on_complete", "auc_complete_cases", "accuracy"),
        *("sensitivity", "specificity", "ppv", "npv", "brier", "ece"),
        *("auc_ledell", "auc_pooled"),
    }
)
_HIGHEST_THRESHOLD = math.nextafter(1.0, math.inf)
"""A threshold above a score of 1 calls no one high."""


def write_table(rows: Iterable[object], kind: type[object], table_path: Path) -> None:
    """Write rows of one dataclass as CSV with full digits; NaN, which means "not computed", is an empty cell.

    Args:
        rows: Instances of ``kind``, whose fields are texts and numbers.
        kind: The dataclass; its fields are the columns.
        table_path: The file; its folder is created if it is missing.
    """
    columns = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    write_rows(table_path, columns, (_cells(row, columns) for row in rows))


def read_table(kind: type[Row], table_path: Path) -> tuple[Row, ...]:
    """Read a table written by :func:`write_table`.

    Raises:
        RunError: The file is missing, is not such a table, or holds a value that cannot be.

    >>> import pathlib, tempfile
    >>> from nephrograde.evaluation.calibration.calibration import CalibrationPoint
    >>> point = CalibrationPoint("size", "test", 0.25, 0.3, 0.1, math.nan)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table([point], CalibrationPoint, pathlib.Path(folder, "calibration.csv"))
    ...     print(read_table(CalibrationPoint, pathlib.Path(folder, "calibration.csv"))[0].high)
    nan
    """
    types = _types(kind)
    rows = []
    try:
        for row in read_rows(table_path, types, remedy=_EVALUATE):
            values = {name: _value(row[name], of) for name, of in types.items()}
            _check_possible(values)
            rows.append(kind(**values))
    except ValueError as error:
        raise _damaged(table_path, error) from None
    return tuple(rows)


def write_estimates(estimates: Sequence[ModelEstimate], estimates_path: Path) -> None:
    """Write ``statistics/estimates.csv`` with full digits; what was not computed is an empty cell.

    Args:
        estimates: (model, split, estimate), as in an ``Evaluation``; for human readers ``method`` ends with the note,
            which also has its own column.
        estimates_path: The file; its folder is created if it is missing.

    >>> import csv, pathlib, tempfile
    >>> made = (("size", "test", Estimate("tp", 36.0, math.nan, math.nan, 92, 41, "count", "threshold 0.5")),)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     estimates_path = pathlib.Path(folder, "estimates.csv")
    ...     write_estimates(made, estimates_path)
    ...     row = next(csv.DictReader(estimates_path.read_text(encoding="utf-8").splitlines()))
    >>> row["value"], row["low"], row["method"], row["note"]
    ('36.0', '', 'count; note: threshold 0.5', 'threshold 0.5')
    """
    write_rows(
        estimates_path,
        ESTIMATE_COLUMNS,
        (
            {"model": model, "split": split, **_cells(replace(made, method=_with_note(made)), ESTIMATE_COLUMNS[2:])}
            for model, split, made in estimates
        ),
    )


def read_estimates(estimates_path: Path) -> tuple[ModelEstimate, ...]:
    """Read a table written by ``write_estimates``, without loss of digits.

    Args:
        estimates_path: The file in the run folder.

    Returns:
        (model, split, estimate); NaN for empty cells.

    Raises:
        RunError: The file is missing, is not such a table, or holds a value that cannot be.
    """
    types = _types(Estimate)
    estimates = []
    try:
        for row in read_rows(estimates_path, ("model", "split", *types), remedy=_EVALUATE):
            row["method"] = row["method"].removesuffix(f"{_NOTE}{row['note']}")
            values = {name: _value(row[name], kind) for name, kind in types.items()}
            _check_possible(values)
            made = Estimate(**values)
            _check_range(made)
            estimates.append((row["model"], row["split"], made))
    except ValueError as error:
        raise _damaged(estimates_path, error) from None
    return tuple(estimates)


def _with_note(made: Estimate) -> str:
    return f"{made.method}{_NOTE}{made.note}" if made.note else made.method


def _types(kind: type[object]) -> dict[str, Any]:
    """The types of the fields that are read; fields derived from others are written but not read."""
    types = get_type_hints(kind)
    return {field.name: types[field.name] for field in fields(kind) if field.init}  # type: ignore[arg-type]


def _cells(row: object, columns: Iterable[str]) -> dict[str, object]:
    cells = without_nan({name: getattr(row, name) for name in columns})
    return {name: int(value) if isinstance(value, bool) else value for name, value in cells.items()}


def _value(cell: str, kind: Any) -> Any:
    if kind is float:
        return finite(cell) if cell else math.nan
    if isinstance(kind, UnionType):  # a type or None, which is an empty cell
        return _value(cell, next(part for part in kind.__args__ if part is not NoneType)) if cell else None
    return kind(cell)


def _check_possible(values: Mapping[str, Any]) -> None:
    """Check what holds in every table: counts are not negative, shares are shares, intervals run upwards."""
    for name, value in values.items():
        if name in _COUNTS and value is not None and value < 0:
            raise ValueError(f"{name} is {value}, less than 0")
        if (name in _SHARES or name.startswith("p_")) and value is not None and (value < 0 or value > 1):
            raise ValueError(f"{name} is {value}, not between 0 and 1")
    if values.get("n_high", 0) > values.get("n", math.inf):
        raise ValueError(f"n_high is {values['n_high']} of {values['n']}")
    if values.get("low", math.nan) > values.get("high", math.nan):
        raise ValueError(f"the interval runs from {values['low']} to {values['high']}")


def _check_range(made: Estimate) -> None:
    """Check that a measure has a value that it can have; NaN stands for what was not computed."""
    if made.measure == "threshold":
        if not 0.0 <= made.value <= _HIGHEST_THRESHOLD:
            raise ValueError(f"the threshold is {made.value}, not between 0 and 1")
    elif made.measure in _PROPORTIONS and (made.value < 0 or made.value > 1):
        raise ValueError(f"{made.measure} is {made.value}, not between 0 and 1")
    if made.part is not None and made.whole is not None and made.part > made.whole:
        raise ValueError(f"{made.measure} is {made.part} of {made.whole}")


def _damaged(table_path: Path, error: Exception) -> RunError:
    return RunError(f"{table_path} is damaged ({error}). {_EVALUATE}")
