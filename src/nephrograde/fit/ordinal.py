"""An ordinal head: the loss of a cumulative link model of WHO/ISUP grades 1 to 4, read as the probability of grade ≥ 3.

A patient has one latent value z, the log odds of grade ≥ 3. Those of grade ≥ 2 are z + d₂ and those of grade ≥ 4 are
z − d₄: proportional odds, whose thresholds stay in order because both distances are positive. The likelihood of a grade
is that of high or low, which is the loss of a binary head, times that of the grade among the grades on this side. So
the logit of the network means what it means with a binary head, and a cumulative model without the thresholds for ≥ 2
and ≥ 4 is the binary head. The distances are part of the fit only.

Balanced batches draw high and low equally often. That adds a constant to the log odds of high, as with a binary head,
but leaves the grades within high and within low as they are. The likelihood on each side is therefore computed from the
log odds at the prevalence of the learning patients, where odds are proportional.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

if TYPE_CHECKING:
    from collections.abc import Iterable

PACE = 10.0
"""How many times faster the distances are learnt than the weights of a network: at the same rate, they would move by
0.3 in a fit of 600 steps."""


class OrdinalHead(nn.Module):
    """The thresholds for grade ≥ 2 and ≥ 4, and the loss of a patient by the logit of grade ≥ 3.

    Args:
        grades: Those of the learning patients; of low and of high grade at least one each. The distances start where
            they are for patients of whom nothing but these frequencies is known.
        is_balanced: Whether half of every batch is high grade.

    Source:
        McCullagh 1980, J R Stat Soc B 42:109 (proportional odds).

    >>> head = OrdinalHead([1, 2, 2, 3, 3, 4], is_balanced=True)
    >>> [round(distance, 2) for distance in head.distances().tolist()]
    [1.3, 1.3]
    >>> head(torch.zeros(2), torch.tensor([2.0, 4.0])).shape
    torch.Size([2])
    """

    shift: torch.Tensor

    def __init__(self, grades: Iterable[int], *, is_balanced: bool) -> None:
        super().__init__()
        counts = Counter(grades)
        n_low, n_high = counts[1] + counts[2], counts[3] + counts[4]
        log_odds = math.log(n_high / n_low)
        lower = math.log((n_low + n_high - counts[1] + 0.5) / (counts[1] + 0.5)) - log_odds
        upper = log_odds - math.log((counts[4] + 0.5) / (n_low + n_high - counts[4] + 0.5))
        starts = torch.tensor([max(distance, 0.1) for distance in (lower, upper)])
        self.raw = nn.Parameter(torch.log(torch.expm1(starts)) / PACE)
        self.register_buffer("shift", torch.tensor(log_odds if is_balanced else 0.0), persistent=False)

    def distances(self) -> torch.Tensor:
        """Return how far the thresholds for ≥ 2 and for ≥ 4 are from that for ≥ 3, on the scale of log odds."""
        return softplus(self.raw * PACE)

    def forward(self, logits: torch.Tensor, grades: torch.Tensor) -> torch.Tensor:
        """Return the loss of each patient, minus the log-likelihood of the grade.

        Args:
            logits: ``(patient,)``, of grade ≥ 3 in batches such as those of the fit.
            grades: ``(patient,)``, 1 to 4.
        """
        is_high, is_outer = grades >= 3, (grades == 1) | (grades == 4)
        binary = binary_cross_entropy_with_logits(logits, is_high.to(logits.dtype), reduction="none")
        lower, upper = self.distances().unbind()
        distance = torch.where(is_high, upper, lower)
        # How far the patient is on the own side of the threshold for ≥ 3; both sides are mirror images.
        depth = torch.where(is_high, logits + self.shift, -logits - self.shift)
        outer = softplus(distance - depth) - softplus(-depth)
        inner = softplus(depth - distance) - torch.log(-torch.expm1(-distance))
        return binary + torch.where(is_outer, outer, inner)
