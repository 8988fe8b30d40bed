"""A frozen EfficientNet-Lite0 with the regressions of all folds as nodes of an ONNX graph; needs no torch.

It is equal to ``model/encoders/features.py`` and ``efficientnet.py`` in evaluation mode: each channel of each picture
(and each slice of a box) is resized and shown to the encoder by itself, and a patient's features are the means over
these images. The inputs and outputs are those of ``onnx_ensemble``; ``maps`` has a row for each image, and the same
maps for every fold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from nephrograde.export.onnx.ensemble import rescaled
from nephrograde.export.onnx.nodes import Nodes
from nephrograde.model.encoders.known import INPUTS
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.model.card import ModelCard
    from nephrograde.model.weights_file import Weights

INPUT = INPUTS["efficientnet-lite0"]
"""What the encoder is shown."""
_EPSILON = 1e-3
"""Added to the variance by batch norm, as in TensorFlow."""
_STAGES = ((1, 1, False), (2, 2, True), (2, 2, True), (3, 2, True), (3, 1, True), (4, 2, True), (1, 1, True))
"""Blocks, first stride, and whether a block widens its input, by stage."""


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """A frozen encoder and the regressions on its features.

    Attributes:
        encoder: The weights of the encoder by name.
        heads: The numbers of the regression of each fold by name, as in its file.
        card: Of one of the folds.
    """

    encoder: Weights
    heads: tuple[Weights, ...]
    card: ModelCard


def frozen_graph(model: FrozenModel, scale: ModelScale, size: Sequence[int]) -> bytes:
    """Return the bytes of the ONNX file.

    Args:
        model: Encoder and regressions.
        scale: How the log odds of the regressions are rescaled.
        size: Of a picture: y, x in 2D and x, y, z in 3D.
    """
    nodes, card, folds = Nodes(), model.card, len(model.heads)
    maps = _Lite0(nodes, model.encoder).maps(_images(nodes, card, tuple(size)))
    features = nodes.add("Flatten", nodes.add("GlobalAveragePool", maps), axis=1)
    mean = nodes.add("ReduceMean", nodes.as_double(features), nodes.integers(0), keepdims=1)
    spread = [head["head.spread"] for head in model.heads]
    weights = np.stack([head["head.weight"] / own for head, own in zip(model.heads, spread, strict=True)])
    bias = [
        float(head["head.bias"][0]) - float(np.dot(head["head.mean"], own))
        for head, own in zip(model.heads, weights, strict=True)
    ]
    linear = nodes.add("MatMul", mean, nodes.constant("heads.weight", np.ascontiguousarray(weights.T)))
    made = {"logits": nodes.add("Squeeze", nodes.add("Add", linear, nodes.numbers(bias)), nodes.integers(0))}
    shape = nodes.integers(folds, 1, 1, 1, 1)
    made["maps"] = nodes.add("Expand", nodes.add("Unsqueeze", maps, nodes.integers(0)), shape)
    made.update(rescaled(nodes, made["logits"], scale))
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["row", card.channels, *size])
    outputs = []
    for name, value in made.items():
        nodes.output(value, name)
        own: list[int | str] = [1] if name == "p_high" else [folds]
        if name == "maps":
            own += ["image", INPUT.features, "map-0", "map-1"]
        kind = TensorProto.FLOAT if name == "maps" else TensorProto.DOUBLE
        outputs.append(helper.make_tensor_value_info(name, kind, own))
    return nodes.model(card.model, [pictures], outputs, about=RESEARCH_USE_ONLY)


def _images(nodes: Nodes, card: ModelCard, size: tuple[int, ...]) -> str:
    """``(image, 1, y, x)`` as the encoder was trained on them: without a mask, scaled and resized."""
    given = INPUT
    images = "pictures"
    if card.has_mask:
        ends = nodes.integers(card.channels - 1)
        images = nodes.add("Slice", images, nodes.integers(0), ends, nodes.integers(1))
    if len(size) == 3:  # the slices of a box
        images = nodes.add("Transpose", images, perm=[0, 4, 1, 3, 2])
    y, x = (size[1], size[0]) if len(size) == 3 else size
    images = nodes.add("Reshape", images, nodes.integers(-1, 1, y, x))
    centre, spread = (np.array([one], np.float32) for one in (given.centre, given.spread))
    moved = nodes.add("Sub", images, nodes.constant("centre", centre))
    scaled = nodes.add("Div", moved, nodes.constant("spread", spread))
    px = given.size_px or x
    tall = nodes.add("MatMul", nodes.constant("rows", resizing(y, px)), scaled)
    return nodes.add("MatMul", tall, nodes.constant("columns", np.ascontiguousarray(resizing(x, px).T)))


def resizing(size: int, wanted: int) -> npt.NDArray[np.float32]:
    """Return the weights with which the pixels of a line become those of a longer or shorter one.

    They are those of bilinear resampling, over as many pixels as one of the new ones covers.

    Args:
        size: Pixels of the line.
        wanted: Pixels of the new line.

    Returns:
        ``(wanted, size)``; the sum of each row is 1.

    Source:
        torch, ``aten/src/ATen/native/cpu/UpSampleKernel.cpp``, the weights of "bilinear" with ``antialias``.

    >>> resizing(4, 2).tolist()
    [[0.4285714328289032, 0.4285714328289032, 0.1428571492433548, 0.0], [0.0, 0.1428571492433548, ...
    """
    step = size / wanted
    reach = max(step, 1.0)
    weights = np.zeros((wanted, size))
    for row, own in enumerate(weights):
        middle = (row + 0.5) * step
        first, stop = max(int(middle - reach + 0.5), 0), min(int(middle + reach + 0.5), size)
        places = (np.arange(first, stop) - middle + 0.5) / reach
        share = np.maximum(1.0 - np.abs(places), 0.0)
        own[first:stop] = share / share.sum()
    return weights.astype(np.float32)


class _Lite0:
    """Adds an EfficientNet-Lite0 up to its last feature map; batch norm is made part of the convolutions."""

    def __init__(self, nodes: Nodes, weights: Weights) -> None:
        self._nodes, self._weights = nodes, weights
        self._most = nodes.constant("six", np.array([6.0], np.float32))
        self._size = INPUT.size_px or 0

    def maps(self, images: str) -> str:
        """``(image, 1, y, x)`` to ``(image, 1280, …)``."""
        maps = self._relu6(self._conv(images, "_conv_stem", "_bn0", stride=2, is_grey=True))
        number = 0
        for blocks, stride, is_widened in _STAGES:
            for block in range(blocks):
                maps = self._block(maps, f"_blocks.{number}", 1 if block else stride, is_widened=is_widened)
                number += 1
        return self._relu6(self._conv(maps, "_conv_head", "_bn1"))

    def _block(self, maps: str, place: str, stride: int, *, is_widened: bool) -> str:
        found = maps
        if is_widened:
            found = self._relu6(self._conv(found, f"{place}._expand_conv", f"{place}._bn0"))
        found = self._relu6(self._conv(found, f"{place}._depthwise_conv", f"{place}._bn1", stride=stride))
        found = self._conv(found, f"{place}._project_conv", f"{place}._bn2")
        outputs = len(self._weights[f"{place}._project_conv.weight"])
        first = self._weights[f"{place}.{'_expand_conv' if is_widened else '_depthwise_conv'}.weight"]
        inputs = first.shape[1] if is_widened else len(first)
        return self._nodes.add("Add", found, maps) if stride == 1 and inputs == outputs else found

    def _relu6(self, maps: str) -> str:
        return self._nodes.add("Min", self._nodes.add("Relu", maps), self._most)

    def _conv(self, maps: str, conv: str, norm: str, *, stride: int = 1, is_grey: bool = False) -> str:
        kernel, bias = self._folded(conv, norm)
        if is_grey:  # all three colours are the same
            kernel = kernel.sum(axis=1, keepdims=True)
        edge = kernel.shape[2]
        total = max((math.ceil(self._size / stride) - 1) * stride + edge - self._size, 0)
        before, after = total // 2, total - total // 2
        self._size = math.ceil(self._size / stride)
        further: dict[str, Any] = {"group": len(kernel)} if "_depthwise" in conv else {}
        return self._nodes.add(
            "Conv",
            maps,
            self._nodes.constant(f"{conv}.weight", kernel.astype(np.float32)),
            self._nodes.constant(f"{conv}.bias", bias.astype(np.float32)),
            kernel_shape=[edge, edge],
            strides=[stride, stride],
            pads=[before, before, after, after],
            **further,
        )

    def _folded(self, conv: str, norm: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Kernel and bias of a convolution with the batch norm after it."""
        mean, variance, factor, shift = (
            self._weights[f"{norm}.{name}"].astype(np.float64)
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        scale = factor / np.sqrt(variance + _EPSILON)
        kernel = self._weights[f"{conv}.weight"].astype(np.float64)
        return kernel * scale[:, None, None, None], shift - mean * scale
