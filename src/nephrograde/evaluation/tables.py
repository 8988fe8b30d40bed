"""The tables of ``statistics/``: one dataclass per row, written and read without loss of digits."""

from __future__ import annotations

import math
from dataclasses import asdict, fields, replace
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_type_hints

from nephrograde.errors import RunError
from nephrograde.evaluation.metrics import Estimate
from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Row = TypeVar("Row")
ModelEstimate: TypeAlias = tuple[str, str, Estimate]
ESTIMATE_COLUMNS = ("model", "split", *(field.name for field in fields(Estimate)))

_NOTE = "; note: "


def write_table(rows: Iterable[object], kind: type[object], table_path: Path) -> None:
    """Write rows of one dataclass as CSV with full digits; NaN, which means "not computed", is an empty cell.

    Args:
        rows: Instances of ``kind``, whose fields are texts and numbers.
        kind: The dataclass; its fields are the columns.
        table_path: The file; its folder is created if it is missing.
    """
    columns = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    write_rows(table_path, columns, (_cells(row) for row in rows))


def read_table(kind: type[Row], table_path: Path) -> tuple[Row, ...]:
    """Read a table written by :func:`write_table`.

    Raises:
        RunError: The file is missing or is not such a table.

    >>> import pathlib, tempfile
    >>> from nephrograde.evaluation.calibration import CalibrationPoint
    >>> point = CalibrationPoint("size", "test", 0.25, 0.3, 0.1, math.nan)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table([point], CalibrationPoint, pathlib.Path(folder, "calibration.csv"))
    ...     print(read_table(CalibrationPoint, pathlib.Path(folder, "calibration.csv"))[0].high)
    nan
    """
    types = _types(kind)
    try:
        return tuple(
            kind(**{name: _value(row[name], of) for name, of in types.items()}) for row in read_rows(table_path)
        )
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(table_path, error) from error


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
            {"model": model, "split": split, **_cells(replace(made, method=_with_note(made)))}
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
        RunError: The file is missing or is not such a table.
    """
    types = _types(Estimate)
    estimates = []
    try:
        for row in read_rows(estimates_path):
            row["method"] = row["method"].removesuffix(f"{_NOTE}{row['note']}")
            made = Estimate(**{name: _value(row[name], kind) for name, kind in types.items()})
            estimates.append((row["model"], row["split"], made))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(estimates_path, error) from error
    return tuple(estimates)


def _with_note(made: Estimate) -> str:
    return f"{made.method}{_NOTE}{made.note}" if made.note else made.method


def _types(kind: type[object]) -> dict[str, Any]:
    """The types of the fields that are read; fields derived from others are written but not read."""
    types = get_type_hints(kind)
    return {field.name: types[field.name] for field in fields(kind) if field.init}  # type: ignore[arg-type]


def _cells(row: object) -> dict[str, object]:
    return {name: _cell(value) for name, value in asdict(row).items()}  # type: ignore[call-overload]


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _value(cell: str, kind: Any) -> Any:
    if kind is float:
        return float(cell) if cell else math.nan
    if isinstance(kind, UnionType):  # a type or None, which is an empty cell
        return next(part for part in kind.__args__ if part is not NoneType)(cell) if cell else None
    return kind(cell)


def _damaged(table_path: Path, error: Exception) -> RunError:
    return RunError(f"{table_path} is damaged ({error!r}). Run `nephrograde evaluate` again.")
