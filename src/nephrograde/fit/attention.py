"""The attention that a fitted network pays to each picture: ``attention.csv``; can be read without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

from nephrograde.errors import RunError
from nephrograde.files import finite, read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RowWeight:
    """The weight of one picture of a patient that the network has not learnt from.

    ``row`` counts the patient's pictures from 0, in the order of the prepared region; ``slice`` is the number of its
    slice, None for a box. The weights of a patient add up to 1.
    """

    patient_id: str
    split: Literal["oof", "test"]
    row: int
    slice: int | None
    weight: float


def write_attention(weights: Iterable[RowWeight], attention_path: Path) -> None:
    """Write ``attention.csv``.

    Args:
        weights: Picture by picture.
        attention_path: Replaced as a whole.
    """
    write_rows(attention_path, [field.name for field in fields(RowWeight)], (asdict(one) for one in weights))


def read_attention(attention_path: Path) -> tuple[RowWeight, ...]:
    """Read ``attention.csv``.

    Args:
        attention_path: As written by :func:`write_attention`.

    Raises:
        RunError: If the file is missing or damaged.

    >>> import pathlib, tempfile
    >>> attention_path = pathlib.Path(tempfile.mkdtemp()) / "attention.csv"
    >>> write_attention([RowWeight("P1", "oof", 0, 41, 0.75), RowWeight("P1", "oof", 1, 44, 0.25)], attention_path)
    >>> read_attention(attention_path)[1]
    RowWeight(patient_id='P1', split='oof', row=1, slice=44, weight=0.25)
    """
    try:
        return tuple(_weight(row) for row in read_rows(attention_path, [field.name for field in fields(RowWeight)]))
    except ValueError as error:
        raise RunError(f"{attention_path} is damaged ({error}). Delete its folder and fit again.") from None


def _weight(row: dict[str, str]) -> RowWeight:
    weight, number = finite(row["weight"]), int(row["row"])
    if row["split"] not in {"oof", "test"} or not 0 <= weight <= 1 or number < 0:
        raise ValueError(f"row {row['row']} of {row['patient_id']} has no weight")
    return RowWeight(
        patient_id=row["patient_id"],
        split="oof" if row["split"] == "oof" else "test",
        row=number,
        slice=int(row["slice"]) if row["slice"] else None,
        weight=weight,
    )
