"""A model of a frozen encoder: a penalised logistic regression on its features, fitted on one fold."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from nephrograde.cohort.split import check_disjoint
from nephrograde.fit.encoded import read_features
from nephrograde.fit.folder import FoldFit, Prediction
from nephrograde.fit.job import check_grades, derive_seed, name_of_fit
from nephrograde.fit.planned import shaping_versions
from nephrograde.model.card import ModelCard, encoder_settings
from nephrograde.model.encoders.described import DescribedEncoder
from nephrograde.model.encoders.head import fit_head
from nephrograde.sample.dataset import open_region
from nephrograde.study.arm import FEWEST_WITH_ENCODER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.fit.encoded import Encoding
    from nephrograde.model.encoders.head import Head


@dataclass(frozen=True, slots=True)
class FrozenJob:
    """One model of a frozen encoder on one fold.

    Attributes:
        model: The model's id.
        fold: Counted from 0.
        repeat: The name of the repeat; empty for the study's results.
        encoding: Pictures and encoder.
        dimensions: 2 if the arm has slices, 3 if it has a box.
        is_high: The true grade by patient id.
        learn: Who it learns from.
        held_out: The fold's own patients.
        test: The test patients.
        seed: Of the folds in which the penalty is chosen.
        inputs_sha256: Fingerprint of everything above, stored in the card.
        synthetic: Whether the cohort is synthetic.
    """

    model: str
    fold: int
    repeat: str
    encoding: Encoding
    dimensions: Literal[2, 3]
    is_high: Mapping[str, bool]
    learn: tuple[str, ...]
    held_out: tuple[str, ...]
    test: tuple[str, ...]
    seed: int
    inputs_sha256: str
    synthetic: bool

    def __str__(self) -> str:
        return name_of_fit(self.model, self.fold, self.repeat)


def fit_frozen(job: FrozenJob) -> FoldFit:
    """Fit the regression on one fold, and score the patients it has not learnt from.

    Features are standardised by the learning patients, and the L2 penalty is chosen by cross-validation among them.
    Classes are not balanced, so the probabilities are those of the learning patients' prevalence.

    Args:
        job: Patients, pictures and encoder; the features have been computed.

    Raises:
        RunError: A patient is in two of the sets, or a file of features is damaged.
        FitError: There are too few patients of a grade.
    """
    started = time.perf_counter()
    check_disjoint({"learn": job.learn, "held out": job.held_out, "test": job.test})
    truths = _truths(job, job.learn)
    n_high = int(truths.sum())
    check_grades(str(job), truths.tolist(), fewest=FEWEST_WITH_ENCODER)
    seed = derive_seed(job.seed, job.model, job.fold, "penalty", n_bytes=4)  # scikit-learn takes 32 bits
    head, c = fit_head(read_features(job.encoding, job.learn), truths, seed=seed)
    predictions = (*_predictions(job, head, "oof"), *_predictions(job, head, "test"))
    weights = {name: torch.from_numpy(array) for name, array in head.arrays().items()}
    return FoldFit(weights, _card(job, c, n_high=n_high, started=started), (), predictions)


def _truths(job: FrozenJob, patient_ids: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array([job.is_high[patient_id] for patient_id in patient_ids], dtype=bool)


def _predictions(job: FrozenJob, head: Head, split: Literal["oof", "test"]) -> list[Prediction]:
    patient_ids = job.held_out if split == "oof" else job.test
    p_high = head.p_high(read_features(job.encoding, patient_ids)).tolist()
    return [
        Prediction(patient_id, split, job.is_high[patient_id], p)
        for patient_id, p in zip(patient_ids, p_high, strict=True)
    ]


def _card(job: FrozenJob, c: float, *, n_high: int, started: float) -> ModelCard:
    encoding = job.encoding
    return ModelCard(
        model=job.model,
        arm=encoding.arm,
        phase=encoding.phase,
        fold=job.fold,
        dimensions=job.dimensions,
        channels=int(open_region(encoding.first_region).shape[1]),
        has_mask=encoding.view.has_mask,
        shortcut="B",
        pooling="mean",
        n_learn=len(job.learn),
        n_learn_high=n_high,
        is_balanced=False,
        n_stop=0,
        n_held_out=len(job.held_out),
        n_test=len(job.test),
        best_epoch=0,
        epochs_run=0,
        precision="fp32",
        refit_reason="",
        device="cpu",
        seconds=round(time.perf_counter() - started, 3),
        seed=job.seed,
        torch_version=torch.__version__,
        inputs_sha256=job.inputs_sha256,
        settings={**encoder_settings(DescribedEncoder(encoding.encoder, encoding.view)), "penalty_c": c},
        synthetic=job.synthetic,
        versions=shaping_versions(),
    )
