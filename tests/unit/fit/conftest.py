"""Small synthetic jobs: a bright blob is high grade, a faint one low."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pytest
import torch

from nephrograde.fit.job import FitJob
from nephrograde.model.network import Network
from nephrograde.model.pooling import GatedAttention
from nephrograde.sample.dataset import Bags, SampleSet
from nephrograde.study import AugmentSettings, FitSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from nephrograde.vocabulary import Pooling


PHASE = "cmp"


def make_samples(
    patient_ids: Sequence[str], *, rows: int = 1, shape: tuple[int, ...] = (32, 32), learnable: bool = True
) -> SampleSet:
    """Every second patient is high; each has ``rows`` pictures of its own noise."""
    dimensions = len(shape)
    images = []
    for number, patient_id in enumerate(patient_ids):
        chance = np.random.default_rng([*patient_id.encode()])
        for _ in range(rows):
            image = chance.normal(0.4, 0.1, shape)
            middle = tuple(slice(size // 3, 2 * size // 3) for size in shape)
            image[middle] += 0.3 if number % 2 == 0 and learnable else 0.0
            image = image.clip(0, 1)
            images.append(image[None] if dimensions == 2 else np.stack([image, image > 0.5]))
    channels = 1 if dimensions == 2 else 2
    stack = np.array(images, np.float16).reshape(-1, channels, *shape)
    is_high = np.arange(len(patient_ids)) % 2 == 0
    return SampleSet(tuple(patient_ids), is_high, {PHASE: Bags(stack, np.full(len(patient_ids), rows))})


NOBODY = SampleSet((), np.zeros(0, dtype=bool), {})
"""A set without patients."""


def with_images(samples: SampleSet, images: npt.NDArray[Any]) -> SampleSet:
    """The same patients with other pictures."""
    return replace(samples, phases={PHASE: Bags(images, samples.bags(PHASE).counts)})


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pictures this small gain nothing from threads, which wait for each other when tests run in parallel."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class MakeJob(Protocol):
    """Makes a job of 16 learning, 6 stopping, 6 held-out and 5 test patients."""

    def __call__(self, *, rows: int = 1, shape: tuple[int, ...] = (32, 32), **changes: Any) -> FitJob: ...


@pytest.fixture
def make_job() -> MakeJob:
    def make(*, rows: int = 1, shape: tuple[int, ...] = (32, 32), **changes: Any) -> FitJob:
        fields = set(FitJob.__slots__)
        settings: dict[str, Any] = {
            "accelerator": "cpu",
            "epochs": 3,
            "patience": 3,
            "warmup_epochs": 1,
            "batch_size": 8,
        }
        fit = FitSettings(**(settings | {k: v for k, v in changes.items() if k not in fields}))
        sets = {
            name: make_samples([f"{name}-{number}" for number in range(count)], rows=rows, shape=shape)
            for name, count in (("learn", 16), ("stop", 6 if fit.patience else 0), ("held_out", 6), ("test", 5))
        }
        standard: dict[str, Any] = {
            "model": "weak-1-cmp" if len(shape) == 2 else "strong-cmp",
            "arm": "weak-1" if len(shape) == 2 else "strong",
            "phase": PHASE,
            "fold": 2,
            "dimensions": len(shape),
            "has_mask": len(shape) == 3,
            "fit": fit,
            "augment": AugmentSettings(),
            **sets,
        }
        return FitJob(**(standard | {k: v for k, v in changes.items() if k in fields}))

    return make


class TinyResNet(torch.nn.Sequential):
    """Replaces ResNet-18 in tests of the loop; infinite in autocast if ``fragile``."""

    def __init__(self, dimensions: Literal[2, 3], channels: int, *, fragile: bool) -> None:
        flat = dimensions == 2
        super().__init__(
            (torch.nn.Conv2d if flat else torch.nn.Conv3d)(channels, 8, 3, stride=2, bias=False),
            (torch.nn.BatchNorm2d if flat else torch.nn.BatchNorm3d)(8),
            torch.nn.ReLU(),
            (torch.nn.AdaptiveAvgPool2d if flat else torch.nn.AdaptiveAvgPool3d)(1),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 1),
        )
        self.dimensions = dimensions
        self.fragile = fragile

    @property
    def fc(self) -> torch.nn.Module:
        """The linear head."""
        return self[-1]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the head sees of each picture."""
        for layer in list(self)[:-1]:
            images = layer(images)
        return images * torch.inf if self.fragile and torch.is_autocast_enabled("cpu") else images


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    _replace_network(monkeypatch, fragile=False)


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is not finite in bf16."""
    _replace_network(monkeypatch, fragile=True)


def _replace_network(monkeypatch: pytest.MonkeyPatch, *, fragile: bool) -> None:
    def build(
        dimensions: Literal[2, 3], *, channels: int, pooling: Pooling = "mean", fusion: None = None, **further: Any
    ) -> Network:
        assert fusion is None
        backbone: Any = TinyResNet(dimensions, channels, fragile=fragile)
        attention = GatedAttention(8) if pooling == "attention" else None
        return Network(backbone, attention, channels=channels, pooling=pooling, **further)

    # The size of the network is no setting of a study: a fitted fold is read back as a ResNet-18.
    monkeypatch.setattr("nephrograde.fit.learner.build_network", build)
    monkeypatch.setattr("nephrograde.fit.folder.build_hollow_network", build)
