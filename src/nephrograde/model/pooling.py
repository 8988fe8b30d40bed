"""From the slices of a patient to the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def pool(p_slices: npt.NDArray[np.float64], rule: Literal["mean", "max", "noisy-or"]) -> float:
    """Probability of high grade for one patient from those of the patient's slices.

    A weak model is taught with slices that inherit the patient's grade, and reads a patient by pooling. With one
    slice, or one box, all rules agree.

    Args:
        p_slices: Probabilities of one patient's slices, each in [0, 1]; at least one.
        rule: "mean"; "max", the most suspicious slice decides; "noisy-or", high grade unless every slice, taken as
            independent, is low: 1 − ∏(1 − p).

    Raises:
        ValueError: Without a slice.

    Source:
        The paper does not say; mean is our choice. Noisy-or: Maron & Lozano-Pérez 1998 (multiple-instance learning).

    >>> slices = np.array([0.5, 0.25])
    >>> pool(slices, "mean"), pool(slices, "max"), pool(slices, "noisy-or")
    (0.375, 0.5, 0.625)
    """
    if p_slices.ndim != 1 or len(p_slices) == 0:
        raise ValueError(f"needs the probabilities of at least one slice in a row, got shape {p_slices.shape}")
    if rule == "mean":
        return float(p_slices.mean())
    if rule == "max":
        return float(p_slices.max())
    return float(1.0 - np.prod(1.0 - p_slices))
