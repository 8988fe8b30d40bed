"""Untrained networks of two folds in torch, and the ONNX graph of their ensemble."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.export.grader_members import OF_CARD
from torch import nn

from nephrograde.cohort.clinical import Term
from nephrograde.evaluation.scores.scale import ModelScale, ScaleRow
from nephrograde.export.onnx.check import compare_graph, read_graph
from nephrograde.export.onnx.ensemble import FoldNetwork, ensemble_graph
from nephrograde.export.onnx.wire import DOUBLE, FLOAT, INT64
from nephrograde.model.card import ModelCard
from nephrograde.model.kind import BackboneKind
from nephrograde.model.network import Network, build_network
from nephrograde.model.scoring import score
from nephrograde.sample.dataset import Bags

ort = pytest.importorskip("onnxruntime")
FOLDS = 2
SCALE = ModelScale(
    (ScaleRow("m", 0, 0.5, -0.4, 0.1, 1.2, 20), ScaleRow("m", 1, 0.5, 0.3, -0.2, 0.9, 20)),
    ScaleRow("m", None, 0.5, 0.0, 0.05, 1.4, 20),
)


def network_of(seed: int, **kind: Any) -> Network:
    """A network whose batch norms are not the identity."""
    torch.manual_seed(seed)
    network = build_network(kind.pop("dimensions"), **kind)
    stir(network)
    return network.eval()


def stir(network: nn.Module) -> None:
    """Draw the numbers of all batch norms."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0.0, 0.2)


class Case:
    """Networks of all folds in torch and the session of their graph."""

    def __init__(self, size: tuple[int, ...], *, clinical: int = 0, sharpness: float = 1.0, **kind: Any) -> None:
        self.size, self.kind = size, {"has_mask": False, "pooling": "mean", "fusion": None, "channels": 1, **kind}
        shortcut = self.kind.pop("shortcut", "B")
        self.networks, folds = [], []
        for fold in range(FOLDS):
            own = dict(self.kind)
            if own["fusion"] is not None:  # the second fold has an input more, such as "missing"
                terms = tuple(Term(f"column {k}", "number") for k in range(clinical + fold if clinical else 0))
                own["fusion"] = replace(own["fusion"], values=terms)
            built = {"dimensions": len(size), **own, "kind": BackboneKind(shortcut=shortcut)}
            network = network_of(fold, **built)
            network.backbone.fc.weight.data.mul_(sharpness)
            self.networks.append(network)
            card = ModelCard(**OF_CARD, model="m", fold=fold, dimensions=len(size), shortcut=shortcut, **own)  # type: ignore[arg-type]
            weights = {name: tensor.detach().numpy() for name, tensor in network.weights().items()}
            folds.append(FoldNetwork(weights, card))
        self.graph = ensemble_graph(folds, SCALE, size)
        self.inputs = {"pictures": (FLOAT, [-1, card.channels, *size])}
        if (fusion := card.fusion) is not None and fusion.kind == "intermediate":
            self.inputs["parts"] = (INT64, [len(fusion.phases)])
        if clinical:
            self.inputs["clinical"] = (DOUBLE, [FOLDS, clinical + FOLDS - 1])
        outputs = ["p_high", "p_high_of_folds", "logits", "maps"]
        self.outputs = [*outputs, "attention"] if self.kind["pooling"] == "attention" else outputs
        self.check()
        self.folds = folds
        self.session = ort.InferenceSession(self.graph, providers=["CPUExecutionProvider"])

    def check(self) -> None:
        """Refuse the graph if it could not have been written here."""
        compare_graph(read_graph(memoryview(self.graph)), self.inputs, self.outputs, folds=FOLDS)

    def run(self, pictures: Any, parts: tuple[int, ...] = (), values: Any = None) -> dict[str, Any]:
        """What the graph gives; ``values`` are those of each fold."""
        feed: dict[str, Any] = {"pictures": pictures.astype(np.float32)}
        if parts:
            feed["parts"] = np.array(parts, np.int64)
        if values is not None:
            feed["clinical"] = np.zeros((FOLDS, max(map(len, values))))
            for row, own in zip(feed["clinical"], values, strict=True):
                row[: len(own)] = own
        names = [one.name for one in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, feed), strict=True))

    def difference(self, pictures: Any, parts: tuple[int, ...] = (), values: Any = None) -> float:
        """The largest difference between the graph and torch, of probabilities and of attention."""
        found = self.run(pictures, parts, values)
        scored = []
        for fold, network in enumerate(self.networks):
            own = None if values is None else np.array([values[fold]], np.float32)
            bags = Bags(pictures, np.array([len(pictures)]), np.array([parts], np.intp) if parts else None, own)
            scored.append(score(network, bags))
        raw = [float(one.p_high[0]) for one in scored]
        wanted = [SCALE.of_ensemble(raw), *SCALE.of_networks(raw)]
        differences = [np.abs(np.array(wanted) - [*found["p_high"], *found["p_high_of_folds"]]).max()]
        if self.kind["pooling"] == "attention":
            differences.append(np.abs(found["attention"] - [one.weights for one in scored]).max())
        return float(max(differences))
