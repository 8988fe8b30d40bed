"""Whether a graph rescales log odds as the other members of its file say, from its outputs backwards."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from nephrograde.evaluation.scores.prevalence import EDGE
from nephrograde.export.onnx.wire import DOUBLE, Message, WireError, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.evaluation.scores.scale import ModelScale

LARGEST_LOG_ODDS = math.log((1.0 - EDGE) / EDGE)
"""Log odds of the networks are cut here, as ``log_odds`` does."""
_FIRST_AXIS = [0]


def check_scale(graph: Message, scale: ModelScale) -> None:
    """Refuse a graph that rescales log odds in another way than a scale says.

    Args:
        graph: The message of the graph.
        scale: From the logits of the networks to the probabilities of the study.

    Raises:
        WireError: It does.
    """
    back = _Backwards(graph)
    of_folds = back.through("Sigmoid", back.through("Identity", "p_high_of_folds"))
    odds = of_folds
    for operator, numbers in (
        ("Add", [row.intercept for row in scale.networks]),
        ("Mul", [row.slope for row in scale.networks]),
        ("Add", [row.prior_shift for row in scale.networks]),
        ("Max", [-LARGEST_LOG_ODDS]),
        ("Min", [LARGEST_LOG_ODDS]),
    ):
        odds = back.through(operator, odds, numbers)
    mean = back.through("Sigmoid", back.through("Identity", "p_high"))
    for operator, numbers in (
        ("Add", [scale.ensemble.intercept]),
        ("Mul", [scale.ensemble.slope]),
        ("Add", [scale.ensemble.prior_shift]),
    ):
        mean = back.through(operator, mean, numbers)
    if odds != back.through("Identity", "logits") or back.through("ReduceMean", mean, _FIRST_AXIS) != of_folds:
        raise WireError("another scale")


class _Backwards:
    """Goes from a value to what it was computed from."""

    def __init__(self, graph: Message) -> None:
        self._makers = {text_of(node, "output"): node for node in graph.get("node", [])}
        self._constants = {text_of(one, "name"): one for one in graph.get("initializer", [])}

    def through(self, operator: str, value: str, numbers: Sequence[float] | None = None) -> str:
        """Return the first input of the node that makes a value; the second one, if any, must be these numbers."""
        node = self._makers.get(value, {})
        inputs = texts_of(node, "input")
        wanted = 1 if numbers is None else 2
        if text_of(node, "op_type") != operator or len(inputs) != wanted:
            raise WireError("another scale")
        if numbers is not None and self._numbers(inputs[1]) != [float(one) for one in numbers]:
            raise WireError("another scale")
        return inputs[0]

    def _numbers(self, name: str) -> list[float]:
        tensor = self._constants.get(name, {})
        raw = tensor.get("raw_data", [b""])[0]
        kind = "d" if tensor.get("data_type") == [DOUBLE] else "q"
        return [float(one) for one in struct.unpack(f"<{len(raw) // 8}{kind}", raw)] if len(raw) % 8 == 0 else []
