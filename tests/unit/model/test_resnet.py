"""The network has the published strides, scales grey values in one place, and scores rows one by one."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from nephrograde.model.resnet import Network, SlicedMaxPool3d, build_network, score


@pytest.fixture(scope="module")
def slice_network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return build_network(2, channels=1).eval()


def pictures(n: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    return np.random.default_rng(seed).random((n, 1, 32, 32)).astype(np.float16)


@pytest.mark.parametrize(("dimensions", "channels", "shape"), [(2, 1, (64, 64)), (3, 2, (32, 48, 24))])
def test_strides_are_those_of_resnet_18(dimensions: Literal[2, 3], channels: int, shape: tuple[int, ...]) -> None:
    network = build_network(dimensions, channels=channels).eval()
    sizes: list[tuple[int, ...]] = []
    network.resnet.get_submodule("layer1").register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[2:]))
    network.resnet.get_submodule("layer4").register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[2:]))
    with torch.no_grad():
        logits = network(torch.rand(2, channels, *shape))
    assert logits.shape == (2,)
    assert sizes == [tuple(s // 4 for s in shape), tuple(-(-s // 32) for s in shape)]


def test_has_as_many_weights_as_torchvision_s_less_two_colours_and_the_head() -> None:
    # torchvision's resnet18 has 11,689,512 parameters: two of three stem channels less (2 · 64 · 49), and a head with
    # one output of 512 + 1 in place of 1000 outputs.
    n_weights = sum(weight.numel() for weight in build_network(2, channels=1).parameters())
    assert n_weights == 11_689_512 - 2 * 64 * 49 - 1000 * 513 + 513


def test_shortcut_a_has_no_weights() -> None:
    network = build_network(3, channels=1, shortcut="A").eval()
    assert not [name for name, _ in network.named_parameters() if "downsample" in name]
    with torch.no_grad():
        assert network(torch.rand(1, 1, 32, 32, 32)).shape == (1,)


def test_only_the_image_channel_is_scaled() -> None:
    network = Network(torch.nn.Flatten(), dimensions=3, channels=2, shortcut="B")
    images = torch.tensor([0.5, 1.0]).reshape(1, 2, 1, 1, 1)
    assert network(images).flatten().tolist() == [0.0, 1.0]


def test_the_saved_weights_are_those_of_the_resnet_alone(slice_network: Network) -> None:
    assert all(name.startswith("resnet.") for name in slice_network.state_dict())


def test_a_score_does_not_hang_on_who_is_scored_alongside(slice_network: Network) -> None:
    images = pictures(11)
    together = score(slice_network, images)
    alone = np.concatenate([score(slice_network, images[row : row + 1]) for row in range(11)])
    assert together.tolist() == alone.tolist()
    assert together.dtype == np.float64
    assert ((together > 0) & (together < 1)).all()


def test_scoring_leaves_the_network_as_it_was(slice_network: Network) -> None:
    before = {name: tensor.clone() for name, tensor in slice_network.state_dict().items()}
    slice_network.train()
    score(slice_network, pictures(3))
    assert slice_network.training
    slice_network.eval()
    score(slice_network, pictures(3))
    assert not slice_network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in slice_network.state_dict().items())


def test_nobody_to_score(slice_network: Network) -> None:
    assert score(slice_network, np.zeros((0, 1, 1, 1), np.float16)).shape == (0,)


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 6, 5), (3, 1, 2)])
def test_sliced_pooling_equals_torch_s(shape: tuple[int, ...]) -> None:
    volume = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    ours, theirs = SlicedMaxPool3d()(volume), torch.nn.MaxPool3d(3, 2, 1)(volume)
    assert torch.equal(ours, theirs)
    weight = torch.rand(ours.shape, generator=torch.Generator().manual_seed(1))
    (of_ours,) = torch.autograd.grad((ours * weight).sum(), volume)
    (of_theirs,) = torch.autograd.grad((theirs * weight).sum(), volume)
    torch.testing.assert_close(of_ours, of_theirs)
