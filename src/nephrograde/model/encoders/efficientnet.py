"""EfficientNet-Lite0 in plain torch, with the parameter names of the files that were converted from TensorFlow.

Read it from the bottom: a stem, 16 blocks in seven stages, and a head of 1,280 features. Each block widens its input,
filters every channel by itself and narrows the result; where neither size nor width changes, its input is added.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

_EPSILON = 1e-3
"""Of batch norm, as in TensorFlow."""


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    widening: int
    inputs: int
    outputs: int


_STAGES = (
    _Stage(1, 3, 1, 1, 32, 16),
    _Stage(2, 3, 2, 6, 16, 24),
    _Stage(2, 5, 2, 6, 24, 40),
    _Stage(3, 3, 2, 6, 40, 80),
    _Stage(3, 5, 1, 6, 80, 112),
    _Stage(4, 5, 2, 6, 112, 192),
    _Stage(1, 3, 1, 6, 192, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow does: where the padding is odd, the end gets the larger part.

    >>> SameConv2d(1, 1, kernel_size=3, stride=2, bias=False)(torch.zeros(1, 1, 7, 8)).shape
    torch.Size([1, 1, 4, 4])
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve ``(n, channel, y, x)``."""
        padding: list[int] = []
        for axis in (1, 0):  # torch pads the last axis first
            size, step, kernel = images.shape[2 + axis], self.stride[axis], self.kernel_size[axis]
            total = max((-(-size // step) - 1) * step + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(images, padding))


class _Block(nn.Module):
    def __init__(self, stage: _Stage, *, inputs: int, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.widening
        self.is_added = stride == 1 and inputs == stage.outputs
        self.is_widened = stage.widening > 1
        if self.is_widened:
            self._expand_conv = nn.Conv2d(inputs, wide, kernel_size=1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self._depthwise_conv = SameConv2d(wide, wide, stage.kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self._project_conv = nn.Conv2d(wide, stage.outputs, kernel_size=1, bias=False)
        self._bn2 = nn.BatchNorm2d(stage.outputs, eps=_EPSILON)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = images
        if self.is_widened:
            maps = nn.functional.relu6(self._bn0(self._expand_conv(maps)))
        maps = nn.functional.relu6(self._bn1(self._depthwise_conv(maps)))
        narrow: torch.Tensor = self._bn2(self._project_conv(maps))
        return narrow + images if self.is_added else narrow


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without its last layer: ``(n, 3, y, x)`` to ``(n, 1280)``.

    Source:
        Tan & Le 2019, arXiv:1905.11946, table 1, and tensorflow/tpu, ``models/official/efficientnet/lite/
        efficientnet_lite_builder.py``: no squeeze-and-excitation, ReLU6 in place of swish, an epsilon of 0.001.

    >>> EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, kernel_size=3, stride=2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        self._blocks = nn.ModuleList(
            _Block(stage, inputs=stage.outputs if number else stage.inputs, stride=1 if number else stage.stride)
            for stage in _STAGES
            for number in range(stage.blocks)
        )
        self._conv_head = nn.Conv2d(320, 1280, kernel_size=1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=_EPSILON)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of each image, averaged over its positions."""
        maps = nn.functional.relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            maps = block(maps)
        return nn.functional.relu6(self._bn1(self._conv_head(maps))).mean((2, 3))
