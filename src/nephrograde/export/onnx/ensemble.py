"""The fold ensemble of a model as one ONNX graph: networks side by side, with pooling and scale; needs no torch.

Inputs of the graph, for one patient:

- ``pictures``: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, single precision in [0, 1]; in early fusion,
  the channels of a missing phase are below 0
- ``parts``: ``(phase,)``, how many of the rows are of which phase; only in intermediate fusion
- ``clinical``: ``(fold, value)``, standardised as each network has learnt to; only where values are joined. A network
  with fewer values than others leaves the last ones out

Outputs:

- ``p_high``: ``(1,)``, on the scale of ``scores.csv``
- ``p_high_of_folds``: ``(fold,)``, that of each network on the same scale
- ``logits``: ``(fold,)``, what each network gives before any correction
- ``maps``: ``(fold, row, feature, …)``, the last feature maps
- ``attention``: ``(fold, row)``, the weight of each picture; only with attention pooling
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from nephrograde.export.onnx.nodes import Nodes
from nephrograde.export.onnx.pooling import picture_weights, pooled_logit
from nephrograde.export.onnx.resnet import OnnxResNet
from nephrograde.export.onnx.scale import LARGEST_LOG_ODDS
from nephrograde.model.kind import CENTRE, SPREAD
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ValueInfoProto

    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.model.card import ModelCard
    from nephrograde.model.fusion import Fusion
    from nephrograde.model.weights_file import Weights


@dataclass(frozen=True, slots=True)
class FoldNetwork:
    """One network of the ensemble.

    Attributes:
        weights: By name, as in its file.
        card: What it is.
    """

    weights: Weights
    card: ModelCard


def ensemble_graph(networks: Sequence[FoldNetwork], scale: ModelScale, size: Sequence[int]) -> bytes:
    """Return the bytes of the ONNX file.

    Args:
        networks: By fold, all of one model and with a ResNet-18 as their backbone.
        scale: How their log odds are rescaled.
        size: Of a picture: y, x in 2D and x, y, z in 3D.
    """
    card = networks[0].card
    nodes = Nodes()
    logits, maps, attention = [], [], []
    for number, network in enumerate(networks):
        given = _Branch(nodes, network, number).add(tuple(size))
        logits.append(given.logit)
        maps.append(nodes.add("Unsqueeze", given.maps, nodes.integers(0)))
        attention.append(given.attention)
    made = {"logits": nodes.add("Concat", *logits, axis=0), "maps": nodes.add("Concat", *maps, axis=0)}
    if card.pooling == "attention":
        made["attention"] = nodes.add("Concat", *attention, axis=0)
    made.update(rescaled(nodes, made["logits"], scale))
    outputs = [_output(nodes, name, value, card, folds=len(networks)) for name, value in made.items()]
    return nodes.model(card.model, _inputs(networks, tuple(size)), outputs, about=RESEARCH_USE_ONLY)


@dataclass(frozen=True, slots=True)
class _Given:
    """What one network gives: its logit ``(1,)``, last maps, and weights of the pictures ``(1, row)``."""

    logit: str
    maps: str
    attention: str


class _Branch:
    """Adds the network of one fold."""

    def __init__(self, nodes: Nodes, network: FoldNetwork, number: int) -> None:
        self._nodes = nodes
        self._network = network
        self._card = network.card
        self._number = number
        self._prefix = f"fold-{network.card.fold}."

    def add(self, size: tuple[int, ...]) -> _Given:
        nodes, card = self._nodes, self._card
        resnet = OnnxResNet(nodes, self._network.weights, prefix=self._prefix)
        maps = resnet.maps(self._scaled(), size, shortcut=card.kind.shortcut)
        features = nodes.add("Flatten", nodes.add("GlobalAveragePool", maps), axis=1)
        scores = self._attention_scores(features)
        fusion = card.fusion
        if fusion is None:
            rows = nodes.as_double(nodes.add("Squeeze", self._linear(features, "fc"), nodes.integers(1)))
            return self._pooled(rows, scores, maps)
        if fusion.kind == "early":
            inputs = [nodes.as_double(features), *self._phases_shown(fusion), *self._clinical_by_row(features)]
            joined = nodes.add("Concat", *inputs, axis=1)
            rows = nodes.add("Squeeze", self._linear(joined, "fc", np.float64), nodes.integers(1))
            return self._pooled(rows, scores, maps)
        return self._joined(nodes.as_double(features), scores, maps, fusion)

    def _pooled(self, rows: str, scores: str, maps: str) -> _Given:
        nodes, rule = self._nodes, self._card.pooling
        weights = nodes.add("Softmax", scores, axis=0) if rule == "attention" else scores
        attention = nodes.add("Unsqueeze", weights, nodes.integers(0)) if weights else ""
        return _Given(pooled_logit(nodes, rows, scores, rule), maps, attention)

    def _scaled(self) -> str:
        """The pictures as they enter the backbone; a channel whose phase is missing enters as zeros."""
        nodes, card = self._nodes, self._card
        centre = np.zeros((1, card.channels, *[1] * card.dimensions), np.float32)
        spread = np.ones_like(centre)
        images = card.channels - card.has_mask
        centre[:, :images], spread[:, :images] = card.kind.centre, card.kind.spread
        pictures = "pictures"
        shown = card.fusion.channels(images) if card.fusion is not None else None
        if shown is not None:
            centre[:, shown.images : images], spread[:, shown.images : images] = CENTRE, SPREAD
        center_name = nodes.constant(f"{self._prefix}centre", centre)
        if shown is not None:
            is_absent = nodes.add("Less", pictures, nodes.constant(f"{self._prefix}absent", np.zeros(1, np.float32)))
            pictures = nodes.add("Where", is_absent, center_name, pictures)
        moved = nodes.add("Sub", pictures, center_name)
        return nodes.add("Div", moved, nodes.constant(f"{self._prefix}spread", spread))

    def _linear(self, value: str, layer: str, kind: type = np.float32) -> str:
        """A linear layer on ``(row, feature)``."""
        nodes, weights = self._nodes, self._network.weights
        names = [
            nodes.constant(f"{self._prefix}{layer}.{part}", weights[f"{layer}.{part}"].astype(kind))
            for part in ("weight", "bias")
        ]
        return nodes.add("Gemm", value, *names, transB=1)

    def _attention_scores(self, features: str) -> str:
        """The score of each picture, ``(row,)``; nothing with other pooling."""
        if self._card.pooling != "attention":
            return ""
        nodes = self._nodes
        value = nodes.add("Tanh", self._linear(features, "attention.value"))
        gate = nodes.add("Sigmoid", self._linear(features, "attention.gate"))
        scores = self._linear(nodes.add("Mul", value, gate), "attention.score")
        return nodes.as_double(nodes.add("Squeeze", scores, nodes.integers(1)))

    def _phases_shown(self, fusion: Fusion) -> list[str]:
        """``(row, phase)``: 1 where the first voxel of a phase is not below 0."""
        nodes, card = self._nodes, self._card
        shown = fusion.channels(card.channels - card.has_mask)
        if shown is None:
            return []
        axes = card.dimensions
        corner = nodes.add(
            "Slice",
            "pictures",
            nodes.integers(*[0] * axes),
            nodes.integers(*[1] * axes),
            nodes.integers(*range(2, 2 + axes)),
        )
        flat = nodes.add("Flatten", corner, axis=1)
        firsts = nodes.add("Gather", flat, nodes.integers(*range(0, shown.images, shown.each)), axis=1)
        is_absent = nodes.add("Less", firsts, nodes.constant(f"{self._prefix}shown", np.zeros(1, np.float32)))
        return [nodes.as_double(nodes.add("Not", is_absent))]

    def _clinical(self) -> list[str]:
        """``(1, value)``: the clinical values as this network has learnt to standardise them, if it joins any."""
        if self._card.fusion is None or not self._card.fusion.values:
            return []
        nodes = self._nodes
        own = nodes.add("Gather", "clinical", nodes.integers(self._number), axis=0)
        count = len(self._card.fusion.values)
        return [nodes.add("Slice", own, nodes.integers(0), nodes.integers(count), nodes.integers(1))]

    def _clinical_by_row(self, features: str) -> list[str]:
        """``(row, value)``: the same values for each picture."""
        nodes = self._nodes
        found = self._clinical()
        if not found:
            return []
        count = nodes.add("Gather", nodes.add("Shape", features), nodes.integers(0), axis=0)
        shape = nodes.add("Concat", count, nodes.integers(1), axis=0)
        return [nodes.add("Expand", found[0], shape)]

    def _joined(self, features: str, scores: str, maps: str, fusion: Fusion) -> _Given:
        """The logit of a network that pools the features over each phase and joins them."""
        nodes, rule = self._nodes, self._card.pooling
        count = nodes.add("Squeeze", nodes.add("Shape", features, start=0, end=1), nodes.integers(0))
        zero, one = (nodes.constant(f"{self._prefix}{name}", np.array(k, np.int64)) for name, k in (("0", 0), ("1", 1)))
        rows = nodes.add("Unsqueeze", nodes.add("Range", zero, count, one), nodes.integers(0))
        stop = nodes.add("CumSum", "parts", zero)
        start = nodes.add("Sub", stop, "parts")
        column = nodes.integers(1)
        is_before_stop = nodes.add("Less", rows, nodes.add("Unsqueeze", stop, column))
        is_before_start = nodes.add("Less", rows, nodes.add("Unsqueeze", start, column))
        present = nodes.as_double(nodes.add("And", is_before_stop, nodes.add("Not", is_before_start)))
        weights = picture_weights(nodes, scores, present, rule)
        pooled = nodes.add("MatMul", weights, features)
        has_phase = nodes.add("ReduceMax", present, nodes.integers(1), keepdims=1)
        parts = [nodes.add("Reshape", pooled, nodes.integers(1, -1))]
        for first, other in fusion.pairs:
            (a, b), (has_a, has_b) = (
                [nodes.add("Gather", value, nodes.integers(k), axis=0) for k in (first, other)]
                for value in (pooled, has_phase)
            )
            parts.append(nodes.add("Mul", nodes.add("Sub", a, b), nodes.add("Mul", has_a, has_b)))
        parts += [nodes.add("Reshape", has_phase, nodes.integers(1, -1)), *self._clinical()]
        head = self._linear(nodes.add("Concat", *parts, axis=1), "fc", np.float64)
        of_rows = nodes.add("ReduceSum", weights, nodes.integers(0), keepdims=1)  # each row is of one phase
        n_phases = nodes.add("ReduceSum", has_phase, nodes.integers(0, 1), keepdims=1)
        return _Given(nodes.add("Squeeze", head, nodes.integers(1)), maps, nodes.add("Div", of_rows, n_phases))


def rescaled(nodes: Nodes, logits: str, scale: ModelScale) -> dict[str, str]:
    """Add the way from what the networks give to the probabilities on the scale of the study, as ``ModelScale`` does.

    Args:
        nodes: The graph.
        logits: ``(fold,)``, double.
        scale: How log odds are rescaled.
    """
    below = nodes.add("Min", logits, nodes.numbers(LARGEST_LOG_ODDS))
    odds = nodes.add("Max", below, nodes.numbers(-LARGEST_LOG_ODDS))
    rows = scale.networks
    shifted = nodes.add("Add", odds, nodes.numbers([row.prior_shift for row in rows]))
    sloped = nodes.add("Mul", shifted, nodes.numbers([row.slope for row in rows]))
    of_folds = nodes.add("Add", sloped, nodes.numbers([row.intercept for row in rows]))
    own = scale.ensemble
    mean = nodes.add("ReduceMean", of_folds, nodes.integers(0), keepdims=1)
    moved = nodes.add("Mul", nodes.add("Add", mean, nodes.numbers([own.prior_shift])), nodes.numbers([own.slope]))
    of_ensemble = nodes.add("Add", moved, nodes.numbers([own.intercept]))
    return {"p_high": nodes.add("Sigmoid", of_ensemble), "p_high_of_folds": nodes.add("Sigmoid", of_folds)}


def _inputs(networks: Sequence[FoldNetwork], size: tuple[int, ...]) -> list[ValueInfoProto]:
    card = networks[0].card
    given = [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["row", card.channels, *size])]
    fusion = card.fusion
    if fusion is not None and fusion.kind == "intermediate":
        given.append(helper.make_tensor_value_info("parts", TensorProto.INT64, [len(fusion.phases)]))
    most = max(len(one.card.fusion.values) if one.card.fusion else 0 for one in networks)
    if most:
        given.append(helper.make_tensor_value_info("clinical", TensorProto.DOUBLE, [len(networks), most]))
    return given


def _output(nodes: Nodes, name: str, value: str, card: ModelCard, *, folds: int) -> ValueInfoProto:
    """Make a value an output of the graph."""
    nodes.output(value, name)
    shapes: dict[str, list[int | str]] = {
        "p_high": [1],
        "maps": [folds, "row", 512, *[f"map-{axis}" for axis in range(card.dimensions)]],
        "attention": [folds, "row"],
    }
    kind = TensorProto.FLOAT if name == "maps" else TensorProto.DOUBLE
    return helper.make_tensor_value_info(name, kind, shapes.get(name, [folds]))
