"""Tables of dataclass rows, digit for digit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.comparison.equivalence import Equivalence
from nephrograde.evaluation.tables import read_table, write_table

if TYPE_CHECKING:
    from pathlib import Path


def test_there_and_back(tmp_path: Path) -> None:
    numbers = (0.05, 1 / 3, -1e-17, 0.2, 0.1, 0.30000000000000004, 0.2)
    row = Equivalence("a", "弱, b", *numbers, math.nan, 300, 92, 41, 'said "so"\nin two lines')
    write_table([row], Equivalence, tmp_path / "equivalence.csv")
    (read,) = read_table(Equivalence, tmp_path / "equivalence.csv")
    assert str(read) == str(row)  # NaN differs from itself


def test_nothing_is_a_table_too(tmp_path: Path) -> None:
    write_table([], Equivalence, tmp_path / "equivalence.csv")
    assert read_table(Equivalence, tmp_path / "equivalence.csv") == ()


@pytest.mark.parametrize("text", ["", "model_a,n\nx,1\n"])
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "equivalence.csv"
    write_table([], Equivalence, path)
    path.write_text(text or path.read_text() + "a,b,x,,,,,,,,1,1,1,m\n", encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        read_table(Equivalence, path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing"):
        read_table(Equivalence, tmp_path / "nowhere.csv")
