"""How often attention meets the tumour, on weights that can be followed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.attention import TumourAttention, attention_on_tumours
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.fit.attention import RowWeight, read_attention, write_attention

if TYPE_CHECKING:
    from pathlib import Path


def weights(patient_id: str, split: Literal["oof", "test"], *values: float) -> list[RowWeight]:
    return [RowWeight(patient_id, split, row, 40 + row, value) for row, value in enumerate(values)]


OOF = [
    *weights("P1", "oof", 0.2, 0.7, 0.1),
    *weights("P2", "oof", 0.6, 0.3, 0.1),
    *weights("P3", "oof", 1.0),
    *weights("P4", "oof", 0.5, 0.4, 0.1),
]
MEETS = {"P1": (False, True, False), "P2": (False, True, True), "P3": (True,), "T1": (True, False)}


def test_the_picture_with_the_largest_weight_counts() -> None:
    (found,) = attention_on_tumours("none-3-cmp", OOF, MEETS, confidence=0.95)
    assert (found.model, found.split, found.n, found.n_met, found.share) == ("none-3-cmp", "oof", 2, 1, 0.5)
    assert found.by_chance == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert (found.low, found.high) == pytest.approx((0.0945, 0.9055), abs=1e-4)  # Wilson, 1 of 2


def test_the_networks_of_a_test_patient_are_averaged() -> None:
    of_folds = [
        *weights("T1", "test", 0.45, 0.55),
        *weights("T1", "test", 0.45, 0.55),
        *weights("T1", "test", 0.9, 0.1),
    ]
    (found,) = attention_on_tumours("none-2-cmp", of_folds, MEETS, confidence=0.95)
    assert (found.split, found.n, found.n_met) == ("test", 1, 1)


def test_without_masks_there_is_nothing_to_tell() -> None:
    assert attention_on_tumours("none-3-cmp", OOF, {}, confidence=0.95) == []


def test_regions_that_were_cut_again_after_the_fit() -> None:
    with pytest.raises(RunError, match="saw 3 pictures of P1, who has 2"):
        attention_on_tumours("none-3-cmp", OOF, {"P1": (True, False)}, confidence=0.95)


def test_the_table_is_read_back(tmp_path: Path) -> None:
    rows = attention_on_tumours("none-3-cmp", OOF, MEETS, confidence=0.95)
    write_table(rows, TumourAttention, tmp_path / "attention.csv")
    assert list(read_table(TumourAttention, tmp_path / "attention.csv")) == rows


@pytest.mark.parametrize(
    "row", ["P1,oof,0,41,1.5", "P1,train,0,41,0.5", "P1,oof,-1,41,0.5", "P1,oof,0,41,nan", "P1,oof,a,41,0.5"]
)
def test_weights_that_cannot_be(tmp_path: Path, row: str) -> None:
    path = tmp_path / "attention.csv"
    write_attention(OOF, path)
    assert list(read_attention(path)) == OOF
    path.write_text(f"patient_id,split,row,slice,weight\n{row}\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"attention\.csv is damaged"):
        read_attention(path)
