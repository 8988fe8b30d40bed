"""How fast networks are trained: this package's loop, the bare step, and MONAI's recipe; and how many fits at once.

The first table gives training samples a second. "This loop" is a fit as it is, timed from the end of its first epoch to
the end of its last: batches drawn and collected, augmentation, step, checks. On a GPU its steps are CUDA graphs, and
"without graphs" launches each kernel from Python. "Bare step" is the same network, batch and precision on a batch that
lies on the device, without augmentation; on a GPU it is one CUDA graph, replayed. With eight times the batch, it is the
bare step on as many samples more. "MONAI" is what its tutorials do: ``CacheDataset`` with its transforms, its loader,
its ResNet-18 (stride 1 at the entrance, its default, and stride 2, as in the literature) and automatic mixed precision.
The sides of a row take turns in one run; the fastest turn of each counts, as in ``timeit``.

The second table gives seconds per fit on the CPU: fits one after the other on all threads, as torch does by itself,
against as many at once as there are processors, on one thread each, as ``fit.workers = "auto"`` does, and against a
single fit on one thread. Ratios are to the first column. How many fits share a GPU best is measured by ``bench.gpu``.

Run: python -m bench.fit [--sizes tiny|small|published] [--turns 3]. Sizes are the published ones by default where there
is a GPU, else small ones. A peer that is not installed is named and passed over.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from bench.settings import Setting, make_job

from nephrograde.fit.learner import start
from nephrograde.fit.loop import fit_fold
from nephrograde.fit.machine import find_machine, find_precision, make_fabric, reproducible
from nephrograde.run.progress import Part, Watched, Workload
from nephrograde.study import FitSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BATCHES = {"cpu": 4, "cuda": 12, "mps": 4}
"""Batches in an epoch. On a GPU, the end of an epoch would otherwise count for more than in a study."""
EPOCHS = 3
STEPS = 8
"""Bare steps in a turn."""
STEPS_AT_ONCE = 2
"""Steps of a fit in the second table."""
LOADERS = 8
"""Workers of MONAI's loader on a GPU; 0 on a CPU, where they would take processors from the network."""


SIZES = {
    "tiny": (
        Setting("2D 32 × 32", (1, 32, 32), 4),
        Setting("3D 16 × 16 × 16, two channels", (2, 16, 16, 16), 4),
    ),
    "small": (
        Setting("2D 64 × 64", (1, 64, 64), 10),
        Setting("3D 32 × 32 × 32, two channels", (2, 32, 32, 32), 10),
    ),
    "published": (
        Setting("2D 224 × 224", (1, 224, 224), 16),
        Setting("3D 128 × 128 × 32, two channels", (2, 128, 128, 32), 8),
    ),
}
AT_ONCE = (
    SIZES["small"][0],
    Setting("2D 64 × 64, three slices", (1, 64, 64), 10, pictures=3),
    SIZES["small"][1],
    *SIZES["published"],
)
"""The rows of the second table."""


@dataclass(slots=True)
class Side:
    """One way to train; ``run`` takes a turn and returns samples a second."""

    name: str
    run: Callable[[], float]
    fastest: float = field(default=0.0)


def this_loop(setting: Setting, *, has_graphs: bool = True) -> Callable[[], float]:
    """A whole fit; with CUDA graphs where there are any."""
    n_batches = BATCHES[find_machine(FitSettings()).kind]
    job = make_job(setting, n_batches=n_batches, epochs=EPOCHS)

    def run() -> float:
        part = Part("fit", 1.0)
        told: list[float] = []
        watched = Watched(Workload([part]), part, show=lambda: told.append(time.perf_counter()))
        with contextlib.nullcontext() if has_graphs else without_graphs():
            fit_fold(job, watched=watched)
        # Told of the beginning, of each step, and once more at the end of each epoch, when the device has finished.
        ends = told[1 + n_batches :: n_batches + 1][:EPOCHS]
        return (EPOCHS - 1) * n_batches * setting.batch_size / (ends[-1] - ends[0])

    return run


def without_graphs() -> contextlib.AbstractContextManager[Any]:
    """Fits within the block launch each kernel from Python."""
    return mock.patch("nephrograde.fit.loop.find_capture", return_value=None)


def bare_step(setting: Setting, *, times: int = 1) -> Callable[[], float]:
    """Forward, backward and AdamW on one batch that lies on the device."""
    n = times * setting.batch_size
    machine = find_machine(FitSettings())
    precision = find_precision("auto", dimensions=setting.dimensions, kind=machine.kind)
    fabric = make_fabric(machine, precision)
    network = start(fabric, make_job(setting, n_batches=1)).network
    images = torch.rand(n, *setting.shape, device=fabric.device)
    places = torch.arange(n, device=fabric.device)[:, None]
    is_high = (torch.arange(n, device=fabric.device) % 2).float()
    is_captured = machine.kind == "cuda"
    rate = torch.tensor(1e-4, device=fabric.device) if is_captured else 1e-4  # a graph reads it again at each replay
    optimizer = torch.optim.AdamW(network.parameters(), rate, fused=machine.kind != "mps", capturable=is_captured)

    def step() -> None:
        with fabric.autocast():
            logits = network(images, places)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, is_high)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    with reproducible(machine.kind):
        replay = captured(step) if is_captured else step

    def run() -> float:
        with reproducible(machine.kind):
            return n * STEPS / _seconds(lambda: [replay() for _ in range(STEPS)])

    return run


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """Capture a step as a CUDA graph, after three steps on a stream of their own, as torch asks for."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def monai_recipe(setting: Setting, *, stride: int) -> Callable[[], float]:
    """MONAI's dataset, transforms, loader and ResNet-18, in automatic mixed precision."""
    from monai.data import CacheDataset, DataLoader
    from monai.networks.nets import resnet18
    from monai.transforms import (
        Compose,
        EnsureChannelFirstd,
        RandAdjustContrastd,
        RandAffined,
        RandFlipd,
        RandGaussianNoised,
        RandShiftIntensityd,
        ToTensord,
    )

    job = make_job(setting, n_batches=BATCHES[find_machine(FitSettings()).kind])
    images = np.asarray(job.bags(job.learn).images, np.float32)
    data = [{"image": image, "label": float(high)} for image, high in zip(images, job.learn.is_high, strict=True)]
    augment, spatial = job.augment, range(setting.dimensions)
    angle = np.deg2rad(augment.rotate_deg)
    chain = Compose(
        [
            EnsureChannelFirstd("image", channel_dim=0),
            *(RandFlipd("image", prob=0.5, spatial_axis=axis) for axis in spatial),
            RandAffined(
                "image",
                prob=1.0,
                rotate_range=angle if setting.dimensions == 2 else (0.0, 0.0, angle),
                translate_range=[augment.shift * size for size in setting.shape[1:]],
                scale_range=[augment.scale] * setting.dimensions,
                padding_mode="border",
            ),
            RandAdjustContrastd("image", prob=1.0, gamma=(0.9, 1.1)),
            RandShiftIntensityd("image", prob=1.0, offsets=augment.brightness),
            RandGaussianNoised("image", prob=1.0, std=augment.noise),
            ToTensord(("image", "label")),
        ]
    )
    machine = find_machine(FitSettings())
    device = torch.device(machine.kind)
    is_bf16 = find_precision("auto", dimensions=setting.dimensions, kind=machine.kind) == "bf16"
    network = resnet18(
        spatial_dims=setting.dimensions, n_input_channels=setting.shape[0], num_classes=1, conv1_t_stride=stride
    ).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    loader = DataLoader(
        CacheDataset(data, chain, progress=False),
        batch_size=setting.batch_size,
        shuffle=True,
        num_workers=LOADERS if machine.kind == "cuda" else 0,
        persistent_workers=machine.kind == "cuda",
        pin_memory=machine.kind == "cuda",
    )

    def epoch() -> None:
        for batch in loader:
            with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
                logits = network(batch["image"].to(device, non_blocking=True)).squeeze(1)
            label = batch["label"].to(device, torch.float32, non_blocking=True)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), label)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()

    epoch()
    return lambda: len(data) / _seconds(epoch)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def throughput(settings: Sequence[Setting], turns: int) -> None:
    """Print the first table: a row for each size."""
    has_monai = importlib.util.find_spec("monai") is not None
    if not has_monai:
        print('MONAI is not installed and left out: pip install "nephrograde[bench]"')
    print(f"\n{'training samples a second':<48}{'samples/s':>11}{'÷ bare step':>13}")
    for setting in settings:
        bare = Side("bare step", bare_step(setting))
        sides = [
            Side("this loop", this_loop(setting)),
            bare,
            Side("bare step, eight times the batch", bare_step(setting, times=8)),
        ]
        if torch.cuda.is_available():
            sides.insert(1, Side("this loop, without graphs", this_loop(setting, has_graphs=False)))
        if has_monai:
            sides += [Side(f"MONAI recipe, stride {stride}", monai_recipe(setting, stride=stride)) for stride in (1, 2)]
        for turn in range(turns + 1):
            for side in sides if turn % 2 else reversed(sides):
                speed = side.run()
                side.fastest = max(side.fastest, speed if turn else 0.0)
        kind = find_machine(FitSettings()).kind
        precision = find_precision("auto", dimensions=setting.dimensions, kind=kind)
        print(f"{setting.name}, {precision}, batch {setting.batch_size}")
        for side in sides:
            print(f"    {side.name:<44}{side.fastest:>11.1f}{side.fastest / bare.fastest:>13.2f}", flush=True)


@contextlib.contextmanager
def fitting(threads: int, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that fit when they are told to, with this number of threads each."""
    words = [sys.executable, "-m", "bench.fit", "--serve", str(threads)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(count):
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            stack.callback(process.wait)
            stack.callback(process.communicate)
            processes.append(process)
        yield processes


def fit_on_all(processes: Sequence[subprocess.Popen[str]], name: str) -> float:
    """Let every process fit once; the seconds until the last has finished, for each fit."""
    started = time.perf_counter()
    for process in processes:
        print(name, file=process.stdin, flush=True)
    for process in processes:
        next(iter(process.stdout or ()))
    return (time.perf_counter() - started) / len(processes)


def serve(threads: int) -> None:
    """Fit a size that is named on standard input, once for each line."""
    torch.set_num_threads(threads)
    jobs = {one.name: make_job(one, n_batches=STEPS_AT_ONCE) for one in AT_ONCE}
    for line in sys.stdin:
        fit_fold(jobs[line.strip()])
        print("done", flush=True)


def at_once(turns: int) -> None:
    """Print the second table: seconds per fit of one epoch of two steps."""
    cores = torch.get_num_threads()
    headings = (f"1 × {cores} threads", f"{cores} × 1 thread", "ratio", "1 × 1 thread", "ratio")
    print(f"\n{'CPU, seconds per fit of two steps':<36}" + "".join(f"{heading:>16}" for heading in headings))
    with fitting(cores, 1) as alone, fitting(1, cores) as together:
        sides = (alone, together, together[:1])
        for setting in AT_ONCE:
            taken = [[fit_on_all(side, setting.name) for side in sides] for _ in range(turns + 1)][1:]
            one, each, narrow = (min(times) for times in zip(*taken, strict=True))
            seconds = f"{one:>16.2f}{each:>16.2f}{each / one:>16.2f}{narrow:>16.2f}{narrow / one:>16.2f}"
            print(f"{setting.name:<36}{seconds}", flush=True)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", choices=sorted(SIZES), help="sizes of the first table")
    parser.add_argument("--turns", type=int, default=3, help="timed turns of each side (default 3)")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return 0
    machine = find_machine(FitSettings())
    print(f"{platform.machine()}, {machine}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    throughput(SIZES[given.sizes or ("published" if machine.kind == "cuda" else "small")], given.turns)
    at_once(given.turns)
    return 0


if __name__ == "__main__":
    sys.exit(main())
