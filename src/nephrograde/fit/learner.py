"""A network in training: initialization, loading batches, one step, and scoring during training."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from nephrograde.fit.layers import LR_SCALE, freeze, groups_of
from nephrograde.fit.ordinal import OrdinalHead
from nephrograde.fit.parcel import move_together
from nephrograde.fit.sampling import batch_size_of, batches, keep_phases, steps_per_epoch
from nephrograde.model.backbone import pool_reproducibly
from nephrograde.model.network import Network, build_network
from nephrograde.model.pooling import even_bias
from nephrograde.model.scoring import score
from nephrograde.model.weights import kind_of, load_initial, read_initial
from nephrograde.sample.channels import ABSENT
from nephrograde.sample.dataset import places_of, places_of_phases

if TYPE_CHECKING:
    import numpy.typing as npt
    from lightning_fabric import Fabric

    from nephrograde.fit.job import FitJob
    from nephrograde.sample.dataset import Bags

SETTLING_ROWS = 128
"""Rows used to measure batch-norm statistics: with 64 by 64 pixels, 512 positions per channel at the coarsest level."""

SHARE_HELD = 0.25
"""The share of a GPU's free memory that the pictures of all learning patients may take; the rest is for the steps."""


class Learner(NamedTuple):
    """A network with what it needs for training: Fabric, Fabric's wrapper of the network, and the optimiser.

    ``held`` are the pictures that lie on the device, if they do. ``head`` has the thresholds of an ordinal head.
    """

    fabric: Fabric
    network: Network
    wrapped: Any
    optimizer: Any
    held: torch.Tensor | None = None
    head: OrdinalHead | None = None


class Batch(NamedTuple):
    """Patients of a step.

    Attributes:
        images: ``(row, channel, …)``, float32, all pictures of all patients. On the way to the device they are float16,
            or ``(row,)``, their numbers among the pictures that lie there.
        places: ``(patient, place)``, the rows of each patient, −1 where one has fewer than others; ``(patient, phase,
            place)`` where the network joins phases.
        is_high: ``(patient,)``, 1 or 0.
        values: ``(patient, value)``, the clinical values that are joined with the pictures; None if there are none.
        lacking: ``(row, channel)``, which channels of early fusion become those of a missing phase; None if none does.
        grades: ``(patient,)``, 1 to 4, for an ordinal head; None for a binary one.
    """

    images: torch.Tensor
    places: torch.Tensor
    is_high: torch.Tensor
    values: torch.Tensor | None = None
    lacking: torch.Tensor | None = None
    grades: torch.Tensor | None = None


class PatientScores(NamedTuple):
    """The probability of each patient of a set, and the attention to each picture, empty with other pooling."""

    p_high: torch.Tensor
    weights: torch.Tensor


def start(fabric: Fabric, job: FitJob) -> Learner:
    """Build the network with its initial weights, and AdamW without weight decay on norms and biases.

    Raises:
        WeightsError: If the pre-trained weights cannot be read, or do not fit.
    """
    initial = job.initial
    given = {} if initial is None else read_initial(initial)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(job.seed("weights"))
        network = build_network(
            job.dimensions,
            channels=job.channels,
            has_mask=job.has_mask,
            pooling=job.fit.pooling,
            fusion=job.fusion,
            kind=kind_of(initial, given),
        )
        if initial is not None:
            load_initial(network, given, initial.source)
        freeze(network, job.fit)
    pictures = len(job.bags(job.learn).images) / len(job.learn.patient_ids)
    torch.nn.init.constant_(network.backbone.get_parameter("fc.bias"), even_bias(job.fit.pooling, pictures))
    if fabric.device.type == "cuda" and job.dimensions == 3:
        network.arrange(torch.channels_last_3d)  # what tensor cores read
        pool_reproducibly(network.backbone)  # the only layer whose gradient is not reproducible there
    groups, head = groups_of(network, job.fit), None
    if job.grades is not None:
        grades = [job.grades[patient] for patient in job.learn.patient_ids]
        head = OrdinalHead(grades, is_balanced=job.fit.balanced).to(fabric.device)
        groups.append({"params": list(head.parameters()), "weight_decay": 0.0, LR_SCALE: 1.0})
    optimizer = torch.optim.AdamW(
        groups,
        lr=job.fit.learning_rate,
        fused=fabric.device.type in {"cpu", "cuda"},  # three times as fast as updating the weights one by one
    )
    wrapped, wrapped_optimizer = fabric.setup(network, optimizer)
    return Learner(fabric, network, wrapped, wrapped_optimizer, hold_pictures(job, fabric.device), head)


def hold_pictures(job: FitJob, device: torch.device) -> torch.Tensor | None:
    """Move the pictures of all learning patients to a GPU where they take little of its free memory, otherwise None.

    Batches are then collected there by index. On a CPU the pictures are in its memory already. A process that shares
    the GPU with others counts its part of the memory only.

    Args:
        job: The samples.
        device: Of the fit.
    """
    images = job.bags(job.learn).images
    if device.type != "cuda":
        return None
    torch.cuda.empty_cache()  # what fits before this one have left
    free, total = torch.cuda.mem_get_info(device)
    if images.nbytes > SHARE_HELD * min(free, total * torch.cuda.get_per_process_memory_fraction(device)):
        return None
    return torch.from_numpy(np.require(images, requirements="W")).to(device)


def collect_batch(job: FitJob, patients: npt.NDArray[np.intp], *, held: bool) -> Batch:
    """Collect some learning patients, on the CPU.

    Args:
        job: The samples.
        patients: Their positions among the learning patients.
        held: Whether the pictures lie on the device. The place of the images is then taken by the numbers of their rows
            there; otherwise they are float16, which halves the bytes to transfer.
    """
    bags = job.bags(job.learn)
    rows = bags.rows_of(patients)
    counts, parts = bags.counts[patients], None if bags.parts is None else bags.parts[patients]
    grades = None if job.grades is None else [job.grades[job.learn.patient_ids[patient]] for patient in patients]
    return Batch(
        torch.from_numpy(rows if held else np.asarray(bags.images[rows])),
        torch.from_numpy(places_of(counts) if parts is None else places_of_phases(parts)),
        torch.from_numpy(job.learn.is_high[patients].astype(np.float32)),
        None if bags.values is None else torch.from_numpy(bags.values[patients]),
        grades=None if grades is None else torch.tensor(grades),
    )


def images_of(batch: Batch, *, held: torch.Tensor | None) -> torch.Tensor:
    """Return the pictures of a batch on the device, float32.

    Args:
        batch: From :func:`collect_batch`, on the device.
        held: The pictures of all learning patients there, from :func:`hold_pictures`.
    """
    images = (batch.images if held is None else held.index_select(0, batch.images)).float()
    if batch.lacking is None:
        return images
    return images.masked_fill(batch.lacking.reshape(*batch.lacking.shape, *[1] * (images.ndim - 2)), ABSENT)


def load_batch(
    job: FitJob, patients: npt.NDArray[np.intp], device: torch.device, *, held: torch.Tensor | None = None
) -> Batch:
    """Collect all pictures of some learning patients, and move them to the device if they are not there.

    On CUDA the call returns before the transfer is complete, so that the next batch is read while the device still
    works on the last one.

    Args:
        job: The samples.
        patients: Their positions among the learning patients.
        device: Where to.
        held: The pictures of all learning patients on the device, from :func:`hold_pictures`.
    """
    batch = collect_batch(job, patients, held=held is not None)
    moved = Batch(*move_together(batch, device))
    return moved._replace(images=images_of(moved, held=held))


def without_phases(
    batch: Batch, job: FitJob, patients: npt.NDArray[np.intp], *, own: slice, chance: np.random.Generator
) -> Batch:
    """Leave phases of patients of a batch out at random, as if they did not have them; on a single phase, nothing.

    Args:
        batch: The patients of this process.
        job: Says how often a phase is left out.
        patients: Those of all processes, as positions among the learning patients.
        own: Which of them belong to this process.
        chance: The same in all processes.
    """
    shown, bags = job.shown, job.bags(job.learn)
    if shown is not None:
        present = shown.present(bags.images)[bags.starts[patients]]
        kept = keep_phases(present, dropout=job.phase_dropout, chance=chance)[own]
        lacking = np.repeat(shown.lacking(kept), bags.counts[patients][own], axis=0)
        masks = np.zeros((len(lacking), int(job.has_mask)), dtype=bool)
        whole = torch.from_numpy(np.concatenate([lacking, masks], axis=1))
        return batch._replace(lacking=whole.to(batch.places.device))
    parts = bags.parts
    if parts is None:
        return batch
    kept = keep_phases(parts[patients] > 0, dropout=job.phase_dropout, chance=chance)
    stays = torch.from_numpy(kept[own]).to(batch.places.device)
    return batch._replace(places=batch.places.masked_fill(~stays.unsqueeze(-1), -1))


def learn(learner: Learner, batch: Batch, *, n_batch: int) -> torch.Tensor:
    """Take one step on this process's share of a batch of ``n_batch`` patients, and return its part of the mean loss.

    DDP averages gradients over the processes; multiplied by their number, the step equals that of the whole batch, even
    if the shares are unequal.
    """
    further = () if batch.values is None else (batch.values,)
    logits = learner.wrapped(batch.images, batch.places, *further)
    if learner.head is None or batch.grades is None:
        total = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.is_high, reduction="sum")
    else:
        total = learner.head(logits, batch.grades).sum()
    loss = total / n_batch
    learner.fabric.backward(loss * learner.fabric.world_size)
    if learner.head is not None and learner.fabric.world_size > 1:  # DDP averages those of the network only
        for weight in learner.head.parameters():
            if weight.grad is not None:
                weight.grad = summed(learner.fabric, weight.grad) / learner.fabric.world_size
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return loss.detach()


def is_finite(network: Network) -> torch.Tensor:
    """Whether all weights and batch-norm statistics are finite, as a tensor on the device.

    A sum of float32 values of reasonable size is finite exactly when all of them are. Once in an epoch is enough: a
    weight that is not finite makes the loss of the next step not finite, and stays so.
    """
    tensors = [t for t in (*network.parameters(), *network.buffers()) if t.is_floating_point()]
    return torch.stack([tensor.detach().sum() for tensor in tensors]).sum().isfinite()


def summed(fabric: Fabric, values: torch.Tensor) -> torch.Tensor:
    """Sum over the processes of a fit; with a single process, the values themselves."""
    total = fabric.all_reduce(values, reduce_op="sum")
    return torch.as_tensor(total)


def settle(learner: Learner, job: FitJob, *, epoch: int) -> None:
    """Measure the batch-norm statistics again, with the current weights and unaugmented pictures.

    The running averages of training lag behind the weights by tens of steps, and come from augmented pictures. A small
    cohort has three or four steps per epoch: without this, a network that had fitted its training patients perfectly
    scored new ones worse than chance for a dozen epochs (measured on a toy problem), and early stopping gave up on it.
    About ``SETTLING_ROWS`` rows are passed through, in batches composed like those of training; where phases are
    channels, as many of them are left out, as the statistics of a batch depend on that. With several processes,
    each measures its share, and the mean is used.

    Source:
        Wu & Johnson 2021, arXiv:2105.07576, section 3 ("precise batch norm").
    """
    fabric, network = learner.fabric, learner.network
    n_batch = batch_size_of(job.fit.batch_size, len(job.learn.patient_ids))
    rows_per_batch = round(n_batch * len(job.bags(job.learn).images) / len(job.learn.patient_ids))
    count = min(steps_per_epoch(n_batch, len(job.learn.patient_ids)), max(1, SETTLING_ROWS // rows_per_batch))
    seed = job.seed(f"settle {epoch}")
    deal = batches(job.learn.is_high, batch_size=n_batch, balanced=job.fit.balanced, seed=seed)
    dropped = np.random.default_rng(job.seed(f"settle phases {epoch}"))
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d)]
    norms = [norm for norm in norms if norm.training]  # those of frozen layers keep their statistics
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    with torch.no_grad(), fabric.autocast():
        for patients in islice(deal, count):
            own = patients[fabric.global_rank :: fabric.world_size]
            batch = load_batch(job, own, fabric.device, held=learner.held)
            share = slice(fabric.global_rank, None, fabric.world_size)
            batch = without_phases(batch, job, patients, own=share, chance=dropped)
            network.rows(images_of(batch, held=None))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    if fabric.world_size > 1:
        for buffer in network.backbone.buffers():
            if buffer.is_floating_point():
                buffer.copy_(summed(fabric, buffer / fabric.world_size))


def weights_of(network: Network) -> dict[str, torch.Tensor]:
    """Return a copy of the weights, on their device."""
    return {name: tensor.detach().clone() for name, tensor in network.weights().items()}


def score_patients(learner: Learner, bags: Bags) -> PatientScores:
    """Score every patient; each process scores every ``world``-th patient, and all of them get all scores."""
    rank, world = learner.fabric.global_rank, learner.fabric.world_size
    if world == 1:
        return PatientScores(*map(torch.from_numpy, score(learner.network, bags)))
    own = np.arange(rank, len(bags.counts), world)
    found = score(learner.network, bags.of(own))
    p_high = torch.zeros(len(bags.counts), dtype=torch.float64)
    p_high[rank::world] = torch.from_numpy(found.p_high)
    weights = torch.zeros(len(bags.images) if learner.network.attention is not None else 0, dtype=torch.float64)
    if len(weights):
        weights[torch.from_numpy(bags.rows_of(own))] = torch.from_numpy(found.weights)
    device = learner.fabric.device
    return PatientScores(
        summed(learner.fabric, p_high.to(device)).cpu(), summed(learner.fabric, weights.to(device)).cpu()
    )
