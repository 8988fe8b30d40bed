"""Networks that answer to a bright spot, with weights written by hand, and grader files of them; needs no torch.

Channel 0 carries what is brighter than the middle of the window: the blocks pass it on, and each halving spreads an odd
pixel over both neighbours by half, so that the first moment of what is left is that of the picture.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.export.grader_members import OF_CARD, members_of

from nephrograde.evaluation.scores.scale import ModelScale, ScaleRow
from nephrograde.export.archive import write_archive
from nephrograde.export.description import description_of, picture_size
from nephrograde.export.loading import load_grader
from nephrograde.export.onnx.ensemble import FoldNetwork, ensemble_graph
from nephrograde.model.card import ModelCard
from nephrograde.model.fusion import Fusion
from nephrograde.study.study import restore_study

STAGES = ((64, 64), (64, 128), (128, 256), (256, 512))
GAIN = 0.4
"""A spot of a few pixels moves the mean over a picture by little."""
NOISE = 0.3
"""What is brighter by less is not carried on."""


def scale_of(model: str, folds: int) -> ModelScale:
    """A scale that moves and stretches each network in its own way."""
    rows = tuple(ScaleRow(model, k, 0.5, -0.4 + 0.5 * k, 0.1 * k, 1.2 - 0.3 * k, 20) for k in range(folds))
    return ModelScale(rows, ScaleRow(model, None, 0.5, 0.0, 0.05, 1.4, 20))


def shapes_of(dimensions: int, channels: int):
    """The convolutions of a ResNet-18 with their batch norms: name of both, and the shape of the kernel."""
    yield "conv1", "bn1", (64, channels, *[7] * dimensions)
    for stage, (inputs, outputs) in enumerate(STAGES, start=1):
        for block in (0, 1):
            place, first = f"layer{stage}.{block}", inputs if block == 0 else outputs
            yield f"{place}.conv1", f"{place}.bn1", (outputs, first, *[3] * dimensions)
            yield f"{place}.conv2", f"{place}.bn2", (outputs, outputs, *[3] * dimensions)
            if block == 0 and inputs != outputs:
                yield f"{place}.downsample.0", f"{place}.downsample.1", (outputs, first, *[1] * dimensions)


@cache
def spot_backbone(dimensions: int, channels: int, seen: int = 0) -> dict[str, Any]:
    """Weights that carry what is bright in the input channel ``seen`` to channel 0 of the last map."""
    weights: dict[str, Any] = {}
    spread = np.ones(())
    for _ in range(dimensions):
        spread = np.multiply.outer(spread, [0.5, 1.0, 0.5])
    for conv, norm, shape in shapes_of(dimensions, channels):
        kernel = np.zeros(shape, np.float32)
        middle: Any = tuple(edge // 2 for edge in shape[2:])
        stage, _, rest = conv.partition(".")
        if conv == "conv1":
            around: Any = tuple(slice(at - 1, at + 2) for at in middle)
            kernel[(0, seen, *around)] = spread
        elif stage != "layer1" and rest == "0.conv1":
            kernel[0, 0] = spread
        elif stage != "layer1" and rest == "0.conv2":
            kernel[(0, 0, *middle)] = 1.0
        weights[f"{conv}.weight"] = kernel
        count = shape[0]
        weights |= {f"{norm}.running_mean": np.zeros(count), f"{norm}.running_var": np.full(count, 1.0 - 1e-5)}
        weights |= {f"{norm}.weight": np.ones(count), f"{norm}.bias": np.zeros(count)}
    weights["bn1.bias"] = np.full(64, -NOISE)
    return weights


@cache
def noisy_backbone(dimensions: int, channels: int, seed: int) -> dict[str, Any]:
    """Weights drawn at random, of the size of those of a network before training."""
    draws = np.random.default_rng(seed)
    pool = draws.normal(size=1 << 16).astype(np.float32)
    weights: dict[str, Any] = {}
    for conv, norm, shape in shapes_of(dimensions, channels):
        kernel = np.resize(np.roll(pool, draws.integers(1 << 16)), shape)
        weights[f"{conv}.weight"] = kernel * np.float32(np.sqrt(2.0 / np.prod(shape[1:])))
        count = shape[0]
        weights |= {f"{norm}.running_mean": draws.normal(0, 0.2, count)}
        weights |= {f"{norm}.running_var": draws.uniform(0.5, 2.0, count)}
        weights |= {f"{norm}.weight": draws.uniform(0.5, 1.5, count), f"{norm}.bias": draws.normal(0, 0.2, count)}
    return weights


def head_of(inputs: int, seed: int, *, with_attention: bool = False) -> dict[str, Any]:
    """A last layer drawn at random, and attention."""
    draws = np.random.default_rng(seed)
    head = {"fc.weight": draws.normal(0, 0.002, (1, inputs)), "fc.bias": draws.normal(size=1)}
    if with_attention:
        for name, shape in (("value", (128, 512)), ("gate", (128, 512)), ("score", (1, 128))):
            head |= {f"attention.{name}.weight": draws.normal(0, 0.3, shape)}
            head |= {f"attention.{name}.bias": draws.normal(0, 0.1, shape[0])}
    return {name: value.astype(np.float32) for name, value in head.items()}


def spot_head(inputs: int, fold: int, feature_gain: float = GAIN) -> dict[str, Any]:
    """A last layer that sees the mean of channel 0, once for each block of features."""
    weight = np.zeros((1, inputs), np.float32)
    weight[0, : inputs - inputs % 512 : 512] = feature_gain * (1.0 + 0.5 * fold)
    return {"fc.weight": weight, "fc.bias": np.full(1, -0.3 - 0.2 * fold, np.float32)}


def card_of(fold: int, dimensions: int, channels: int, **further: Any) -> ModelCard:
    """The card of a network."""
    known = {"has_mask": False, "pooling": "mean", "fusion": None, "shortcut": "B", **further}
    return ModelCard(**OF_CARD, model="m", fold=fold, dimensions=dimensions, channels=channels, **known)  # type: ignore[arg-type]


def grader_with(arm: dict[str, Any], image: dict[str, Any], *, phases=("cmp",), folds: int = 2, seen: int = 0):
    """A grader of networks that answer to a bright spot."""
    study = restore_study(
        {
            "name": "spot (synthetic)",
            "synthetic": True,
            "cohort": {"table": "cohort.csv", "phases": list(phases), "outcome": "isup_grade"},
            "arm": [{"name": "spot", **arm}],
            "image": image,
            "window": {"default": {"low": -160.0, "high": 240.0}},
        }
    )
    own = next(iter(study.models()))
    size, dims = picture_size(study, own), own.arm.dimensions
    fusion = None if own.fusion is None else Fusion(own.fusion, own.phases, own.arm.difference_pairs)  # type: ignore[arg-type]
    given = description_of(study, own, "mean", ())
    channels = len(given.channels)
    inputs = 512 if fusion is None else fusion.inputs(512)
    networks = [
        FoldNetwork(
            {**spot_backbone(dims, channels, seen), **spot_head(inputs, k)},
            card_of(k, dims, channels, has_mask=own.arm.has_mask, fusion=fusion),
        )
        for k in range(folds)
    ]
    scale = scale_of(own.id, folds)
    members = members_of(study, given, scale, ensemble_graph(networks, scale, size))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spot.zip"
        write_archive(path, members)
        return load_grader(path)
