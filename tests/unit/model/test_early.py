"""The network whose channels are the phases of a patient: missing phases, scoring, pooling and its card."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from nephrograde.cohort.clinical import encode, learn_terms
from nephrograde.model.fusion import Fusion
from nephrograde.model.network import Network, build_network
from nephrograde.model.scoring import score
from nephrograde.sample.channels import ABSENT, Channels
from nephrograde.sample.dataset import Bags, places_of
from nephrograde.vocabulary import Pooling

PHASES = ("cmp", "np", "up")
PLAIN = Fusion("early", PHASES)
SUBTRACTED = Fusion("early", PHASES, (("cmp", "up"),))


def seeded(fusion: Fusion, *, rule: Pooling = "mean", channels: int = 3, has_mask: bool = False) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return build_network(2, channels=channels, has_mask=has_mask, pooling=rule, fusion=fusion).eval()


def bags_of(counts: list[int], missing: dict[int, int], *, channels: int = 3, seed: int = 0) -> Bags:
    """Patients of whom some lack the phase with a number."""
    images = np.random.default_rng(seed).random((sum(counts), channels, 32, 32)).astype(np.float16)
    bags = Bags(images, np.array(counts))
    for patient, phase in missing.items():
        images[bags.starts[patient] : bags.starts[patient] + counts[patient], phase] = ABSENT
    return bags


def p_high(network: Network, bags: Bags) -> list[float]:
    return [float(p) for p in score(network, bags).p_high]


def test_channels_are_shared_by_phases_and_differences() -> None:
    assert SUBTRACTED.channels(4) == Channels(3, ((0, 2),), each=1)
    assert SUBTRACTED.channels(12) == Channels(3, ((0, 2),), each=3)
    assert Fusion("intermediate", PHASES).channels(1) is None
    with pytest.raises(ValueError, match="5 channels"):
        SUBTRACTED.channels(5)
    lacking = Channels(3, ((0, 2),), each=2).lacking(np.array([[True, False, True], [False, True, True]]))
    assert lacking.tolist() == [
        [False, False, True, True, False, False, False, False],
        [True, True, False, False, False, False, True, True],
    ]


@pytest.mark.parametrize("rule", get_args(Pooling))
def test_training_scores_as_a_new_patient_is_scored(rule: Pooling) -> None:
    network = seeded(PLAIN, rule=rule)
    bags = bags_of([2, 1, 3], {0: 1, 2: 2})
    with torch.no_grad():
        logits = network(torch.from_numpy(bags.images).float(), torch.from_numpy(places_of(bags.counts)))
    assert torch.sigmoid(logits).tolist() == pytest.approx(p_high(network, bags), abs=1e-6)
    assert p_high(network, bags) == [p_high(network, bags.of(np.array([patient])))[0] for patient in range(3)]
    weights = score(network, bags).weights
    assert weights.shape == ((6,) if rule == "attention" else (0,))


def test_a_missing_phase_is_zero_after_scaling_and_told_to_the_head() -> None:
    network = seeded(PLAIN)
    absent, grey = bags_of([1], {0: 1}), bags_of([1], {})
    grey.images[:, 1] = 0.5
    with torch.no_grad():
        features = [network.rows(torch.from_numpy(bags.images).float()).values for bags in (absent, grey)]
    torch.testing.assert_close(features[0][:, :512], features[1][:, :512], rtol=0, atol=0)
    assert [one[0, 512:].tolist() for one in features] == [[1, 0, 1], [1, 1, 1]]
    assert p_high(network, absent) != p_high(network, grey)


def test_a_mask_is_not_scaled_and_a_phase_is_never_taken_from_it() -> None:
    network = seeded(SUBTRACTED, channels=5, has_mask=True)
    assert network.centre.flatten().tolist() == [0.5] * 4 + [0.0]
    assert network.spread.flatten().tolist() == [0.25] * 4 + [1.0]


def test_clinical_values_are_joined() -> None:
    terms = learn_terms(["age_years"], [(50.0,), (70.0,)])
    network = seeded(replace(PLAIN, values=terms), rule="max")
    bags = bags_of([2, 1], {0: 2})
    values = np.array([encode(terms, {"age_years": age}) for age in (61.0, 45.0)], np.float32)
    given = replace(bags, values=values)
    with torch.no_grad():
        images, places = torch.from_numpy(bags.images).float(), torch.from_numpy(places_of(bags.counts))
        logits = network(images, places, torch.from_numpy(values))
    assert torch.sigmoid(logits).tolist() == pytest.approx(p_high(network, given), abs=1e-6)
    assert p_high(network, given) != p_high(network, replace(bags, values=values[::-1].copy()))
