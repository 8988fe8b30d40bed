"""From a patient's slices to the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def pool(p_slices: npt.NDArray[np.float64], rule: Literal["mean", "max", "noisy-or"]) -> float:
    """Return the probability of high grade for one patient from those of the patient's slices.

    A weak model is trained on slices that inherit the patient's grade, and grades a patient by pooling. With a single
    slice or box, all rules agree.

    Args:
        p_slices: Probabilities of one patient's slices, each in [0, 1]; at least one.
        rule: "mean"; "max", the most suspicious slice decides; "noisy-or", high grade unless every slice, assumed
            independent, is low: 1 − ∏(1 − p).

    Raises:
        ValueError: Without a slice.

    Source:
        Maron & Lozano-Pérez 1998 (multiple-instance learning) for noisy-or. The paper states no rule; the default,
        mean, is ours.

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
