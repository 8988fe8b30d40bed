"""What the benchmarks of training share: the pictures of a row, and a fit of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from nephrograde.fit.job import FitJob
from nephrograde.sample.dataset import Bags, SampleSet
from nephrograde.study import AugmentSettings, FitSettings

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setting:
    """The pictures of one row: the shape of each, how many patients make a batch, and how many pictures each has."""

    name: str
    shape: tuple[int, ...]
    batch_size: int
    pictures: int = 1

    @property
    def dimensions(self) -> Literal[2, 3]:
        """2 for slices, 3 for boxes."""
        return 2 if len(self.shape) == 3 else 3


def make_job(setting: Setting, *, n_batches: int, epochs: int = 1, folder: Path | None = None) -> FitJob:
    """Make a fit on random pictures of as many patients as make a number of batches.

    Args:
        setting: Their shape.
        n_batches: Batches in an epoch.
        epochs: Epochs of the fit.
        folder: Where to write the pictures, to be read from there as a fit reads them; in memory if None.
    """
    n = n_batches * setting.batch_size
    shape = (n * setting.pictures, *setting.shape)
    images = np.random.default_rng(0).random(shape, dtype=np.float32).astype(np.float16)
    if folder is not None:
        path = folder / "samples.npy"
        np.save(path, images)
        images = np.load(path, mmap_mode="r")
    bags = Bags(images, np.full(n, setting.pictures, np.intp))
    patient_ids = tuple(f"P{number}" for number in range(n))
    nobody = SampleSet((), np.zeros(0, dtype=bool), {})
    return FitJob(
        model="bench",
        arm="bench",
        phase="none",
        fold=0,
        dimensions=setting.dimensions,
        learn=SampleSet(patient_ids, np.arange(n) % 2 == 0, {"none": bags}),
        stop=nobody,
        held_out=nobody,
        test=nobody,
        fit=FitSettings(batch_size=setting.batch_size, patience=0, epochs=epochs),
        augment=AugmentSettings(),
        has_mask=setting.dimensions == 3,
    )
