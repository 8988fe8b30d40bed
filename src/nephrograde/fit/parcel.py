"""Tensors that travel from the CPU to a device together, in one transfer for each type of number.

A step needs a dozen small tensors. On a GPU, each transfer costs about as much as a kernel, whatever its size.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Given: TypeAlias = torch.Tensor | None


class Parcel:
    """Places on a device for tensors of fixed shapes and types, which :meth:`Parcel.fill` writes.

    Args:
        like: Tensors of these shapes and types; None stays None.
        device: Where to.

    >>> parcel = Parcel([torch.zeros(2), None, torch.zeros(3, dtype=torch.int64), torch.zeros(1)], torch.device("cpu"))
    >>> parcel.fill([torch.ones(2), None, torch.arange(3), torch.full((1,), 7.0)])
    >>> [None if one is None else one.tolist() for one in parcel.tensors]
    [[1.0, 1.0], None, [0, 1, 2], [7.0]]
    """

    def __init__(self, like: Sequence[Given], device: torch.device) -> None:
        self.device = device
        self._flats: dict[torch.dtype, torch.Tensor] = {}
        places: dict[int, torch.Tensor] = {}
        for dtype, members in _by_type(like):
            sizes = [like_one.numel() for _, like_one in members]
            self._flats[dtype] = torch.empty(sum(sizes), dtype=dtype, device=device)
            for (number, like_one), part in zip(members, torch.split(self._flats[dtype], sizes), strict=True):
                places[number] = part.view(like_one.shape)
        self.tensors: list[Any] = [places.get(number) for number in range(len(like))]
        """The places, in the order of ``like``."""

    def fill(self, tensors: Sequence[Given]) -> None:
        """Write tensors into their places. On CUDA the call returns before the transfer is complete.

        Args:
            tensors: On the CPU, of the shapes and types that the parcel was made for.
        """
        for dtype, members in _by_type(tensors):
            flat = torch.cat([one.reshape(-1) for _, one in members])
            self._flats[dtype].copy_(flat.pin_memory() if self.device.type == "cuda" else flat, non_blocking=True)


def move_together(tensors: Iterable[Given], device: torch.device) -> list[Any]:
    """Move tensors from the CPU to a device; on the CPU they stay the same objects.

    Args:
        tensors: On the CPU; None stays None.
        device: Where to.
    """
    given = list(tensors)
    if device.type == "cpu":
        return given
    parcel = Parcel(given, device)
    parcel.fill(given)
    return parcel.tensors


def _by_type(tensors: Sequence[Given]) -> Iterable[tuple[torch.dtype, list[tuple[int, torch.Tensor]]]]:
    """The tensors of each type, with their positions, in a fixed order."""
    members = [(number, one) for number, one in enumerate(tensors) if one is not None]
    members.sort(key=lambda member: str(member[1].dtype))
    for dtype, group in groupby(members, key=lambda member: member[1].dtype):
        yield dtype, list(group)
