"""A step of learning, replayed: the same digits as without a graph, whatever comes between capture and replay.

Graphs exist on CUDA only. On the CPU a tape takes their place: it repeats the recorded operations on the same memory.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.unit.fit.tape import Recorder

from nephrograde.fit import step as step_module
from nephrograde.fit.learner import Learner, score_patients, settle, start, weights_of
from nephrograde.fit.loop import fit_fold
from nephrograde.fit.machine import Machine, make_fabric, reproducible
from nephrograde.fit.sampling import batches
from nephrograde.fit.step import Chance, TrainingStep, capturing_stream, draw_step, find_capture
from nephrograde.sample.dataset import Bags
from nephrograde.study import AugmentSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.fit.conftest import MakeJob

    from nephrograde.fit.job import FitJob

    Work = Callable[[], object]

CPU = Machine("cpu", 1, 1, launched=False)
OFF = AugmentSettings(flip=False, rotate_deg=0, shift=0, scale=0, contrast=0, brightness=0, noise=0)
GRADES = {f"learn-{number}": (4, 1, 3, 2)[number % 4] for number in range(16)}


def refuse(work: Work) -> Work:
    """Fail at the end of a capture, when all of the step has been passed through."""
    Recorder()(work)
    raise RuntimeError("operation not permitted when stream is capturing")


def rates(n: int) -> list[float]:
    """Learning rates that float32 holds exactly."""
    return [(1 + number % 3) * 2.0**-9 for number in range(n)]


def taken(
    job: FitJob, capture: Any, *, n: int = 8, held: bool = True, device: str = "cpu"
) -> tuple[dict[str, torch.Tensor], list[float], Learner]:
    """Take some steps; the weights and batch-norm statistics, the losses, and the learner."""
    fabric = make_fabric(CPU if device == "cpu" else Machine("cuda", 1, 1, launched=False), "fp32")
    with reproducible(fabric.device.type), capturing_stream(fabric):
        learner = start(fabric, job)
        if device == "cpu" and held:
            learner = learner._replace(held=torch.from_numpy(job.bags(job.learn).images))
        chance = Chance(torch.Generator().manual_seed(1), np.random.default_rng(2))
        deal = batches(job.learn.is_high, batch_size=8, balanced=True, seed=3)
        given = find_capture(learner) if capture == "found" else capture
        training = TrainingStep(learner, has_mask=job.has_mask, n_batch=8, capture=given)
        losses = torch.zeros(n, device=fabric.device)
        for number, rate in enumerate(rates(n)):
            inputs = draw_step(learner, job, next(deal), chance=chance)
            losses[number] = training.take(inputs, learning_rate=rate)
            if number == n - 3:  # what happens at the end of an epoch
                settle(learner, job, epoch=1)
                score_patients(learner, job.bags(job.stop))
    return weights_of(learner.network), losses.tolist(), learner


def mixed(job: FitJob) -> FitJob:
    """The same patients, some with fewer pictures."""
    bags = job.bags(job.learn)
    few = np.arange(16) % 8 == 3
    rows = np.concatenate([bags.rows_of(np.array([one]))[: 1 if few[one] else None] for one in range(16)])
    fewer = Bags(bags.images[rows], np.where(few, 1, bags.counts))
    return replace(job, learn=replace(job.learn, phases={"cmp": fewer}))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    "changes",
    [{}, {"rows": 3, "pooling": "attention"}, {"shape": (8, 8, 8)}, {"rows": 2, "augment": OFF}, {"grades": GRADES}],
)
def test_replayed_steps_have_the_digits_of_others(make_job: MakeJob, changes: dict[str, Any], held: bool) -> None:
    job, recorder = make_job(**changes), Recorder()
    weights, losses, _ = taken(job, None, held=held)
    replayed, losses_replayed, learner = taken(job, recorder, held=held)
    assert (recorder.captured, recorder.replayed) == (1, 8 - step_module.WARM_UP_STEPS)
    assert losses == losses_replayed
    assert all(torch.equal(weights[name], replayed[name]) for name in weights)
    assert all(weight.grad is None for weight in learner.network.parameters())


@pytest.mark.usefixtures("tiny")
def test_each_shape_that_recurs_has_a_graph(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job, recorder = mixed(make_job(rows=3)), Recorder()
    weights, losses, _ = taken(job, None, n=16)
    replayed, losses_replayed, _ = taken(job, recorder, n=16)
    assert recorder.captured > 1
    assert losses == losses_replayed
    assert all(torch.equal(weights[name], replayed[name]) for name in weights)
    monkeypatch.setattr(step_module, "MOST_GRAPHS", 1)
    bounded = Recorder()
    assert taken(job, bounded, n=16)[1] == losses
    assert bounded.captured == 1
    assert 0 < bounded.replayed < recorder.replayed


@pytest.mark.usefixtures("tiny")
def test_steps_that_cannot_be_captured_go_on_as_others(make_job: MakeJob, caplog: pytest.LogCaptureFixture) -> None:
    job = make_job(rows=2)
    with caplog.at_level(logging.WARNING):
        weights, losses, learner = taken(job, refuse)
    assert ["not permitted when stream is capturing" in record.message for record in caplog.records] == [True]
    plain, losses_plain, other = taken(job, None)
    assert losses == losses_plain
    assert all(torch.equal(weights[name], plain[name]) for name in weights)
    states = [one.optimizer.state_dict()["state"].values() for one in (learner, other)]
    for one, another in zip(*states, strict=True):
        assert float(one["step"]) == float(another["step"]) == 8
        assert torch.equal(one["exp_avg"], another["exp_avg"])


@pytest.mark.usefixtures("tiny")
def test_a_tape_is_as_strict_as_a_graph() -> None:
    """Numbers are fixed, random numbers and waiting are refused, and recording changes nothing."""
    total, added, number = torch.zeros(2), torch.ones(2), [1.0]
    replay = Recorder()(lambda: total.add_(added * number[0]))
    assert total.tolist() == [0.0, 0.0]
    added.fill_(5)
    number[0] = 100.0
    replay()
    assert total.tolist() == [5.0, 5.0]
    refused: tuple[Any, ...] = (total.nonzero, total.normal_, total.sum().item, lambda: total[total > 0])
    for work in refused:
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            Recorder()(work)


@pytest.mark.usefixtures("tiny")
def test_an_interrupt_of_a_capture_goes_through(make_job: MakeJob) -> None:
    def interrupted(_work: Work) -> Work:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("the capture was not ended")

    with pytest.raises(KeyboardInterrupt):
        taken(make_job(), interrupted)


@pytest.mark.usefixtures("tiny")
def test_a_whole_fit_is_replayed(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """With early stopping; the learning rate is rounded to float32, as on a GPU."""
    job, recorder = make_job(rows=2, epochs=6, patience=5), Recorder()
    plain = fit_fold(job)
    monkeypatch.setattr("nephrograde.fit.loop.find_capture", lambda _learner: recorder)
    replayed = fit_fold(job)
    assert (recorder.captured, recorder.replayed) == (1, 6 * 2 - step_module.WARM_UP_STEPS)
    assert [epoch.learning_rate for epoch in replayed.history] == [epoch.learning_rate for epoch in plain.history]
    for one, other in zip(plain.history, replayed.history, strict=True):
        assert (one.train_loss, one.stop_loss) == pytest.approx((other.train_loss, other.stop_loss), rel=1e-5)
    for name, weight in plain.weights.items():
        torch.testing.assert_close(replayed.weights[name], weight, rtol=1e-4, atol=1e-5)


def test_nothing_is_captured_on_a_cpu(make_job: MakeJob) -> None:
    assert find_capture(start(make_fabric(CPU, "fp32"), make_job())) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("changes", [{"shape": (64, 64), "rows": 3}, {"shape": (32, 32, 32)}])
def test_a_cuda_graph_has_the_digits_of_single_launches(
    make_job: MakeJob, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """On ResNet-18; the weights are those of steps without a graph, to the last digit."""
    job = make_job(**changes)
    weights, losses, _ = taken(job, None, n=12, device="cuda")
    with caplog.at_level(logging.WARNING):
        replayed, losses_replayed, _ = taken(job, "found", n=12, device="cuda")
    assert not caplog.records
    assert losses == losses_replayed
    assert all(torch.equal(weights[name], replayed[name]) for name in weights)
