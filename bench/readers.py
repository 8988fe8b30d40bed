"""Does the analysis of readers hold its size? Simulated reads of readers with equal AUCs, after Roe & Metz 1997.

A score is a mean that depends on the grade, plus normal effects of the patient and of its interactions with modality
and reader; readers differ in how well they separate the grades, in each modality. Where readers are random, they are
drawn for every study, as are patients; where they are fixed, all separate alike. A model has the readers' mean AUC,
and shares the patients' effects with them. Each test is made at the level 0.05: it should reject in 0.05 ± 0.01 of the
studies.

Run it with ``python bench/readers.py``.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from nephrograde.reads.analysis import model_ahead
from nephrograde.reads.aucs import CovarianceMethod, reader_aucs
from nephrograde.reads.obuchowski_rockette import Inference, modality_difference, reader_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.reads.aucs import ReadArray
    from nephrograde.reads.obuchowski_rockette import Effect

LEVEL = 0.05
TOLERANCE = 0.01
SEED = 20261127
LEVELS = np.array([-0.5, 0.5, 1.3, 2.2])
"""Cut-points of a scale from 1 to 5, in the units of the latent scores."""


@dataclass(frozen=True, slots=True)
class Design:
    """One kind of study.

    Attributes:
        auc: The AUC that a reader has on average.
        n: Patients.
        n_high: High-grade patients.
        readers: Readers.
        between: Standard deviation of a reader's own separation, and of its change between modalities.
        levels: Whether scores are on a scale from 1 to 5.
    """

    auc: float = 0.85
    n: int = 100
    n_high: int = 50
    readers: int = 5
    between: float = 0.15
    levels: bool = False

    @property
    def name(self) -> str:
        """The design in words."""
        scale = "1–5" if self.levels else "continuous"
        return f"AUC {self.auc:.2f}, {self.readers} readers, {self.n} patients ({self.n_high} high), {scale}"


SHARED = {"patient": 0.3, "modality": 0.2, "reader": 0.2, "rest": 0.3}
"""Variances of a score within a grade: by patient, and its interactions with modality, reader and both."""
DESIGNS = (
    Design(),
    Design(levels=True),
    Design(auc=0.75),
    Design(auc=0.92),
    Design(n=200, n_high=60, readers=8),
    Design(n=60, n_high=20, readers=4),
)


def truths(design: Design) -> np.ndarray:
    """The grades of the patients."""
    return np.arange(design.n) < design.n_high


def separation(auc: float, between: float) -> float:
    """The mean separation of the grades at which readers with different separations have this AUC on average."""
    return float(ndtri(auc)) * math.sqrt(2.0 + between)


def draw_reads(
    design: Design, stream: np.random.Generator, patient: np.ndarray, *, spread: float, modalities: int = 2
) -> ReadArray:
    """Draw the reads of one study.

    Args:
        design: The study.
        stream: Random numbers.
        patient: Standard normal effects of the patients.
        spread: Standard deviation of the readers' separations; 0 for fixed readers who are equal.
        modalities: How many modalities, all with the same mean AUC.
    """
    shape = (modalities, design.readers, design.n)
    own = stream.normal(0, spread, (1, design.readers, 1)) + stream.normal(0, spread, (modalities, design.readers, 1))
    mean = separation(design.auc, 2.0 * spread**2) + own
    noise = (
        math.sqrt(SHARED["patient"]) * patient
        + stream.normal(0, math.sqrt(SHARED["modality"]), (modalities, 1, design.n))
        + stream.normal(0, math.sqrt(SHARED["reader"]), (1, design.readers, design.n))
        + stream.normal(0, math.sqrt(SHARED["rest"]), shape)
    )
    scores: ReadArray = mean * truths(design) + noise
    return (1.0 + np.searchsorted(LEVELS, scores)).astype(np.float64) if design.levels else scores


def draw_model(design: Design, stream: np.random.Generator, patient: np.ndarray, *, auc: float) -> np.ndarray:
    """Draw the scores of a model with this AUC, correlated with those of the readers through the patients."""
    own = stream.normal(0, math.sqrt(1.0 - SHARED["patient"]), design.n)
    return separation(auc, 0.0) * truths(design) + math.sqrt(SHARED["patient"]) * patient + own


def mean_auc(design: Design, spread: float) -> float:
    """The AUC that readers have on average, with the loss from scores in five levels."""
    if not design.levels:
        return design.auc
    mean, wide = separation(design.auc, 2.0 * spread**2), math.sqrt(1.0 + 2.0 * spread**2)
    high = np.diff(ndtr(np.concatenate([[-np.inf], (LEVELS - mean) / wide, [np.inf]])))
    low = np.diff(ndtr(np.concatenate([[-np.inf], LEVELS, [np.inf]])))
    below = np.concatenate([[0.0], np.cumsum(low)[:-1]])
    return float((high * (below + low / 2.0)).sum())


def effects(
    design: Design, stream: np.random.Generator, inference: Inference, method: CovarianceMethod
) -> Iterator[tuple[str, Effect]]:
    """The tests of one study in which nothing differs."""
    spread = design.between if inference is Inference.RANDOM_READERS else 0.0
    patient = stream.normal(0, 1, design.n)
    reads = draw_reads(design, stream, patient, spread=spread)
    yield "two modalities", modality_difference(reader_aucs(reads, truths(design), method), 1, 0, inference)
    model = draw_model(design, stream, patient, auc=mean_auc(design, spread))
    beside = reader_aucs(np.concatenate([model[None], reads[0]])[None], truths(design), method)
    yield "model − mean reader", reader_mean(*model_ahead(beside.aucs[0], beside.of_modality(0)), inference)


def rejected(
    design: Design, inference: Inference, method: CovarianceMethod, replicates: int
) -> dict[str, tuple[float, float]]:
    """The share of studies that reject, and the mean standard error over the standard deviation of the estimates."""
    stream = np.random.default_rng([SEED, DESIGNS.index(design), list(Inference).index(inference)])
    found: dict[str, list[Effect]] = {}
    for _ in range(replicates):
        for name, effect in effects(design, stream, inference, method):
            found.setdefault(name, []).append(effect)
    return {
        name: (
            float(np.mean([effect.p_value < LEVEL for effect in made])),
            float(np.mean([effect.standard_error for effect in made]) / np.std([effect.value for effect in made])),
        )
        for name, made in found.items()
    }


def main() -> int:
    """Print the table; 1 where the main design misses its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicates", type=int, default=5000)
    options = parser.parse_args()
    start_s = time.perf_counter()
    print("| design | generalised to | covariance | test | rejects | SE ÷ SD |\n|---|---|---|---|---|---|")
    missed = 0
    for design in DESIGNS:
        for inference in (Inference.RANDOM_READERS, Inference.FIXED_READERS):
            for method in CovarianceMethod if design is DESIGNS[0] else (CovarianceMethod.DELONG,):
                for test, (share, ratio) in rejected(design, inference, method, options.replicates).items():
                    print(
                        f"| {design.name} | {inference} | {method} | {test} | {share:.3f} | {ratio:.2f} |", flush=True
                    )
                    missed += design is DESIGNS[0] and abs(share - LEVEL) > TOLERANCE
    print(f"\n{options.replicates} studies each, {time.perf_counter() - start_s:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
