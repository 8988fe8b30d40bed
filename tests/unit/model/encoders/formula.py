"""Weights and images from a formula of whole numbers, the same on every machine and in every version of torch.

They were given to the published implementations, too, whose features the tests beside this module expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

_PERIOD = 1009
_STEP = 7919


def numbers(shape: tuple[int, ...] | torch.Size, *, place: int = 0) -> torch.Tensor:
    """Evenly spread numbers between −0.5 and 0.5 in a shuffled order, which begins elsewhere for each place."""
    count = torch.Size(shape).numel()
    whole = (torch.arange(_PERIOD, dtype=torch.int64) * _STEP + place * 104_729) % _PERIOD
    period = (whole.double() / _PERIOD - 0.5).float()
    return period.repeat(-(-count // _PERIOD))[:count].reshape(shape)


def weights(wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights for a network, with which the size of its maps neither vanishes nor explodes.

    Args:
        wanted: Tensors by name, whose shapes count. The order of the names does not.
    """
    made = {}
    for place, name in enumerate(sorted(wanted)):
        shape = wanted[name].shape
        drawn = numbers(shape, place=place)
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(0)
        elif name.endswith(("running_var", "gamma")) or (len(shape) == 1 and name.endswith("weight")):
            made[name] = 1 + 0.4 * drawn
        elif len(shape) < 2:
            made[name] = 0.2 * drawn
        elif name.endswith("weight"):
            fan_in = wanted[name][0].numel()
            made[name] = drawn * (24 / fan_in) ** 0.5
        else:
            made[name] = drawn
    return made


def image(*shape: int) -> torch.Tensor:
    """An image with values in [0, 1]."""
    return numbers(shape, place=12) + 0.5
