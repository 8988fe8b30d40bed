"""Which layers of a network learn, and how fast: frozen stages, adapters, and a learning rate that falls by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nephrograde.model.adapter import add_adapters
from nephrograde.model.backbone import named_inside
from nephrograde.model.kind import STEM, stage_names, stages_of

if TYPE_CHECKING:
    from torch import nn

    from nephrograde.model.network import Network
    from nephrograde.study import FitSettings

LR_SCALE = "lr_scale"
"""The key of a group of weights whose learning rate is the fit's times this."""


def freeze(network: Network, fit: FitSettings) -> None:
    """Keep the stages before ``fit.train_from`` as they are, but for adapters of rank ``fit.adapter_rank``.

    Their batch norm keeps its statistics, too.

    Args:
        network: Modified in place; it is in training mode afterwards.
        fit: ``[fit]`` with the arm's own keys.
    """
    if fit.train_from == STEM:
        return
    n_frozen = stage_names(network.kind.architecture).index(fit.train_from)
    network.frozen = tuple(layer for stage in _stages(network)[:n_frozen] for layer in stage)
    for layer in network.frozen:
        layer.requires_grad_(requires_grad=False)
    if fit.adapter_rank:
        add_adapters(network.frozen, fit.adapter_rank)
    network.train()


def groups_of(network: Network, fit: FitSettings) -> list[dict[str, Any]]:
    """Group the weights that learn for the optimiser: without weight decay on norms and biases.

    The learning rate falls by ``fit.layer_decay`` from the head to the last stage, and from stage to stage to the stem.

    Args:
        network: After :func:`freeze`.
        fit: ``[fit]`` with the arm's own keys.

    Source:
        Howard & Ruder 2018, arXiv:1801.06146 (discriminative learning rates).
    """
    stages = _stages(network) if fit.layer_decay < 1 else []
    depths = {
        id(weight): len(stages) - number
        for number, stage in enumerate(stages)
        for layer in stage
        for weight in layer.parameters()
    }
    groups: dict[tuple[bool, int], dict[str, Any]] = {}
    for decays in (True, False):
        for weight in network.parameters():
            if weight.requires_grad and (weight.ndim > 1) == decays:
                depth = depths.get(id(weight), 0)
                new = {
                    "params": [],
                    "weight_decay": fit.weight_decay if decays else 0.0,
                    LR_SCALE: fit.layer_decay**depth,
                }
                groups.setdefault((decays, depth), new)["params"].append(weight)
    return list(groups.values())


def _stages(network: Network) -> list[list[nn.Module]]:
    """The layers of each stage of the backbone, from the stem to the last before the head."""
    inside = named_inside(network.backbone)
    return [[inside.get_submodule(name) for name in names] for names in stages_of(network.kind.architecture)]
