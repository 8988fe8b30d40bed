"""The ResNet-18 has the published strides and names, and equals MONAI's network to the last weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from nephrograde.model.network import build_network
from nephrograde.model.resnet import ResNet18, SlicedMaxPool3d, ThinConv2d, ThinConv3d
from nephrograde.model.scoring import score
from nephrograde.model.weights import load_weights, save_weights
from nephrograde.sample.dataset import Bags

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Shortcut = Literal["A", "B"]
EVERY_KIND = [(d, c, s) for d in (2, 3) for c in (1, 2) for s in ("A", "B")]


@pytest.fixture
def of_monai(absent: Callable[[str], None]) -> Callable[..., Any]:
    """MONAI's ResNet-18 with the strides and shortcuts of the published one."""
    try:
        from monai.networks.nets.resnet import resnet18
    except ImportError:
        absent('MONAI is not installed: pip install "nephrograde[test]"')

    def build(dimensions: Literal[2, 3], channels: int, shortcut: Shortcut) -> Any:
        return resnet18(
            spatial_dims=dimensions,
            n_input_channels=channels,
            num_classes=1,
            conv1_t_stride=2,
            shortcut_type=shortcut,
            bias_downsample=False,
        )

    return build


def seeded(seed: int, build: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


@pytest.mark.slow
@pytest.mark.parametrize(("dimensions", "channels", "shortcut"), EVERY_KIND)
def test_equals_monai_s_network(
    of_monai: Callable[..., Any], dimensions: Literal[2, 3], channels: int, shortcut: Shortcut
) -> None:
    ours = seeded(7, lambda: ResNet18(dimensions, channels=channels, shortcut=shortcut))
    theirs = seeded(7, lambda: of_monai(dimensions, channels, shortcut))
    given = theirs.state_dict()
    assert list(ours.state_dict()) == list(given)
    assert [name for name, tensor in ours.state_dict().items() if not torch.equal(tensor, given[name])] == []

    shape = (67, 75) if dimensions == 2 else (35, 19, 17)
    images = seeded(8, lambda: torch.rand(3, channels, *shape, dtype=torch.float64))
    answers = []
    for network in (ours.double(), theirs.double()):
        pixels = images.clone().requires_grad_()
        logits = network(pixels)
        logits.square().sum().backward()
        answers.append((logits.detach(), pixels.grad, *(weight.grad for weight in network.parameters())))
        answers[-1] += (network.eval()(images).detach(),)
    torch.testing.assert_close(*answers, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_run_folder_of_monai_s_network_still_scores(of_monai: Callable[..., Any], tmp_path: Path) -> None:
    network = seeded(1, lambda: build_network(3, channels=2, has_mask=True))
    seeded(2, lambda: load_weights(network, _saved(of_monai(3, 2, "B").state_dict(), tmp_path)))
    theirs = seeded(2, lambda: of_monai(3, 2, "B")).eval()
    images = seeded(3, lambda: torch.rand(2, 2, 16, 16, 16)).half()
    with torch.no_grad():
        scaled = torch.stack([(images[:, 0].float() - 0.5) / 0.25, images[:, 1].float()], dim=1)
        expected = torch.sigmoid(theirs(scaled)[:, 0])
    p_high = score(network, Bags(images.numpy(), np.array([1, 1]))).p_high
    torch.testing.assert_close(torch.from_numpy(p_high).float(), expected, rtol=1e-5, atol=1e-6)


def _saved(weights: dict[str, torch.Tensor], folder: Path) -> Path:
    save_weights(weights, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def test_names_are_torchvision_s() -> None:
    def norm(name: str) -> list[str]:
        return [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]

    names = ["conv1.weight", *norm("bn1")]
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            top = f"layer{stage}.{block}"
            names += [f"{top}.conv1.weight", *norm(f"{top}.bn1"), f"{top}.conv2.weight", *norm(f"{top}.bn2")]
            if stage > 1 and block == 0:
                names += [f"{top}.downsample.0.weight", *norm(f"{top}.downsample.1")]
    names += ["fc.weight", "fc.bias"]
    assert list(ResNet18(2, channels=1, shortcut="B").state_dict()) == names
    without = [name for name in names if "downsample" not in name]
    assert list(ResNet18(3, channels=1, shortcut="A").state_dict()) == without


@pytest.mark.parametrize(("dimensions", "channels", "shape"), [(2, 1, (64, 64)), (3, 2, (32, 48, 24))])
def test_strides_are_those_of_resnet_18(dimensions: Literal[2, 3], channels: int, shape: tuple[int, ...]) -> None:
    network = ResNet18(dimensions, channels=channels, shortcut="B").eval()
    sizes: list[tuple[int, ...]] = []
    network.get_submodule("layer1").register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[2:]))
    network.get_submodule("layer4").register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[2:]))
    with torch.no_grad():
        logits = network(torch.rand(2, channels, *shape))
    assert logits.shape == (2, 1)
    assert sizes == [tuple(s // 4 for s in shape), tuple(-(-s // 32) for s in shape)]


def test_has_as_many_weights_as_torchvision_s_less_two_colours_and_the_head() -> None:
    # torchvision's resnet18 has 11,689,512 parameters: minus two of three stem channels (2 · 64 · 49), and with a head
    # of one output (512 + 1) instead of 1000 outputs.
    n_weights = sum(weight.numel() for weight in ResNet18(2, channels=1, shortcut="B").parameters())
    assert n_weights == 11_689_512 - 2 * 64 * 49 - 1000 * 513 + 513


def test_shortcut_a_has_no_weights() -> None:
    network = ResNet18(3, channels=1, shortcut="A").eval()
    assert not [name for name, _ in network.named_parameters() if "downsample" in name]
    with torch.no_grad():
        assert network(torch.rand(1, 1, 32, 32, 32)).shape == (1, 1)


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 6, 5), (3, 1, 2)])
def test_sliced_pooling_equals_torch_s(shape: tuple[int, ...]) -> None:
    volume = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    ours, theirs = SlicedMaxPool3d()(volume), torch.nn.MaxPool3d(3, 2, 1)(volume)
    assert torch.equal(ours, theirs)
    weight = torch.rand(ours.shape, generator=torch.Generator().manual_seed(1))
    (of_ours,) = torch.autograd.grad((ours * weight).sum(), volume)
    (of_theirs,) = torch.autograd.grad((theirs * weight).sum(), volume)
    torch.testing.assert_close(of_ours, of_theirs)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (4, 2), (1, 1, 1), (1, 6, 1), (2, 3, 2)])
def test_thin_pictures_are_convolved_as_all_others(shape: tuple[int, ...], stride: int) -> None:
    thin, plain = (ThinConv2d, torch.nn.Conv2d) if len(shape) == 2 else (ThinConv3d, torch.nn.Conv3d)
    ours = seeded(0, lambda: thin(3, 4, kernel_size=3, stride=stride, padding=1)).double()
    theirs = plain(3, 4, kernel_size=3, stride=stride, padding=1).double()
    theirs.load_state_dict(ours.state_dict())
    pictures = seeded(1, lambda: torch.rand(2, 3, *shape, dtype=torch.float64))
    for conv in (ours, theirs):
        (conv(pictures) ** 2).sum().backward()
    torch.testing.assert_close(ours(pictures), theirs(pictures))
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
