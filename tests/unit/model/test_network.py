"""The network scales grey values in one place and scores rows one by one."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from nephrograde.model.network import Network, build_hollow_network, build_network
from nephrograde.model.resnet import ResNet18
from nephrograde.model.scoring import score
from nephrograde.sample.dataset import Bags, places_of
from nephrograde.vocabulary import Pooling

RULES = get_args(Pooling)


def seeded(rule: Pooling) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return build_network(2, channels=1, pooling=rule).eval()


@pytest.fixture(scope="module")
def slice_network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return build_network(2, channels=1).eval()


def pictures(n: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    return np.random.default_rng(seed).random((n, 1, 32, 32)).astype(np.float16)


def bags_of(*counts: int) -> Bags:
    return Bags(pictures(sum(counts)), np.array(counts))


@pytest.mark.parametrize(("channels", "has_mask"), [(1, False), (3, False), (2, True), (4, True)])
def test_only_image_channels_are_scaled(channels: int, has_mask: bool) -> None:
    resnet = ResNet18(3, channels=channels, shortcut="B")
    seen: list[torch.Tensor] = []
    resnet.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network = Network(resnet, channels=channels, has_mask=has_mask).eval()
    with torch.no_grad():
        network.rows(torch.full((1, channels, 4, 4, 4), 0.75))
    assert seen[0][0, :, 0, 0, 0].tolist() == [1.0] * (channels - has_mask) + [0.75] * has_mask


def test_the_saved_weights_are_named_as_those_of_the_backbone(slice_network: Network) -> None:
    assert slice_network.weights().keys() == slice_network.backbone.state_dict().keys()
    with_attention = build_hollow_network(2, channels=1, pooling="attention").weights()
    further = with_attention.keys() - slice_network.weights().keys()
    assert {name.partition(".")[0] for name in further} == {"attention"}
    assert len(further) == 6


@pytest.mark.parametrize("rule", RULES)
def test_a_score_does_not_hang_on_who_is_scored_alongside(rule: Pooling) -> None:
    network = seeded(rule)
    bags = bags_of(3, 1, 2, 1, 4)
    together = score(network, bags)
    alone = [score(network, bags.of(np.array([patient]))) for patient in range(5)]
    assert together.p_high.tolist() == [one.p_high[0] for one in alone]
    assert together.weights.tolist() == [weight for one in alone for weight in one.weights]
    assert together.p_high.dtype == np.float64
    assert ((together.p_high > 0) & (together.p_high < 1)).all()


@pytest.mark.parametrize("rule", RULES)
def test_training_pools_as_scoring_does(rule: Pooling) -> None:
    network, bags = seeded(rule), bags_of(3, 1, 2)
    with torch.no_grad():
        logits = network(torch.from_numpy(bags.images).float(), torch.from_numpy(places_of(bags.counts)))
    assert torch.sigmoid(logits).tolist() == pytest.approx(score(network, bags).p_high.tolist(), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_the_exported_graph_pools_as_the_network_does(rule: Pooling) -> None:
    """One graph for any number of patients and pictures; the program of torch.export is what ONNX is written from."""
    network = seeded(rule)
    n_rows, n_patients, n_places = (torch.export.Dim(name, max=64) for name in ("row", "patient", "place"))
    example = (torch.rand(5, 1, 32, 32), torch.tensor([[0, 1, -1], [2, 3, 4]]))
    dynamic = ({0: n_rows}, {0: n_patients, 1: n_places})
    graph = torch.export.export(network, example, dynamic_shapes=dynamic).module()
    for counts in ([4, 2, 3], [1, 7], [2, 2]):
        bags = bags_of(*counts)
        images, places = torch.from_numpy(bags.images).float(), torch.from_numpy(places_of(bags.counts))
        with torch.no_grad():
            torch.testing.assert_close(graph(images, places), network(images, places), rtol=1e-5, atol=1e-6)


def test_attention_weights_add_up_to_one_for_each_patient() -> None:
    weights = score(seeded("attention"), bags_of(3, 1, 2)).weights
    assert [weights[:3].sum(), weights[3], weights[4:].sum()] == pytest.approx([1.0, 1.0, 1.0], abs=1e-12)
    assert len(set(weights.tolist())) == 6


def test_scoring_leaves_the_network_as_it_was(slice_network: Network) -> None:
    before = {name: tensor.clone() for name, tensor in slice_network.state_dict().items()}
    slice_network.train()
    score(slice_network, bags_of(2, 1))
    assert slice_network.training
    slice_network.eval()
    score(slice_network, bags_of(2, 1))
    assert not slice_network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in slice_network.state_dict().items())


def test_nobody_to_score(slice_network: Network) -> None:
    assert score(slice_network, Bags(np.zeros((0, 1, 1, 1), np.float16), np.zeros(0, int))).p_high.shape == (0,)
