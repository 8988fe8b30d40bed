"""One fold, end to end: it learns, is reproducible to the digit, stops when it should, and reports what went wrong."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from tests.unit.fit.conftest import NOBODY, with_images
from torch.multiprocessing.spawn import ProcessRaisedException

from nephrograde.errors import FitError, RunError, WeightsError
from nephrograde.files import sha256_of
from nephrograde.fit import learner
from nephrograde.fit.loop import fit_fold
from nephrograde.fit.work import passes_of_job
from nephrograde.model.network import build_network
from nephrograde.model.scoring import score
from nephrograde.run.progress import Part, Watched, Workload
from nephrograde.sample.dataset import Bags
from nephrograde.study import AugmentSettings, InitialWeights
from nephrograde.vocabulary import Pooling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.fit.conftest import MakeJob

    from nephrograde.fit.folder import FoldFit


RULES = get_args(Pooling)


def same(a: FoldFit, b: FoldFit) -> bool:
    weights = all(torch.equal(tensor, b.weights[name]) for name, tensor in a.weights.items())
    return weights and a.history == b.history and a.predictions == b.predictions


def watch() -> Watched:
    """A part of a workload whose progress is read after the fit."""
    part = Part("2D", units=1)
    return Watched(Workload([part]), part)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "epochs"), [((32, 32), 3), ((16, 16, 16), 2)])
def test_learns_and_repeats_itself_to_the_digit(make_job: MakeJob, shape: tuple[int, ...], epochs: int) -> None:
    job = make_job(shape=shape, epochs=epochs)
    first = fit_fold(job)
    torch.rand(7)
    other = fit_fold(make_job(shape=shape, epochs=1, seed=3))
    assert not torch.equal(first.weights["conv1.weight"], other.weights["conv1.weight"])
    assert same(first, fit_fold(job))
    assert first.history[-1].train_loss < first.history[0].train_loss
    assert [p.patient_id for p in first.predictions] == [f"held_out-{i}" for i in range(6)] + [
        f"test-{i}" for i in range(5)
    ]
    assert all(p.is_high == (p.p_high > 0.5) for p in first.predictions), first.predictions


@pytest.mark.slow
def test_card_tells_what_happened(make_job: MakeJob) -> None:
    job = make_job(rows=3, precision="fp32", epochs=2, pooling="max", inputs_sha256="ab", synthetic=True)
    fitted = fit_fold(job)
    card = fitted.card
    assert (card.model, card.arm, card.phase, card.fold) == ("weak-1-cmp", "weak-1", "cmp", 2)
    assert (card.n_learn_high, card.is_balanced, card.prevalence) == (8, True, 0.5)
    assert (card.n_learn, card.n_stop, card.n_held_out, card.n_test) == (16, 6, 6, 5)
    assert (card.precision, card.refit_reason, card.device, card.epochs_run) == ("fp32", "", "cpu", 2)
    assert (card.dimensions, card.channels, card.has_mask, card.shortcut, card.pooling) == (2, 1, False, "B", "max")
    assert (card.inputs_sha256, card.synthetic, card.torch_version) == ("ab", True, torch.__version__)
    assert card.settings["fit"]["epochs"] == 2
    assert card.seconds > 0


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("pooling", RULES)
def test_predictions_are_the_network_s_own(make_job: MakeJob, pooling: Any) -> None:
    job = make_job(rows=3, pooling=pooling)
    fitted = fit_fold(job)
    network = learner.build_network(2, channels=1, pooling=pooling)  # type: ignore[attr-defined]
    network.set_weights(fitted.weights)
    for number, prediction in enumerate(fitted.predictions[6:]):
        p_high, weights = score(network, job.bags(job.test).of(np.array([number])))
        assert (prediction.p_high, prediction.attention) == (p_high[0], tuple(weights))
        assert len(weights) == (3 if pooling == "attention" else 0)


@pytest.mark.usefixtures("tiny")
def test_with_one_picture_a_patient_every_rule_is_the_same_fit(make_job: MakeJob) -> None:
    fits = [fit_fold(make_job(pooling=pooling, epochs=2)) for pooling in RULES]
    assert all(same(fits[0], fitted) for fitted in fits[:4])
    with_attention = fits[4]
    assert all(torch.equal(tensor, with_attention.weights[name]) for name, tensor in fits[0].weights.items())
    assert [p.p_high for p in with_attention.predictions] == [p.p_high for p in fits[0].predictions]
    assert {p.attention for p in with_attention.predictions} == {(1.0,)}


@pytest.mark.usefixtures("tiny")
def test_bags_of_different_size(make_job: MakeJob) -> None:
    job = make_job(rows=3, pooling="attention", epochs=2)
    fewer = job.bags(job.learn).of(np.arange(8))
    one_each = job.bags(make_job().learn).of(np.arange(8, 16))
    mixed = Bags(np.concatenate([fewer.images, one_each.images]), np.append(fewer.counts, one_each.counts))
    watched = watch()
    fitted = fit_fold(replace(job, learn=replace(job.learn, phases={"cmp": mixed})), watched=watched)
    assert all(math.isfinite(epoch.train_loss) for epoch in fitted.history)
    assert watched.part.done == pytest.approx(watched.part.units, rel=0.1)


@pytest.mark.usefixtures("tiny")
def test_global_random_state_and_settings_are_left_alone(make_job: MakeJob) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit_fold(make_job())
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.usefixtures("tiny")
def test_early_stopping_keeps_the_best_epoch(make_job: MakeJob) -> None:
    watched = watch()
    # Stopping patients with the opposite truth: the better the network learns, the worse they are graded.
    job = make_job(epochs=30, patience=2, learning_rate=0.05)
    job = replace(job, stop=replace(job.stop, is_high=~job.stop.is_high))
    fitted = fit_fold(job, watched=watched)
    losses = [epoch.stop_loss for epoch in fitted.history]
    assert all(loss is not None for loss in losses)
    assert fitted.card.best_epoch == int(np.argmin(np.array(losses, float))) + 1
    assert fitted.card.epochs_run == len(losses) == fitted.card.best_epoch + 2 < 30
    assert watched.part.is_finished
    scored = len(job.held_out.patient_ids) + len(job.test.patient_ids)
    assert watched.part.units == passes_of_job(job)
    assert (watched.part.done - scored) / (watched.part.units - scored) == pytest.approx(len(losses) / 30)
    shorter = fit_fold(replace(job, fit=job.fit.model_copy(update={"patience": 29})))
    assert shorter.card.epochs_run == 30


@pytest.mark.usefixtures("tiny")
def test_without_patience_the_last_epoch_is_kept(make_job: MakeJob) -> None:
    fitted = fit_fold(make_job(patience=0, epochs=4))
    assert (fitted.card.best_epoch, fitted.card.epochs_run, fitted.card.n_stop) == (4, 4, 0)
    assert [epoch.stop_loss for epoch in fitted.history] == [None] * 4


@pytest.mark.usefixtures("tiny")
def test_stop_loss_is_the_log_loss_of_patients(make_job: MakeJob) -> None:
    job = make_job(rows=3, epochs=1, patience=1, held_out=NOBODY)
    stop_loss = fit_fold(job).history[0].stop_loss
    scored = fit_fold(
        replace(job, held_out=job.stop, stop=job.held_out, fit=job.fit.model_copy(update={"patience": 0})),
    )
    truths = [p.p_high if p.is_high else 1 - p.p_high for p in scored.predictions if p.split == "oof"]
    assert stop_loss == pytest.approx(-sum(math.log(p) for p in truths) / 6, abs=1e-12)


@pytest.mark.usefixtures("fragile")
def test_bf16_that_breaks_down_is_fitted_again_in_fp32(make_job: MakeJob) -> None:
    watched = watch()
    fitted = fit_fold(make_job(precision="bf16"), watched=watched)
    assert fitted.card.precision == "fp32"
    assert "not finite in epoch 1, step 1" in fitted.card.refit_reason
    assert watched.part.done == watched.part.units == passes_of_job(make_job())
    assert same(fitted, fit_fold(make_job(precision="fp32")))


@pytest.mark.usefixtures("tiny")
def test_fp32_that_breaks_down_is_named(make_job: MakeJob) -> None:
    with pytest.raises(FitError, match=r"Model weak-1-cmp, fold 2: .* in epoch 1, step \d, in fp32\. Lower fit\.learn"):
        fit_fold(make_job(learning_rate=1e38, warmup_epochs=0, precision="fp32"))


@pytest.mark.usefixtures("tiny")
def test_a_picture_that_is_not_a_number_is_found_in_its_step(make_job: MakeJob) -> None:
    job = make_job(precision="fp32")
    images = job.bags(job.learn).images.copy()
    images[3] = np.nan
    with pytest.raises(FitError, match="look for values out of range"):
        fit_fold(replace(job, learn=with_images(job.learn, images), augment=AugmentSettings()))


@pytest.mark.usefixtures("tiny")
def test_a_stopping_patient_who_cannot_be_scored(make_job: MakeJob) -> None:
    job = make_job(precision="fp32")
    images = job.bags(job.stop).images.copy()
    images[0] = np.nan
    with pytest.raises(FitError, match="epoch 1, step 2"):
        fit_fold(replace(job, stop=with_images(job.stop, images)))


@pytest.mark.usefixtures("tiny")
def test_planted_leak_is_caught_before_anything_is_learnt(make_job: MakeJob) -> None:
    watched = watch()
    job = make_job(rows=3)
    with pytest.raises(RunError, match=r"Patients .*learn-0"):
        fit_fold(replace(job, test=job.learn), watched=watched)
    assert watched.part.done == 0


@pytest.mark.usefixtures("tiny")
def test_an_interrupt_goes_through(make_job: MakeJob) -> None:
    watched = watch()

    def interrupt() -> None:
        if watched.part.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_fold(make_job(), watched=replace(watched, show=interrupt))
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.usefixtures("tiny")
def test_memory_mapped_rows_give_the_same_fit(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job()
    np.save(tmp_path / "learn.npy", job.bags(job.learn).images)
    mapped = with_images(job.learn, np.load(tmp_path / "learn.npy", mmap_mode="r"))
    assert same(fit_fold(job), fit_fold(replace(job, learn=mapped)))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("changes", [{"balanced": False}, {"batch_size": 64}, {"batch_size": 3}, {"epochs": 1}])
def test_unusual_settings(make_job: MakeJob, changes: dict[str, Any]) -> None:
    fitted = fit_fold(make_job(**changes))
    assert all(0 <= p.p_high <= 1 for p in fitted.predictions)


@pytest.mark.usefixtures("tiny")
def test_no_test_patients(make_job: MakeJob) -> None:
    fitted = fit_fold(make_job(shape=(8, 8, 8), test=NOBODY))
    assert {p.split for p in fitted.predictions} == {"oof"}


@pytest.mark.slow
def test_initial_weights_are_where_learning_starts(make_job: MakeJob, tmp_path: Path) -> None:
    given = build_network(2, channels=1)
    torch.save(given.backbone.state_dict(), tmp_path / "initial.pth")
    initial = InitialWeights(path=tmp_path / "initial.pth", sha256=sha256_of(tmp_path / "initial.pth"))
    fitted = fit_fold(make_job(weights_2d=initial, epochs=1, learning_rate=1e-9, patience=0))
    torch.testing.assert_close(
        fitted.weights["layer1.0.conv1.weight"], given.backbone.get_parameter("layer1.0.conv1.weight")
    )
    assert not torch.equal(fitted.weights["fc.weight"], given.backbone.get_parameter("fc.weight"))
    wrong = InitialWeights(path=initial.path, sha256="0" * 64)
    with pytest.raises(WeightsError, match="SHA-256"):
        fit_fold(make_job(weights_2d=wrong))


@pytest.mark.usefixtures("tiny")
def test_batch_too_small_to_share(make_job: MakeJob) -> None:
    with pytest.raises(
        FitError, match=r"a batch of 3 patients cannot be shared by 2 devices.*Set fit\.batch_size to 4"
    ):
        fit_fold(make_job(batch_size=3, devices=2))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes meet over gloo on one machine")
def test_two_devices_share_every_batch(make_job: MakeJob) -> None:
    watched = watch()
    plain = make_job(devices=2, epochs=2, precision="fp32")
    grades = {name: 4 if high else 1 for name, high in zip(plain.learn.patient_ids, plain.learn.is_high, strict=True)}
    fitted = fit_fold(replace(plain, grades=grades), watched=watched)
    assert fitted.card.device == "cpu × 2"
    assert watched.part.done == watched.part.units
    assert all(torch.isfinite(tensor).all() for tensor in fitted.weights.values())
    assert all(math.isfinite(epoch.train_loss) for epoch in fitted.history)
    assert len(fitted.predictions) == 11


def test_error_in_a_process_of_the_fit_is_told_without_a_traceback(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(_fabric: object, _function: object) -> None:
        raise ProcessRaisedException("Traceback:\n  File x\nConnectionError: port in use\n", 1, 2)

    monkeypatch.setattr(Fabric, "launch", launch)
    with pytest.raises(FitError, match=r"ended unexpectedly \(ConnectionError: port in use\)\. Try fit\.devices = 1"):
        fit_fold(make_job(devices=2))


def test_a_device_out_of_memory(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(_fabric: object, _function: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Fabric, "launch", launch)
    with pytest.raises(FitError, match=r"out of memory\. Lower fit\.batch_size \(now 8 patients, each with up to 3"):
        fit_fold(make_job(rows=3))
