"""The network that joins the phases of a patient: a missing phase, pooling over a phase, scoring and export."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from nephrograde.cohort.clinical import encode, learn_terms
from nephrograde.model.fusion import Fusion
from nephrograde.model.network import Network, build_hollow_network, build_network
from nephrograde.model.pooling import shares
from nephrograde.model.scoring import score
from nephrograde.sample.dataset import Bags, places_of_phases
from nephrograde.vocabulary import Pooling

RULES: list[Pooling] = ["mean", "attention"]
PHASES = Fusion("intermediate", ("cmp", "np", "up"))


def seeded(rule: Pooling, fusion: Fusion = PHASES) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return build_network(2, channels=1, pooling=rule, fusion=fusion).eval()


@pytest.fixture(scope="module", params=RULES)
def network(request: pytest.FixtureRequest) -> Network:
    return seeded(request.param)


def bags_of(*parts: tuple[int, int, int], seed: int = 0) -> Bags:
    counts = np.array(parts)
    images = np.random.default_rng(seed).random((counts.sum(), 1, 32, 32)).astype(np.float16)
    return Bags(images, counts.sum(axis=1), counts)


def test_only_weighted_means_pool_features() -> None:
    present = torch.tensor([[True, True, False]])
    assert set(RULES) < set(get_args(Pooling))
    assert shares(torch.tensor([[0.0, 2.0, 9.0]]), present, "attention").sum().item() == pytest.approx(1.0)


def test_a_score_does_not_depend_on_other_patients(network: Network) -> None:
    bags = bags_of((2, 1, 3), (0, 1, 0), (1, 0, 2))
    together = score(network, bags)
    alone = [score(network, bags.of(np.array([patient]))) for patient in range(3)]
    assert together.p_high.tolist() == [one.p_high[0] for one in alone]
    assert len(set(together.p_high.tolist())) == 3
    assert together.weights.tolist() == [weight for one in alone for weight in one.weights]


def test_training_joins_as_scoring_does(network: Network) -> None:
    bags = bags_of((2, 1, 3), (0, 1, 0), (1, 0, 2))
    assert bags.parts is not None
    with torch.no_grad():
        logits = network(torch.from_numpy(bags.images).float(), torch.from_numpy(places_of_phases(bags.parts)))
    assert torch.sigmoid(logits).tolist() == pytest.approx(score(network, bags).p_high.tolist(), abs=1e-6)


def test_a_phase_that_is_left_out_is_a_phase_that_is_missing(network: Network) -> None:
    bags = bags_of((2, 1, 3))
    places = torch.from_numpy(places_of_phases(np.array([[2, 1, 3]])))
    places[0, 1] = -1
    without = bags_of((2, 0, 3))
    without.images[:2], without.images[2:] = bags.images[:2], bags.images[3:]
    with torch.no_grad():
        logit = network(torch.from_numpy(bags.images).float(), places)
    assert torch.sigmoid(logit).item() == pytest.approx(float(score(network, without).p_high[0]), abs=1e-6)


def test_the_same_pictures_mean_something_else_on_another_phase(network: Network) -> None:
    pictures = bags_of((1, 0, 0)).images
    found = {
        float(score(network, Bags(pictures, np.array([1]), np.array([parts]))).p_high[0])
        for parts in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    }
    assert len(found) == 3


def test_attention_weighs_all_phases_of_a_patient_alike() -> None:
    weights = score(seeded("attention"), bags_of((2, 1, 0), (0, 0, 3))).weights
    assert [weights[:2].sum(), weights[2], weights[3:].sum()] == pytest.approx([0.5, 0.5, 1.0], abs=1e-12)


def test_clinical_values_are_joined_in_training_and_scoring_alike() -> None:
    terms = learn_terms(["age_years", "sex"], [(50.0, "F"), (math.nan, "M"), (70.0, None)], texts=[1])
    network = seeded("mean", Fusion("intermediate", ("cmp", "np", "up"), values=terms))
    bags = bags_of((1, 1, 0), (0, 1, 0))
    values = np.array([encode(terms, {"age_years": 61.0, "sex": "F"}), encode(terms, {})], np.float32)
    bags = replace(bags, values=values)
    assert bags.parts is not None
    given = (torch.from_numpy(bags.images).float(), torch.from_numpy(places_of_phases(bags.parts)))
    with torch.no_grad():
        logits = network(*given, torch.from_numpy(values))
        other = network(*given, torch.from_numpy(values[::-1].copy()))
    assert torch.sigmoid(logits).tolist() == pytest.approx(score(network, bags).p_high.tolist(), abs=1e-6)
    assert not torch.allclose(logits, other)
    assert score(network, bags).p_high[1] == score(network, bags.of(np.array([1]))).p_high[0]


def test_a_difference_counts_only_where_both_phases_are_there() -> None:
    network = seeded("mean", Fusion("intermediate", ("cmp", "np", "up"), (("cmp", "up"),)))
    both, one = bags_of((1, 0, 1)), bags_of((1, 0, 0))
    before = [float(score(network, bags).p_high[0]) for bags in (both, one)]
    with torch.no_grad():
        network.backbone.fc.weight[:, 3 * 512 : 4 * 512] += 1.0
    after = [float(score(network, bags).p_high[0]) for bags in (both, one)]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_the_weights_are_named_as_those_of_the_backbone() -> None:
    hollow = build_hollow_network(3, channels=2, has_mask=True, fusion=PHASES).weights()
    single = build_hollow_network(3, channels=2, has_mask=True).weights()
    assert hollow.keys() == single.keys()
    assert tuple(hollow["fc.weight"].shape) == (1, PHASES.inputs(512))


def test_the_network_on_one_phase_is_drawn_as_before() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        single = build_network(2, channels=1).weights()
    fused = seeded("mean").weights()
    assert torch.equal(single["layer4.1.conv2.weight"], fused["layer4.1.conv2.weight"])


@pytest.mark.slow
def test_the_exported_graph_joins_as_the_network_does(network: Network) -> None:
    n_rows, n_patients, n_places = (torch.export.Dim(name, max=64) for name in ("row", "patient", "place"))
    example = (torch.rand(6, 1, 32, 32), torch.from_numpy(places_of_phases(np.array([[2, 1, 0], [1, 0, 2]]))))
    dynamic = ({0: n_rows}, {0: n_patients, 2: n_places})
    graph = torch.export.export(network, example, dynamic_shapes=dynamic).module()
    for parts in ([(1, 1, 1)], [(0, 4, 0), (2, 2, 2)]):
        bags = bags_of(*parts)
        assert bags.parts is not None
        images, places = torch.from_numpy(bags.images).float(), torch.from_numpy(places_of_phases(bags.parts))
        with torch.no_grad():
            torch.testing.assert_close(graph(images, places), network(images, places), rtol=1e-5, atol=1e-6)
