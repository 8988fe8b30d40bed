"""The network scales grey values in one place and scores rows one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nephrograde.model.network import Network, build_network, score


@pytest.fixture(scope="module")
def slice_network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return build_network(2, channels=1).eval()


def pictures(n: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    return np.random.default_rng(seed).random((n, 1, 32, 32)).astype(np.float16)


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
