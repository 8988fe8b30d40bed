"""The learning rate over a fit: linear warm-up, then half a cosine to zero."""

from __future__ import annotations

import math


def learning_rate_at(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """Learning rate of one step.

    Args:
        step: Counted from 0 over all epochs.
        peak: The highest learning rate, reached with the last step of the warm-up.
        warmup_steps: 0 for none.
        total_steps: Steps of the whole fit, including the warm-up.

    Source:
        Goyal 2017, arXiv:1706.02677 (warm-up); Loshchilov & Hutter 2017, arXiv:1608.03983 (cosine).

    >>> [round(learning_rate_at(s, peak=1.0, warmup_steps=2, total_steps=6), 2) for s in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def warmup_epochs_of(warmup_epochs: int, epochs: int) -> int:
    """Return the warm-up of the study file, but at most half of the fit, so that a short trial fit still learns.

    >>> warmup_epochs_of(5, 60), warmup_epochs_of(5, 2), warmup_epochs_of(5, 1)
    (5, 1, 0)
    """
    return min(warmup_epochs, epochs // 2)
