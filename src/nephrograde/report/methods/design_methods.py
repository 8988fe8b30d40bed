"""Sentences on how a study was made: patients, images, annotation, networks and learning.

Each function tells one thing and returns an empty text where the run does not know it: a sentence that would have to be
guessed is left out. The methods paragraph, the checklists and the model cards say the same things with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nephrograde.report.tables.wording import given_words, level_words
from nephrograde.report.text.arms import by_arm
from nephrograde.report.text.language import phase_in_words, spoken, t
from nephrograde.report.text.numbers import listed
from nephrograde.report.text.published import window_text
from nephrograde.results import RunPart
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.results import Results
    from nephrograde.study import Arm, FitSettings, Study


def as_text(sentences: Iterable[str]) -> str:
    """Join sentences as the language does: with a space in English, without one in Chinese.

    >>> as_text(["A.", "B."])
    'A. B.'
    """
    return ("" if spoken() == "zh" else " ").join(sentence for sentence in sentences if sentence)


def in_turn(parts: Iterable[str]) -> str:
    """Join longer parts, which have commas of their own.

    >>> in_turn(["a 1, 2", "b 3"])
    'a 1, 2; b 3'
    """
    return t("; ").join(parts)


def truths(run: Results) -> dict[str, bool]:
    """The class of every patient of the cohort, or of every scored one where there is no cohort table."""
    if run.cases:
        return {case["patient_id"]: case["is_high"] == "1" for case in run.cases}
    return run.truths


def patients(run: Results) -> str:
    """How many patients there are, and of which class."""
    known = truths(run)
    low, high = level_words(run)
    values = {"n": len(known), "n_low": len(known) - sum(known.values()), "n_high": sum(known.values())}
    if run.is_synthetic:
        return t(
            "{n} synthetic patients, made by code, were used ({n_low} {low}, {n_high} {high}).",
            low=low,
            high=high,
            **values,
        )
    return t("{n} patients were used ({n_low} {low}, {n_high} {high}).", low=low, high=high, **values)


def partition(run: Results) -> str:
    """How many patients there are in training and in the test set."""
    known, high = truths(run), level_words(run)[1]
    train = [known[patient] for patient in run.split.train_ids() if patient in known]
    test = [known[patient] for patient in run.split.test_ids() if patient in known]
    if not train or not test:
        return ""
    return t(
        "{n} patients ({n_high} {high}) were for training and {m} ({m_high} {high}) for testing.",
        n=len(train),
        n_high=sum(train),
        m=len(test),
        m_high=sum(test),
        high=high,
    )


def outcome(run: Results) -> str:
    """What was to be predicted."""
    if run.study is None:
        return ""
    column = run.study.cohort.outcome
    if column == "isup_grade" or any(case.get("grade") for case in run.cases):
        return t(
            "The outcome was WHO/ISUP grade 3–4 (high) against 1–2 (low), from column “{column}” of the cohort table.",
            column=column,
        )
    return t("The outcome was column “{column}” of the cohort table, 1 against 0.", column=column)


def exclusions(run: Results) -> str:
    """What the checks of the images took out."""
    if RunPart.FINDINGS in run.absent:
        return ""
    fatal = {(finding.patient_id, finding.phase) for finding in run.findings if finding.severity == "fatal"}
    if not fatal:
        return t("Every image was checked before it was used; no scan was left out.")
    return t(
        "Every image was checked before it was used. Scans with a fatal finding, left out of the models it concerns: "
        "{scans}; patients with such a scan: {patients}.",
        scans=len(fatal),
        patients=len({patient for patient, _ in fatal}),
    )


def missing_scans(run: Results) -> str:
    """What happened to patients without a usable scan."""
    if run.study is None or not run.cases:
        return ""
    absent = [
        t("{phase} {n}", phase=phase_text(phase), n=n)
        for phase in run.study.cohort.phases
        if (n := sum(not case.get(f"{phase}_image") for case in run.cases))
    ]
    if not absent:
        return t("Every patient had an image of every phase; no image was imputed.")
    return t(
        "Patients without an image of a phase ({absent}) were left out of that phase’s models; no image was imputed.",
        absent=listed(absent),
    )


def phase_text(phase: str) -> str:
    """A phase with its code, in the language of the page; a code of the study's own is left as it is.

    >>> phase_text("cmp"), phase_text("pet")
    ('corticomedullary phase (cmp)', 'pet')
    """
    name = phase_in_words(phase)
    return phase if name == phase else t("{phase} phase ({code})", phase=name, code=phase)


def phases(run: Results) -> str:
    """Which phases were used."""
    if run.study is None:
        return ""
    return t(
        "Images of these phases were used: {phases}.",
        phases=listed([phase_text(p) for p in run.study.cohort.phases]),
    )


def annotation(run: Results) -> str:
    """What a person had to give for each scan, arm by arm."""
    if run.study is None:
        return ""
    arms = [
        t(
            "{arm}: {given} (level “{level}”)",
            arm=arm.name,
            given=given_words(arm.supervision),
            level=arm.supervision.value,
        )
        for arm in run.study.arm
    ]
    return t("Annotation that each arm was given: {arms}.", arms=in_turn(arms))


def field_of_view(run: Results) -> str:
    """How large a region of the scan each arm saw."""
    if run.study is None:
        return ""
    return t("Field of view: {arms}.", arms=in_turn([_view(arm, run.study) for arm in run.study.arm]))


def _view(arm: Arm, study: Study) -> str:
    image = study.image
    if arm.slices:
        values: dict[str, Any] = {"arm": arm.name, "mm": f"{image.slice_mm:g}", "px": image.slice_px}
        if arm.slices == 1:
            return t("{arm}, one axial slice of {mm} mm, {px}×{px} pixels", **values)
        return t("{arm}, {count} axial slices of {mm} mm, {px}×{px} pixels", count=arm.slices, **values)
    return t(
        "{arm}, a box of {mm} mm, {voxels} voxels",
        arm=arm.name,
        mm="×".join(f"{edge:g}" for edge in image.box_mm),
        voxels="×".join(str(count) for count in image.box_voxels),
    )


def windowing(run: Results) -> str:
    """Which grey values became 0 and 1."""
    if run.study is None:
        return ""
    grouped: dict[str, list[str]] = {}
    for phase in run.study.cohort.phases:
        grouped.setdefault(window_text(run.study.window_of(phase), phase), []).append(phase_text(phase))
    shown = [t("{window} for {phases}", window=window, phases=listed(names)) for window, names in grouped.items()]
    return t("Grey values were cut to a window and scaled to 0–1: {windows}.", windows=in_turn(shown))


def resampling(run: Results) -> str:
    """How a region was brought to its grid."""
    if run.study is None:
        return ""
    if run.study.image.antialias:
        return t("Regions were resampled linearly, after blurring where the new grid is coarser than the scan.")
    return t("Regions were resampled linearly, without blurring.")


def split_method(run: Results) -> str:
    """How patients came to be in training, in the test set and in a fold."""
    if run.study is None:
        return ""
    split = run.study.split
    folds = t("The training patients were dealt to {folds} folds by class.", folds=split.folds)
    if split.column:
        first = t(
            "The test patients are those that the column “{column}” of the cohort table names.", column=split.column
        )
        return as_text([first, folds])
    by = listed([t("the outcome"), *split.stratify])
    first = t(
        "The split was drawn once, by patient: {train}% training and {test}% test, stratified by {by}, seed {seed}.",
        train=f"{100 * (1 - split.test_fraction):g}",
        test=f"{100 * split.test_fraction:g}",
        by=by,
        seed=split.seed,
    )
    return as_text([first, folds])


def networks(run: Results) -> str:
    """Which networks were fitted."""
    if run.study is None:
        return ""
    kinds: dict[str, list[str]] = {}
    for arm in run.study.arm:
        if arm.slices:
            kind = t("2D ResNet-18 on slices")
        elif arm.supervision is Supervision.MASK:
            kind = t("3D ResNet-18 on image and mask")
        else:
            kind = t("3D ResNet-18 on the image")
        kinds.setdefault(kind, []).append(arm.name)
    shown = [t("{kind} ({arms})", kind=kind, arms=listed(arms)) for kind, arms in kinds.items()]
    return t(
        "Each arm had, on each phase and in each fold, a network of its own with a single logit: {kinds}.",
        kinds=in_turn(shown),
    )


def initial_weights(run: Results) -> str:
    """What the networks started from."""
    if run.study is None:
        return ""
    sources: dict[str, list[str]] = {}
    for arm in run.study.arm:
        fit = run.study.fit_of(arm)
        given = fit.weights_2d if arm.slices else fit.weights_3d
        text = (
            t("random weights")
            if given is None
            else t("{file} (SHA-256 {digest})", file=given.path.name, digest=given.sha256)
        )
        sources.setdefault(text, []).append(arm.name)
    shown = [t("{source} for {arms}", source=source, arms=listed(arms)) for source, arms in sources.items()]
    return t("Learning started from {sources}.", sources=in_turn(shown))


def learning(run: Results) -> str:
    """How the networks learnt."""
    if run.study is None:
        return ""
    return by_arm(
        run.study,
        lambda fit: t(
            "Networks learnt the binary cross-entropy by AdamW: learning rate {rate}, warm-up (epochs) {warmup}, then "
            "cosine decay; weight decay {decay}; epochs at most {epochs}; batch size {batch}.",
            rate=f"{fit.learning_rate:g}",
            warmup=fit.warmup_epochs,
            decay=f"{fit.weight_decay:g}",
            epochs=fit.epochs,
            batch=fit.batch_size,
        ),
    )


def stopping(run: Results) -> str:
    """When learning stopped, and which epoch was kept."""
    return by_arm(run.study, _stopping) if run.study is not None else ""


def _stopping(fit: FitSettings) -> str:
    if not fit.patience:
        return t("All epochs were run and the last was kept.")
    return t(
        "Learning stopped early (patience in epochs: {patience}) by the log-loss of {share}% of the learning patients, "
        "who were set aside for it; the epoch with the lowest was kept.",
        patience=fit.patience,
        share=f"{100 * fit.inner_fraction:g}",
    )


def augmentation(run: Results) -> str:
    """How pictures were varied while learning."""
    if run.study is None:
        return ""
    given = run.study.augment
    kinds = [t("mirrored")] if given.flip else []
    for amount, text in (
        (given.rotate_deg, t("rotated by up to {amount}°", amount=f"{given.rotate_deg:g}")),
        (given.shift, t("shifted by up to {amount}%", amount=f"{100 * given.shift:g}")),
        (given.scale, t("scaled by up to {amount}%", amount=f"{100 * given.scale:g}")),
        (given.contrast, t("changed in contrast by up to {amount}%", amount=f"{100 * given.contrast:g}")),
        (given.brightness, t("changed in brightness by up to {amount}", amount=f"{given.brightness:g}")),
        (given.noise, t("given noise of a standard deviation of up to {amount}", amount=f"{given.noise:g}")),
    ):
        if amount:
            kinds.append(text)
    if not kinds:
        return t("Pictures were not varied at random while learning.")
    return t("Only while learning, pictures were varied at random: {kinds}.", kinds=listed(kinds))


def class_balance(run: Results) -> str:
    """Whether batches were balanced."""
    return by_arm(run.study, _class_balance) if run.study is not None else ""


def _class_balance(fit: FitSettings) -> str:
    if fit.balanced:
        return t("Batches were balanced between the classes while learning; test patients were scored as they are.")
    return t("Classes were learnt as they come, without balancing.")


def ensemble(run: Results) -> str:
    """How a patient's probability came about."""
    if run.study is None:
        return ""
    first = t(
        "A training patient was scored by the network of the fold that had not learnt from that patient; a test "
        "patient’s probability is the mean over the {folds} fold networks of a model.",
        folds=run.study.split.folds,
    )
    several = [arm for arm in run.study.arm if (arm.slices or 0) > 1]
    return as_text([first, by_arm(run.study, _pooling, several)])


def _pooling(fit: FitSettings) -> str:
    rules = {"mean": t("their mean"), "max": t("their maximum"), "noisy-or": t("the noisy-or rule")}
    return t("Probabilities of several slices of a patient were pooled by {rule}.", rule=rules[fit.pooling])
