"""ResNets of all depths without their last layer, in 2D and 3D, with the parameter names of torchvision's files.

Read it from the bottom: a stem, four stages of blocks, and the mean over all positions. What the networks of
torchvision, MedicalNet, RenalCLIP and Merlin differ in is the :class:`Plan`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import nn

from nephrograde.model.resnet import Subsample, ThinConv2d, ThinConv3d

Blocks: TypeAlias = tuple[int, ...]
"""The blocks of each of four stages."""

_WIDTHS = (64, 128, 256, 512)
_WIDENING = 4
BLOCKS_152: Blocks = (3, 8, 36, 3)
"""Those of a ResNet-152."""


class Plan(NamedTuple):
    """What distinguishes ResNets.

    Attributes:
        dimensions: 2 for ``(n, colour, y, x)``, 3 for ``(n, colour, x, y, z)``, and with an inflated network ``(n,
            colour, z, x, y)``.
        blocks: The blocks of each of the four stages.
        has_bottlenecks: Whether a block has three convolutions and widens its output, rather than two.
        colours: Channels of the images.
        shortcut: "B", a convolution where the size changes, or "A", subsampling and zeros.
        is_dilated: Whether the last two stages keep the size and dilate their kernels instead, as for segmentation.
        is_inflated: Whether the stem was inflated from 2D, and so halves the slices in its pooling only.
    """

    dimensions: Literal[2, 3]
    blocks: Blocks
    has_bottlenecks: bool
    colours: int
    shortcut: Literal["A", "B"] = "B"
    is_dilated: bool = False
    is_inflated: bool = False


class _Layers(NamedTuple):
    conv: type[nn.Conv2d | nn.Conv3d]
    thin_conv: type[ThinConv2d | ThinConv3d]
    norm: type[nn.BatchNorm2d | nn.BatchNorm3d]
    max_pool: type[nn.MaxPool2d | nn.MaxPool3d]


_LAYERS = {
    2: _Layers(nn.Conv2d, ThinConv2d, nn.BatchNorm2d, nn.MaxPool2d),
    3: _Layers(nn.Conv3d, ThinConv3d, nn.BatchNorm3d, nn.MaxPool3d),
}


class _Size(NamedTuple):
    """The channels of a block, and how it moves its kernels."""

    inputs: int
    width: int
    stride: int
    dilation: int


class _BasicBlock(nn.Module):
    def __init__(self, size: _Size, layers: _Layers, downsample: nn.Module | None) -> None:
        super().__init__()
        dilation = size.dilation
        conv = layers.thin_conv if dilation == 1 else layers.conv
        self.conv1 = conv(size.inputs, size.width, 3, size.stride, dilation, dilation, bias=False)
        self.bn1 = layers.norm(size.width)
        self.conv2 = conv(size.width, size.width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = layers.norm(size.width)
        self.downsample = downsample

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        shortcut = images if self.downsample is None else self.downsample(images)
        maps = nn.functional.relu(self.bn1(self.conv1(images)))
        return nn.functional.relu(self.bn2(self.conv2(maps)) + shortcut)


class _Bottleneck(nn.Module):
    def __init__(self, size: _Size, layers: _Layers, downsample: nn.Module | None) -> None:
        super().__init__()
        outputs = _WIDENING * size.width
        self.conv1 = layers.conv(size.inputs, size.width, kernel_size=1, bias=False)
        self.bn1 = layers.norm(size.width)
        self.conv2 = layers.conv(size.width, size.width, 3, size.stride, size.dilation, size.dilation, bias=False)
        self.bn2 = layers.norm(size.width)
        self.conv3 = layers.conv(size.width, outputs, kernel_size=1, bias=False)
        self.bn3 = layers.norm(outputs)
        self.downsample = downsample

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        shortcut = images if self.downsample is None else self.downsample(images)
        maps = nn.functional.relu(self.bn1(self.conv1(images)))
        maps = nn.functional.relu(self.bn2(self.conv2(maps)))
        return nn.functional.relu(self.bn3(self.conv3(maps)) + shortcut)


class ResNetEncoder(nn.Module):
    """A ResNet without its last layer: ``(n, colour, …)`` to ``(n, 512)``, or ``(n, 2048)`` with bottlenecks.

    Args:
        plan: Its depth and kind.

    Source:
        He 2016, arXiv:1512.03385, table 1 (the stride of a bottleneck in its middle convolution, as in torchvision);
        Chen 2019, arXiv:1904.00625, and ``models/resnet.py`` of Tencent/MedicalNet (dilation, shortcut A); Carreira &
        Zisserman 2017, arXiv:1705.07750, and ``merlin/models/i3res.py`` of StanfordMIMI/Merlin (inflation).

    >>> plan = Plan(3, (1, 1, 1, 1), has_bottlenecks=False, colours=1, shortcut="A", is_dilated=True)
    >>> ResNetEncoder(plan).eval()(torch.zeros(1, 1, 32, 32, 16)).shape
    torch.Size([1, 512])
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        layers = _LAYERS[plan.dimensions]
        if plan.is_inflated:
            self.conv1: nn.Module = nn.Conv3d(plan.colours, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False)
        else:
            self.conv1 = layers.conv(plan.colours, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = layers.norm(_WIDTHS[0])
        self.maxpool = layers.max_pool(kernel_size=3, stride=2, padding=1)
        inputs = _WIDTHS[0]
        for number, (width, count) in enumerate(zip(_WIDTHS, plan.blocks, strict=True), start=1):
            stage = nn.Sequential()
            for block in range(count):
                stage.append(_block(plan, inputs, stage=number, is_first=block == 0))
                inputs = width * (_WIDENING if plan.has_bottlenecks else 1)
            self.add_module(f"layer{number}", stage)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of each image, averaged over its positions."""
        maps = self.maxpool(nn.functional.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(_WIDTHS) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        features: torch.Tensor = maps.mean(tuple(range(2, maps.ndim)))
        return features


def _block(plan: Plan, inputs: int, *, stage: int, is_first: bool) -> nn.Module:
    layers = _LAYERS[plan.dimensions]
    width = _WIDTHS[stage - 1]
    outputs = width * (_WIDENING if plan.has_bottlenecks else 1)
    is_kept = plan.is_dilated and stage > 2
    stride = 2 if is_first and stage > 1 and not is_kept else 1
    downsample: nn.Module | None = None
    if stride > 1 or inputs != outputs:
        if plan.shortcut == "A":
            downsample = Subsample(outputs, stride)
        else:
            convolution = layers.conv(inputs, outputs, kernel_size=1, stride=stride, bias=False)
            downsample = nn.Sequential(convolution, layers.norm(outputs))
    size = _Size(inputs, width, stride, dilation=2 ** (stage - 2) if is_kept else 1)
    return (_Bottleneck if plan.has_bottlenecks else _BasicBlock)(size, layers, downsample)
