"""Networks that give the features of a picture and end in a linear head: ResNet-18, and pre-trained encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import nn

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.known import INPUTS, NO_CONTRAST
from nephrograde.model.encoders.layout import empty_network
from nephrograde.model.resnet import ResNet18, SlicedMaxPool3d

if TYPE_CHECKING:
    from nephrograde.model.encoders.known import Architecture
    from nephrograde.model.kind import BackboneKind


class EncoderBackbone(nn.Module):
    """The network of a pre-trained encoder with a linear head: ``(row, channel, …)`` to features.

    The first convolution takes as many channels as the pictures have, instead of three colours.

    Args:
        encoder: Turns ``(n, 3, …)`` into ``(n, feature)``.
        architecture: What it is.
        channels: All channels of the pictures.

    >>> from nephrograde.model.encoders.efficientnet import EfficientNetLite0
    >>> backbone = EncoderBackbone(EfficientNetLite0(), "efficientnet-lite0", channels=1).eval()
    >>> backbone.features(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 1280])
    """

    def __init__(self, encoder: nn.Module, architecture: Architecture, *, channels: int) -> None:
        super().__init__()
        given = INPUTS[architecture]
        self.dimensions: Literal[2, 3] = given.dimensions
        self.is_ras = given.is_ras
        self.encoder = encoder
        stem = next(one for one in encoder.modules() if isinstance(one, nn.Conv2d | nn.Conv3d))
        stem.in_channels = channels
        stem.weight = nn.Parameter(stem.weight[:, :1].repeat_interleave(channels, dim=1).detach())
        self.fc = nn.Linear(given.features, 1)
        nn.init.zeros_(self.fc.bias)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the linear head sees of each image, ``(n, channel, y, x)`` or ``(n, channel, x, y, z)``."""
        if self.is_ras:  # and the slices first
            images = images.flip(2, 3).permute(0, 1, 4, 2, 3)
        features: torch.Tensor = self.encoder(images)
        return features


Backbone: TypeAlias = ResNet18 | EncoderBackbone
"""Gives the features of each picture (``features``) in 2 or 3 ``dimensions``, and ends in a linear head (``fc``)."""


def build_backbone(kind: BackboneKind, dimensions: Literal[2, 3], *, channels: int) -> Backbone:
    """Build a backbone; its weights are drawn from torch's global generator.

    Args:
        kind: Which one.
        dimensions: 2 for slices, 3 for boxes.
        channels: All channels of the pictures.

    Raises:
        WeightsError: If there is no such network for these dimensions.
    """
    if kind.architecture == "resnet18":
        return ResNet18(dimensions, channels=channels, shortcut=kind.shortcut)
    if INPUTS[kind.architecture].dimensions != dimensions:
        raise WeightsError(f"There is no {kind.architecture} in {dimensions}D.")
    encoder = empty_network(kind.architecture, blocks=kind.blocks, shortcut=kind.shortcut)
    return EncoderBackbone(encoder, kind.architecture, channels=channels)


def named_inside(backbone: Backbone) -> nn.Module:
    """Return the module whose layers are named as in files of other libraries.

    Args:
        backbone: The network.
    """
    return backbone.encoder if isinstance(backbone, EncoderBackbone) else backbone


def standardise(images: torch.Tensor) -> torch.Tensor:
    """Give each channel of a picture a mean of 0 and a variance of 1 over its values above 0, and 0 elsewhere.

    A channel without contrast is 0 everywhere.

    Args:
        images: ``(row, channel, …)``.

    >>> standardise(torch.tensor([[[[0.0, 0.25, 0.75]]]])).tolist()
    [[[[0.0, -1.0, 1.0]]]]
    """
    axes = tuple(range(2, images.ndim))
    is_foreground = images > 0
    count = is_foreground.sum(axes, keepdim=True).clamp(min=1)
    mean = images.where(is_foreground, 0.0).sum(axes, keepdim=True) / count
    deviation = (images - mean).where(is_foreground, 0.0)
    spread = (deviation.square().sum(axes, keepdim=True) / count).sqrt()
    return torch.where(spread < NO_CONTRAST, 0.0, deviation / spread.clamp(min=NO_CONTRAST))


def pool_reproducibly(backbone: nn.Module) -> None:
    """Replace max pooling in 3D by one whose gradient is reproducible on CUDA.

    Args:
        backbone: The network; modified in place. All of its 3D pooling has kernel 3, stride 2 and padding 1.
    """
    for module in list(backbone.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.MaxPool3d):
                setattr(module, name, SlicedMaxPool3d())
