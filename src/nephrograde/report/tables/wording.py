"""Sentences of the report, based only on the run's own numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.report.tables.paper import paper_rows
from nephrograde.report.tables.primary import primary_sentence
from nephrograde.report.tables.tuning import tuning_terms
from nephrograde.report.text.arms import arms_by_text, by_arm, trained_arms
from nephrograde.report.text.baselines import baseline_in_words
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.layers import layer_sentences
from nephrograde.report.text.numbers import bounds, counted, decimal, listed, p_sentence
from nephrograde.report.text.published import window_text
from nephrograde.vocabulary import TOGETHER, Supervision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.report.tables.paper import PaperRow
    from nephrograde.results import Results
    from nephrograde.study import Arm, FitSettings, Study
    from nephrograde.vocabulary import Pooling

SIZE = "size"
"""The baseline that the summary compares the networks with: tumour size alone."""


def level_words(run: Results) -> tuple[str, str]:
    """Name the two classes: by grade if the outcome is the grade, otherwise by the outcome's column."""
    if run.study is None or run.is_graded:
        return t("low grade"), t("high grade")
    return f"{run.study.cohort.outcome} = 0", f"{run.study.cohort.outcome} = 1"


def split_words(run: Results) -> str:
    """Name the predictions that are reported."""
    return t("Test set") if run.reported == "test" else t("Out-of-fold training predictions")


def given_words(supervision: Supervision) -> str:
    """Describe the annotation that a patient needs besides the grade.

    >>> given_words(Supervision.POINT)
    'one click in the tumour'
    """
    return {
        Supervision.NONE: t("nothing besides the outcome"),
        Supervision.SLICE: t("the number of one axial slice through the tumour"),
        Supervision.POINT: t("one click in the tumour"),
        Supervision.BOX: t("a rectangle around the tumour on one slice or on several"),
        Supervision.MASK: t("the tumour delineated in 3D"),
    }[supervision]


def pooling_words(pooling: Pooling) -> str:
    """Name a rule that pools the pictures of a patient.

    >>> pooling_words("max")
    'their maximum'
    """
    return {
        "mean": t("the mean of their logits"),
        "max": t("their maximum"),
        "log-sum-exp": t("the logarithm of their mean odds (log-sum-exp)"),
        "noisy-or": t("the noisy-or rule"),
        "attention": t("gated attention (Ilse 2018)"),
    }[pooling]


def slices_words(arm: Arm) -> str:
    """Describe the slices that a 2D arm is shown.

    >>> from nephrograde.study import Arm
    >>> slices_words(Arm(name="none", supervision=Supervision.NONE, slices=2, neighbours=1))
    '2 axial slices through each kidney with 1 + 1 neighbouring slices as channels'
    """
    if arm.supervision is Supervision.NONE:
        one, several = t("one axial slice through each kidney"), t("{n} axial slices through each kidney", n=arm.slices)
    elif arm.supervision is Supervision.SLICE:
        one, several = t("one whole axial slice"), t("{n} whole axial slices", n=arm.slices)
    else:
        one, several = t("one axial slice"), t("{n} axial slices", n=arm.slices)
    slices = one if arm.slices == 1 else several
    if not arm.neighbours:
        return slices
    return t("{slices} with {n} + {n} neighbouring slices as channels", slices=slices, n=arm.neighbours)


def summary(run: Results) -> list[str]:
    """Summarise the run in a few sentences.

    Starts with the patients. Then gives the highest AUC, noting that choosing it on the test set makes it
    optimistic, the best baseline, chosen out of fold, and the primary comparison or else the difference between a weak
    and a strong arm, with its interval. What the run does not have is left out.
    """
    rows = [row for row in paper_rows(run.estimates, run.reported) if not math.isnan(row.auc.value)]
    networks = [row for row in rows if not row.is_baseline]
    baselines = [row for row in rows if row.is_baseline]
    sentences = [_who(run)]
    if networks:
        sentences.append(_best_network(networks, run))
    if baselines:
        sentences[-1] = _following(sentences[-1], _best_baseline(baselines, run))
    if run.settings.primary is not None:
        sentences.append(primary_sentence(run))
    elif networks:
        sentences.append(_weak_against_strong(run))
    return [sentence for sentence in sentences if sentence]


def _following(first: str, second: str) -> str:
    """Join two sentences."""
    return t("{first} {second}", first=first, second=second)


def _who(run: Results) -> str:
    truth = run.truths
    test = {row.patient_id for row in run.scores.rows if row.split == "test"}
    low, high = level_words(run)
    n_high = sum(truth.values())
    numbers = {"n": f"{len(truth):,}", "n_low": len(truth) - n_high, "low": low, "n_high": n_high, "high": high}
    if run.is_synthetic:
        who = t("{n} synthetic patients ({n_low} {low}, {n_high} {high}) were scored", **numbers)
    else:
        who = t("{n} patients ({n_low} {low}, {n_high} {high}) were scored", **numbers)
    learnt = len(truth.keys() - test)
    if learnt and test:
        who = t("{who}, {learnt} for training and {test} for testing", who=who, learnt=learnt, test=len(test))
    networks = [model for model in run.models if not model.is_baseline]
    if run.study is None:
        return t("{who} by {models}.", who=who, models=counted(len(run.models), "model"))
    arms = dict.fromkeys(model.arm for model in networks if model.arm)
    phases = dict.fromkeys(phase for model in networks if model.phase for phase in model.phase.split(TOGETHER))
    return t(
        "{who}, by {models} ({arms} on {phases}), each averaged over {folds} folds.",
        who=who,
        models=counted(len(networks), "model"),
        arms=counted(len(arms), "arm"),
        phases=counted(len(phases), "phase"),
        folds=run.study.split.folds,
    )


def _best_network(rows: Sequence[PaperRow], run: Results) -> str:
    best = max(rows, key=lambda row: row.auc.value)
    if len(rows) > 1 and min(row.auc.value for row in rows) == best.auc.value:
        return t(
            "{where}, all {models} models have an AUC of {auc}.",
            where=t("On the test set") if run.reported == "test" else t("Out of fold"),
            models=len(rows),
            auc=decimal(best.auc.value),
        )
    words = {
        "where": t("On the test set") if run.reported == "test" else t("Out of fold"),
        "model": best.model,
        "auc": t(
            "{value}, {confidence}% CI {interval}",
            value=decimal(best.auc.value),
            confidence=run.confidence_percent,
            interval=bounds(best.auc.low, best.auc.high).strip("[]"),
        ),
        "patients": t("n = {n}, {n_high} {high}", n=best.n, n_high=best.n_high, high=level_words(run)[1]),
    }
    if len(rows) == 1:
        return t("{where}, {model} has an AUC of {auc} ({patients}).", **words)
    return t(
        "{where}, {model} has the highest AUC, {auc} ({patients}); as the highest of {models} models on the "
        "same patients, it is optimistic.",
        models=len(rows),
        **words,
    )


def _best_baseline(rows: Sequence[PaperRow], run: Results) -> str:
    """Give the AUC of the baseline that was best out of fold; of all of them if there is no such choice."""
    chosen = [row for row in rows if row.model == run.chosen_baseline] if len(rows) > 1 else list(rows)
    if not chosen:
        texts = [t("{model} {value}", model=baseline_in_words(row.model), value=row.auc.text) for row in rows]
        return t("AUC of the baselines: {baselines}.", baselines=listed(texts))
    best = chosen[0]
    if len(rows) > 1:
        return t(
            "The baseline on {model}, the best of {baselines} out of fold, reached {auc}.",
            model=baseline_in_words(best.model),
            auc=best.auc.text,
            baselines=counted(len(rows), "baseline"),
        )
    return t("The baseline on {model} reached {auc}.", model=baseline_in_words(best.model), auc=best.auc.text)


def _weak_against_strong(run: Results) -> str:
    """The paper's question, answered on the first phase that has both arms."""
    dimensions = {model.id: model.arm.dimensions for model in (run.study.models() if run.study else [])}
    phases = {model.name: model.phase for model in run.models if model.phase is not None}
    for pair in run.comparisons:
        a, b = pair.model_a, pair.model_b
        is_asked = phases.get(a, a) == phases.get(b, b) and dimensions.get(a) == 2 and dimensions.get(b) == 3
        if is_asked and pair.measure == "auc" and not math.isnan(pair.low):
            return t(
                "The AUC of {a} minus that of {b} is {difference} {bounds} (paired DeLong test, {p}; "
                "{p_adjusted} after Holm adjustment).",
                a=a,
                b=b,
                difference=decimal(pair.difference),
                bounds=bounds(pair.low, pair.high),
                p=p_sentence(pair.p_value),
                p_adjusted=p_sentence(pair.p_adjusted),
            )
    return ""


def what_was_run(run: Results) -> list[tuple[str, str]]:
    """Describe the run as terms with their meanings: arms with their annotation, phases, split and training."""
    study = run.study
    if study is None:
        return []
    terms = [(t("Arm {arm}", arm=arm.name), _arm_words(arm, study)) for arm in study.arm]
    names = [(phase, phase_in_words(phase)) for phase in study.cohort.phases]
    phases = [name if name == phase else t("{name} ({code})", name=name, code=phase) for phase, name in names]
    outcome = t("WHO/ISUP grade 3–4 (high) versus 1–2 (low)") if run.is_graded else level_words(run)[1]
    return [
        *terms,
        (t("Phases"), listed(phases)),
        (t("Outcome"), t("{outcome}; column “{column}”", outcome=outcome, column=study.cohort.outcome)),
        (t("Split"), _split_words(run, study)),
        (t("Windows"), _window_words(study)),
        (t("Learning"), _learning_words(study)),
        *tuning_terms(run),
    ]


def _arm_words(arm: Arm, study: Study) -> str:
    given = t("{given} (level “{level}”)", given=given_words(arm.supervision), level=arm.supervision)
    image = study.image
    if arm.encoder is not None:
        return t(
            "frozen encoder {encoder} on {shown}; penalised logistic regression on its features. Annotation: {given}.",
            encoder=arm.encoder,
            shown=_shown_words(arm, study),
            given=given,
        )
    if arm.tuned_encoder is not None:
        return t(
            "network trained from the encoder {encoder} on {shown}. Annotation: {given}.",
            encoder=arm.tuned_encoder,
            shown=_shown_words(arm, study),
            given=given,
        )
    if arm.slices:
        return t(
            "weak: 2D ResNet-18 on {slices} per patient, {slice_mm} mm wide at {slice_px}×{slice_px} "
            "pixels. Annotation: {given}.",
            slices=slices_words(arm),
            slice_mm=f"{study.width_mm(arm):g}",
            slice_px=image.slice_px,
            given=given,
        )
    has_mask = arm.supervision is Supervision.MASK
    if arm.supervision is Supervision.NONE:
        given = t("{given}; one box around each kidney", given=given)
    return t(
        "{kind}: 3D ResNet-18 on {channels}, a box of {box_mm} mm at {voxels} voxels. Annotation: {given}.",
        kind=t("strong") if has_mask else t("weak"),
        channels=t("image and mask") if has_mask else t("the image"),
        box_mm="×".join(f"{edge:g}" for edge in image.box_mm),
        voxels="×".join(str(count) for count in image.box_voxels),
        given=given,
    )


def _shown_words(arm: Arm, study: Study) -> str:
    """What an encoder is shown."""
    image = study.image
    if arm.slices:
        return t(
            "{slices} per patient, {slice_mm} mm wide at {slice_px}×{slice_px} pixels",
            slices=slices_words(arm),
            slice_mm=f"{study.width_mm(arm):g}",
            slice_px=image.slice_px,
        )
    edges = "×".join(f"{edge:g}" for edge in image.box_mm)
    voxels = "×".join(str(count) for count in image.box_voxels)
    if arm.tuned_encoder is not None and arm.has_mask:
        return t("image and mask in a box of {box_mm} mm at {voxels} voxels", box_mm=edges, voxels=voxels)
    return t("the image in a box of {box_mm} mm at {voxels} voxels", box_mm=edges, voxels=voxels)


def _split_words(run: Results, study: Study) -> str:
    split = study.split
    if split.column:
        drawn = t("given by the column “{column}” of the cohort table", column=split.column)
    else:
        drawn = t(
            "by patient, {train} training, {test} test, stratified by {strata}, drawn once with seed {seed}",
            train=f"{1 - split.test_fraction:.0%}",
            test=f"{split.test_fraction:.0%}",
            strata=listed([t("the outcome"), *split.stratify]),
            seed=split.seed,
        )
    return t(
        "{drawn}; {folds} within the training set. Test patients are scored by the mean of all folds.",
        drawn=drawn,
        folds=_fold_words(run, split.folds),
    )


def _fold_words(run: Results, folds: int) -> str:
    sizes = [len(run.split.fold_ids(fold)) for fold in range(run.split.folds)]
    if not sizes:
        return t("{folds} folds", folds=folds)
    if min(sizes) == max(sizes):
        return t("{folds} folds of {n} patients", folds=folds, n=sizes[0])
    return t("{folds} folds of {low}–{high} patients", folds=folds, low=min(sizes), high=max(sizes))


def _window_words(study: Study) -> str:
    texts: dict[str, list[str]] = {}
    for phase in study.cohort.phases:
        texts.setdefault(window_text(study.window_of(phase), phase), []).append(phase)
    if len(texts) == 1:
        return t("{window}, all phases", window=next(iter(texts)))
    return t("; ").join(f"{listed(phases)} {text}" for text, phases in texts.items())


def _learning_words(study: Study) -> str:
    trained = trained_arms(study)
    if not trained:
        return t("Only the penalty of the logistic regressions, chosen inside the fold.")
    several = [arm for arm in trained if arm.is_pooled]
    from_file = [arm.name for arm in trained if arm.tuned_encoder or study.fit_of(arm).initial_weights(arm.dimensions)]
    pooled = arms_by_text(study, lambda fit: fit.pooling, several)
    if 0 < len(from_file) < len(trained):
        start = t("from file for {arms}, otherwise random", arms=listed(from_file))
    else:
        start = t("from file") if from_file else t("random")
    if len(pooled) > 1:
        pooling = listed([t("{name} ({code})", name=name, code=listed(arms)) for name, arms in pooled.items()])
    else:
        pooling = "".join(pooled)
    words = by_arm(study, _learning_of)
    if ordinal := [arm.name for arm in trained if arm.head == "ordinal"]:
        words = _following(words, t("All four grades are learnt by {arms} (ordinal head).", arms=listed(ordinal)))
    if pooling:
        words = _following(words, t("Slices pooled by {pooling}.", pooling=pooling))
    return _following(words, t("Initial weights: {weights}.", weights=start))


def _learning_of(fit: FitSettings) -> str:
    words = t(
        "AdamW, learning rate {rate} with {warmup} of warm-up and cosine decay, at most {epochs}, batches of {batch}, "
        "{classes}, {stopping}.",
        rate=f"{fit.learning_rate:g}",
        warmup=counted(fit.warmup_epochs, "epoch"),
        epochs=counted(fit.epochs, "epoch"),
        batch=fit.batch_size,
        classes=t("class balancing") if fit.balanced else t("no class balancing"),
        stopping=t("early stopping") if fit.patience else t("no early stopping"),
    )
    for sentence in layer_sentences(fit):
        words = _following(words, sentence)
    return words
