"""How one network learns on one fold: a flat loop around Lightning Fabric.

Read ``fit_fold`` from top to bottom: check the job, find devices and precision, fit, repeat the fit in fp32 if bf16
failed, and collect the predictions. ``_fit`` is the loop itself.
"""

from __future__ import annotations

import itertools
import math
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from nephrograde.errors import FitError
from nephrograde.fit.chosen import chosen_settings
from nephrograde.fit.folder import FoldFit, Prediction
from nephrograde.fit.history import Epoch
from nephrograde.fit.job import FitJob, check_job, n_high_of
from nephrograde.fit.learner import (
    is_finite,
    score_patients,
    settle,
    start,
    summed,
    weights_of,
)
from nephrograde.fit.machine import find_machine, find_precision, make_fabric, reproducible
from nephrograde.fit.planned import shaping_versions
from nephrograde.fit.sampling import batch_size_of, batches, steps_per_epoch
from nephrograde.fit.schedule import learning_rate_at, warmup_epochs_of
from nephrograde.fit.step import Chance, TrainingStep, capturing_stream, draw_step, find_capture
from nephrograde.fit.work import passes_of_job, passes_of_step
from nephrograde.model.card import ModelCard, pretrained_settings, processes_settings
from nephrograde.model.weights import kind_of
from nephrograde.run.progress import unwatched

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from nephrograde.fit.learner import Learner
    from nephrograde.fit.machine import Machine, Precision
    from nephrograde.run.progress import Watched

CERTAIN = 1e-7
"""In the log-loss, probabilities are kept at least this far from 0 and 1, where it would be infinite."""


class _Outcome(NamedTuple):
    """What the processes of a fit return: tensors and plain values only.

    ``broken`` is the epoch and step after which a loss or a weight was not finite; the rest is then empty.
    """

    broken: tuple[int, int] | None
    weights: dict[str, torch.Tensor]
    best_epoch: int
    history: list[tuple[int, float, float, float | None]]
    p_held_out: torch.Tensor
    p_test: torch.Tensor
    held_out_weights: torch.Tensor
    test_weights: torch.Tensor


def fit_fold(job: FitJob, *, watched: Watched | None = None) -> FoldFit:
    """Fit one network on one fold and score the patients it has not learnt from.

    AdamW on the binary cross-entropy of balanced batches of patients, or on the loss of an ordinal head; the learning
    rate warms up and falls along a cosine. A patient comes with all pictures, which the network pools into one logit.
    After each epoch the stopping patients are scored as new patients would be, and the epoch with their lowest log-loss
    is kept. Without patience, all epochs run and the last is kept. The same job gives the same digits on one machine,
    whatever ran before.

    Args:
        job: Samples and settings.
        watched: Told of every step; a fit that is repeated in fp32 begins again.

    Raises:
        RunError: If a patient is in two of the job's sets.
        FitError: If the job cannot be learnt from, the devices are not available, or a loss or weight is not finite
            even in fp32.
        WeightsError: If the initial weights do not fit.

    Source:
        The paper says "ResNet-18" and no more; everything else is ours.

    >>> import numpy as np
    >>> from nephrograde.sample.dataset import Bags, SampleSet
    >>> from nephrograde.study import AugmentSettings, FitSettings
    >>> def patients(*names):
    ...     is_high = np.arange(len(names)) % 2 == 0
    ...     images = np.broadcast_to(is_high[:, None, None, None], (len(names), 1, 16, 16)).astype(np.float16)
    ...     return SampleSet(names, is_high, {"cmp": Bags(images, np.ones(len(names), int))})
    >>> job = FitJob(
    ...     model="weak-1-cmp", arm="weak-1", phase="cmp", fold=0, dimensions=2,
    ...     learn=patients("P1", "P2", "P3", "P4"), stop=patients(), held_out=patients("P5"), test=patients("P6"),
    ...     fit=FitSettings(epochs=1, patience=0, accelerator="cpu"), augment=AugmentSettings(),
    ... )
    >>> fold_fit = fit_fold(job)
    >>> [(p.patient_id, p.split) for p in fold_fit.predictions], fold_fit.card.best_epoch
    ([('P5', 'oof'), ('P6', 'test')], 1)
    """
    check_job(job)
    started = time.perf_counter()
    machine = find_machine(job.fit)
    precision = find_precision(job.fit.precision, dimensions=job.dimensions, kind=machine.kind)
    watched = watched or unwatched()
    outcome = _run(job, machine, precision=precision, watched=watched)
    refit_reason = ""
    if outcome.broken and precision == "bf16":
        epoch, step = outcome.broken
        refit_reason = (
            f"bf16 gave a loss or weight that is not finite in epoch {epoch}, step {step}; fitted again in fp32"
        )
        precision = "fp32"
        outcome = _run(job, machine, precision=precision, watched=watched)
    _require_finite(job, outcome)
    watched.finish()
    return FoldFit(
        weights=outcome.weights,
        card=_card(job, outcome, machine=machine, precision=precision, refit_reason=refit_reason, started=started),
        history=tuple(Epoch(*row) for row in outcome.history),
        predictions=_predictions(job, outcome),
    )


def _require_finite(job: FitJob, outcome: _Outcome) -> None:
    if outcome.broken:
        epoch, step = outcome.broken
        raise FitError(
            f"{job}: a loss or weight is not finite in epoch {epoch}, step {step}, in fp32. Lower fit.learning_rate "
            f"(now {job.fit.learning_rate:g}), or look for values out of range in the prepared regions."
        )


def _predictions(job: FitJob, outcome: _Outcome) -> tuple[Prediction, ...]:
    return (
        *_predictions_of(job, "oof", outcome.p_held_out, outcome.held_out_weights),
        *_predictions_of(job, "test", outcome.p_test, outcome.test_weights),
    )


def _predictions_of(
    job: FitJob, split: Literal["oof", "test"], p_high: torch.Tensor, weights: torch.Tensor
) -> list[Prediction]:
    samples = job.held_out if split == "oof" else job.test
    counts = job.bags(samples).counts.tolist()
    attention = _divided(weights.tolist(), counts) if len(weights) else [()] * len(counts)
    columns = (samples.patient_ids, samples.is_high.tolist(), p_high.tolist(), attention)
    return [Prediction(patient, split, high, p, given) for patient, high, p, given in zip(*columns, strict=True)]


def _divided(weights: list[float], counts: list[int]) -> list[tuple[float, ...]]:
    stops = [*itertools.accumulate(counts)]
    return [tuple(weights[stop - count : stop]) for stop, count in zip(stops, counts, strict=True)]


def _fit(fabric: Fabric, job: FitJob, watched: Watched) -> _Outcome:
    n_batch = batch_size_of(job.fit.batch_size, len(job.learn.patient_ids))
    steps = steps_per_epoch(n_batch, len(job.learn.patient_ids))
    warmup_steps = steps * warmup_epochs_of(job.fit.warmup_epochs, job.fit.epochs)
    deal = batches(job.learn.is_high, batch_size=n_batch, balanced=job.fit.balanced, seed=job.seed("batches"))
    counts = job.bags(job.learn).counts
    chance = Chance(
        augment=torch.Generator().manual_seed(job.seed("augment")), phases=np.random.default_rng(job.seed("phases"))
    )
    history: list[tuple[int, float, float, float | None]] = []
    best_loss, best_epoch, weights = math.inf, 0, None
    watched.begin(passes_of_job(job))
    with reproducible(fabric.device.type), capturing_stream(fabric):
        learner = start(fabric, job)
        training = TrainingStep(
            learner, has_mask=job.has_mask, n_batch=n_batch, shown=job.shown, capture=find_capture(learner)
        )
        for epoch in range(1, job.fit.epochs + 1):
            # Losses stay on the device until the epoch ends; reading them at each step would force a wait.
            losses = torch.zeros(steps, device=fabric.device)
            for step in range(steps):
                learning_rate = learning_rate_at(
                    (epoch - 1) * steps + step,
                    peak=job.fit.learning_rate,
                    warmup_steps=warmup_steps,
                    total_steps=steps * job.fit.epochs,
                )
                patients = next(deal)
                inputs = draw_step(learner, job, patients, chance=chance)
                losses[step] = training.take(inputs, learning_rate=learning_rate)
                watched.advance(passes_of_step(int(counts[patients].sum())))
            losses = summed(fabric, losses)
            if failed := _failed_step(learner, losses):
                return _broken(epoch, step=failed)
            stop_loss = _stop_loss(learner, job, epoch=epoch)
            if stop_loss is not None and math.isnan(stop_loss):
                return _broken(epoch, step=steps)
            history.append((epoch, learning_rate, float(losses.mean()), stop_loss))
            job.tell(Epoch(*history[-1]))
            watched.advance(len(job.bags(job.stop).images))
            if job.fit.patience and stop_loss is not None:
                if stop_loss < best_loss:
                    best_loss, best_epoch, weights = stop_loss, epoch, weights_of(learner.network)
                elif epoch - best_epoch >= job.fit.patience:
                    break
        if weights is None:
            settle(learner, job, epoch=len(history))
            best_epoch, weights = len(history), weights_of(learner.network)
        learner.network.set_weights(weights)
        held_out, test = (score_patients(learner, job.bags(samples)) for samples in (job.held_out, job.test))
        watched.advance(len(job.bags(job.held_out).images) + len(job.bags(job.test).images))
    weights = {name: tensor.cpu() for name, tensor in weights.items()}
    return _Outcome(None, weights, best_epoch, history, held_out.p_high, test.p_high, held_out.weights, test.weights)


def _failed_step(learner: Learner, losses: torch.Tensor) -> int:
    """Return the first step of an epoch, from 1, whose loss is not finite, the last if a weight is not, or 0.

    Args:
        learner: After the last step.
        losses: Of each step.
    """
    unsound = ~losses.isfinite()
    if bool(unsound.any()):
        return int(unsound.int().argmax()) + 1
    return len(losses) if bool(summed(learner.fabric, (~is_finite(learner.network)).float())) else 0


def _broken(epoch: int, *, step: int) -> _Outcome:
    nothing = torch.empty(0)
    return _Outcome((epoch, step), {}, 0, [], nothing, nothing, nothing, nothing)


def _stop_loss(learner: Learner, job: FitJob, *, epoch: int) -> float | None:
    """Return the mean log-loss of the stopping patients; NaN if a probability is NaN."""
    if not job.stop.patient_ids:
        return None
    settle(learner, job, epoch=epoch)
    p_high = score_patients(learner, job.bags(job.stop)).p_high.tolist()
    of_truth = [p if high else 1 - p for p, high in zip(p_high, job.stop.is_high.tolist(), strict=True)]
    if any(math.isnan(p) for p in of_truth):
        return math.nan
    return -math.fsum(math.log(max(p, CERTAIN)) for p in of_truth) / len(of_truth)


def _run(job: FitJob, machine: Machine, *, precision: Precision, watched: Watched) -> _Outcome:
    n_batch = batch_size_of(job.fit.batch_size, len(job.learn.patient_ids))
    if n_batch < 2 * machine.processes:
        raise FitError(
            f"{job}: a batch of {n_batch} patients cannot be shared by {machine.processes} devices, each of which "
            f"needs two for its batch norm. Set fit.batch_size to {2 * machine.processes} or more, or fit.devices = 1."
        )
    fabric = make_fabric(machine, precision)
    try:
        if not machine.spawns:
            return _Outcome(*fabric.launch(partial(_fit, job=job, watched=watched)))
        with tempfile.TemporaryDirectory() as folder:
            outcome_path = Path(folder) / "outcome.pt"
            fabric.launch(partial(_fit_in_process, job=job, outcome_path=outcome_path))
            watched.begin(passes_of_job(job))  # its processes report nothing, only the whole is measured
            outcome = _Outcome(**torch.load(outcome_path, weights_only=True))
            watched.advance(passes_of_job(job) * len(outcome.history) / job.fit.epochs)
            return outcome
    except torch.cuda.OutOfMemoryError as error:
        largest = int(job.bags(job.learn).counts.max())
        of_each = f", each with up to {largest} pictures at once" if largest > 1 else ""
        raise FitError(
            f"{job}: the device is out of memory. Lower fit.batch_size (now {job.fit.batch_size} patients{of_each})"
            + (", or the arm's slices" if largest > 1 and job.dimensions == 2 else "")
            + (", or fit.workers." if job.fit.workers not in {1, "auto"} else ".")
        ) from error
    except (ProcessRaisedException, ProcessExitedException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise FitError(f"{job}: a process of the fit ended unexpectedly ({reason}). Try fit.devices = 1.") from error


def _fit_in_process(fabric: Fabric, job: FitJob, outcome_path: Path) -> None:
    """Fit in a separate process, and pass the outcome in a file: weights are too large for the pipe."""
    outcome = _fit(fabric, job, unwatched())
    if fabric.is_global_zero:
        torch.save(outcome._asdict(), outcome_path)


def _card(
    job: FitJob, outcome: _Outcome, *, machine: Machine, precision: Precision, refit_reason: str, started: float
) -> ModelCard:
    initial = job.initial
    kind = kind_of(initial, outcome.weights)
    return ModelCard(
        model=job.model,
        arm=job.arm,
        phase=job.phase,
        fold=job.fold,
        dimensions=job.dimensions,
        channels=job.channels,
        has_mask=job.has_mask,
        shortcut=kind.shortcut,
        pooling=job.fit.pooling,
        n_learn=len(job.learn.patient_ids),
        n_learn_high=n_high_of(job.learn),
        is_balanced=job.fit.balanced,
        n_stop=len(job.stop.patient_ids),
        n_held_out=len(job.held_out.patient_ids),
        n_test=len(job.test.patient_ids),
        best_epoch=outcome.best_epoch,
        epochs_run=len(outcome.history),
        precision=precision,
        refit_reason=refit_reason,
        device=str(machine),
        seconds=round(time.perf_counter() - started, 3),
        seed=job.fit.seed,
        torch_version=torch.__version__,
        inputs_sha256=job.inputs_sha256,
        settings={
            "fit": job.fit.of_one_fit(),
            "augment": job.augment.model_dump(mode="json"),
            **({"phase_dropout": job.phase_dropout} if job.fusion is not None else {}),
            **chosen_settings(job.chosen),
            **({} if initial is None or initial.described is None else pretrained_settings(initial.described)),
            **({"head": "ordinal"} if job.grades is not None else {}),
            **processes_settings(machine.processes),
        },
        synthetic=job.synthetic,
        fusion=job.fusion,
        backbone=kind if job.pretrained is not None else None,
        versions=shaping_versions(),
    )
