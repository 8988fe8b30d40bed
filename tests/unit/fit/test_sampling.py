"""Batches are balanced, of one size, without replacement, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nephrograde.fit.sampling import batch_size_of, batches, steps_per_epoch


@given(
    n_high=st.integers(1, 20),
    n_low=st.integers(1, 20),
    size=st.integers(2, 9),
    balanced=st.booleans(),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_every_batch(n_high: int, n_low: int, size: int, balanced: bool, seed: int) -> None:
    is_high = np.array([True] * n_high + [False] * n_low)
    drawn = list(islice(batches(is_high, batch_size=size, balanced=balanced, seed=seed), 12))
    assert {len(rows) for rows in drawn} == {size}
    rows = np.concatenate(drawn)
    packs = [rows[is_high[rows]], rows[~is_high[rows]]] if balanced else [rows]
    if balanced:
        assert len(packs[0]) == len(packs[1]) == 6 * size
        assert all(abs(2 * int(is_high[batch].sum()) - size) <= 1 for batch in drawn)
    for pack, n in zip(packs, [n_high, n_low] if balanced else [n_high + n_low], strict=True):
        times = Counter(pack.tolist())
        assert max(times.values()) - (min(times.values()) if len(times) == n else 0) <= 1


def test_same_seed_same_batches() -> None:
    is_high = np.arange(30) % 3 == 0

    def first(seed: int) -> list[list[int]]:
        return [rows.tolist() for rows in islice(batches(is_high, batch_size=8, balanced=True, seed=seed), 5)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_an_epoch_passes_every_row_once_where_the_classes_are_even() -> None:
    is_high = np.arange(24) % 2 == 0
    rows = np.concatenate(list(islice(batches(is_high, batch_size=8, balanced=True, seed=0), 3)))
    assert sorted(rows.tolist()) == list(range(24))


@pytest.mark.parametrize(("n_rows", "size", "steps"), [(210, 16, 13), (17, 16, 1), (3, 3, 1), (1, 2, 1)])
def test_sizes(n_rows: int, size: int, steps: int) -> None:
    assert batch_size_of(16, n_rows) == size
    assert steps_per_epoch(size, n_rows) == steps
