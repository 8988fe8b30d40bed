"""Pooling over the pictures of one patient as nodes of an ONNX graph, in double precision, as in ``model/pooling.py``.

The graph holds one patient, so that every row is one of the patient's pictures and nothing is padded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nephrograde.export.onnx.nodes import Nodes
    from nephrograde.vocabulary import Pooling

_SMALL_LOGIT = -7.0
"""Below this logit, the logarithm of softplus is a short series: softplus(z) = u − u²/2 + u³/3 − …, with u = exp(z)."""
_SMALL_TOTAL = math.log(0.01)
"""Below this, 1 − exp(−t) is a short series, as the difference would lose digits."""
_NOTHING = -1e300
"""The score of a picture that does not count."""


def pooled_logit(nodes: Nodes, logits: str, scores: str, rule: Pooling) -> str:
    """Add the pooling of the logits of a patient's pictures, and return the name of its logit, ``(1,)``.

    Args:
        nodes: The graph.
        logits: ``(row,)``, double.
        scores: ``(row,)``, double; used by "attention" only.
        rule: How to pool, as in :func:`~nephrograde.model.pooling.pool`.
    """
    if rule == "attention":
        weighted = nodes.add("Mul", nodes.add("Softmax", scores, axis=0), logits)
        return nodes.add("ReduceSum", weighted, nodes.integers(0), keepdims=1)
    if rule == "mean":
        return nodes.add("ReduceMean", logits, nodes.integers(0), keepdims=1)
    if rule == "max":
        return nodes.add("ReduceMax", logits, nodes.integers(0), keepdims=1)
    if rule == "log-sum-exp":
        return nodes.add("Sub", _log_sum_exp(nodes, logits), nodes.add("Log", _count(nodes, logits)))
    return _noisy_or(nodes, logits)


def picture_weights(nodes: Nodes, scores: str, present: str, rule: Pooling) -> str:
    """Add the weights with which the pictures of each phase are pooled, and return their name, ``(phase, row)``.

    Args:
        nodes: The graph.
        scores: ``(row,)``, double; used by "attention" only.
        present: ``(phase, row)``, 1 where a picture is of the phase, otherwise 0; double.
        rule: "mean" or "attention", as in :func:`~nephrograde.model.pooling.shares`.
    """
    if rule == "attention":
        is_present = nodes.add("Greater", present, nodes.numbers(0.5))
        masked = nodes.add("Where", is_present, scores, nodes.numbers(_NOTHING))
        return nodes.add("Mul", nodes.add("Softmax", masked, axis=-1), present)
    count = nodes.add("ReduceSum", present, nodes.integers(1), keepdims=1)
    return nodes.add("Div", present, nodes.add("Max", count, nodes.numbers(1.0)))


def _count(nodes: Nodes, logits: str) -> str:
    """How many rows there are, as a double."""
    return nodes.as_double(nodes.add("Shape", logits))


def _log_sum_exp(nodes: Nodes, values: str) -> str:
    first = nodes.integers(0)
    most = nodes.add("ReduceMax", values, first, keepdims=1)
    odds = nodes.add("Exp", nodes.add("Sub", values, most))
    return nodes.add("Add", most, nodes.add("Log", nodes.add("ReduceSum", odds, first, keepdims=1)))


def _noisy_or(nodes: Nodes, logits: str) -> str:
    """The logit of 1 − ∏(1 − p): with t the sum of softplus(z), log(exp(t) − 1) = t + log(1 − exp(−t))."""
    log_total = _log_sum_exp(nodes, _log_softplus(nodes, logits))
    is_small = nodes.add("Less", log_total, nodes.numbers(_SMALL_TOTAL))
    small = nodes.add("Exp", nodes.add("Min", log_total, nodes.numbers(_SMALL_TOTAL)))
    share = _polynomial(nodes, small, (1.0, -1 / 2, 1 / 6, -1 / 24, 1 / 120))  # (1 − exp(−t)) / t
    of_small = nodes.add("Add", nodes.add("Add", log_total, small), nodes.add("Log", share))
    total = nodes.add("Exp", nodes.add("Max", log_total, nodes.numbers(_SMALL_TOTAL)))
    rest = nodes.add("Sub", nodes.numbers(1.0), nodes.add("Exp", nodes.add("Neg", total)))
    of_large = nodes.add("Add", total, nodes.add("Log", rest))
    pooled = nodes.add("Where", is_small, of_small, of_large)
    is_alone = nodes.add("Less", _count(nodes, logits), nodes.numbers(1.5))
    return nodes.add("Where", is_alone, nodes.add("ReduceSum", logits, nodes.integers(0), keepdims=1), pooled)


def _log_softplus(nodes: Nodes, logits: str) -> str:
    is_small = nodes.add("Less", logits, nodes.numbers(_SMALL_LOGIT))
    odds = nodes.add("Exp", nodes.add("Min", logits, nodes.numbers(_SMALL_LOGIT)))
    series = _polynomial(nodes, odds, (1.0, -1 / 2, 1 / 3, -1 / 4, 1 / 5))  # softplus(z) / exp(z)
    of_small = nodes.add("Add", logits, nodes.add("Log", series))
    large = nodes.add("Max", logits, nodes.numbers(_SMALL_LOGIT))
    below = nodes.add("Exp", nodes.add("Neg", nodes.add("Abs", large)))
    softplus = nodes.add(
        "Add",
        nodes.add("Max", large, nodes.numbers(0.0)),
        nodes.add("Log", nodes.add("Add", nodes.numbers(1.0), below)),
    )
    return nodes.add("Where", is_small, of_small, nodes.add("Log", softplus))


def _polynomial(nodes: Nodes, at: str, coefficients: tuple[float, ...]) -> str:
    """The value of a polynomial by Horner's rule, lowest power first."""
    value = nodes.numbers(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = nodes.add("Add", nodes.add("Mul", value, at), nodes.numbers(coefficient))
    return value
