"""A network in training: initialization, loading batches, one step, and scoring during training."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from nephrograde.fit.sampling import batch_size_of, batches, steps_per_epoch
from nephrograde.model.network import Network, build_network, score
from nephrograde.model.pooling import pool
from nephrograde.model.resnet import SlicedMaxPool3d
from nephrograde.model.weights import load_initial, shortcut_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from lightning_fabric import Fabric

    from nephrograde.fit.job import FitJob
    from nephrograde.sample.dataset import SampleSet


SETTLING_ROWS = 128
"""Rows used to measure batch-norm statistics: with 64 by 64 pixels, 512 positions per channel at the coarsest level."""


class Learner(NamedTuple):
    """A network with what it needs for training: Fabric, Fabric's wrapper of the network, and the optimiser."""

    fabric: Fabric
    network: Network
    wrapped: Any
    optimizer: Any


class Patient(NamedTuple):
    """A patient's truth, and the probability pooled over the patient's rows."""

    patient_id: str
    is_high: bool
    p_high: float


def start(fabric: Fabric, job: FitJob) -> Learner:
    """Build the network with its initial weights, and AdamW without weight decay on norms and biases.

    Raises:
        WeightsError: If the study names initial weights that do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(job.seed("weights"))
        shortcut = "B" if job.initial is None else shortcut_of(job.initial)
        network = build_network(job.dimensions, channels=job.channels, shortcut=shortcut)
    if job.initial is not None:
        load_initial(network, job.initial)
    if fabric.device.type == "cuda" and job.dimensions == 3:
        network.arrange(torch.channels_last_3d)  # what tensor cores read
        network.resnet.maxpool = SlicedMaxPool3d()  # the only layer whose gradient is not reproducible there
    decaying = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": job.fit.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=job.fit.learning_rate,
        fused=fabric.device.type in {"cpu", "cuda"},  # three times as fast as updating the weights one by one
    )
    wrapped, wrapped_optimizer = fabric.setup(network, optimizer)
    return Learner(fabric, network, wrapped, wrapped_optimizer)


def load_batch(
    samples: SampleSet, rows: npt.NDArray[np.intp], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read rows, possibly from disk, and move them to the device: images as float32, and the truth.

    They are transferred as float16, which halves the bytes. On CUDA the call returns before the transfer is complete,
    so that the next batch is read while the device still works on the last one.

    >>> from nephrograde.sample.dataset import SampleSet
    >>> samples = SampleSet(np.zeros((3, 1, 4, 4), np.float16), ("P1", "P2", "P2"), np.array([False, True, True]))
    >>> images, is_high = load_batch(samples, np.array([2, 0]), torch.device("cpu"))
    >>> images.shape, is_high.tolist()
    (torch.Size([2, 1, 4, 4]), [1.0, 0.0])
    """
    images = torch.from_numpy(np.asarray(samples.images[rows]))
    is_high = torch.from_numpy(samples.is_high[rows].astype(np.float32))
    if device.type == "cuda":
        images, is_high = images.pin_memory(), is_high.pin_memory()
    return images.to(device, non_blocking=True).float(), is_high.to(device, non_blocking=True)


def learn(learner: Learner, images: torch.Tensor, is_high: torch.Tensor, *, n_batch: int) -> torch.Tensor:
    """Take one step on this process's share of a batch of ``n_batch``, and return the share's part of the mean loss.

    DDP averages gradients over the processes; multiplied by their number, the step equals that of the whole batch, even
    if the shares are unequal.
    """
    logits = learner.wrapped(images)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, is_high, reduction="sum") / n_batch
    learner.fabric.backward(loss * learner.fabric.world_size)
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return loss.detach()


def is_finite(network: Network, loss: torch.Tensor) -> torch.Tensor:
    """Whether loss, weights and batch-norm statistics are finite, as a tensor on the device.

    Cheap enough for every step: a sum of float32 values of reasonable size is finite exactly when all of them are.
    """
    tensors = [t for t in (*network.parameters(), *network.buffers()) if t.is_floating_point()]
    return torch.stack([loss, *(tensor.detach().sum() for tensor in tensors)]).sum().isfinite()


def summed(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """Sum over the processes of a fit; with a single process, the values themselves."""
    total = fabric.all_reduce(values, reduce_op="sum")
    return torch.as_tensor(total)


def settle(learner: Learner, job: FitJob, *, epoch: int) -> None:
    """Measure the batch-norm statistics again, with the current weights and unaugmented pictures.

    The running averages of training lag behind the weights by tens of steps, and come from augmented pictures. A small
    cohort has three or four steps per epoch: without this, a network that had fitted its training patients perfectly
    scored new ones worse than chance for a dozen epochs (measured on a toy problem), and early stopping gave up on it.
    Up to ``SETTLING_ROWS`` rows are passed through, in batches composed like those of training. With several processes,
    each measures its share, and the mean is used.

    Source:
        Wu & Johnson 2021, arXiv:2105.07576, section 3 ("precise batch norm").
    """
    fabric, network = learner.fabric, learner.network
    n_batch = batch_size_of(job.fit.batch_size, len(job.learn.patient_ids))
    count = min(steps_per_epoch(n_batch, len(job.learn.patient_ids)), max(1, SETTLING_ROWS // n_batch))
    seed = job.seed(f"settle {epoch}")
    deal = batches(job.learn.is_high, batch_size=n_batch, balanced=job.fit.balanced, seed=seed)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    with torch.no_grad(), fabric.autocast():
        for rows in islice(deal, count):
            network(load_batch(job.learn, rows[fabric.global_rank :: fabric.world_size], fabric.device)[0])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    if fabric.world_size > 1:
        for buffer in network.resnet.buffers():
            if buffer.is_floating_point():
                buffer.copy_(summed(fabric, buffer / fabric.world_size))


def weights_of(network: Network) -> dict[str, torch.Tensor]:
    """Return a copy of the weights, on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.resnet.state_dict().items()}


def score_rows(learner: Learner, samples: SampleSet) -> torch.Tensor:
    """Return the probability of every row; each process scores every ``world``-th row, and all of them get all rows."""
    rank, world = learner.fabric.global_rank, learner.fabric.world_size
    p_rows = torch.zeros(len(samples.patient_ids), dtype=torch.float64)
    p_rows[rank::world] = torch.from_numpy(score(learner.network, samples.images[rank::world]))
    return p_rows if world == 1 else summed(learner.fabric, p_rows.to(learner.fabric.device)).cpu()


def pool_rows(samples: SampleSet, p_rows: torch.Tensor, *, job: FitJob) -> list[Patient]:
    """Pool the rows of every patient by the rule in the study file; patients in order of first appearance."""
    rows_of: dict[str, list[int]] = {}
    for row, patient_id in enumerate(samples.patient_ids):
        rows_of.setdefault(patient_id, []).append(row)
    return [
        Patient(patient_id, bool(samples.is_high[rows[0]]), pool(p_rows.numpy()[rows], job.fit.pooling))
        for patient_id, rows in rows_of.items()
    ]
