"""What a fit costs: the operations that torch counts, and the pictures that a fit passes through its network."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nephrograde.fit.work import OPERATIONS_PER_VOXEL, cost_of_picture
from nephrograde.model.kind import BackboneKind
from nephrograde.model.network import build_network


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 64)])
def test_operations_are_those_that_torch_counts(shape: tuple[int, ...]) -> None:
    dimensions: Literal[2, 3] = 2 if len(shape) == 2 else 3
    network = build_network(dimensions, channels=1).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.rows(torch.zeros(1, 1, *shape))
    counted = counter.get_total_flops() / math.prod(shape)
    assert OPERATIONS_PER_VOXEL[dimensions] == pytest.approx(counted, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(BackboneKind("efficientnet-lite0"), (64, 64)), (BackboneKind("medicalnet-10", "A"), (16, 16, 16))],
)
def test_so_are_those_of_other_networks(kind: BackboneKind, shape: tuple[int, ...]) -> None:
    network = build_network(2 if len(shape) == 2 else 3, channels=1, kind=kind).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.rows(torch.zeros(1, 1, *shape))
    assert cost_of_picture(shape, kind.architecture) == pytest.approx(counter.get_total_flops(), rel=0.1)
