"""What a fit runs on: devices and precision, Lightning Fabric, and a context in which torch is reproducible."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch

from nephrograde.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightning_fabric import Fabric

    from nephrograde.study import FitSettings

Precision: TypeAlias = Literal["fp32", "bf16"]

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""A CPU needs one of these for bf16 to be faster than fp32; on others it is emulated."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices of one kind, on one or more machines, and whether a launcher (torchrun, srun) started the processes."""

    kind: Literal["cpu", "cuda", "mps"]
    devices: int
    nodes: int
    launched: bool

    @property
    def processes(self) -> int:
        """Number of processes that share every batch."""
        return self.devices * self.nodes

    @property
    def spawns(self) -> bool:
        """Whether the fit has to start its own processes."""
        return self.processes > 1 and not self.launched

    def __str__(self) -> str:
        name = f"cuda ({torch.cuda.get_device_name()})" if self.kind == "cuda" else self.kind
        return name if self.processes == 1 else f"{name} × {self.processes}"


def find_machine(settings: FitSettings) -> Machine:
    """Find the devices that the study file asks for.

    "auto" is a CUDA device if there is one, else the CPU; "mps" is used only if requested by name, because torch lacks
    some of its 3D operations. ``devices`` −1 means all CUDA devices.

    Args:
        settings: ``accelerator``, ``devices`` and ``nodes`` of ``[fit]``.

    Raises:
        FitError: If it is not available, or several nodes are requested without a launcher.

    >>> from nephrograde.study import FitSettings
    >>> str(find_machine(FitSettings(accelerator="cpu", devices=2)))
    'cpu × 2'
    """
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    kind = find_kind(settings.accelerator)
    present = torch.cuda.device_count() if kind == "cuda" else 1
    devices = present if settings.devices == -1 else settings.devices
    if devices == 0 or (kind == "cuda" and devices > present) or (kind == "mps" and devices > 1):
        raise FitError(f"fit.devices is {settings.devices}, but there are {present} of {kind}. Give at most that many.")
    with _quiet():
        launched = TorchElasticEnvironment.detect() or SLURMEnvironment.detect()
    if settings.nodes > 1 and not launched:
        raise FitError(
            f"fit.nodes is {settings.nodes}, but no launcher started this process. Start the same command on every "
            "machine with torchrun or srun, or set fit.nodes = 1."
        )
    return Machine(kind, devices, settings.nodes, launched)


def find_kind(accelerator: str) -> Literal["cpu", "cuda", "mps"]:
    """Return the kind of device that ``fit.accelerator`` means on this machine.

    Args:
        accelerator: "auto", or the name of a kind.

    Raises:
        FitError: If there is none of that kind.

    >>> find_kind("cpu")
    'cpu'
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if accelerator == "cpu" or (accelerator == "auto" and not has_cuda):
        return "cpu"
    if has_cuda and accelerator in {"auto", "cuda", "gpu"}:
        return "cuda"
    if has_mps and accelerator in {"mps", "gpu"}:
        return "mps"
    raise FitError(f'fit.accelerator is "{accelerator}", but torch finds none here. Set fit.accelerator = "cpu".')


def find_precision(asked: Literal["auto", "fp32", "bf16"], *, dimensions: Literal[2, 3], kind: str) -> Precision:
    """Return the precision of the first attempt.

    "auto" is bf16 where it is reliable and fast: on CUDA devices that support it, and for 2D on a CPU with bf16
    instructions. In 3D on a CPU, torch 2.13 gave non-finite weights within 30 steps. Weights, optimiser and all scores
    are always in fp32.

    >>> find_precision("auto", dimensions=3, kind="cpu"), find_precision("bf16", dimensions=3, kind="cpu")
    ('fp32', 'bf16')
    """
    if asked != "auto":
        return asked
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if kind == "cpu" and dimensions == 2:
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        return "bf16" if any(capabilities.get(name) for name in BF16_INSTRUCTIONS) else "fp32"
    return "fp32"


def make_fabric(machine: Machine, precision: Precision) -> Fabric:
    """Set up Lightning Fabric; one device needs no further process, several are joined by DDP.

    Raises:
        FitError: If Fabric refuses; the message quotes it.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    strategy = "auto" if machine.processes == 1 else "ddp_spawn" if machine.spawns else "ddp"
    try:
        with _quiet():
            return Fabric(
                accelerator=machine.kind,
                devices=machine.devices,
                num_nodes=machine.nodes,
                strategy=strategy,
                precision="bf16-mixed" if precision == "bf16" else "32-true",
            )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise FitError(
            f"The devices of the study cannot be used: {error} Check fit.accelerator, fit.devices and fit.nodes."
        ) from error


@contextmanager
def reproducible(kind: str) -> Iterator[None]:
    """Make torch reproducible to the last digit within the block, and restore its settings afterwards.

    On a CPU, an operation that cannot be reproducible is an error. Elsewhere it is allowed: the networks here contain
    none, but drivers differ.
    """
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    with ExitStack() as stack:
        if kind == "cuda":
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS is deterministic only with a fixed workspace
            stack.enter_context(
                torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
            )
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings(
            "ignore", message=".*does not have a deterministic implementation", category=UserWarning
        )
        # The first steps of a fit run without a CUDA graph.
        warnings.filterwarnings("ignore", message=".*constructed with capturable=True", category=UserWarning)
        try:
            torch.use_deterministic_algorithms(True, warn_only=kind != "cpu")
            # Nothing here reads uninitialized memory, and filling it costs time.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
            if kind == "cuda":
                os.environ.pop("CUBLAS_WORKSPACE_CONFIG")
                if workspace is not None:
                    os.environ["CUBLAS_WORKSPACE_CONFIG"] = workspace


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Fabric from announcing its settings, and from recommending srun on machines that happen to have it."""
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The `srun` command is available", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)
