"""The ONNX graph of a fold ensemble gives what torch gives, for every kind of network and number of pictures."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nephrograde.cohort.clinical import Term
from nephrograde.evaluation.scale import ModelScale, ScaleRow
from nephrograde.export import onnx_nodes
from nephrograde.export.onnx_check import DOUBLE, FLOAT, INT64, OPERATORS, check_graph
from nephrograde.export.onnx_ensemble import FoldNetwork, ensemble_graph
from nephrograde.model.card import ModelCard
from nephrograde.model.fusion import Fusion
from nephrograde.model.kind import BackboneKind
from nephrograde.model.network import Network, build_network
from nephrograde.model.scoring import score
from nephrograde.sample.channels import ABSENT
from nephrograde.sample.dataset import Bags

ort = pytest.importorskip("onnxruntime")
FOLDS = 2
SCALE = ModelScale(
    (ScaleRow("m", 0, 0.5, -0.4, 0.1, 1.2, 20), ScaleRow("m", 1, 0.5, 0.3, -0.2, 0.9, 20)),
    ScaleRow("m", None, 0.5, 0.0, 0.05, 1.4, 20),
)
CARD: dict[str, Any] = {
    "arm": "m", "phase": "cmp", "n_learn": 9, "n_learn_high": 4, "is_balanced": True, "n_stop": 0, "n_held_out": 1,
    "n_test": 1, "best_epoch": 1, "epochs_run": 1, "precision": "fp32", "refit_reason": "", "device": "cpu",
    "seconds": 1.0, "seed": 1, "torch_version": "", "inputs_sha256": "", "settings": {}, "synthetic": True,
}  # fmt: skip
INTERMEDIATE = Fusion("intermediate", ("cmp", "np", "up"), (("cmp", "up"),))
EARLY = Fusion("early", ("cmp", "up"), (("cmp", "up"),))


def network_of(seed: int, **kind: Any) -> Network:
    """A network whose batch norms are not the identity."""
    torch.manual_seed(seed)
    network = build_network(kind.pop("dimensions"), **kind)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0.0, 0.2)
    return network.eval()


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
            card = ModelCard(**CARD, model="m", fold=fold, dimensions=len(size), shortcut=shortcut, **own)  # type: ignore[arg-type]
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
        assert check_graph(memoryview(self.graph), self.inputs, self.outputs) == FOLDS
        self.folds = folds
        self.session = ort.InferenceSession(self.graph, providers=["CPUExecutionProvider"])

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


def pictures_of(case: Case, rows: int) -> Any:
    shape = (rows, case.kind["channels"], *case.size)
    pictures = np.random.default_rng(rows).random(shape).astype(np.float16)
    if case.kind["has_mask"]:
        pictures[:, -1] = pictures[:, -1] > 0.5
    return pictures


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "max", "log-sum-exp", "noisy-or", "attention"])
def test_slices_are_pooled_as_in_torch(rule):
    case = Case((64, 48), pooling=rule)
    assert rule != "max" or case.graph == ensemble_graph(case.folds, SCALE, case.size)
    for rows in (1, 2, 5, 9):
        assert case.difference(pictures_of(case, rows)) < 1e-5
    maps = case.run(pictures_of(case, 3))["maps"]
    assert maps.shape == (FOLDS, 3, 512, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1e-3, 40.0, 400.0])
def test_noisy_or_holds_in_both_tails(sharpness):
    case = Case((32, 32), pooling="noisy-or", sharpness=sharpness)
    for rows in (1, 3):
        found = case.run(pictures_of(case, rows))
        assert np.isfinite(found["logits"]).all()
        assert case.difference(pictures_of(case, rows)) < 1e-5


@pytest.mark.slow
def test_neighbours_mask_and_both_shortcuts_in_3d():
    assert Case((32, 32), channels=3, shortcut="A").difference(np.full((2, 3, 32, 32), 0.3, np.float16)) < 1e-5
    box = Case((33, 20, 9), channels=2, has_mask=True, pooling="attention")
    assert max(box.difference(pictures_of(box, rows)) for rows in (1, 2)) < 1e-5
    small = Case((16, 16, 16), channels=2, has_mask=True, shortcut="A")
    assert small.difference(pictures_of(small, 1)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "attention"])
def test_phases_are_joined_as_in_torch(rule):
    case = Case((32, 32), pooling=rule, fusion=INTERMEDIATE, clinical=2)
    values = [np.array([0.5, -1.0]), np.array([0.25, 2.0, -0.5])]
    for parts in ((2, 1, 3), (1, 0, 2), (0, 2, 0)):
        assert case.difference(pictures_of(case, sum(parts)), parts, values) < 1e-5


@pytest.mark.slow
def test_phases_that_are_channels_may_be_missing():
    case = Case((32, 32), channels=3, pooling="attention", fusion=EARLY, clinical=1)
    pictures = pictures_of(case, 4)
    values = [np.array([0.5]), np.array([0.25, 2.0])]
    assert case.difference(pictures, (), values) < 1e-5
    whole = case.run(pictures, (), values)["p_high"]
    pictures[:, 1:] = ABSENT
    assert case.difference(pictures, (), values) < 1e-5
    assert abs(case.run(pictures, (), values)["p_high"] - whole) > 1e-4


def test_the_operators_that_may_be_read_are_those_that_are_written():
    rooms = sorted(Path(onnx_nodes.__file__).parent.glob("onnx_*.py"))
    sources = [one.read_text(encoding="utf-8") for one in rooms if one.stem not in {"onnx_check", "onnx_wire"}]
    written = {name for source in sources for name in re.findall(r'(?:\.add|make_node)\(\s*"(\w+)"', source)}
    assert written == OPERATORS
