"""Pre-trained encoders as backbones: they see what they were trained on, and 2D kernels are inflated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from nephrograde.model.encoders.efficientnet import EfficientNetLite0
from nephrograde.model.encoders.features import LoadedEncoder
from nephrograde.model.encoders.inflated import InflatedResNet
from nephrograde.model.encoders.known import Architecture, Encoder
from nephrograde.model.encoders.layout import build_encoder
from nephrograde.model.encoders.resnet import Plan, ResNetEncoder
from nephrograde.model.encoders.store import EncoderFile
from nephrograde.model.encoders.view import View
from nephrograde.model.fusion import Fusion
from nephrograde.model.initial import initial_of_encoder
from nephrograde.model.kind import BackboneKind, stage_names, stages_of
from nephrograde.model.network import Network, build_hollow_network, build_network
from nephrograde.model.resnet import ResNet18
from nephrograde.model.weights import kind_of, load_initial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

BOXES = View((1.5, 1.5, 3.0), (-200.0, 300.0), has_mask=False)
SLICES = View((1.0, 1.0), (-200.0, 300.0), has_mask=False)


def lively(build: Callable[[], nn.Module]) -> nn.Module:
    """A network whose batch norm has statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build()
        for name, tensor in network.state_dict().items():
            if "running" in name:
                tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return network.eval()


def encoder_of(architecture: Architecture) -> Encoder:
    return Encoder("mine", architecture, "0" * 64, "MIT", ("nothing",), (), "")


def tuned(
    architecture: Architecture, weights: Mapping[str, torch.Tensor], dimensions: Literal[2, 3], view: View, **given: Any
) -> Network:
    initial = initial_of_encoder(EncoderFile(encoder_of(architecture), (), is_stored=True), view)
    network = build_network(dimensions, kind=kind_of(initial, weights), **({"channels": 1} | given))
    load_initial(network, weights, initial.source)
    return network.eval()


KINDS: list[tuple[Architecture, Callable[[], nn.Module], tuple[int, ...], View]] = [
    ("efficientnet-lite0", EfficientNetLite0, (224, 224), SLICES),
    ("resnet18", lambda: ResNet18(2, channels=3, shortcut="B"), (224, 224), SLICES),
    ("resnet18-3d", lambda: ResNet18(3, channels=1, shortcut="A"), (16, 20, 24), BOXES),
    (
        "medicalnet-10",
        lambda: ResNetEncoder(Plan(3, (1, 1, 1, 1), has_bottlenecks=False, colours=1, shortcut="A", is_dilated=True)),
        (16, 20, 24),
        BOXES,
    ),
    ("inflated-resnet", lambda: InflatedResNet((1, 2, 1, 1)), (16, 20, 8), BOXES),
]


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "build", "shape", "view"), KINDS)
def test_a_network_sees_what_the_frozen_encoder_sees(
    architecture: Architecture, build: Callable[[], nn.Module], shape: tuple[int, ...], view: View
) -> None:
    weights = lively(build).state_dict()
    picture = np.random.default_rng(0).random((1, 1, *shape)).astype(np.float16)
    frozen = LoadedEncoder(encoder_of(architecture), build_encoder(weights, architecture, "FILE"))
    network = tuned(architecture, weights, 2 if len(shape) == 2 else 3, view)
    with torch.no_grad():
        features = network.features(torch.from_numpy(picture).float())[0]
    torch.testing.assert_close(features.numpy(), frozen.features(picture, view), rtol=1e-3, atol=1e-4)


def test_further_channels_and_a_mask_change_nothing_at_first() -> None:
    weights = lively(EfficientNetLite0).state_dict()
    alone = tuned("efficientnet-lite0", weights, 2, SLICES)
    together = tuned("efficientnet-lite0", weights, 2, SLICES, channels=4, has_mask=True)
    image = torch.rand(1, 1, 32, 32)
    mask = (torch.rand(1, 1, 32, 32) > 0.5).float()
    with torch.no_grad():
        torch.testing.assert_close(
            together.features(torch.cat([image, image, image, mask], dim=1)),
            alone.features(image),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.slow
def test_an_inflated_network_sees_a_slice_in_a_volume_that_is_constant_along_z() -> None:
    weights = lively(lambda: ResNet18(2, channels=3, shortcut="B")).state_dict()
    flat, solid = (tuned("resnet18", weights, dimensions, SLICES) for dimensions in (2, 3))
    slice_yx = torch.rand(1, 1, 16, 16)
    depth = 480  # more than the receptive field of 435, so that the borders are not seen in the middle
    volume_xyz = slice_yx.transpose(2, 3)[..., None].expand(-1, -1, -1, -1, depth)
    seen: list[torch.Tensor] = []
    solid.backbone.get_submodule("layer4").register_forward_hook(lambda _module, _given, maps: seen.append(maps))
    with torch.no_grad():
        solid.features(volume_xyz)
        features = flat.features(slice_yx)
    middle = seen[0][..., seen[0].shape[-1] // 2].mean((2, 3))
    torch.testing.assert_close(middle, features, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "dimensions", "n_stages"),
    [
        ("resnet18", 3, 4),
        ("efficientnet-lite0", 2, 7),
        ("resnet50", 2, 4),
        ("medicalnet-18", 3, 4),
        ("inflated-resnet", 3, 4),
    ],
)
def test_every_weight_before_the_head_belongs_to_one_stage(
    architecture: Architecture, dimensions: Literal[2, 3], n_stages: int
) -> None:
    network = build_hollow_network(dimensions, channels=1, kind=BackboneKind(architecture))
    layers = [name for stage in stages_of(architecture) for name in stage]
    for name in network.weights():
        inside = name.removeprefix("encoder.")
        assert name.startswith("fc.") or sum(inside.startswith(f"{layer}.") for layer in layers) == 1
    assert stage_names(architecture) == ("stem", *(f"stage{k}" for k in range(1, n_stages + 1)), "head")


def test_differences_of_phases_are_not_scaled_as_grey_values() -> None:
    fusion = Fusion("early", ("cmp", "np"), (("cmp", "np"),))
    network = build_hollow_network(2, channels=3, fusion=fusion, kind=BackboneKind(centre=0.4, spread=0.2))
    assert network.centre.flatten().tolist() == pytest.approx([0.4, 0.4, 0.5])
    assert network.spread.flatten().tolist() == pytest.approx([0.2, 0.2, 0.25])
