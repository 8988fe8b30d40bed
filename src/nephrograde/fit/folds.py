"""Every model on every fold: which patients go where, and which fits from an earlier run are still valid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.cohort.repeat import repeats_of_arm, split_of
from nephrograde.cohort.split import inner_split
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.fit.chosen import read_chosen
from nephrograde.fit.encoded import encode_regions, plan_encoding, remove_unused
from nephrograde.fit.initial import encoder_to_tune
from nephrograde.fit.job import check_each_grade, check_grades
from nephrograde.fit.joining import check_phases, clinical_of, learn_values, slices_of
from nephrograde.fit.planned import Fit, key_of, tuning_key
from nephrograde.fit.work import cost_of_picture, passes_of
from nephrograde.model.card import read_card
from nephrograde.model.fusion import Fusion
from nephrograde.run.progress import Part
from nephrograde.run.seal import fold_digests
from nephrograde.sample.dataset import gather, gather_together, read_samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.repeat import Repeat
    from nephrograde.cohort.split import Split
    from nephrograde.fit.encoded import Encoding
    from nephrograde.fit.frozen import FrozenJob
    from nephrograde.fit.job import FitJob
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress, Watched
    from nephrograde.sample.dataset import SampleSet
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import Arm, Study

_COST_OF_HEAD = 1e11
"""The operations of a regression on features, with the choice of its penalty: about two seconds."""


def plan_fits(study: Study, cohort: Cohort, split: Split, *, prepared: Prepared, run: RunFolder) -> list[Fit]:
    """List the fits to be done; a fold whose folder holds a fit of unchanged inputs is not listed.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        prepared: The prepared regions.
        run: The run folder.

    Raises:
        RunError: If a model has no scans at all, joins phases that no patient has together or clinical values that the
            table does not have, or has too few patients for the smallest share of the learning curve.
        FitError: If a model would have too few patients of a grade to learn from, or none of one of the grades that its
            ordinal head learns.
    """
    fits = list_fits(study, cohort, split, prepared=prepared, run=run)
    return [one for one in fits if not is_fitted(one)]


def list_fits(study: Study, cohort: Cohort, split: Split, *, prepared: Prepared, run: RunFolder) -> list[Fit]:
    """List every model on every fold of every repeat, fitted already or not; the repeats come last.

    Arguments and errors are those of :func:`plan_fits`.
    """
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    fits = untuned_fits(study, cohort, split, prepared=prepared, run=run)
    chosen = [_with_chosen(one, study, is_high, run) for one in fits]
    return [replace(one, key=key_of(one, study, is_high)) for one in chosen]


def untuned_fits(study: Study, cohort: Cohort, split: Split, *, prepared: Prepared, run: RunFolder) -> list[Fit]:
    """List the fits as :func:`list_fits`, with the settings of the study and without keys."""
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    splits: dict[Repeat, Split] = {}
    fits = []
    for model in study.models():
        arm = model.arm
        patients = prepared.patients(model)
        check_phases(model, patients)
        clinical = clinical_of(model, cohort)
        if model.fusion == "late":
            continue
        own = study.fit_of(arm)
        fusion = None if model.fusion is None else Fusion(model.fusion, model.phases, arm.difference_pairs)
        files = {phase: _regions_of(arm, phase, prepared, run) for phase in model.region_phases}
        slices = slices_of(model, prepared)
        encoding = plan_encoding(arm, model.phase, study, regions=files[model.phase], run=run) if not fusion else None
        pretrained = encoder_to_tune(arm, model.phases, study)
        present = frozenset().union(*patients.values())
        grades = None
        if arm.head == "ordinal":
            grades = {case.patient_id: case.grade for case in cohort.cases if case.grade is not None}
            learning = [grades.get(patient) for patient in split.train_ids() if patient in present]
            check_each_grade(f"Model {model.id}", learning, column=study.cohort.outcome)
        for repeat in repeats_of_arm(study, arm):
            if repeat not in splits:
                splits[repeat] = split_of(repeat, split, cohort, study.split)
            repeated = splits[repeat]
            settings = own.model_copy(update={"seed": repeat.fit_seed(own.seed)})
            for fold in range(split.folds):
                truths = [is_high[one] for one in repeated.learning_ids(fold) if one in present]
                check_grades(f"Model {model.id}, fold {fold}", truths, fewest=arm.fewest_of_a_grade)
                fits.append(
                    Fit(
                        model=model.id,
                        arm=arm,
                        phase=model.phase,
                        fold=fold,
                        repeat=repeat,
                        split=repeated,
                        regions=files,
                        slices=slices,
                        settings=settings,
                        key="",
                        folder=run.fold(model.id, fold, repeat.name),
                        encoding=encoding,
                        fusion=fusion,
                        clinical=clinical,
                        pretrained=pretrained,
                        grades=grades,
                    )
                )
    _check_processes(fits)
    return sorted(fits, key=lambda one: not one.repeat.is_first)


def _check_processes(fits: Iterable[Fit]) -> None:
    """Refuse networks that are fitted by different numbers of processes, as all of them are compared.

    Each process takes the batch norm of its own share of a batch, so that networks differ by their number.
    """
    asked = {one.arm.name: (one.settings.devices, one.settings.nodes) for one in fits if one.encoding is None}
    if len(set(asked.values())) > 1:
        told = "; ".join(f"{arm} by {devices} on {nodes}" for arm, (devices, nodes) in asked.items())
        remedy = "Give all arms the same fit.devices and fit.nodes, as their networks are compared."
        raise InputError([Problem("arm.fit", f"networks would be fitted by fit.devices on fit.nodes: {told}", remedy)])


def _with_chosen(planned: Fit, study: Study, is_high: Mapping[str, bool], run: RunFolder) -> Fit:
    """Take over what was chosen for a fold."""
    if planned.encoding is not None:  # nothing is trained
        return planned
    chosen = read_chosen(
        run,
        planned.model,
        planned.fold,
        planned.repeat,
        tune=study.tune,
        key=lambda tune: tuning_key(planned, study, tune, is_high=is_high),
    )
    return planned if chosen is None else replace(planned, settings=chosen.fit(planned.settings), chosen=chosen)


def fit_planned(planned: Fit, study: Study, *, is_high: Mapping[str, bool], watched: Watched) -> None:
    """Fit one model on one fold and write its folder as a whole.

    Args:
        planned: From :func:`plan_fits`.
        study: The resolved study.
        is_high: The true grade by patient id.
        watched: Told of every step.

    Raises:
        RunError: If a patient is in two sets.
        FitError: If the model cannot be learnt.
    """
    from nephrograde.fit.folder import write_fold
    from nephrograde.fit.loop import fit_fold

    if planned.encoding is not None:
        from nephrograde.fit.frozen import fit_frozen

        fitted = fit_frozen(assemble_frozen_job(planned, planned.encoding, study, is_high=is_high))
        write_fold(fitted, planned.folder.fold_dir)
        watched.advance(watched.part.units)
        watched.finish()
        return
    job = assemble_job(planned, study, is_high=is_high)
    write_fold(fit_fold(job, watched=watched), planned.folder.fold_dir, slices=planned.slices)


def encode_planned(
    planned: Iterable[Fit], study: Study, *, prepared: Prepared, run: RunFolder, progress: Progress
) -> None:
    """Compute the features that planned models of frozen encoders learn from, those of each model once.

    Args:
        planned: From :func:`plan_fits`.
        study: The resolved study.
        prepared: The prepared regions.
        run: The run folder; features that no model of the study learns from are removed.
        progress: How to show long steps.

    Raises:
        WeightsError: The file of an encoder is missing or another one.
        RunError: A region is damaged.
    """
    if all(arm.encoder is None for arm in study.arm):
        return
    encodings = {one.model: one.encoding for one in planned if one.encoding is not None}
    encode_regions(encodings.values(), run, progress=progress)
    every = (
        plan_encoding(one.arm, one.phase, study, regions=_regions_of(one.arm, one.phase, prepared, run), run=run)
        for one in study.models()
        if one.fusion is None
    )
    remove_unused(run, (encoding for encoding in every if encoding is not None))


def _regions_of(arm: Arm, phase: str, prepared: Prepared, run: RunFolder) -> dict[str, Path]:
    return {patient: run.volumes_dir / name for patient, name in prepared.files(arm.name, phase).items()}


def work_of(planned: Fit) -> Part:
    """Estimate the work of a fit from the files of its regions.

    All pictures of a model have the shape of the first; the sizes of the files tell how many a patient has on average.

    Args:
        planned: From :func:`plan_fits`.
    """
    if planned.encoding is not None:
        return Part("frozen", 1.0, cost=_COST_OF_HEAD)
    split, present, paths = planned.split, planned.patients, planned.paths
    first_path = paths[0]
    shape = np.load(first_path, mmap_mode="r").shape
    mean_bytes = sum(path.stat().st_size for path in paths) / len(present)
    rows = shape[0] * mean_bytes / first_path.stat().st_size
    n_scored = len(present & {*split.fold_ids(planned.fold), *split.test_ids()})
    n_learn = len(planned.learning_ids)
    n_stop = round(planned.settings.inner_fraction * n_learn) if planned.settings.patience else 0
    passes = passes_of(
        planned.settings,
        n_learn=n_learn - n_stop,
        learn_rows=rows * (n_learn - n_stop),
        stop_rows=rows * n_stop,
        scored_rows=rows * n_scored,
    )
    kind = f"{shape[1:]}" if planned.pretrained is None else f"{shape[1:]} {planned.architecture}"
    return Part(kind, passes, cost=cost_of_picture(shape[2:], planned.architecture))


def assemble_job(planned: Fit, study: Study, *, is_high: Mapping[str, bool]) -> FitJob:
    """Read the regions of one model and assign the patients to the sets that the fit learns from and is tested on.

    Args:
        planned: From :func:`plan_fits`.
        study: The resolved study.
        is_high: The true grade by patient id.
    """
    from nephrograde.fit.job import FitJob

    settings, split = planned.settings, planned.split
    samples = read_samples(planned.regions, is_high)
    present = {sample.patient_id: sample.is_high for sample in samples}
    learn = planned.learning_ids
    stop: tuple[str, ...] = ()
    if settings.patience:
        learn, stop = inner_split(learn, present, fraction=settings.inner_fraction, seed=settings.seed + planned.fold)
    fusion, values = learn_values(planned.fusion, planned.clinical, learn)

    def gathered(patient_ids: Iterable[str]) -> SampleSet:
        if fusion is None or fusion.kind == "early":
            return gather(samples, patient_ids, values)
        return gather_together(samples, patient_ids, fusion.phases, values)

    return FitJob(
        model=planned.model,
        arm=planned.arm.name,
        phase=planned.phase,
        fold=planned.fold,
        repeat=planned.repeat.name,
        dimensions=planned.arm.dimensions,
        has_mask=planned.arm.has_mask,
        learn=gathered(learn),
        stop=gathered(stop),
        held_out=gathered(split.fold_ids(planned.fold)),
        test=gathered(split.test_ids()),
        fit=settings,
        augment=planned.augment(study),
        inputs_sha256=planned.key,
        synthetic=study.synthetic,
        fusion=fusion,
        phase_dropout=planned.arm.phase_dropout if planned.fusion else 0.0,
        chosen=planned.chosen,
        pretrained=planned.pretrained,
        grades=planned.grades,
    )


def assemble_frozen_job(planned: Fit, encoding: Encoding, study: Study, *, is_high: Mapping[str, bool]) -> FrozenJob:
    """Assign the patients to the sets that a model of a frozen encoder learns from and is tested on.

    Args:
        planned: From :func:`plan_fits`.
        encoding: Its features.
        study: The resolved study.
        is_high: The true grade by patient id.
    """
    from nephrograde.fit.frozen import FrozenJob

    split, present = planned.split, planned.files

    def there(patient_ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(patient_id for patient_id in patient_ids if patient_id in present)

    return FrozenJob(
        model=planned.model,
        fold=planned.fold,
        repeat=planned.repeat.name,
        encoding=encoding,
        dimensions=planned.arm.dimensions,
        is_high=is_high,
        learn=there(split.learning_ids(planned.fold)),
        held_out=there(split.fold_ids(planned.fold)),
        test=there(split.test_ids()),
        seed=planned.settings.seed,
        inputs_sha256=planned.key,
        synthetic=study.synthetic,
    )


def is_fitted(planned: Fit) -> bool:
    """Whether the folder of a fit holds it already: whole, unaltered, and of the same inputs.

    Args:
        planned: From :func:`list_fits`.
    """
    fold = planned.folder
    if not fold.is_whole():
        return False
    try:
        fold_digests(fold)
        return read_card(fold.card_path).inputs_sha256 == planned.key
    except RunError:  # altered or damaged since the fit, or written by another version, so fitted again
        return False
