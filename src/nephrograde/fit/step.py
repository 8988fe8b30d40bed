"""One step of learning: what is done to a batch, in one function, called step by step or replayed as a CUDA graph."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch

from nephrograde.fit.layers import LR_SCALE
from nephrograde.fit.learner import Batch, collect_batch, images_of, learn, without_phases
from nephrograde.fit.parcel import Parcel, move_together
from nephrograde.fit.sampling import share_of
from nephrograde.sample.augment import AugmentTables, draw, fill_noise, noise_for, tabulate, transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt
    from lightning_fabric import Fabric

    from nephrograde.fit.job import FitJob
    from nephrograde.fit.learner import Learner
    from nephrograde.fit.parcel import Given
    from nephrograde.sample.channels import Channels

    Work: TypeAlias = Callable[[], object]
    Capture: TypeAlias = Callable[[Work], Work]
    """Records work on a device without doing it, and returns what does it, as often as it is called."""
    Shapes: TypeAlias = tuple[torch.Size | None, ...]

WARM_UP_STEPS = 3
"""Steps with batches of one shape before the next one is captured. Libraries set themselves up during the first."""

MOST_GRAPHS = 16
"""Shapes of batches that are captured; steps with batches of further shapes are not."""

_log = logging.getLogger(__name__)


class StepInputs(NamedTuple):
    """What differs from one step to the next: patients and augmentation, on the CPU or on the device."""

    batch: Batch
    tables: AugmentTables
    noise_seed: int

    @property
    def tensors(self) -> tuple[Given, ...]:
        """All tensors, in a fixed order."""
        return (*self.batch, *self.tables)

    def with_tensors(self, tensors: list[Any]) -> StepInputs:
        """Return the same step with other tensors.

        Args:
            tensors: In the order of :attr:`StepInputs.tensors`.
        """
        n_of_batch = len(self.batch)
        return StepInputs(Batch(*tensors[:n_of_batch]), AugmentTables(*tensors[n_of_batch:]), self.noise_seed)


class Chance(NamedTuple):
    """Where the random numbers of a fit come from: the same in all of its processes."""

    augment: torch.Generator
    phases: np.random.Generator


def draw_step(learner: Learner, job: FitJob, patients: npt.NDArray[np.intp], *, chance: Chance) -> StepInputs:
    """Collect this process's share of a batch, and draw what is done to its pictures, on the CPU.

    Args:
        learner: Says which share, and whether the pictures lie on the device.
        job: The samples and settings.
        patients: The batch of all processes, as positions among the learning patients.
        chance: Advanced by the call, by as much whatever the share is.
    """
    rank, world = learner.fabric.global_rank, learner.fabric.world_size
    bags = job.bags(job.learn)
    counts = bags.counts[patients]
    batch = collect_batch(job, patients[rank::world], held=learner.held is not None)
    batch = without_phases(batch, job, patients, own=slice(rank, None, world), chance=chance.phases)
    drawn = draw(job.augment, int(counts.sum()), dimensions=job.dimensions, generator=chance.augment)
    own = drawn.share(torch.from_numpy(share_of(counts, rank=rank, world=world)), rank=rank)
    shape = (len(batch.images), *bags.images.shape[1:])
    return StepInputs(batch, tabulate(own, shape), own.noise_seed)


class TrainingStep:
    """Steps of learning with batches that come one after the other.

    :meth:`TrainingStep.take` brings a batch to the device, collects its pictures, augments them, and passes them
    through network, loss, gradient and AdamW. Where a capture is given, this is recorded as one CUDA graph and
    replayed: the same kernels on the same places of memory, without the time that it takes to launch each of them from
    Python.

    A graph has fixed shapes. Patients may differ in their number of pictures and in their phases, so batches differ in
    shape, too. They are not padded to one shape: batch norm would see the padding. Instead, each shape that recurs has
    a graph of its own, up to ``MOST_GRAPHS``; all of them share their memory. Steps with batches of other shapes, and
    the first few with each shape, run as they would without graphs. These are ordinary steps of the fit, so nothing has
    to be restored after them, and capturing computes nothing.

    Random numbers are drawn outside: parameters on the CPU, noise on the device by the same generator in each case.

    Args:
        learner: The network. On CUDA and with a capture, the learning rate of its optimiser becomes a tensor on the
            device, in float32, whether steps are captured or not, so that the digits do not depend on it.
        has_mask: Whether the last channel is a mask.
        n_batch: Patients in the batch of all processes.
        shown: What the channels are in early fusion; None otherwise.
        capture: From :func:`find_capture`. If it fails, a warning is logged, and steps go on without graphs.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        has_mask: bool,
        n_batch: int,
        shown: Channels | None = None,
        capture: Capture | None = None,
    ) -> None:
        self.learner = learner
        self.has_mask = has_mask
        self.shown = shown
        self.n_batch = n_batch
        self.capture = capture
        self.captured: dict[Shapes, CapturedStep] = {}
        self._met: dict[Shapes, int] = {}
        device = learner.fabric.device
        if capture is not None or device.type == "cuda":
            for group in learner.optimizer.param_groups:
                group["capturable"] = True
                # A graph reads it again at each replay; a number would be fixed.
                group["lr"] = torch.tensor(float(group["lr"]), device=device)

    def take(self, inputs: StepInputs, *, learning_rate: float) -> torch.Tensor:
        """Take a step and return its part of the mean loss, on the device; the next step may write over it.

        Args:
            inputs: From :func:`draw_step`.
            learning_rate: Of the step.
        """
        set_learning_rate(self.learner, learning_rate)
        captured = self._captured(inputs) if self.capture is not None else None
        if captured is not None:
            return captured.replay(inputs)
        moved = inputs.with_tensors(move_together(inputs.tensors, self.learner.fabric.device))
        return self._work(moved, self._white(moved))

    def _work(self, inputs: StepInputs, white: torch.Tensor | None) -> torch.Tensor:
        """All that a step computes, on tensors that lie on the device."""
        images = images_of(inputs.batch, held=self.learner.held)
        images = transform(images, inputs.tables, white, has_mask=self.has_mask, shown=self.shown)
        return learn(self.learner, inputs.batch._replace(images=images), n_batch=self.n_batch)

    def _white(self, inputs: StepInputs) -> torch.Tensor | None:
        """The noise of a step, if there is any."""
        if inputs.tables.noise is None:
            return None
        images, held, device = inputs.batch.images, self.learner.held, self.learner.fabric.device
        shape = (len(images), *(images if held is None else held).shape[1:])
        return fill_noise(noise_for(shape, has_mask=self.has_mask, device=device), inputs.noise_seed)

    def _captured(self, inputs: StepInputs) -> CapturedStep | None:
        """The graph for batches of this shape; captured now if it is due."""
        shapes = tuple(None if one is None else one.shape for one in inputs.tensors)
        if shapes in self.captured:
            return self.captured[shapes]
        self._met[shapes] = self._met.get(shapes, 0) + 1
        if self._met[shapes] <= WARM_UP_STEPS or len(self.captured) >= MOST_GRAPHS or self.capture is None:
            return None
        parcel = Parcel(inputs.tensors, self.learner.fabric.device)
        parcel.fill(inputs.tensors)
        static = inputs.with_tensors(parcel.tensors)
        white = self._white(static)
        loss = torch.zeros((), device=self.learner.fabric.device)
        try:
            replay = self.capture(lambda: loss.copy_(self._work(static, white)))
        except RuntimeError as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None
            _log.warning("Steps are not captured as a CUDA graph, which only costs time: %s", error)
            self.captured.clear()
            self.capture = None
            self.learner.optimizer.zero_grad()  # gradients of a step that was not taken
            return None
        self.captured[shapes] = CapturedStep(parcel, white, loss, replay)
        return self.captured[shapes]


class CapturedStep(NamedTuple):
    """A step that is replayed, and the places that it reads and writes."""

    parcel: Parcel
    white: torch.Tensor | None
    loss: torch.Tensor
    work: Work

    def replay(self, inputs: StepInputs) -> torch.Tensor:
        """Take the step with other tensors of the same shapes.

        Args:
            inputs: On the CPU.
        """
        self.parcel.fill(inputs.tensors)
        if self.white is not None:
            fill_noise(self.white, inputs.noise_seed)
        self.work()
        return self.loss


def set_learning_rate(learner: Learner, learning_rate: float) -> None:
    """Set the learning rate of the next step.

    Args:
        learner: With the optimiser.
        learning_rate: Of all weights, times the factor of each group.
    """
    for group in learner.optimizer.param_groups:
        own = learning_rate * group[LR_SCALE]
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(own)
        else:
            group["lr"] = own


def find_capture(learner: Learner) -> Capture | None:
    """Return what captures a step: a CUDA graph for a single process whose pictures lie on the GPU, otherwise None.

    The graphs of a fit share their memory: they are replayed one after the other, and nothing in it has to last.

    Args:
        learner: Its device, processes and pictures.
    """
    fabric = learner.fabric
    if fabric.device.type != "cuda" or fabric.world_size > 1 or learner.held is None:
        return None
    memory = torch.cuda.graph_pool_handle()

    def capture(work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream()
        # Only this thread's calls may not disturb the capture; other threads of the process can use the GPU.
        with torch.cuda.graph(graph, pool=memory, stream=stream, capture_error_mode="thread_local"):
            work()
        return graph.replay

    return capture


@contextmanager
def capturing_stream(fabric: Fabric) -> Iterator[None]:
    """Let a fit of a single process on CUDA run on a stream of its own within the block.

    The default stream cannot be captured, nor can the gradient of a weight that was used on it before.
    """
    if fabric.device.type != "cuda" or fabric.world_size > 1:
        yield
        return
    before, own = torch.cuda.current_stream(fabric.device), _stream(fabric.device)
    own.wait_stream(before)
    try:
        with torch.cuda.stream(own):
            yield
    finally:
        before.wait_stream(own)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One stream for all fits of a process: cuBLAS keeps a workspace for each stream that it has met."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
