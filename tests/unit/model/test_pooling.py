"""From pictures to the patient, against values computed by hand and in high precision."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nephrograde.model.pooling import GatedAttention, pool, weigh
from nephrograde.vocabulary import Pooling

RULES = get_args(Pooling)
HAND = {"mean": (-1.0 + 0.5 + 2.0) / 3, "max": 2.0}
WEIGHTS = [0.2, 0.3, 0.5]


def pooled(logits: list[float], rule: Pooling, *, scores: list[float] | None = None) -> float:
    values = torch.tensor([logits], dtype=torch.float64)
    given = torch.tensor([scores or [0.0] * len(logits)], dtype=torch.float64)
    return float(pool(values, given, torch.ones(1, len(logits), dtype=torch.bool), rule))


def exact(logits: list[float], rule: str) -> float:
    """The logit in 400 digits."""
    with localcontext() as context:
        context.prec = 400
        odds = [Decimal(z).exp() for z in logits]
        if rule == "log-sum-exp":
            return float((sum(odds, Decimal(0)) / len(odds)).ln())
        product = Decimal(1)
        for one in odds:
            product *= 1 + one
        return float((product - 1).ln())


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_three_pictures(rule: Pooling) -> None:
    assert pooled([-1.0, 0.5, 2.0], rule) == pytest.approx(HAND[rule], abs=1e-15)


def test_attention_weighs_the_logits() -> None:
    scores = [math.log(weight) for weight in WEIGHTS]
    assert pooled([-1.0, 0.5, 2.0], "attention", scores=scores) == pytest.approx(-0.2 + 0.15 + 1.0, abs=1e-15)


@pytest.mark.parametrize("rule", ["log-sum-exp", "noisy-or"])
@pytest.mark.parametrize(
    "logits",
    [
        [-1.0, 0.5, 2.0],
        [-90.0, -95.0],
        [-300.0, -20.0, -37.0],
        [90.0, 30.0],
        [-36.5, -35.5],
        [0.0, 0.0],
        [700.0, -700.0],
    ],
)
def test_no_tail_is_rounded_away(rule: Pooling, logits: list[float]) -> None:
    assert pooled(logits, rule) == pytest.approx(exact(logits, rule), rel=1e-13, abs=1e-13)


@given(st.lists(st.floats(-60, 60), min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_rules_are_ordered(logits: list[float]) -> None:
    mean, largest = pooled(logits, "mean"), pooled(logits, "max")
    assert mean - 1e-9 <= pooled(logits, "log-sum-exp") <= largest + 1e-9
    assert largest - 1e-9 <= pooled(logits, "noisy-or")


@pytest.mark.parametrize("rule", RULES)
@given(logit=st.floats(-200, 200, width=32), score=st.floats(-50, 50, width=32))
@settings(max_examples=40, deadline=None)
def test_one_picture_is_the_patient_to_the_last_digit(rule: Pooling, logit: float, score: float) -> None:
    padded = torch.tensor([[logit, 7.0, 7.0]]), torch.tensor([[score, 9.0, 9.0]]), torch.tensor([[True, False, False]])
    assert float(pool(*padded, rule)) == logit
    alone = torch.tensor([[logit]], requires_grad=True)
    pool(alone, torch.tensor([[score]]), torch.tensor([[True]]), rule).backward()
    assert alone.grad is not None
    assert float(alone.grad) == 1.0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("level", [-120.0, -40.0, 0.0, 40.0, 120.0])
def test_padding_changes_nothing_and_gradients_are_finite(rule: Pooling, level: float) -> None:
    stream = torch.Generator().manual_seed(1)
    logits, scores = torch.randn(2, 4, 3, generator=stream) + level
    logits.requires_grad_()
    scores.requires_grad_()
    present = torch.tensor([[True, True, True], [True, True, False], [True, False, False], [True, True, True]])
    together = pool(logits, scores, present, rule)
    alone = [
        pool(logits[None, k, : int(n)], scores[None, k, : int(n)], torch.ones(1, int(n), dtype=torch.bool), rule)
        for k, n in enumerate(present.sum(dim=1))
    ]
    torch.testing.assert_close(together, torch.cat(alone))
    together.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[~present] == 0).all()


def test_weights_of_attention() -> None:
    weights = weigh(torch.tensor([[0.0, 800.0, -800.0]]), torch.tensor([[True, True, True]]))
    assert weights.tolist() == [[0.0, 1.0, 0.0]]


def test_attention_is_gated() -> None:
    """Equation 9 of Ilse 2018, written out."""
    attention = GatedAttention(6)
    features = torch.rand(4, 6)
    weight = {name: parameter.detach() for name, parameter in attention.named_parameters()}
    value = torch.tanh(features @ weight["value.weight"].T + weight["value.bias"])
    gate = 1 / (1 + torch.exp(-(features @ weight["gate.weight"].T + weight["gate.bias"])))
    expected = (value * gate) @ weight["score.weight"].T + weight["score.bias"]
    torch.testing.assert_close(attention(features), expected[:, 0])
