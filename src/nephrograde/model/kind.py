"""Which network gives the features of a picture, how grey values enter it, and its stages; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from nephrograde.model.encoders.known import Architecture  # noqa: TC001 - pydantic reads the annotations of the card

CENTRE = 0.5
SPREAD = 0.25
"""Grey values in [0, 1] enter the network as (value − 0.5) / 0.25: zero mean and unit variance, roughly.

ImageNet's grey values have mean 0.45 and standard deviation 0.225, so torchvision's weights get the values they were
trained on; MedicalNet's were trained on zero mean and unit variance.
"""
STEM = "stem"
HEAD = "head"
_RESNET = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))
_LITE0_BLOCKS = (0, *accumulate((1, 2, 2, 3, 3, 4, 1)))


@dataclass(frozen=True, slots=True)
class BackboneKind:
    """The backbone of a network, apart from its weights.

    Attributes:
        architecture: Such as "resnet18", in 2D or 3D.
        shortcut: Of a ResNet: "B", a convolution where the size changes (He 2016; torchvision), or "A", subsampling
            and zeros (the 18-layer network of MedicalNet).
        blocks: The blocks of each stage of a ResNet.
        centre: Subtracted from the grey values in [0, 1] of the pictures.
        spread: What is left is divided by it.
    """

    architecture: Architecture = "resnet18"
    shortcut: Literal["A", "B"] = "B"
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    centre: float = CENTRE
    spread: float = SPREAD


RESNET18 = BackboneKind()


def stages_of(architecture: Architecture) -> tuple[tuple[str, ...], ...]:
    """Return the names of the layers of each stage, from the stem to the last one before the head.

    Args:
        architecture: Of the backbone; vision transformers have no stages here, and cannot be trained.

    >>> stages_of("resnet18")[:2], len(stages_of("efficientnet-lite0"))
    ((('conv1', 'bn1'), ('layer1',)), 8)
    """
    if architecture.startswith("dino"):
        return ()
    if architecture != "efficientnet-lite0":
        return _RESNET
    blocks = [tuple(f"_blocks.{block}" for block in range(first, stop)) for first, stop in pairwise(_LITE0_BLOCKS)]
    blocks[-1] = (*blocks[-1], "_conv_head", "_bn1")
    return (("_conv_stem", "_bn0"), *blocks)


def stage_names(architecture: Architecture) -> tuple[str, ...]:
    """Return what ``fit.train_from`` may be, from the input to the head.

    Args:
        architecture: Of the backbone.

    >>> stage_names("resnet18")
    ('stem', 'stage1', 'stage2', 'stage3', 'stage4', 'head')
    """
    n_stages = len(stages_of(architecture))
    return (STEM, *(f"stage{number}" for number in range(1, n_stages)), HEAD)
