"""The parts of a step, each on its own, on a network small enough to check by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch

from nephrograde.fit.learner import Learner, is_finite, learn, load_batch, score_patients, settle, start
from nephrograde.fit.machine import Machine, make_fabric
from nephrograde.model.network import score
from nephrograde.sample.dataset import Bags
from nephrograde.vocabulary import Pooling

if TYPE_CHECKING:
    from tests.unit.fit.conftest import MakeJob

pytestmark = pytest.mark.usefixtures("tiny")
CPU = torch.device("cpu")


@pytest.fixture
def learner(make_job: MakeJob) -> Learner:
    return start(make_fabric(Machine("cpu", 1, 1, launched=False), "fp32"), make_job())


def norm_of(learner: Learner) -> torch.nn.BatchNorm2d:
    norm = learner.network.resnet.get_submodule("1")
    assert isinstance(norm, torch.nn.BatchNorm2d)
    return norm


def test_patients_arrive_as_float32_with_all_pictures_and_their_truth(make_job: MakeJob) -> None:
    job = make_job(rows=2)
    batch = load_batch(job, np.array([5, 0]), CPU)
    assert batch.images.dtype == torch.float32
    assert np.array_equal(batch.images.numpy(), job.bags(job.learn).images[[10, 11, 0, 1]].astype(np.float32))
    assert batch.places.tolist() == [[0, 1], [2, 3]]
    assert batch.is_high.tolist() == [0.0, 1.0]


def test_norms_and_biases_do_not_decay(learner: Learner) -> None:
    decays = {
        weight.ndim > 1: group["weight_decay"] for group in learner.optimizer.param_groups for weight in group["params"]
    }
    assert decays == {True: 0.01, False: 0.0}
    assert sum(len(group["params"]) for group in learner.optimizer.param_groups) == 5


def test_a_step_gives_the_mean_loss_and_lowers_it(learner: Learner, make_job: MakeJob) -> None:
    batch = load_batch(make_job(), np.arange(16), CPU)
    logits = learner.network(batch.images, batch.places).detach()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.is_high)
    losses = [float(learn(learner, batch, n_batch=16)) for _ in range(10)]
    assert losses[0] == pytest.approx(float(expected), rel=1e-6)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_anything_that_is_not_finite_is_found(learner: Learner, bad: float) -> None:
    fine = torch.tensor(0.5)
    assert bool(is_finite(learner.network, fine))
    assert not bool(is_finite(learner.network, torch.tensor(bad)))
    for tensor in (learner.network.resnet.get_parameter("0.weight"), norm_of(learner).running_var):
        assert tensor is not None
        before = tensor.detach().flatten()[3].clone()
        tensor.detach().flatten()[3] = bad
        assert not bool(is_finite(learner.network, fine))
        tensor.detach().flatten()[3] = before
    assert bool(is_finite(learner.network, fine))


def test_settled_statistics_are_those_of_the_rows(learner: Learner, make_job: MakeJob) -> None:
    job = make_job()
    norm = norm_of(learner)
    settle(learner, job, epoch=1)
    images = load_batch(job, np.arange(16), CPU).images
    with torch.no_grad():
        scaled = (images - learner.network.centre) / learner.network.spread
        maps = learner.network.resnet.get_submodule("0")(scaled)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, maps.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, maps.var(dim=(0, 2, 3)), rtol=0.05, atol=0)
    assert norm.momentum == 0.1
    assert learner.network.training


def test_scores_are_pooled_by_patient(learner: Learner, make_job: MakeJob) -> None:
    learner.network.pooling = "max"
    job = make_job(rows=2)
    p_high, weights = score_patients(learner, job.bags(job.test))
    images = job.bags(job.test).images
    p_rows = score_patients(learner, Bags(images, np.ones(len(images), int))).p_high
    assert p_high.tolist() == p_rows.reshape(5, 2).amax(dim=1).tolist()
    assert len(weights) == 0


@pytest.mark.parametrize("rule", get_args(Pooling))
def test_a_patient_starts_at_even_odds(make_job: MakeJob, rule: Pooling) -> None:
    job = make_job(rows=4, pooling=rule)
    network = start(make_fabric(Machine("cpu", 1, 1, launched=False), "fp32"), job).network
    torch.nn.init.zeros_(network.resnet.get_parameter("fc.weight"))
    assert score(network, job.bags(job.test)).p_high.tolist() == pytest.approx([0.5] * 5, abs=1e-6)
