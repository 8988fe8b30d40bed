"""Every model on every fold: which patients go where, and which fits still hold from an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.cohort.split import inner_split
from nephrograde.errors import RunError
from nephrograde.files import fingerprint, read_json
from nephrograde.provenance import versions
from nephrograde.sample.dataset import SampleSet, gather, read_samples
from nephrograde.vocabulary import model_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from nephrograde.cohort.split import Split
    from nephrograde.fit.job import FitJob
    from nephrograde.sample.dataset import Sample
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import Arm, FitSettings, Study

CARD = "card.json"


def count_epochs(study: Study, split: Split) -> int:
    """How many epochs all fits of a study have together, for a progress bar."""
    return sum(study.fit_of(arm).epochs for _, arm, _ in study.models()) * split.folds


def fit_models(
    study: Study,
    split: Split,
    *,
    prepared: Prepared,
    is_high: dict[str, bool],
    run_dir: Path,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Fit every model on every fold, into ``models/<model>/fold-<k>``; a fold whose inputs are unchanged is kept.

    Args:
        study: The resolved study.
        split: Who is tested, and who is in which fold.
        prepared: The prepared regions.
        is_high: The true grade by patient id.
        run_dir: The run folder.
        advance: Called once an epoch, and at once for all epochs of a fold that is kept.

    Raises:
        RunError: Where a model has no scans at all, or a patient is in two sets.
        FitError: Where a model cannot be learnt.
    """
    for model, arm, phase in study.models():
        files = prepared.files(arm.name, phase)
        if not files:
            raise RunError(
                f"Model {model} has no scans: every {phase} scan is missing or was left out (volumes/findings.csv). "
                f"Mend them, or take {phase} out of cohort.phases."
            )
        settings = study.fit_of(arm)
        samples = read_samples({patient: run_dir / "volumes" / name for patient, name in files.items()}, is_high)
        for fold in range(split.folds):
            fold_dir = run_dir / "models" / model / f"fold-{fold}"
            inputs = _identity(study, split, arm=arm, phase=phase, fold=fold) | {
                "regions": files,
                "is_high": {patient: is_high[patient] for patient in files},
            }
            key = fingerprint(inputs)
            if _holds(fold_dir, key):
                for _ in range(settings.epochs):
                    advance()
                continue
            _fit_one(_job(study, split, samples, arm=arm, phase=phase, fold=fold, key=key), fold_dir, advance)


def grade_pictures(model_dir: Path, pictures: npt.NDArray[np.float16], *, settings: FitSettings) -> tuple[float, ...]:
    """Probability of high grade from each fold's network, pooled over the pictures of one patient.

    Args:
        model_dir: ``models/<model>`` of a run.
        pictures: The patient's region, ``(slice, 1, y, x)`` or ``(1, channel, x, y, z)``.
        settings: The arm's fit settings, for the pooling rule.

    Raises:
        RunError: Where the model has not been fitted.
    """
    from nephrograde.fit.folder import load_network
    from nephrograde.model.pooling import pool
    from nephrograde.model.resnet import score

    fold_dirs = sorted(model_dir.glob("fold-*"), key=lambda path: int(path.name.removeprefix("fold-")))
    if not fold_dirs:
        raise RunError(f"{model_dir} holds no fitted network. Run `nephrograde fit` first.")
    return tuple(pool(score(load_network(path)[0], pictures), settings.pooling) for path in fold_dirs)


def _identity(study: Study, split: Split, *, arm: Arm, phase: str, fold: int) -> dict[str, object]:
    """Everything but the patients' data that a fit depends on."""
    found = versions()
    return {
        "arm": arm.name,
        "phase": phase,
        "fold": fold,
        "dimensions": arm.dimensions,
        "fit": study.fit_of(arm).model_dump(mode="json"),
        "augment": study.augment.model_dump(mode="json"),
        "split": {patient: [place.split, place.fold] for patient, place in split.assignments.items()},
        "versions": {name: found[name] for name in ("nephrograde", "torch", "monai")},
    }


def _holds(fold_dir: Path, key: str) -> bool:
    return (fold_dir / CARD).exists() and read_json(fold_dir / CARD).get("inputs_sha256") == key


def _fit_one(job: FitJob, fold_dir: Path, advance: Callable[[], None]) -> None:
    from nephrograde.fit.folder import write_fold
    from nephrograde.fit.loop import fit_fold

    write_fold(fit_fold(job, advance=advance), fold_dir)


def _job(study: Study, split: Split, samples: list[Sample], *, arm: Arm, phase: str, fold: int, key: str) -> FitJob:
    from nephrograde.fit.job import FitJob

    settings = study.fit_of(arm)
    present = {sample.patient_id: sample.is_high for sample in samples}
    held_out = set(split.fold_ids(fold))
    learn: tuple[str, ...] = tuple(p for p in split.train_ids() if p not in held_out and p in present)
    stop: tuple[str, ...] = ()
    if settings.patience:
        learn, stop = inner_split(learn, present, fraction=settings.inner_fraction, seed=settings.seed + fold)
    sets: dict[str, SampleSet] = {
        name: gather(samples, ids)
        for name, ids in (("learn", learn), ("stop", stop), ("held_out", held_out), ("test", split.test_ids()))
    }
    return FitJob(
        model=model_id(arm.name, phase),
        arm=arm.name,
        phase=phase,
        fold=fold,
        dimensions=arm.dimensions,
        **sets,
        fit=settings,
        augment=study.augment,
        inputs_sha256=key,
        synthetic=study.synthetic,
    )
