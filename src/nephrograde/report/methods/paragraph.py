"""The methods paragraph: what a run did, worded as in a paper, from its own files only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import (
    fusion_methods,
    learning_methods,
    reader_methods,
    scale_methods,
    tuning_methods,
    uncertainty_methods,
)
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.annotation_methods import annotation
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.tables.tuning import chosen_folds
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import listed

if TYPE_CHECKING:
    from nephrograde.results import Results


def methods_paragraph(run: Results) -> tuple[str, ...]:
    """Write the methods of a run, sentence by sentence, in the language of the page.

    To be copied into a manuscript and completed there: the origin of the patients, the readers and the ethics approval
    are not in a run folder and so not in the paragraph.

    Args:
        run: The contents of the run folder.

    Returns:
        The sentences in order; :func:`~nephrograde.report.methods.design_methods.as_text` joins them.

    Source:
        Contents: TRIPOD+AI items 5 to 16 and CLAIM items 7 to 33, as far as a run can answer them.
    """
    tellers = (
        design.patients,
        design.partition,
        design.outcome,
        design.exclusions,
        design.missing_scans,
        design.phases,
        annotation,
        reader_methods.reader_agreement,
        design.field_of_view,
        design.windowing,
        design.resampling,
        design.split_method,
        design.networks,
        fusion_methods.fusion,
        design.initial_weights,
        learning_methods.learning,
        design.stopping,
        design.augmentation,
        tuning_methods.tuning,
        design.class_balance,
        design.ensemble,
        scale_methods.prior_correction,
        scale_methods.common_scale,
        statistics.baselines,
        statistics.thresholds,
        statistics.measures,
        statistics.calibration,
        uncertainty_methods.recalibration,
        uncertainty_methods.prediction_sets,
        statistics.net_benefit,
        statistics.comparisons,
        fusion_methods.phase_increments,
        fusion_methods.stack,
        statistics.equivalence,
        statistics.ladder,
        statistics.subgroups,
        statistics.repeats,
        statistics.openings,
        software,
        seeds,
        caution,
    )
    return tuple(sentence for tell in tellers if (sentence := tell(run)))


def software(run: Results) -> str:
    """The versions that produced the numbers."""
    versions = run.lock.get("versions") or {}
    if not versions:
        return ""
    shown = listed([f"{name} {version}" for name, version in versions.items() if took_part(name, run)])
    commit = run.lock.get("git_commit")
    return as_text(
        [
            t("Software: {versions}.", versions=shown),
            t("The commit of nephrograde was {commit}.", commit=told(commit)) if commit else "",
        ]
    )


def took_part(package: str, run: Results) -> bool:
    """Whether a package affected the numbers of the run; the lock file lists all that were installed."""
    if package in {"torch", "lightning-fabric", "monai"}:
        return any(package == "torch" or not fit.is_frozen for fit in run.fits)
    if package == "scikit-learn":
        is_used = any(model.is_baseline for model in run.models) or any(fit.is_frozen for fit in run.fits)
        return run.study is not None and is_used
    extras = {"mirp": "radiomics" in run.scores.models, "optuna": bool(chosen_folds(run))}
    if package in extras:
        return run.study is not None and extras[package]
    if package == "SimpleITK":
        return run.study is not None
    if package == "pydicom":
        return run.study is not None and bool(run.lock.get("has_dicom", True))  # an older lock file does not say
    return True


def seeds(run: Results) -> str:
    """The seeds that were used."""
    if run.study is None:
        return ""
    own = [t("{model} {value}", model=arm.name, value=arm.fit["seed"]) for arm in run.study.arm if "seed" in arm.fit]
    first = t(
        "Seeds: {split} for the split, {fit} for training, {bootstrap} for the bootstrap.",
        split=run.study.split.seed,
        fit=run.study.fit.seed,
        bootstrap=run.study.evaluate.seed,
    )
    return as_text([first, t("Arms trained with their own seed: {arms}.", arms=listed(own)) if own else ""])


def caution(run: Results) -> str:
    """The research-use notice, and a notice on synthetic data."""
    research = t("The models are for research use only and must not be used for clinical decisions.")
    made = t("All patients, images and grades are synthetic: no number says anything about real tumours.")
    return as_text([made if run.is_synthetic else "", research])
