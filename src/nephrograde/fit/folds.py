"""Every model on every fold: which patients go where, and which fits from an earlier run are still valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.cohort.split import inner_split
from nephrograde.errors import RunError
from nephrograde.files import fingerprint
from nephrograde.fit.work import cost_of_picture, passes_of
from nephrograde.model.card import read_card
from nephrograde.run.progress import Part
from nephrograde.run.provenance import versions
from nephrograde.run.seal import fold_digests
from nephrograde.sample.dataset import gather, read_samples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.cohort.split import Split
    from nephrograde.fit.job import FitJob
    from nephrograde.run.folder import FoldFolder, RunFolder
    from nephrograde.run.progress import Watched
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import Arm, FitSettings, Study

_SHAPING = ("nephrograde", "torch")


@dataclass(frozen=True, slots=True)
class Fit:
    """One model on one fold.

    ``files`` are the patients' regions by id, ``settings`` those of the arm, ``key`` the fingerprint of everything that
    the fit depends on.
    """

    model: str
    arm: Arm
    phase: str
    fold: int
    files: Mapping[str, Path]
    settings: FitSettings
    key: str


def plan_fits(
    study: Study, split: Split, *, prepared: Prepared, is_high: Mapping[str, bool], run: RunFolder
) -> list[Fit]:
    """List the fits to be done; a fold in ``models/<model>/fold-<k>`` whose inputs are unchanged is not listed.

    Args:
        study: The resolved study.
        split: Who is tested, and who is in which fold.
        prepared: The prepared regions.
        is_high: The true grade by patient id.
        run: The run folder.

    Raises:
        RunError: If a model has no scans at all.
    """
    fits = list_fits(study, split, prepared=prepared, is_high=is_high, run=run)
    return [one for one in fits if not _holds(run.fold(one.model, one.fold), one.key)]


def list_fits(
    study: Study, split: Split, *, prepared: Prepared, is_high: Mapping[str, bool], run: RunFolder
) -> list[Fit]:
    """List every model on every fold, fitted already or not; arguments and errors are those of :func:`plan_fits`."""
    fits = []
    for model, arm, phase in study.models():
        names = prepared.files(arm.name, phase)
        if not names:
            raise RunError(
                f"Model {model} has no scans: every {phase} scan is missing or was left out (volumes/findings.csv). "
                f"Fix them, or remove {phase} from cohort.phases."
            )
        settings = study.fit_of(arm)
        everyone = {
            "regions": names,
            "is_high": {patient: is_high[patient] for patient in names},
            "split": {patient: [place.split, place.fold] for patient, place in split.assignments.items()},
            "dimensions": arm.dimensions,
            "fit": settings.model_dump(mode="json"),
            "augment": study.augment.model_dump(mode="json"),
            "versions": {name: number for name, number in versions().items() if name in _SHAPING},
        }
        files = {patient: run.volumes_dir / name for patient, name in names.items()}
        for fold in range(split.folds):
            key = fingerprint([model, fold, everyone])
            fits.append(Fit(model, arm, phase, fold, files, settings, key))
    return fits


def fit_planned(
    planned: Fit,
    study: Study,
    split: Split,
    *,
    is_high: Mapping[str, bool],
    run: RunFolder,
    watched: Watched,
) -> None:
    """Fit one model on one fold and write its folder as a whole.

    Args:
        planned: From :func:`plan_fits`.
        study: The resolved study.
        split: Who is tested, and who is in which fold.
        is_high: The true grade by patient id.
        run: The run folder.
        watched: Told of every step.

    Raises:
        RunError: If a patient is in two sets.
        FitError: If the model cannot be learnt.
    """
    from nephrograde.fit.folder import write_fold
    from nephrograde.fit.loop import fit_fold

    job = assemble_job(planned, study, split, is_high=is_high)
    write_fold(fit_fold(job, watched=watched), run.fold(planned.model, planned.fold).fold_dir)


def work_of(planned: Fit, split: Split) -> Part:
    """Estimate the work of a fit from the files of its regions: all pictures of a model have the shape of the first.

    Args:
        planned: From :func:`plan_fits`.
        split: Who is tested, and who is in which fold.
    """
    shape = np.load(next(iter(planned.files.values())), mmap_mode="r").shape
    held_out, tested = set(split.fold_ids(planned.fold)), set(split.test_ids())
    n_scored = len(planned.files.keys() & (held_out | tested))
    n_stop = (
        round(planned.settings.inner_fraction * (len(planned.files) - n_scored)) if planned.settings.patience else 0
    )
    n_learn = len(planned.files) - n_scored - n_stop
    rows = shape[0]
    passes = passes_of(planned.settings, n_learn=rows * n_learn, n_stop=rows * n_stop, n_scored=rows * n_scored)
    return Part(f"{shape[1:]}", passes, cost=cost_of_picture(shape[2:]))


def assemble_job(planned: Fit, study: Study, split: Split, *, is_high: Mapping[str, bool]) -> FitJob:
    """Read the regions of one model and assign the patients to the sets that the fit learns from and is tested on.

    Args:
        planned: From :func:`plan_fits`.
        study: The resolved study.
        split: Who is tested, and who is in which fold.
        is_high: The true grade by patient id.
    """
    from nephrograde.fit.job import FitJob

    settings = planned.settings
    samples = read_samples(planned.files, is_high)
    present = {sample.patient_id: sample.is_high for sample in samples}
    held_out = set(split.fold_ids(planned.fold))
    learn: tuple[str, ...] = tuple(p for p in split.train_ids() if p not in held_out and p in present)
    stop: tuple[str, ...] = ()
    if settings.patience:
        learn, stop = inner_split(learn, present, fraction=settings.inner_fraction, seed=settings.seed + planned.fold)
    return FitJob(
        model=planned.model,
        arm=planned.arm.name,
        phase=planned.phase,
        fold=planned.fold,
        dimensions=planned.arm.dimensions,
        learn=gather(samples, learn),
        stop=gather(samples, stop),
        held_out=gather(samples, held_out),
        test=gather(samples, split.test_ids()),
        fit=settings,
        augment=study.augment,
        inputs_sha256=planned.key,
        synthetic=study.synthetic,
    )


def _holds(fold: FoldFolder, key: str) -> bool:
    if not fold.is_whole():
        return False
    try:
        fold_digests(fold)
        return read_card(fold.card_path).inputs_sha256 == key
    except RunError:  # altered or damaged since the fit, or written by another version, so fitted again
        return False
