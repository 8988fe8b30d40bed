"""Sentences of the report, made from the run's own numbers: facts only."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.report.numbers import bounds, counted, decimal, listed, p_sentence
from nephrograde.report.published import window_text
from nephrograde.report.tables import paper_rows
from nephrograde.vocabulary import Supervision, phase_name

if TYPE_CHECKING:
    from nephrograde.report.record import Record
    from nephrograde.report.tables import PaperRow
    from nephrograde.study import Arm, Study

SUPERVISION_WORDS = {
    Supervision.NONE: "nothing beside the outcome",
    Supervision.SLICE: "the number of one axial slice through the tumour",
    Supervision.POINT: "one click in the tumour",
    Supervision.BOX: "a rectangle around the tumour on one slice or on several",
    Supervision.MASK: "the tumour delineated in 3D",
}


def summary(record: Record) -> list[str]:
    """Sum the run up in two or three sentences.

    Names the greatest AUC and says that choosing it on the test set flatters it, puts the best baseline beside it, and
    gives the difference between a weak and a strong arm with its interval.
    """
    rows = [row for row in paper_rows(record.estimates, record.split) if not math.isnan(row.auc.value)]
    sentences = [_who(record)]
    networks = [row for row in rows if not row.is_baseline]
    baselines = [row for row in rows if row.is_baseline]
    if networks:
        sentences.append(_best_network(networks, record))
    if baselines:
        best = max(baselines, key=lambda row: row.auc.value)
        words = f"The {best.model}-only baseline reached" if networks else "Of the baselines, the greatest AUC is"
        sentences[-1] += f" {words} {best.auc.text}."
    if (sentence := _weak_against_strong(record)) and networks:
        sentences.append(sentence)
    return sentences


def _who(record: Record) -> str:
    truth = {row.patient_id: row.is_high for row in record.scores.rows}
    test = {row.patient_id for row in record.scores.rows if row.split == "test"}
    low, high = record.level_words
    n_high = sum(truth.values())
    made = "synthetic patients" if record.is_synthetic else "patients"
    who = f"{len(truth):,} {made} ({len(truth) - n_high} {low}, {n_high} {high}) were scored"
    learnt = len(truth.keys() - test)
    if learnt and test:
        who += f", {learnt} of them for training and {len(test)} for testing"
    networks = [model for model in record.models if not model.is_baseline]
    if record.study is None:
        return f"{who} by {counted(len(record.models), 'model')}."
    arms = dict.fromkeys(model.arm for model in networks if model.arm)
    phases = dict.fromkeys(model.phase for model in networks if model.phase)
    return (
        f"{who}, by {counted(len(networks), 'model')}: {counted(len(arms), 'arm')} of supervision on "
        f"{counted(len(phases), 'phase')}, each the mean of {record.study.split.folds} folds."
    )


def _best_network(rows: list[PaperRow], record: Record) -> str:
    best = max(rows, key=lambda row: row.auc.value)
    where = "On the test set" if record.split == "test" else "Out of fold"
    interval = bounds(best.auc.low, best.auc.high).strip("[]")
    text = f"{decimal(best.auc.value)}, {record.confidence_percent}% CI {interval}"
    patients = f"n = {best.n}, {best.n_high} {record.level_words[1]}"
    if len(rows) == 1:
        return f"{where} {best.model} has an AUC of {text} ({patients})."
    return (
        f"{where} {best.model} has the greatest AUC, {text} ({patients}); "
        f"it is the greatest of {len(rows)} on the same patients, and so optimistic."
    )


def _weak_against_strong(record: Record) -> str:
    """The paper's own question, answered on the first phase that has both arms."""
    dimensions = {name: arm.dimensions for name, arm, _ in (record.study.models() if record.study else [])}
    phases = {model.name: model.phase for model in record.models if model.phase is not None}
    for pair in record.comparisons:
        a, b = pair.model_a, pair.model_b
        is_asked = phases.get(a, a) == phases.get(b, b) and dimensions.get(a) == 2 and dimensions.get(b) == 3
        if is_asked and pair.measure == "auc" and not math.isnan(pair.low):
            return (
                f"In AUC, {a} minus {b} is {decimal(pair.difference)} {bounds(pair.low, pair.high)} "
                f"(paired DeLong, {p_sentence(pair.p_value)}; {p_sentence(pair.p_adjusted)} after Holm’s adjustment)."
            )
    return ""


def what_was_run(record: Record) -> list[tuple[str, str]]:
    """Describe the run as terms with their meaning: arms with what was annotated, phases, split, learning."""
    study = record.study
    if study is None:
        return []
    terms = [(f"Arm {arm.name}", _arm_words(arm, study)) for arm in study.arm]
    phases = [name if (name := phase_name(phase)) == phase else f"{name} ({phase})" for phase in study.cohort.phases]
    low, high = record.level_words
    outcome = "WHO/ISUP grade 3–4 (high) against 1–2 (low)" if (low, high) == ("low grade", "high grade") else high
    return [
        *terms,
        ("Phases", listed(phases)),
        ("Outcome", f"{outcome}; column “{study.cohort.outcome}”"),
        ("Split", _split_words(record, study)),
        ("Windows", _window_words(study)),
        ("Learning", _learning_words(study)),
    ]


def _arm_words(arm: Arm, study: Study) -> str:
    given = SUPERVISION_WORDS[arm.supervision]
    image = study.image
    if arm.slices:
        seen = "one axial slice" if arm.slices == 1 else f"{arm.slices} axial slices"
        return (
            f"weak: 2D ResNet-18 on {seen} a patient, {image.slice_mm:g} mm wide at {image.slice_px}×{image.slice_px} "
            f"pixels. Annotation: {given} (level “{arm.supervision}”)."
        )
    box_mm = "×".join(f"{edge:g}" for edge in image.box_mm)
    voxels = "×".join(str(count) for count in image.box_voxels)
    channels = "image and mask" if arm.supervision is Supervision.MASK else "the image"
    return (
        f"{'strong' if arm.supervision is Supervision.MASK else 'weak'}: 3D ResNet-18 on {channels}, a box of {box_mm} "
        f"mm at {voxels} voxels. Annotation: {given} (level “{arm.supervision}”)."
    )


def _split_words(record: Record, study: Study) -> str:
    split = study.split
    if split.column:
        drawn = f"given by the column “{split.column}” of the cohort table"
    else:
        by = listed(["the outcome", *split.stratify])
        share = f"{1 - split.test_fraction:.0%} training, {split.test_fraction:.0%} test"
        drawn = f"by patient, {share}, stratified by {by}, drawn once with seed {split.seed}"
    sizes = [sum(fold == str(k) for _, fold in record.assignments.values()) for k in _folds(record)]
    spread = f" of {min(sizes)}–{max(sizes)} patients" if sizes and min(sizes) != max(sizes) else ""
    spread = spread or (f" of {sizes[0]} patients" if sizes else "")
    return f"{drawn}; {split.folds} folds{spread} within training. A test patient is scored by the mean of all folds."


def _folds(record: Record) -> list[str]:
    return sorted({fold for _, fold in record.assignments.values() if fold})


def _window_words(study: Study) -> str:
    texts: dict[str, list[str]] = {}
    for phase in study.cohort.phases:
        texts.setdefault(window_text(study.window_of(phase), phase), []).append(phase)
    if len(texts) == 1:
        return f"{next(iter(texts))}, all phases"
    return "; ".join(f"{listed(phases)} {text}" for text, phases in texts.items())


def _learning_words(study: Study) -> str:
    fit = study.fit
    own = [arm.name for arm in study.arm if arm.fit]
    weights = [name for name, given in (("2D", fit.weights_2d), ("3D", fit.weights_3d)) if given]
    return (
        f"AdamW, learning rate {fit.learning_rate:g} with {counted(fit.warmup_epochs, 'epoch')} of warm-up and cosine "
        f"decay, at most {counted(fit.epochs, 'epoch')}, batches of {fit.batch_size}, "
        f"{'classes balanced' if fit.balanced else 'classes as they come'}; "
        f"slices pooled by {fit.pooling}; initial weights: {listed(weights) + ' from file' if weights else 'random'}."
        + (f" Own settings: {listed(own)}." if own else "")
    )
