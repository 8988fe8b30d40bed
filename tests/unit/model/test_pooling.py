"""Slices to patient, on values that can be computed by hand."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from nephrograde.model.pooling import pool


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("mean", (0.2 + 0.5 + 0.9) / 3), ("max", 0.9), ("noisy-or", 1 - 0.8 * 0.5 * 0.1)],
)
def test_three_slices(rule: Literal["mean", "max", "noisy-or"], expected: float) -> None:
    assert pool(np.array([0.2, 0.5, 0.9]), rule) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("rule", ["mean", "max", "noisy-or"])
def test_one_slice_is_the_patient(rule: Literal["mean", "max", "noisy-or"]) -> None:
    assert pool(np.array([0.25]), rule) == 0.25


def test_noisy_or_is_certain_as_soon_as_one_slice_is() -> None:
    assert pool(np.array([1.0, 0.0, 0.3]), "noisy-or") == 1.0
    assert pool(np.array([0.0, 0.0]), "noisy-or") == 0.0


@pytest.mark.parametrize("p_slices", [np.array([]), np.array([[0.5]])])
def test_no_slice_is_an_error(p_slices: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="at least one slice"):
        pool(p_slices, "mean")
