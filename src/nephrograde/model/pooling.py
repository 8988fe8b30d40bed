"""From the pictures of a patient to the patient: pooling inside the network.

A patient is a bag of pictures (slices, or boxes around both kidneys). For each picture the network gives a logit and,
with "attention", a score; the functions here turn those into one logit per patient, in training, in scoring and in an
exported graph. All of them give back the logit of a bag with a single picture to the last digit.

Bags of different size are padded to ``(bag, place)``; ``present`` marks the places that hold a picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from nephrograde.vocabulary import Pooling

ATTENTION_UNITS = 128
"""Width of the hidden layer of the attention, as in Ilse 2018."""
_LOWEST = -36.0
"""Below this logit, softplus(z) equals exp(z) to the last digit of a double."""


class GatedAttention(nn.Module):
    """Scores the features of pictures: ``(picture, feature)`` to ``(picture,)``, the higher the more a picture counts.

    Args:
        features: Number of features of a picture.

    Source:
        Ilse 2018, arXiv:1802.04712, equation 9.

    >>> GatedAttention(512)(torch.zeros(3, 512)).shape
    torch.Size([3])
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.value = nn.Linear(features, ATTENTION_UNITS)
        self.gate = nn.Linear(features, ATTENTION_UNITS)
        self.score = nn.Linear(ATTENTION_UNITS, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return a score for each picture."""
        hidden = torch.tanh(self.value(features)) * torch.sigmoid(self.gate(features))
        scores: torch.Tensor = self.score(hidden)
        return scores.squeeze(1)


def pool(logits: torch.Tensor, scores: torch.Tensor, present: torch.Tensor, rule: Pooling) -> torch.Tensor:
    """Pool the logits of each patient's pictures into one.

    "mean" is the mean logit, which is the logit of the mean features, as the last layer is linear. "max" lets the most
    suspicious picture decide. "log-sum-exp" lies between both: the logarithm of the mean odds. With "noisy-or", a
    patient is high grade unless every picture, assumed independent, is low: p = 1 − ∏(1 − p). "attention" is a weighted
    mean of the logits, with weights that the network learns.

    Args:
        logits: ``(bag, place)``.
        scores: ``(bag, place)``, used by "attention" only.
        present: ``(bag, place)``; each bag holds at least one picture.
        rule: How to pool.

    Returns:
        ``(bag,)``, the logit of each patient.

    Source:
        Maron & Lozano-Pérez 1998 (noisy-or); Pinheiro & Collobert 2015, arXiv:1411.6228 (log-sum-exp); Ilse 2018,
        arXiv:1802.04712 (attention).

    >>> odds = torch.tensor([[1.0, 3.0], [2.0, 7.0]])
    >>> present = torch.tensor([[True, True], [True, False]])
    >>> for rule in ("mean", "max", "log-sum-exp", "noisy-or"):
    ...     print(rule, [round(x, 3) for x in pool(odds.log(), odds, present, rule).exp().tolist()])
    mean [1.732, 2.0]
    max [3.0, 2.0]
    log-sum-exp [2.0, 2.0]
    noisy-or [7.0, 2.0]
    """
    if rule == "attention":
        return (weigh(scores, present) * logits.masked_fill(~present, 0.0)).sum(dim=1)
    if rule == "mean":
        return logits.masked_fill(~present, 0.0).sum(dim=1) / present.sum(dim=1)
    lowest = logits.masked_fill(~present, -torch.inf)
    if rule == "max":
        return lowest.amax(dim=1)
    if rule == "log-sum-exp":
        return lowest.logsumexp(dim=1) - present.sum(dim=1).to(logits.dtype).log()
    return _noisy_or(logits, present)


def weigh(scores: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Return the weights of attention: at least 0, with a sum of 1 over the pictures of each patient.

    Args:
        scores: ``(bag, place)``.
        present: ``(bag, place)``.

    >>> weigh(torch.tensor([[0.0, 0.0, 9.0]]), torch.tensor([[True, True, False]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    return scores.masked_fill(~present, -torch.inf).softmax(dim=1)


def shares(scores: torch.Tensor, present: torch.Tensor, rule: Pooling) -> torch.Tensor:
    """Return the weights with which the features of the pictures of a phase are pooled; zeros for a missing phase.

    Args:
        scores: ``(…, place)``, used by "attention" only.
        present: ``(…, place)``.
        rule: "mean" or "attention". The other rules are not weighted means, and have no meaning for features.

    >>> present = torch.tensor([[True, True, False], [False, False, False]])
    >>> shares(torch.zeros(2, 3), present, "mean").tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    given = present.to(scores.dtype)
    if rule == "attention":
        return scores.masked_fill(~present, torch.finfo(scores.dtype).min).softmax(dim=-1) * given
    return given / given.sum(dim=-1, keepdim=True).clamp(min=1.0)


def even_bias(rule: Pooling, pictures: float) -> float:
    """Return the bias of the linear head with which a patient starts at even odds: 0, except with "noisy-or".

    There, pictures at even odds would make a patient with five of them high grade with a probability of 0.97, and a fit
    of a few hundred steps does not make up for that.

    Args:
        rule: How to pool.
        pictures: Mean number of pictures of a patient.

    >>> even_bias("noisy-or", 1), round(even_bias("noisy-or", 5), 2), even_bias("mean", 5)
    (0.0, -1.91, 0.0)
    """
    return math.log(2 ** (1 / pictures) - 1) if rule == "noisy-or" else 0.0


def _noisy_or(logits: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """The logit of 1 − ∏(1 − p), without computing a probability: neither tail is rounded to 0 or 1.

    With −log(1 − p) = softplus(z), the sum t of these over the pictures gives the logit log(exp(t) − 1).
    """
    one = logits.masked_fill(~present, 0.0).sum(dim=1)
    is_low = logits < _LOWEST
    log_parts = torch.where(is_low, logits, nn.functional.softplus(logits.masked_fill(is_low, 0.0)).log())
    log_total = log_parts.masked_fill(~present, -torch.inf).logsumexp(dim=1)
    is_tiny = log_total < _LOWEST
    total = log_total.masked_fill(is_tiny, 0.0).exp()
    pooled = torch.where(is_tiny, log_total, total + (-torch.expm1(-total)).log())
    return torch.where(present.sum(dim=1) == 1, one, pooled)
