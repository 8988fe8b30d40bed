"""Which network a file of weights is for, by its names and shapes, and that network with these weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.efficientnet import EfficientNetLite0
from nephrograde.model.encoders.inflated import InflatedResNet
from nephrograde.model.resnet import ResNet18
from nephrograde.model.tensors import HEADS, mismatches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.model.encoders.known import Architecture

_LAST_LAYERS = (*HEADS, "_fc.", "classifier.", "contrastive_head.")
_KNOWN = "EfficientNet-Lite0, torchvision's ResNet-18, MedicalNet's ResNet-18 and inflated ResNets with bottlenecks"


class FeaturesOf(nn.Module):
    """A ResNet-18 that gives its features instead of a logit."""

    def __init__(self, resnet: ResNet18) -> None:
        super().__init__()
        self.resnet = resnet

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of each image."""
        return self.resnet.features(images)


def recognise(weights: Mapping[str, torch.Tensor], source: str) -> Architecture:
    """Find the architecture that weights belong to.

    Args:
        weights: By name.
        source: What to call their file in messages.

    Raises:
        WeightsError: None that is known.
    """
    stem = weights.get("conv1.weight")
    if "_conv_stem.weight" in weights:
        return "efficientnet-lite0"
    if stem is not None and "layer1.0.conv2.weight" in weights:
        if "layer1.0.conv3.weight" in weights and stem.ndim == 5:
            return "inflated-resnet"
        if "layer1.0.conv3.weight" not in weights and "layer1.2.conv1.weight" not in weights and stem.ndim in {4, 5}:
            return "resnet18" if stem.ndim == 4 else "resnet18-3d"
    raise WeightsError(f"{source} holds the weights of a network that is not known. Known are {_KNOWN}.")


def build_encoder(weights: Mapping[str, torch.Tensor], architecture: Architecture, source: str) -> nn.Module:
    """Build a network without its last layer, with these weights, in evaluation mode.

    Args:
        weights: By name, as in the file; numbers of half precision become float32.
        architecture: The network.
        source: What to call the file in messages.

    Returns:
        A network that turns ``(n, channel, …)`` into ``(n, feature)``.

    Raises:
        WeightsError: The weights belong to another network; all mismatches are listed.
    """
    given = {name: _as_float(tensor) for name, tensor in weights.items() if not name.startswith(_LAST_LAYERS)}
    network: nn.Module
    if architecture == "efficientnet-lite0":
        network = EfficientNetLite0()
    elif architecture == "inflated-resnet":
        network = InflatedResNet(_blocks_of(given))
    else:
        is_flat = architecture == "resnet18"
        shortcut: Literal["A", "B"] = "B" if any(".downsample." in name for name in given) else "A"
        network = FeaturesOf(ResNet18(2 if is_flat else 3, channels=3 if is_flat else 1, shortcut=shortcut))
        if not is_flat:  # z, y, x in the file
            given = {name: t.permute(0, 1, 4, 3, 2) if t.ndim == 5 else t for name, t in given.items()}
    named = network.resnet if isinstance(network, FeaturesOf) else network
    places = {name: tensor for name, tensor in named.state_dict().items() if not name.startswith(_LAST_LAYERS)}
    faults = mismatches(given, places)
    if faults:
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        listed = "\n".join(f"  {fault}" for fault in faults[:10])
        raise WeightsError(f"{source} does not hold the weights of {architecture}:\n{listed}{more}")
    named.load_state_dict(given, strict=False)
    for name, tensor in given.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{source} holds weights that are not finite (in {name}). Get the file again.")
    return network.eval().requires_grad_(requires_grad=False)


def _as_float(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _blocks_of(weights: Mapping[str, torch.Tensor]) -> list[int]:
    """The blocks of each of the four stages."""
    numbers: dict[int, set[int]] = {stage: set() for stage in (1, 2, 3, 4)}
    for name in weights:
        if found := re.match(r"layer([1-4])\.(\d{1,3})\.", name):
            numbers[int(found[1])].add(int(found[2]))
    return [max(found, default=0) + 1 for found in numbers.values()]
