"""Which network a file of weights is for, by its names and shapes, and that network with these weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.efficientnet import EfficientNetLite0
from nephrograde.model.encoders.inflated import InflatedResNet
from nephrograde.model.encoders.known import ALIKE
from nephrograde.model.encoders.resnet import Plan, ResNetEncoder
from nephrograde.model.encoders.vit import VisionTransformer
from nephrograde.model.encoders.vit_names import named_as_ours, plan_of
from nephrograde.model.tensors import as_float, is_head, mismatches, require_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from torch import nn

    from nephrograde.model.encoders.known import Architecture
    from nephrograde.model.encoders.resnet import Blocks

_KNOWN = (
    "EfficientNet-Lite0, torchvision's ResNets in 2D, MedicalNet's ResNets, other ResNet-18s in 3D, RenalCLIP's image "
    "encoder, inflated ResNets with bottlenecks, and the vision transformers of DINOv2 and DINOv3"
)
_BESIDE_OTHERS = ("image_encoder_q_student.", "backbone.image_encoder.", "image_encoder.")
"""What is before the names of RenalCLIP's image encoder in a file that holds other networks, too."""
_DEPTHS: dict[tuple[Blocks, bool], int] = {
    ((1, 1, 1, 1), False): 10,
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
    ((3, 24, 36, 3), True): 200,
}
"""The depth of a ResNet by the blocks of its stages, and whether they have bottlenecks."""
_BLOCKS = {depth: key for key, depth in _DEPTHS.items()}
_FLAT: dict[int, Architecture] = {
    18: "resnet18",
    34: "resnet34",
    50: "resnet50",
    101: "resnet101",
    152: "resnet152",
}
_MEDICALNET: dict[int, Architecture] = {
    10: "medicalnet-10",
    18: "medicalnet-18",
    34: "medicalnet-34",
    50: "medicalnet-50",
    101: "medicalnet-101",
    152: "medicalnet-152",
    200: "medicalnet-200",
}
_DEPTH_OF: dict[Architecture, int] = {
    **{architecture: depth for depth, architecture in (*_FLAT.items(), *_MEDICALNET.items())},
    "resnet18-3d": 18,
    "renalclip": 18,
}

_VITS: dict[tuple[bool, int, int, int, bool], Architecture] = {
    (False, 14, 384, 12, False): "dinov2-vits14",
    (False, 14, 768, 12, False): "dinov2-vitb14",
    (False, 14, 1024, 24, False): "dinov2-vitl14",
    (False, 14, 1536, 40, True): "dinov2-vitg14",
    (True, 16, 384, 12, False): "dinov3-vits16",
    (True, 16, 384, 12, True): "dinov3-vits16plus",
    (True, 16, 768, 12, False): "dinov3-vitb16",
    (True, 16, 1024, 24, False): "dinov3-vitl16",
    (True, 16, 1024, 24, True): "dinov3-vitl16plus",
    (True, 16, 1280, 32, True): "dinov3-vith16plus",
    (True, 16, 4096, 40, True): "dinov3-vit7b16",
}
"""Vision transformers by rotary positions, pixels of a patch, width, depth and gates."""


def recognise(weights: Mapping[str, torch.Tensor], source: str) -> tuple[Architecture, ...]:
    """Find the architectures that the names and shapes of weights belong to.

    Those of a ResNet-18 in 3D do not tell whether its last stages are dilated, as in MedicalNet, and how its images
    were prepared.

    Args:
        weights: By name.
        source: What to call their file in messages.

    Returns:
        The most probable one first.

    Raises:
        WeightsError: None that is known.
    """
    given = _named(weights, source)
    if "_conv_stem.weight" in given:
        return ("efficientnet-lite0",)
    found = _recognise_resnet(given, is_beside_others=_is_beside_others(weights)) or _recognise_vit(given)
    if not found:
        raise _unknown(source)
    return found


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
    given = weights_of(weights, architecture, source)
    network = _network_for(given, architecture, source)
    if isinstance(network, VisionTransformer) and network.plan.is_rotary:
        given.setdefault("periods", network.get_buffer("periods"))  # not in every file, and always the same
    faults = mismatches(given, network.state_dict())
    if faults:
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        listed = "\n".join(f"  {fault}" for fault in faults[:10])
        raise WeightsError(f"{source} does not hold the weights of {architecture}:\n{listed}{more}")
    require_finite(given, source)
    network.load_state_dict(given, strict=False)
    return network.eval().requires_grad_(requires_grad=False)


def weights_of(weights: Mapping[str, torch.Tensor], architecture: Architecture, source: str) -> dict[str, torch.Tensor]:
    """Return the weights in a file as the network of an architecture names and arranges them, without heads.

    Args:
        weights: By name, as in the file.
        architecture: The network.
        source: What to call the file in messages.

    Raises:
        WeightsError: The weights belong to a network that is not known.
    """
    named = _named(weights, source)
    return {name: as_float(_turned(tensor, architecture)) for name, tensor in named.items() if not is_head(name)}


def empty_network(architecture: Architecture, *, blocks: Blocks, shortcut: Literal["A", "B"]) -> nn.Module:
    """Build the convolutional network of an architecture, with random weights.

    Args:
        architecture: Not a vision transformer, whose plan a file tells.
        blocks: Of each stage, where they may differ.
        shortcut: "B" is a convolution where the size changes, "A" subsampling.
    """
    if architecture == "efficientnet-lite0":
        return EfficientNetLite0()
    if architecture == "inflated-resnet":
        return InflatedResNet(blocks)
    blocks, has_bottlenecks = _BLOCKS[_DEPTH_OF[architecture]]
    is_flat = architecture in _FLAT.values()
    plan = Plan(
        2 if is_flat else 3,
        blocks,
        has_bottlenecks,
        colours=3 if is_flat else 1,
        shortcut=shortcut,
        is_dilated=architecture in _MEDICALNET.values(),
    )
    return ResNetEncoder(plan)


def shortcut_of(names: Iterable[str]) -> Literal["A", "B"]:
    """Return the kind of the shortcuts of a ResNet: MedicalNet's smaller files have no convolutions there.

    Args:
        names: Of its weights.

    >>> shortcut_of(["layer2.0.downsample.0.weight"])
    'B'
    """
    return "B" if any(".downsample." in name for name in names) else "A"


def blocks_of(names: Iterable[str]) -> Blocks:
    """Count the blocks of each of the four stages of a ResNet.

    Args:
        names: Of its weights.

    >>> blocks_of(["conv1.weight", "layer1.0.conv1.weight", "layer1.1.conv1.weight", "layer4.0.conv1.weight"])
    (2, 1, 1, 1)
    """
    numbers: dict[int, set[int]] = {stage: set() for stage in (1, 2, 3, 4)}
    for name in names:
        if found := re.match(r"layer([1-4])\.(\d{1,3})\.", name):
            numbers[int(found[1])].add(int(found[2]))
    return tuple(max(1, len(found)) for found in numbers.values())  # a high number alone is no deep network


def _recognise_resnet(given: Mapping[str, torch.Tensor], *, is_beside_others: bool) -> tuple[Architecture, ...]:
    stem = given.get("conv1.weight")
    if stem is None or "layer1.0.conv2.weight" not in given:
        return ()
    has_bottlenecks = "layer1.0.conv3.weight" in given
    depth = _DEPTHS.get((blocks_of(given), has_bottlenecks))
    if stem.ndim == 4:
        return (_FLAT[depth],) if depth in _FLAT else ()
    if stem.ndim != 5 or stem.shape[1] != 1:
        return ("inflated-resnet",) if stem.ndim == 5 and has_bottlenecks else ()
    if depth == 18:
        return _resnets_18_in_3d(given, is_beside_others=is_beside_others)
    return (_MEDICALNET[depth],) if depth in _MEDICALNET else ()


def _resnets_18_in_3d(given: Mapping[str, torch.Tensor], *, is_beside_others: bool) -> tuple[Architecture, ...]:
    probable: Architecture = "medicalnet-18"
    if is_beside_others or any(name.startswith("global_embedding.") for name in given):
        probable = "renalclip"
    elif any(name.startswith("fc.") for name in given):  # MedicalNet's own files are of segmentation
        probable = "resnet18-3d"
    return (probable, *(one for one in ALIKE if one != probable))


def _recognise_vit(given: Mapping[str, torch.Tensor]) -> tuple[Architecture, ...]:
    plan = plan_of(given)
    if plan is None:
        return ()
    found = _VITS.get((plan.is_rotary, plan.patch_px, plan.width, plan.depth, plan.is_gated))
    return () if found is None else (found,)


def _network_for(given: Mapping[str, torch.Tensor], architecture: Architecture, source: str) -> nn.Module:
    """The network of an architecture, with the shortcuts and, where they may differ, the blocks of the file."""
    if architecture in _VITS.values():
        plan = plan_of(given)
        if plan is None or _recognise_vit(given) != (architecture,):
            raise WeightsError(f"{source} does not hold the weights of {architecture}.")
        return VisionTransformer(plan)
    return empty_network(architecture, blocks=blocks_of(given), shortcut=shortcut_of(given))


def _named(weights: Mapping[str, torch.Tensor], source: str) -> Mapping[str, torch.Tensor]:
    """The weights of the image encoder alone, under the names of our networks."""
    for before in _BESIDE_OTHERS:
        found = {name.removeprefix(before): tensor for name, tensor in weights.items() if name.startswith(before)}
        if found:
            return found
    try:
        return named_as_ours(weights)
    except (RuntimeError, IndexError):  # parts that do not fit together
        raise _unknown(source) from None


def _is_beside_others(weights: Mapping[str, torch.Tensor]) -> bool:
    return any(name.startswith(_BESIDE_OTHERS) for name in weights)


def _unknown(source: str) -> WeightsError:
    return WeightsError(f"{source} holds the weights of a network that is not known. Known are {_KNOWN}.")


def _turned(tensor: torch.Tensor, architecture: Architecture) -> torch.Tensor:
    """A kernel in 3D with its axes in the order x, y, z."""
    if tensor.ndim != 5 or architecture == "inflated-resnet":
        return tensor
    if architecture == "renalclip":  # z, x, y in the file
        return tensor.permute(0, 1, 3, 4, 2)
    return tensor.permute(0, 1, 4, 3, 2)  # z, y, x
