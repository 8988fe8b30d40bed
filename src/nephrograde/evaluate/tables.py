"""The tables of ``statistics/``: one dataclass a row, written and read digit for digit."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, TypeAlias, TypeVar, get_type_hints

from nephrograde.errors import RunError
from nephrograde.evaluate.metrics import Estimate
from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Row = TypeVar("Row")
ModelEstimate: TypeAlias = tuple[str, str, Estimate]
ESTIMATE_COLUMNS = ("model", "split", "measure", "value", "low", "high", "n", "n_high", "method")

_NOTE = "; note: "


def write_table(rows: Iterable[object], kind: type[object], table_path: Path) -> None:
    """Write rows of one dataclass as CSV: full digits, and an empty cell for NaN, which is "not computed".

    Args:
        rows: Instances of ``kind``, whose fields are texts and numbers.
        kind: The dataclass; its fields are the columns.
        table_path: Where to; the folder is made when it is missing.
    """
    columns = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    write_rows(
        table_path,
        columns,
        ({name: _cell(value) for name, value in asdict(row).items()} for row in rows),  # type: ignore[call-overload]
    )


def read_table(kind: type[Row], table_path: Path) -> tuple[Row, ...]:
    """Read what :func:`write_table` has written.

    Raises:
        RunError: The file is missing, or is not such a table.

    >>> import pathlib, tempfile
    >>> from nephrograde.evaluate.calibration import CalibrationPoint
    >>> point = CalibrationPoint("size", "test", 0.25, 0.3, 0.1, math.nan)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table([point], CalibrationPoint, pathlib.Path(folder, "calibration.csv"))
    ...     print(read_table(CalibrationPoint, pathlib.Path(folder, "calibration.csv"))[0].high)
    nan
    """
    types = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    try:
        return tuple(kind(**{name: _value(row[name], types[name]) for name in names}) for row in read_rows(table_path))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(table_path, error) from error


def write_estimates(estimates: Sequence[ModelEstimate], estimates_path: Path) -> None:
    """Write ``statistics/estimates.csv`` whole: full digits, an empty cell for what was not computed.

    Args:
        estimates: (model, split, estimate), as in an ``Evaluation``; the note follows the method in one cell.
        estimates_path: Where to; the folder is made when it is missing.

    >>> import pathlib, tempfile
    >>> made = (("size", "test", Estimate("tp", 36.0, math.nan, math.nan, 92, 41, "count", "threshold 0.5")),)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     estimates_path = pathlib.Path(folder, "estimates.csv")
    ...     write_estimates(made, estimates_path)
    ...     estimates_path.read_text(encoding="utf-8").splitlines()[1]
    'size,test,tp,36.0,,,92,41,count; note: threshold 0.5'
    """
    write_rows(
        estimates_path,
        ESTIMATE_COLUMNS,
        (
            {
                "model": model,
                "split": split,
                "measure": made.measure,
                "value": _cell(made.value),
                "low": _cell(made.low),
                "high": _cell(made.high),
                "n": made.n,
                "n_high": made.n_high,
                "method": f"{made.method}{_NOTE}{made.note}" if made.note else made.method,
            }
            for model, split, made in estimates
        ),
    )


def read_estimates(estimates_path: Path) -> tuple[ModelEstimate, ...]:
    """Read what ``write_estimates`` has written, digit for digit.

    Args:
        estimates_path: The file in the run folder.

    Returns:
        (model, split, estimate); NaN for empty cells.

    Raises:
        RunError: The file is missing, or is not such a table.
    """
    estimates = []
    try:
        for row in read_rows(estimates_path):
            method, _, note = row["method"].partition(_NOTE)
            value, low, high = (_number(row[name]) for name in ("value", "low", "high"))
            estimate = Estimate(row["measure"], value, low, high, int(row["n"]), int(row["n_high"]), method, note)
            estimates.append((row["model"], row["split"], estimate))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(estimates_path, error) from error
    return tuple(estimates)


def _cell(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _value(cell: str, kind: type) -> object:
    if kind is float:
        return _number(cell)
    return kind(cell)


def _number(cell: str) -> float:
    return float(cell) if cell else math.nan


def _damaged(table_path: Path, error: Exception) -> RunError:
    return RunError(f"{table_path} is damaged ({error!r}). Run `nephrograde evaluate` again.")
