"""ResNet-18 in 2D and 3D, in plain torch, with the parameter names of torchvision's and MedicalNet's files.

Read it from the bottom: ``ResNet18`` is a stem, four stages of two ``Block``s each, and a linear head. Each block adds
a shortcut to two convolutions. Where the size changes, the shortcut is a convolution of size 1 (type B) or
``Subsample`` (type A), which has no weights.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

FEATURES = 512
"""Number of features of an image before the linear head."""


class _Layers(NamedTuple):
    """The layers for one number of dimensions."""

    conv: type[nn.Conv2d | nn.Conv3d]
    wide_conv: type[ThinConv2d | ThinConv3d]
    norm: type[nn.BatchNorm2d | nn.BatchNorm3d]
    max_pool: type[nn.MaxPool2d | nn.MaxPool3d]
    mean_pool: type[nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d]


class ThinConv2d(nn.Conv2d):
    """A convolution of size 3 and padding 1 that leaves out the weights that meet nothing but padding.

    Along an axis of one pixel only the middle of the kernel meets the picture. At the end of the network this is
    common: a slice of 32 × 32 pixels is a single pixel there, and 8 of 9 weights are multiplied by zeros.

    >>> conv = ThinConv2d(4, 5, kernel_size=3, padding=1)
    >>> picture = torch.rand(1, 4, 6, 1)
    >>> torch.allclose(conv(picture), nn.functional.conv2d(picture, conv.weight, conv.bias, padding=1), atol=1e-6)
    True
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve ``(n, channel, y, x)``."""
        kernel, padding = _inner(self.weight, images)
        return nn.functional.conv2d(images, kernel, self.bias, self.stride, padding)


class ThinConv3d(nn.Conv3d):
    """:class:`ThinConv2d` in 3D: of a box of 32 × 32 × 32 voxels a single voxel is left, which 1 of 27 weights meets.

    >>> conv = ThinConv3d(4, 5, kernel_size=3, padding=1)
    >>> picture = torch.rand(1, 4, 6, 6, 1)
    >>> torch.allclose(conv(picture), nn.functional.conv3d(picture, conv.weight, conv.bias, padding=1), atol=1e-6)
    True
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve ``(n, channel, x, y, z)``."""
        kernel, padding = _inner(self.weight, images)
        return nn.functional.conv3d(images, kernel, self.bias, self.stride, padding)


def _inner(kernel: torch.Tensor, images: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """The part of a kernel of size 3 that pictures of this shape meet, and the padding that is left."""
    thin = [size == 1 for size in images.shape[2:]]
    if any(thin):
        kernel = kernel[(slice(None), slice(None), *(slice(1, 2) if one else slice(None) for one in thin))]
    return kernel, [0 if one else 1 for one in thin]


_LAYERS = {
    2: _Layers(nn.Conv2d, ThinConv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d),
    3: _Layers(nn.Conv3d, ThinConv3d, nn.BatchNorm3d, nn.MaxPool3d, nn.AdaptiveAvgPool3d),
}


class SlicedMaxPool3d(nn.Module):
    """Max pooling with kernel 3, stride 2 and padding 1, written with slices and ``maximum``.

    torch's own 3D pooling sums gradients in an unspecified order on CUDA, so that no two fits agree to the last digit.
    This one has a fixed order and the same values. On a CPU it is slower, and torch's pooling is reproducible there.

    >>> volume = torch.rand(1, 2, 5, 6, 7)
    >>> torch.equal(SlicedMaxPool3d()(volume), nn.MaxPool3d(3, 2, 1)(volume))
    True
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pool ``(n, channel, x, y, z)`` along each axis in turn."""
        for axis in (2, 3, 4):
            before = (slice(None),) * axis
            even, odd = images[(*before, slice(0, None, 2))], images[(*before, slice(1, None, 2))]
            count = even.shape[axis]
            edge = [0, 0] * (4 - axis)
            left = nn.functional.pad(odd, [*edge, 1, 0], value=-torch.inf).narrow(axis, 0, count)
            right = nn.functional.pad(odd, [*edge, 0, count - odd.shape[axis]], value=-torch.inf)
            images = torch.maximum(torch.maximum(left, even), right)
        return images


class Subsample(nn.Module):
    """Shortcut A: every ``stride``-th voxel along each axis, and zeros in the added channels.

    No gradient flows back through it, as in MedicalNet, whose files this network loads, and in MONAI.

    Source:
        He 2016, section 3.3, option A (there with a gradient); MedicalNet, ``models/resnet.py``.

    >>> Subsample(outputs=3, stride=2)(torch.ones(1, 2, 5, 5)).sum(dim=(2, 3))
    tensor([[9., 9., 0.]])
    """

    def __init__(self, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.stride = stride

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Subsample ``(n, channel, …)``."""
        n_axes = images.ndim - 2
        every = slice(None, None, self.stride)
        kept = images.detach()[(slice(None), slice(None), *(every for _ in range(n_axes)))]
        return nn.functional.pad(kept, [0, 0] * n_axes + [0, self.outputs - images.shape[1]])


class Block(nn.Module):
    """Two convolutions of size 3, each with a batch norm, and the shortcut that is added to them."""

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, layers: _Layers, downsample: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = layers.wide_conv(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = layers.norm(outputs)
        self.conv2 = layers.wide_conv(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.bn2 = layers.norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pass ``(n, channel, …)`` through the block."""
        shortcut = images if self.downsample is None else self.downsample(images)
        features = self.relu(self.bn1(self.conv1(images)))
        features = self.bn2(self.conv2(features))
        features += shortcut
        activated: torch.Tensor = self.relu(features)
        return activated


class ResNet18(nn.Module):
    """ResNet-18 for single images: ``(n, channel, …)`` to ``(n, 1)`` logits.

    The weights are drawn from torch's global generator, layer by layer in the order of construction and then once more
    for the convolutions: the same numbers, from the same seed, as MONAI's ``resnet18`` draws.

    Args:
        dimensions: 2 for ``(n, channel, y, x)``, 3 for ``(n, channel, x, y, z)``.
        channels: Input channels.
        shortcut: "B", a convolution where the size changes, or "A", subsampling and zeros.

    Source:
        He 2016, arXiv:1512.03385, table 1; Chen 2019, arXiv:1904.00625 (MedicalNet). Initial weights: He 2015,
        arXiv:1502.01852, for the number of outputs, as in torchvision. The paper says "ResNet-18" and no more.

    >>> ResNet18(3, channels=2, shortcut="A").eval()(torch.zeros(1, 2, 32, 32, 16)).shape
    torch.Size([1, 1])
    """

    def __init__(self, dimensions: Literal[2, 3], *, channels: int, shortcut: Literal["A", "B"]) -> None:
        super().__init__()
        self.dimensions: Literal[2, 3] = dimensions
        layers = _LAYERS[dimensions]
        self.conv1 = layers.conv(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = layers.norm(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = layers.max_pool(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, stride=1, layers=layers, shortcut=shortcut)
        self.layer2 = _stage(64, 128, stride=2, layers=layers, shortcut=shortcut)
        self.layer3 = _stage(128, 256, stride=2, layers=layers, shortcut=shortcut)
        self.layer4 = _stage(256, 512, stride=2, layers=layers, shortcut=shortcut)
        self.avgpool = layers.mean_pool(1)
        self.fc = nn.Linear(FEATURES, 1)
        for module in self.modules():
            if isinstance(module, layers.conv):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the linear head sees of each image: ``(n, 512)``."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        features: torch.Tensor = self.avgpool(maps).flatten(1)
        return features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch."""
        logits: torch.Tensor = self.fc(self.features(images))
        return logits


def _stage(inputs: int, outputs: int, *, stride: int, layers: _Layers, shortcut: Literal["A", "B"]) -> nn.Sequential:
    downsample: nn.Module | None = None
    if stride > 1 and shortcut == "A":
        downsample = Subsample(outputs, stride)
    elif stride > 1:
        convolution = layers.conv(inputs, outputs, kernel_size=1, stride=stride, bias=False)
        downsample = nn.Sequential(convolution, layers.norm(outputs))
    return nn.Sequential(
        Block(inputs, outputs, stride=stride, layers=layers, downsample=downsample),
        Block(outputs, outputs, stride=1, layers=layers, downsample=None),
    )
