"""The parts of a step, each on its own, on a network small enough to check by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch

from nephrograde.fit.learner import (
    Learner,
    hold_pictures,
    is_finite,
    learn,
    load_batch,
    score_patients,
    settle,
    start,
)
from nephrograde.fit.machine import Machine, make_fabric
from nephrograde.model.scoring import score
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
    norm = learner.network.backbone.get_submodule("1")
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
    assert bool(is_finite(learner.network))
    for tensor in (learner.network.backbone.get_parameter("0.weight"), norm_of(learner).running_var):
        assert tensor is not None
        before = tensor.detach().flatten()[3].clone()
        tensor.detach().flatten()[3] = bad
        assert not bool(is_finite(learner.network))
        tensor.detach().flatten()[3] = before
    assert bool(is_finite(learner.network))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_shows_in_the_loss_of_the_next_step(
    learner: Learner, make_job: MakeJob, bad: float
) -> None:
    batch = load_batch(make_job(), np.arange(16), CPU)
    for name in ("0.weight", "1.weight", "1.bias", "5.weight"):
        tensor = learner.network.backbone.get_parameter(name).detach().flatten()
        before = tensor[0].clone()
        tensor[0] = bad
        loss = learner.network(batch.images, batch.places).sum()
        tensor[0] = before
        assert not bool(loss.isfinite()), name


@pytest.mark.parametrize("shape", [(32, 32), (16, 16, 16)])
def test_pictures_that_lie_on_the_device_are_collected_there(make_job: MakeJob, shape: tuple[int, ...]) -> None:
    job = make_job(rows=3, shape=shape)
    bags = job.bags(job.learn)
    counts = np.array([1, 3, 2, 4, 3] + [2] * 8 + [6, 6, 7])
    job = replace(job, learn=replace(job.learn, phases={"cmp": Bags(bags.images, counts)}))
    held = torch.from_numpy(bags.images)
    for patients in (np.array([3, 0, 15]), np.arange(16), np.array([7, 7])):
        moved, collected = load_batch(job, patients, CPU), load_batch(job, patients, CPU, held=held)
        for name in ("images", "places", "is_high"):
            assert torch.equal(getattr(moved, name), getattr(collected, name))
    assert hold_pictures(job, CPU) is None


@pytest.mark.parametrize(("free", "fraction"), [(1 << 12, 1.0), (1 << 30, 2.0**-18)])
def test_pictures_stay_in_main_memory_where_a_gpu_has_no_room(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, free: int, fraction: float
) -> None:
    """None is free, or the part of a process that shares it is small."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 1 << 30))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: fraction)
    assert hold_pictures(make_job(), torch.device("cuda")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_pictures_lie_on_a_gpu_that_has_room(make_job: MakeJob) -> None:
    job, gpu = make_job(rows=3), torch.device("cuda")
    held = hold_pictures(job, gpu)
    assert held is not None
    patients = np.array([5, 0, 9])
    moved, collected = load_batch(job, patients, gpu), load_batch(job, patients, gpu, held=held)
    for name in ("images", "places", "is_high"):
        assert torch.equal(getattr(moved, name), getattr(collected, name))


def test_settled_statistics_are_those_of_the_rows(learner: Learner, make_job: MakeJob) -> None:
    job = make_job()
    norm = norm_of(learner)
    settle(learner, job, epoch=1)
    images = load_batch(job, np.arange(16), CPU).images
    with torch.no_grad():
        scaled = (images - learner.network.centre) / learner.network.spread
        maps = learner.network.backbone.get_submodule("0")(scaled)
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
    torch.nn.init.zeros_(network.backbone.get_parameter("fc.weight"))
    assert score(network, job.bags(job.test)).p_high.tolist() == pytest.approx([0.5] * 5, abs=1e-6)
