"""Low-rank adapters: what a frozen convolution learns is added to its weight as a product of two small matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from collections.abc import Iterable

_WEIGHT = "weight"


class LowRank(nn.Module):
    """Adds a matrix of low rank to a weight; at first it is zero.

    Args:
        weight: ``(output, input, …)``, of the convolution.
        rank: Of the matrix.

    Source:
        Hu 2021, arXiv:2106.09685 (LoRA), with its factor α / r equal to 1.

    >>> LowRank(torch.ones(4, 2, 3, 3), rank=2)(torch.ones(4, 2, 3, 3)).sum().item()
    72.0
    """

    def __init__(self, weight: torch.Tensor, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, weight[0].numel()))
        self.up = nn.Parameter(torch.zeros(len(weight), rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weight with what was learnt."""
        return weight + (self.up @ self.down).view(weight.shape)


def add_adapters(layers: Iterable[nn.Module], rank: int) -> None:
    """Give each convolution of frozen layers an adapter, except those that filter every channel by itself.

    Args:
        layers: Frozen; modified in place.
        rank: Of the adapters, drawn from torch's global generator.
    """
    for layer in layers:
        for module in list(layer.modules()):
            if isinstance(module, nn.Conv2d | nn.Conv3d) and module.groups == 1:
                parametrize.register_parametrization(module, _WEIGHT, LowRank(module.weight, rank))


def merged(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state of a network with adapters added to the weights, as that of one without adapters.

    Args:
        network: With adapters or without.
    """
    state = dict(network.state_dict())
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module, _WEIGHT):
            inside = f"{name}.parametrizations."
            state = {key: tensor for key, tensor in state.items() if not key.startswith(inside)}
            state[f"{name}.{_WEIGHT}"] = module.weight.detach()
    return state


def merge_adapters(network: nn.Module) -> None:
    """Add adapters to the weights for good.

    Args:
        network: Modified in place.
    """
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, _WEIGHT):
            parametrize.remove_parametrizations(module, _WEIGHT, leave_parametrized=True)
