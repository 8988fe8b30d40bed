"""A ResNet whose 2D kernels were inflated to 3D, of Merlin's kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.model.encoders.resnet import BLOCKS_152, Plan, ResNetEncoder

if TYPE_CHECKING:
    from nephrograde.model.encoders.resnet import Blocks


class InflatedResNet(ResNetEncoder):
    """An inflated ResNet with bottlenecks, without its last layer: ``(n, 3, z, x, y)`` to ``(n, 2048)``.

    The first axis of its images is the one along which the kernels were inflated: the slices, from the feet up.

    Args:
        blocks: The blocks of each of the four stages.

    Source:
        Blankemeier 2024, arXiv:2406.06512 (Merlin).
    """

    def __init__(self, blocks: Blocks = BLOCKS_152) -> None:
        super().__init__(Plan(3, blocks, has_bottlenecks=True, colours=3, is_inflated=True))
