"""A ResNet with bottleneck blocks whose 2D kernels were inflated to 3D, with the parameter names of torchvision's.

The first axis of its images is the one along which the kernels were inflated: the slices, from the feet to the head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTHS = (64, 128, 256, 512)
_WIDENING = 4
BLOCKS_152 = (3, 8, 36, 3)
"""The blocks of each stage of a ResNet-152."""


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        outputs = _WIDENING * width
        self.conv1 = nn.Conv3d(inputs, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, outputs, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            convolution = nn.Conv3d(inputs, outputs, kernel_size=1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm3d(outputs))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        shortcut = images if self.downsample is None else self.downsample(images)
        maps = nn.functional.relu(self.bn1(self.conv1(images)))
        maps = nn.functional.relu(self.bn2(self.conv2(maps)))
        return nn.functional.relu(self.bn3(self.conv3(maps)) + shortcut)


class InflatedResNet(nn.Module):
    """An inflated ResNet without its last layer: ``(n, 3, z, x, y)`` to ``(n, 2048)``.

    Args:
        blocks: The blocks of each of the four stages.

    Source:
        He 2016, arXiv:1512.03385, table 1; Carreira & Zisserman 2017, arXiv:1705.07750 (inflation); Blankemeier 2024,
        arXiv:2406.06512 (Merlin). The stem halves the slices in its pooling only.

    >>> InflatedResNet((1, 1, 1, 1)).eval()(torch.zeros(1, 3, 8, 32, 32)).shape
    torch.Size([1, 2048])
    """

    def __init__(self, blocks: Sequence[int] = BLOCKS_152) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        inputs = _WIDTHS[0]
        for number, (width, count) in enumerate(zip(_WIDTHS, blocks, strict=True), start=1):
            stage = nn.Sequential()
            for block in range(count):
                stage.append(_Bottleneck(inputs, width, stride=2 if number > 1 and block == 0 else 1))
                inputs = _WIDENING * width
            self.add_module(f"layer{number}", stage)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of each image, averaged over its positions."""
        maps = self.maxpool(nn.functional.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(_WIDTHS) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        features: torch.Tensor = maps.mean((2, 3, 4))
        return features
