"""The learning curve of a fitted network: ``history.csv`` with one row per epoch; can be read without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.files import finite, read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FIT = "Delete its folder and fit again."


_HIGHEST_LOSS = 1e9
"""Beyond what a mean log-loss in float32 can be."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of the learning curve; ``learning_rate`` is that of its last step.

    ``stop_loss`` is the mean log-loss of the pooled probabilities of the patients used for early stopping, None if
    there are none.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    stop_loss: float | None


def write_history(history: Iterable[Epoch], history_path: Path) -> None:
    """Write ``history.csv``.

    Args:
        history: In epoch order.
        history_path: Replaced as a whole.
    """
    write_rows(history_path, [field.name for field in fields(Epoch)], (asdict(epoch) for epoch in history))


def read_history(history_path: Path) -> tuple[Epoch, ...]:
    """Read ``history.csv``.

    Args:
        history_path: As written by :func:`write_history`.

    Raises:
        RunError: If the file is missing or damaged.

    >>> import pathlib, tempfile
    >>> history_path = pathlib.Path(tempfile.mkdtemp()) / "history.csv"
    >>> write_history([Epoch(1, 0.001, 0.7, None)], history_path)
    >>> read_history(history_path)
    (Epoch(epoch=1, learning_rate=0.001, train_loss=0.7, stop_loss=None),)
    """
    try:
        return tuple(
            Epoch(
                int(row["epoch"]),
                finite(row["learning_rate"]),
                _loss(row["train_loss"]),
                _loss(row["stop_loss"]) if row["stop_loss"] else None,
            )
            for row in read_rows(history_path, [field.name for field in fields(Epoch)], remedy=_FIT)
        )
    except ValueError as error:
        raise RunError(f"{history_path} is damaged ({error}). {_FIT}") from None


def _loss(cell: str) -> float:
    loss = finite(cell)
    if not 0 <= loss <= _HIGHEST_LOSS:
        raise ValueError(f"{cell} is not a loss")
    return loss
