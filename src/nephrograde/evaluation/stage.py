"""The evaluate stage: from the predictions of a study, or from any score table, to the statistics."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.cohort.clinical import present_columns
from nephrograde.cohort.repeat import Repeat, repeats_of_split
from nephrograde.errors import RunError
from nephrograde.evaluation.attention import TumourAttention, attention_on_tumours
from nephrograde.evaluation.baselines.baseline import (
    clinical_predictors,
    fit_baseline,
    measured_predictors,
    radiomics_parts,
    radiomics_predictors,
)
from nephrograde.evaluation.baselines.complete_cases import complete_case_estimates
from nephrograde.evaluation.baselines.increment import Increment, stack_images
from nephrograde.evaluation.baselines.late import fuse_late, write_fusion
from nephrograde.evaluation.baselines.phase_table import PhaseRow, compare_phases
from nephrograde.evaluation.baselines.repeat_scores import RepeatScores, repeated_folds, score_repeats, write_repeats
from nephrograde.evaluation.baselines.stack_table import StackRow, stack_models
from nephrograde.evaluation.comparison.repeats import ProcedureComparison, RepeatedAuc, compare_procedures, fold_aucs
from nephrograde.evaluation.evaluation import check_primary, evaluate_scores, write_statistics
from nephrograde.evaluation.ladder.stage import write_ladder
from nephrograde.evaluation.ledger import TABLE_REASON, open_test_set, read_ledger, refuse_without_reason
from nephrograde.evaluation.lesions import LESION_COLUMN, parse_lesions
from nephrograde.evaluation.mixture import refuse_mixture
from nephrograde.evaluation.performance.subgroup import groups_of
from nephrograde.evaluation.scores.collect import collect_scores, write_members
from nephrograde.evaluation.scores.scale import ScaleRow
from nephrograde.evaluation.scores.score_table import open_scores, parse_groups, parse_scores, write_scores
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.evaluation.tables import write_table
from nephrograde.evaluation.uncertainty.new_patient import learn_judge, write_judges
from nephrograde.files import fingerprint, read_json, sha256_of, write_json
from nephrograde.fit.attention import read_attention
from nephrograde.run.provenance import SCORE_TABLE, mark_format, read_lock_file, write_lock
from nephrograde.run.seal import fold_digests, renew_seal, seal_fold
from nephrograde.run.stage import current_record, run_stage, written_together
from nephrograde.sample.radiomics import read_features
from nephrograde.staging import at_once

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.baseline import Predictors
    from nephrograde.evaluation.baselines.increment import Stacks
    from nephrograde.evaluation.evaluation import Evaluation
    from nephrograde.evaluation.ladder.minutes import Minutes
    from nephrograde.evaluation.scores.scores import Score
    from nephrograde.evaluation.tables import ModelEstimate
    from nephrograde.run.fold_folder import FoldFolder
    from nephrograde.run.folder import RunFolder
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import EvaluateSettings, Study, StudyModel
    from nephrograde.vocabulary import Supervision

_OPENING = "opening"
"""The record of what the last opening of the test set depends on."""


def evaluate_models(
    study: Study,
    cohort: Cohort,
    split: Split,
    run: RunFolder,
    *,
    reason: str | None = "",
    measured: Mapping[Supervision, Minutes] | None = None,
) -> None:
    """Collect the scores of all models and baselines, and compute everything in ``statistics/``.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Their test set and folds.
        run: The run folder; its models have been fitted.
        reason: Why the test set is opened, for the ledger; may be empty the first time. With None it stays closed,
            and only out-of-fold scores are used, and those of the test patients, without their truth, for the scale
            of the networks' mean.
        measured: Minutes of annotation per patient by level, as far as they were measured.

    Raises:
        RunError: The test set was opened before, something has changed since, and no reason is given; or a fitted
            network is incomplete or was altered since the fit.
    """
    folds = _folds(study, split, run)
    fitted = _fitted(folds)
    repeats = _fitted_repeats(study, split, run, fitted)
    refuse_mixture([*fitted, *itertools.chain(*repeats.values())])

    def make(inputs: str) -> None:
        is_high = {case.patient_id: case.is_high for case in cohort.cases}
        rows, members, scales = collect_scores(fitted)
        late = fuse_late(rows, study, cohort)
        rows += late.scores
        found = {str(name): _predictors(name, study, cohort, run) for name in study.evaluate.baselines}
        baselines = {name: predictors for name, predictors in found.items() if predictors.values}
        for name, predictors in baselines.items():
            rows += fit_baseline(predictors, is_high, split, model=name)
        if reason is None:
            rows, members = ([row for row in some if row.split == "oof"] for some in (rows, members))
        else:
            _open_test_set(run, reason=reason, inputs=inputs)
            _remember_opening(study, split, run)
        further = _on_complete_cases(found.get("clinical"), rows, split, confidence=study.evaluate.confidence)
        write_members(members, run.members_path)
        write_table([row for scale in scales for row in scale.rows], ScaleRow, run.scale_path)
        write_fusion(late.rows, run)
        scores = Scores(tuple(rows))
        fused = [model.id for model in study.models() if model.fusion == "late"]
        groups = groups_of(cohort, study.evaluate.subgroups)
        evaluation = evaluate_scores(scores, study.evaluate, groups, arms=_arms_of(study), fused=fused)
        _write_evaluation(scores, replace(evaluation, estimates=(*evaluation.estimates, *further)), run)
        _write_judges(scores, study, run)
        sizes = _predictors("size", study, cohort, run).values
        stacks = stack_images(scores, cohort, split, study.evaluate, log_sizes=sizes)
        _write_stacks(stacks, scores, study, run, split=split, baselines=baselines)
        write_table(compare_phases(scores, stacks.scores, evaluation.estimates, study), PhaseRow, run.phases_path)
        attention = [row for row in _attention(study, fitted, run) if row.split == "oof" or reason is not None]
        write_table(attention, TumourAttention, run.attention_path)
        repeated = score_repeats(study, cohort, split, fitted=repeats, baselines=baselines)
        _write_repeats([RepeatScores(Repeat(), split, scores), *repeated], study, run, with_test=reason is not None)

    inputs = _inputs_of(run, folds, list(itertools.chain(*repeats.values())))
    run_stage("evaluate", run, inputs=inputs, settings=_settings_of(study, reason), make=make)
    write_ladder(study, run, measured=measured or {})
    renew_seal(run, fitted)


def _inputs_of(run: RunFolder, folds: list[FoldFolder], repeated: list[FoldFolder]) -> list[Path]:
    predictions = [fold.predictions_path for fold in (*folds, *repeated)]
    weights = [fold.attention_path for fold in folds if fold.attention_path.exists()]
    return [run.cohort_dir, run.regions_path, run.features_path, *predictions, *weights]


def _settings_of(study: Study, reason: str | None) -> list[object]:
    opened = "out of fold only" if reason is None else "test set opened"
    repeats = [repeat.name for repeat in repeats_of_split(study.split)[1:]]
    return [study.evaluate.of_evaluation(), opened, *repeats, *_joined(study)]


def _arms_of(study: Study) -> dict[str, tuple[str, str]]:
    """The arm and the phase of each model."""
    return {model.id: (model.arm.name, model.phase) for model in study.models()}


def _fitted(folds: list[FoldFolder]) -> list[FoldFolder]:
    """The fitted networks, all of them unaltered; either all folds of a model are there, or none."""
    whole = [fold for fold in folds if fold.is_whole()]
    models = {fold.model for fold in whole}
    for fold in folds:
        if fold.model in models and fold not in whole:
            raise RunError(
                f"{fold.fold_dir} is missing or incomplete, while other folds of {fold.model} have been fitted. "
                "Run `nephrograde fit` first."
            )
    for fold in whole:
        if not fold.seal_path.exists():  # fitted by an older version
            seal_fold(fold)
        fold_digests(fold)
    return whole


def _fitted_repeats(
    study: Study, split: Split, run: RunFolder, first: Collection[FoldFolder]
) -> dict[Repeat, list[FoldFolder]]:
    """The networks of the repeats of the models that have been fitted, all of them whole and unaltered."""
    models = {fold.model for fold in first}
    asked = repeated_folds(study, split, run)
    fitted = {repeat: [fold for fold in folds if fold.model in models] for repeat, folds in asked.items()}
    for fold in itertools.chain(*fitted.values()):
        if not fold.is_whole():
            raise RunError(f"{fold.fold_dir} is missing or incomplete. Run `nephrograde fit` first.")
        fold_digests(fold)
    return fitted


def refuse_reopening(study: Study, run: RunFolder, *, fits: Mapping[str, str], reason: str | None) -> None:
    """Refuse before the models are fitted what :func:`evaluate_models` would refuse after it.

    Whether the test set would be opened again is known as soon as the scans are prepared, from what the fits depend on:
    equal inputs give equal networks. Where that is not known, as in a run of an earlier version, nothing is refused
    here.

    Args:
        study: The resolved study.
        run: The run folder; its scans are prepared.
        fits: The fingerprint of what each fit depends on, by ``weak-1-cmp/fold-0``, as of all repeats.
        reason: As for :func:`evaluate_models`.

    Raises:
        RunError: The test set was opened before, something has changed since, and no reason is given.
    """
    openings = read_ledger(run.run_dir)
    if reason is None or not openings:
        return
    last = openings[-1].inputs
    record = current_record(run.stage_path(_OPENING), lambda kept: kept["inputs"] == last and "foreseen" in kept)
    if record is not None and record["foreseen"] != _foreseen(study, run, fits):
        refuse_without_reason(run.run_dir, reason)


def evaluate_score_table(
    scores_path: Path,
    run: RunFolder,
    *,
    settings: EvaluateSettings,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
    command: str = "",
    reason: str | None = "",
) -> None:
    """Evaluate a score table from any source, without images or torch.

    Args:
        scores_path: The table.
        run: The run folder; must not be that of a study.
        settings: ``[evaluate]`` of a study.
        encoding: The encoding of a text file; None detects it.
        columns: Headings by standard name, where they are not usual ones.
        command: The command line, for the lock file and the ledger.
        reason: Why the test set is opened, as for :func:`evaluate_models`.

    Raises:
        ScoresError: The table cannot be evaluated.
        RunError: The folder holds the run of a study, or the test set would be opened again without a reason.
    """
    sheet = open_scores(scores_path, encoding, columns)
    lesions = parse_lesions(sheet) if LESION_COLUMN in sheet.headings else None
    scores = parse_scores(sheet) if lesions is None else lesions.by_patient()
    check_primary(scores, settings)
    if run.is_run() and "study" in read_lock_file(run):
        raise RunError(f"{run.run_dir} holds the run of a study. Name another folder with --out.")
    digest = sha256_of(scores_path)
    write_lock(settings, run, inputs={SCORE_TABLE: digest}, command=command)
    if reason is None:
        scores = scores.out_of_fold()
        lesions = None if lesions is None else lesions.out_of_fold()
    elif scores.has_test:
        inputs = fingerprint([digest, settings.of_evaluation(), *([dict(columns)] if columns else [])])
        _open_test_set(run, reason=reason or TABLE_REASON, inputs=inputs)
    with written_together("evaluate", run):
        evaluation = evaluate_scores(scores, settings, parse_groups(sheet, settings.subgroups))
        if lesions is not None:
            evaluation = lesions.beside(evaluation, confidence=settings.confidence)
        _write_evaluation(scores, evaluation, run)
    renew_seal(run, ())


def _predictors(name: str, study: Study, cohort: Cohort, run: RunFolder) -> Predictors:
    """The predictors of a baseline: clinical columns, mask measurements or radiomic features."""
    from nephrograde.sample.prepare import read_prepared

    if name in {"clinical", "clinical-no-size"}:
        columns = present_columns(
            study.evaluate.clinical, cohort.clinical_columns, with_size=name != "clinical-no-size"
        )
        return clinical_predictors(cohort, columns)
    if name == "radiomics":
        return radiomics_predictors(read_features(run.features_path))
    return measured_predictors("size" if name == "size" else "volume", cohort, read_prepared(run).regions)


def _attention(study: Study, fitted: Sequence[FoldFolder], run: RunFolder) -> list[TumourAttention]:
    """How often the networks that pool by attention look at the tumour."""
    from nephrograde.sample.prepare import read_prepared

    found = []
    for model in study.models():
        paths = [fold.attention_path for fold in fitted if fold.model == model.id and fold.attention_path.exists()]
        if paths:
            weights = [weight for path in paths for weight in read_attention(path)]
            meets = _tumour_rows(model, read_prepared(run))
            found += attention_on_tumours(model.id, weights, meets, confidence=study.evaluate.confidence)
    return found


def _tumour_rows(model: StudyModel, prepared: Prepared) -> dict[str, tuple[bool, ...]]:
    """Which pictures of a patient show the tumour, phase by phase; only patients where that is known on each phase."""
    files = [prepared.files(model.arm.name, phase) for phase in model.region_phases]
    rows = [prepared.tumour_rows(model.arm.name, phase) for phase in model.region_phases]
    found: dict[str, tuple[bool, ...]] = {}
    for patient in dict.fromkeys(itertools.chain(*files)):
        own = [known.get(patient, ()) for of_phase, known in zip(files, rows, strict=True) if patient in of_phase]
        if all(own):
            found[patient] = tuple(itertools.chain(*own))
    return found


def _on_complete_cases(
    clinical: Predictors | None, rows: list[Score], split: Split, *, confidence: float
) -> tuple[ModelEstimate, ...]:
    if clinical is None:
        return ()
    imputed = [row for row in rows if row.model == "clinical"]
    return complete_case_estimates(clinical, imputed, split, confidence=confidence)


def _folds(study: Study, split: Split, run: RunFolder) -> list[FoldFolder]:
    return [run.fold(model.id, fold) for model in study.models() if model.has_networks for fold in range(split.folds)]


def _remember_opening(study: Study, split: Split, run: RunFolder) -> None:
    """Record what the last opening depends on, as far as it is known before the models are fitted."""
    folders = {Repeat(): _folds(study, split, run), **repeated_folds(study, split, run)}
    fits = {
        fold.name_in(repeat.name): str(read_json(fold.card_path)["inputs_sha256"])
        for repeat, folds in folders.items()
        for fold in folds
        if fold.is_whole()
    }
    last = read_ledger(run.run_dir)[-1]
    write_json(run.stage_path(_OPENING), {"inputs": last.inputs, "foreseen": _foreseen(study, run, fits)})


def _foreseen(study: Study, run: RunFolder, fits: Mapping[str, str]) -> str:
    paths = [run.cohort_dir, run.regions_path, run.features_path]
    found = {path.name: sha256_of(path) for path in paths if path.exists()}
    return fingerprint([found, study.evaluate.of_evaluation(), dict(sorted(fits.items())), *_joined(study)])


def _joined(study: Study) -> list[list[object]]:
    """What the scores of late fusion depend on that no fit depends on."""
    return [[model.id, *model.arm.clinical] for model in study.models() if model.fusion == "late"]


def _open_test_set(run: RunFolder, *, reason: str, inputs: str) -> None:
    lock = read_lock_file(run)
    study = fingerprint(lock["study"]) if "study" in lock else lock["inputs"][SCORE_TABLE]
    with at_once():  # an opening is on record before its results are
        open_test_set(run.run_dir, study=study, inputs=inputs, reason=reason, command=lock["command"])


def _write_stacks(
    stacks: Stacks, scores: Scores, study: Study, run: RunFolder, *, split: Split, baselines: Mapping[str, Predictors]
) -> None:
    """Write what the stacks of single networks add, the stack of all models, and the scores of both."""
    features = radiomics_parts(read_features(run.features_path)) if "radiomics" in baselines else {}
    together = stack_models(scores, study, split, baselines, features=features)
    write_table(stacks.increments, Increment, run.increment_path)
    write_table(together.rows, StackRow, run.stack_path)
    write_scores(Scores((*stacks.scores.rows, *together.scores.rows)), run.stacked_path)


def _write_repeats(repeated: Sequence[RepeatScores], study: Study, run: RunFolder, *, with_test: bool) -> None:
    """Write the scores of the repeats, the AUCs of all repeats with the first, and what follows from them."""
    if not with_test:
        repeated = [replace(one, scores=one.scores.out_of_fold()) for one in repeated]
    rows = [row for one in repeated for row in fold_aucs(one.scores, one.repeat, one.split)]
    settings = study.evaluate
    compared = compare_procedures(rows, confidence=settings.confidence, arms=_arms_of(study), primary=settings.primary)
    write_repeats(repeated[1:], run.repeats_scores_path)
    write_table(rows, RepeatedAuc, run.repeats_path)
    write_table(compared, ProcedureComparison, run.procedures_path)


def _write_judges(scores: Scores, study: Study, run: RunFolder) -> None:
    """Store what each model of the study teaches about new patients."""
    scored = [model.id for model in study.models() if model.id in scores.models]
    write_judges({model: learn_judge(scores.of(model, "oof"), study.evaluate) for model in scored}, run.judges_path)


def _write_evaluation(scores: Scores, evaluation: Evaluation, run: RunFolder) -> None:
    write_scores(scores, run.scores_path)
    write_statistics(evaluation, run)
    mark_format(run)
