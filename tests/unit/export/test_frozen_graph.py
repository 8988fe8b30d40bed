"""The ONNX graph of a frozen encoder gives what the encoder gives in torch."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from tests.unit.export.fold_networks import SCALE, stir
from tests.unit.export.grader_members import OF_CARD
from torch import nn

from nephrograde.export.onnx import check as onnx_check
from nephrograde.export.onnx.check import compare_graph, read_graph
from nephrograde.export.onnx.efficientnet import FrozenModel, frozen_graph, resizing
from nephrograde.export.onnx.scale import check_scale
from nephrograde.export.onnx.wire import FLOAT, WireError
from nephrograde.model.card import ModelCard
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.model.encoders.efficientnet import EfficientNetLite0
from nephrograde.model.encoders.features import LoadedEncoder
from nephrograde.model.encoders.head import Head
from nephrograde.model.encoders.view import View

ort = pytest.importorskip("onnxruntime")
OUTPUTS = ["p_high", "p_high_of_folds", "logits", "maps"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    found = EfficientNetLite0()
    stir(found)
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.mul_(1.7)  # or no picture would look like another to so deep a network
    return found.eval().requires_grad_(requires_grad=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "channels", "has_mask"), [((31, 40), 1, False), ((300, 250), 2, False), ((20, 16, 2), 2, True)]
)
def test_slices_neighbours_and_boxes_are_shown_as_in_torch(network, size, channels, has_mask, monkeypatch):
    drawn = np.random.default_rng(0)
    heads = [Head(drawn.random(1280), drawn.random(1280) + 0.5, drawn.normal(size=1280), 0.5 * k) for k in range(2)]
    kind = {"dimensions": len(size), "channels": channels, "has_mask": has_mask, "shortcut": "B", "pooling": "mean"}
    card = ModelCard(**OF_CARD, model="m", fold=0, **kind)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    model = FrozenModel(weights, tuple(head.arrays() for head in heads), card)
    graph = frozen_graph(model, SCALE, size)
    inputs = {"pictures": (FLOAT, [-1, channels, *size])}
    images = channels * (size[2] if len(size) == 3 else 1)
    read = read_graph(memoryview(graph))
    compare_graph(read, inputs, OUTPUTS, folds=2, images=images)
    check_scale(read.content, SCALE)
    is_enlarged = size[0] < 224  # a network of its own may make as much of a large picture
    with pytest.raises(WireError, match="too large") if is_enlarged else nullcontext():
        compare_graph(read, inputs, OUTPUTS, folds=2, images=0)
    monkeypatch.setattr(onnx_check, "_MOST_GROUPS", 1000)
    with pytest.raises(WireError, match="Conv"):
        read_graph(memoryview(graph))
    encoder = LoadedEncoder(ENCODERS["efficientnet-lite0"], network)
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    seen = []
    for rows, brightness in ((1, 1.0), (2, 0.3)):
        pictures = (brightness * drawn.random((rows, channels, *size))).astype(np.float16)
        features = encoder.features(pictures, View((1.0,) * len(size), None, has_mask=has_mask))
        wanted = [float(head.p_high(features[None])[0]) for head in heads]
        found = dict(zip(OUTPUTS, session.run(OUTPUTS, {"pictures": pictures.astype(np.float32)}), strict=True))
        assert found["p_high"] == pytest.approx([SCALE.of_ensemble(wanted)], abs=1e-6)
        assert found["p_high_of_folds"] == pytest.approx(SCALE.of_networks(wanted), abs=1e-6)
        images = rows * (channels - has_mask) * (size[2] if len(size) == 3 else 1)
        assert found["maps"].shape == (2, images, 1280, 7, 7)
        assert found["maps"][0].mean((0, 2, 3)) == pytest.approx(features, abs=1e-4)
        seen.append(found["logits"])
    assert np.abs(seen[0] - seen[1]).max() > 1e-3


@pytest.mark.parametrize("size", [5, 32, 100, 224, 225, 700])
def test_lines_are_resized_as_torch_does(size):
    line = torch.rand(1, 1, size, 2)
    wanted = nn.functional.interpolate(line, [224, 2], mode="bilinear", antialias=True)[0, 0, :, 0]
    assert resizing(size, 224) @ line[0, 0, :, 0].numpy() == pytest.approx(wanted.numpy(), abs=2e-5)
