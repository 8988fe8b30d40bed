"""A ResNet-18 as nodes of an ONNX graph, from its weights by name; equal to ``model/resnet.py`` in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.export.onnx.nodes import Nodes
    from nephrograde.model.weights_file import Weights

_EPSILON = 1e-5
"""Added to the variance by batch norm."""
_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels and first stride of each stage."""


class _Maps(NamedTuple):
    """A value ``(row, channel, …)`` of the graph, and its size along each axis of the picture."""

    value: str
    size: tuple[int, ...]


class OnnxResNet:
    """Adds one ResNet-18 to a graph.

    Batch norm is made part of the convolutions, and the weights that meet nothing but padding are left out, as in
    :class:`~nephrograde.model.resnet.ThinConv2d`.

    Args:
        nodes: The graph.
        weights: Those of the network by name.
        prefix: Put before the names of the constants, so that several networks can be in one graph.
    """

    def __init__(self, nodes: Nodes, weights: Weights, *, prefix: str) -> None:
        self._nodes = nodes
        self._weights = weights
        self._prefix = prefix

    def maps(self, pictures: str, size: Sequence[int], *, shortcut: str) -> str:
        """Add all layers up to the last feature map, and return its name.

        Args:
            pictures: ``(row, channel, …)``, scaled.
            size: Of the pictures along each axis.
            shortcut: "A" or "B", as in :class:`~nephrograde.model.resnet.ResNet18`.
        """
        axes = len(size)
        maps = self._conv(_Maps(pictures, tuple(size)), "conv1", "bn1", stride=2)
        maps = self._relu(maps)
        pads = [1] * (2 * axes)
        pooled = self._nodes.add("MaxPool", maps.value, kernel_shape=[3] * axes, strides=[2] * axes, pads=pads)
        maps = _Maps(pooled, _halved(maps.size))
        for number, (channels, stride) in enumerate(_STAGES, start=1):
            for block in (0, 1):
                place, own = f"layer{number}.{block}", stride if block == 0 else 1
                maps = self._block(maps, place, channels=channels, stride=own, shortcut=shortcut)
        return maps.value

    def _block(self, maps: _Maps, place: str, *, channels: int, stride: int, shortcut: str) -> _Maps:
        kept = maps.value
        if stride > 1 and shortcut == "A":
            kept = self._subsample(maps, channels)
        elif stride > 1:
            kept = self._conv(maps, f"{place}.downsample.0", f"{place}.downsample.1", stride=stride).value
        found = self._relu(self._conv(maps, f"{place}.conv1", f"{place}.bn1", stride=stride))
        found = self._conv(found, f"{place}.conv2", f"{place}.bn2")
        return self._relu(_Maps(self._nodes.add("Add", found.value, kept), found.size))

    def _relu(self, maps: _Maps) -> _Maps:
        return _Maps(self._nodes.add("Relu", maps.value), maps.size)

    def _conv(self, maps: _Maps, conv: str, norm: str, *, stride: int = 1) -> _Maps:
        kernel, bias = _folded(self._weights, conv, norm)
        pads = [edge // 2 for edge in kernel.shape[2:]]
        for axis, length in enumerate(maps.size):
            if length == 1 and kernel.shape[2 + axis] == 3:  # only the middle of the kernel meets the picture
                kernel = kernel.take([1], axis=2 + axis)
                pads[axis] = 0
        value = self._nodes.add(
            "Conv",
            maps.value,
            self._nodes.constant(f"{self._prefix}{conv}.weight", kernel),
            self._nodes.constant(f"{self._prefix}{conv}.bias", bias),
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride] * len(maps.size),
            pads=[*pads, *pads],
        )
        return _Maps(value, maps.size if stride == 1 else _halved(maps.size))

    def _subsample(self, maps: _Maps, channels: int) -> str:
        """Shortcut A: every second voxel, and zeros in the added channels."""
        axes = len(maps.size)
        nodes = self._nodes
        kept = nodes.add(
            "Slice",
            maps.value,
            nodes.integers(*[0] * axes),
            nodes.integers(*maps.size),
            nodes.integers(*range(2, 2 + axes)),
            nodes.integers(*[2] * axes),
        )
        after = [0, channels // 2, *[0] * axes]
        return nodes.add("Pad", kept, nodes.integers(*[0] * (2 + axes), *after))


def _halved(size: Sequence[int]) -> tuple[int, ...]:
    return tuple((length + 1) // 2 for length in size)


def _folded(weights: Mapping[str, npt.NDArray[Any]], conv: str, norm: str) -> tuple[npt.NDArray[Any], ...]:
    """Kernel and bias of a convolution with the batch norm after it, single precision."""
    kernel = weights[f"{conv}.weight"].astype(np.float64)
    mean, variance, factor, shift = (
        weights[f"{norm}.{name}"].astype(np.float64) for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale = factor / np.sqrt(variance + _EPSILON)
    shaped = scale.reshape(-1, *[1] * (kernel.ndim - 1))
    return (kernel * shaped).astype(np.float32), (shift - mean * scale).astype(np.float32)
