"""Sentences on how a study was made: patients, images, annotation, networks and learning.

Each function tells one thing and returns an empty text where the run does not know it: a sentence that would have to be
guessed is left out. The methods paragraph, the checklists and the model cards say the same things with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nephrograde.report.tables.wording import given_words, level_words
from nephrograde.report.text.language import phase_in_words, spoken, t
from nephrograde.report.text.numbers import listed
from nephrograde.report.text.published import window_text
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.report.record import Record
    from nephrograde.study import Arm, Study


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


def truths(record: Record) -> dict[str, bool]:
    """The class of every patient of the cohort, or of every scored one where there is no cohort table."""
    if record.cases:
        return {case["patient_id"]: case["is_high"] == "1" for case in record.cases}
    return record.truths


def patients(record: Record) -> str:
    """How many patients there are, and of which class."""
    known = truths(record)
    low, high = level_words(record)
    values = {"n": len(known), "n_low": len(known) - sum(known.values()), "n_high": sum(known.values())}
    if record.is_synthetic:
        return t(
            "{n} synthetic patients, made by code, were used ({n_low} {low}, {n_high} {high}).",
            low=low,
            high=high,
            **values,
        )
    return t("{n} patients were used ({n_low} {low}, {n_high} {high}).", low=low, high=high, **values)


def partition(record: Record) -> str:
    """How many patients there are in training and in the test set."""
    known, high = truths(record), level_words(record)[1]
    train = [known[i] for i, (split, _) in record.assignments.items() if split == "train" and i in known]
    test = [known[i] for i, (split, _) in record.assignments.items() if split == "test" and i in known]
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


def outcome(record: Record) -> str:
    """What was to be predicted."""
    if record.study is None:
        return ""
    column = record.study.cohort.outcome
    if column == "isup_grade" or any(case.get("grade") for case in record.cases):
        return t(
            "The outcome was WHO/ISUP grade 3–4 (high) against 1–2 (low), from column “{column}” of the cohort table.",
            column=column,
        )
    return t("The outcome was column “{column}” of the cohort table, 1 against 0.", column=column)


def exclusions(record: Record) -> str:
    """What the checks of the images took out."""
    if not record.knows("volumes/findings.csv"):
        return ""
    fatal = {(row["patient_id"], row["phase"]) for row in record.findings if row["severity"] == "fatal"}
    if not fatal:
        return t("Every image was checked before it was used; no scan was left out.")
    return t(
        "Every image was checked before it was used. Scans with a fatal finding, left out of the models it concerns: "
        "{scans}; patients with such a scan: {patients}.",
        scans=len(fatal),
        patients=len({patient for patient, _ in fatal}),
    )


def missing_scans(record: Record) -> str:
    """What happened to patients without a usable scan."""
    if record.study is None or not record.cases:
        return ""
    absent = [
        t("{phase} {n}", phase=phase_text(phase), n=n)
        for phase in record.study.cohort.phases
        if (n := sum(not case.get(f"{phase}_image") for case in record.cases))
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


def phases(record: Record) -> str:
    """Which phases were used."""
    if record.study is None:
        return ""
    return t(
        "Images of these phases were used: {phases}.",
        phases=listed([phase_text(p) for p in record.study.cohort.phases]),
    )


def annotation(record: Record) -> str:
    """What a person had to give for each scan, arm by arm."""
    if record.study is None:
        return ""
    arms = [
        t(
            "{arm}: {given} (level “{level}”)",
            arm=arm.name,
            given=given_words(arm.supervision),
            level=arm.supervision.value,
        )
        for arm in record.study.arm
    ]
    return t("Annotation that each arm was given: {arms}.", arms=in_turn(arms))


def field_of_view(record: Record) -> str:
    """How large a region of the scan each arm saw."""
    if record.study is None:
        return ""
    return t("Field of view: {arms}.", arms=in_turn([_view(arm, record.study) for arm in record.study.arm]))


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


def windowing(record: Record) -> str:
    """Which grey values became 0 and 1."""
    if record.study is None:
        return ""
    grouped: dict[str, list[str]] = {}
    for phase in record.study.cohort.phases:
        grouped.setdefault(window_text(record.study.window_of(phase), phase), []).append(phase_text(phase))
    shown = [t("{window} for {phases}", window=window, phases=listed(names)) for window, names in grouped.items()]
    return t("Grey values were cut to a window and scaled to 0–1: {windows}.", windows=in_turn(shown))


def resampling(record: Record) -> str:
    """How a region was brought to its grid."""
    if record.study is None:
        return ""
    if record.study.image.antialias:
        return t("Regions were resampled linearly, after blurring where the new grid is coarser than the scan.")
    return t("Regions were resampled linearly, without blurring.")


def split_method(record: Record) -> str:
    """How patients came to be in training, in the test set and in a fold."""
    if record.study is None:
        return ""
    split = record.study.split
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


def networks(record: Record) -> str:
    """Which networks were fitted."""
    if record.study is None:
        return ""
    kinds: dict[str, list[str]] = {}
    for arm in record.study.arm:
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


def initial_weights(record: Record) -> str:
    """What the networks started from."""
    if record.study is None:
        return ""
    sources: dict[str, list[str]] = {}
    for arm in record.study.arm:
        fit = record.study.fit_of(arm)
        given = fit.weights_2d if arm.slices else fit.weights_3d
        text = (
            t("random weights")
            if given is None
            else t("{file} (SHA-256 {digest})", file=given.path.name, digest=given.sha256)
        )
        sources.setdefault(text, []).append(arm.name)
    shown = [t("{source} for {arms}", source=source, arms=listed(arms)) for source, arms in sources.items()]
    return t("Learning started from {sources}.", sources=in_turn(shown))


def learning(record: Record) -> str:
    """How the networks learnt, and which arms had settings of their own."""
    if record.study is None:
        return ""
    fit = record.study.fit
    first = t(
        "Networks learnt the binary cross-entropy by AdamW: learning rate {rate}, warm-up (epochs) {warmup}, then "
        "cosine decay; weight decay {decay}; epochs at most {epochs}; batch size {batch}.",
        rate=f"{fit.learning_rate:g}",
        warmup=fit.warmup_epochs,
        decay=f"{fit.weight_decay:g}",
        epochs=fit.epochs,
        batch=fit.batch_size,
    )
    own = [
        f"{arm.name} ({', '.join(f'{key} = {value}' for key, value in arm.fit.items())})"
        for arm in record.study.arm
        if arm.fit
    ]
    return as_text([first, t("Arms with settings of their own: {own}.", own=in_turn(own)) if own else ""])


def stopping(record: Record) -> str:
    """When learning stopped, and which epoch was kept."""
    if record.study is None:
        return ""
    fit = record.study.fit
    if not fit.patience:
        return t("All epochs were run and the last was kept.")
    return t(
        "Learning stopped early (patience in epochs: {patience}) by the log-loss of {share}% of the learning patients, "
        "who were set aside for it; the epoch with the lowest was kept.",
        patience=fit.patience,
        share=f"{100 * fit.inner_fraction:g}",
    )


def augmentation(record: Record) -> str:
    """How pictures were varied while learning."""
    if record.study is None:
        return ""
    given = record.study.augment
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


def class_balance(record: Record) -> str:
    """Whether batches were balanced."""
    if record.study is None:
        return ""
    if record.study.fit.balanced:
        return t("Batches were balanced between the classes while learning; test patients were scored as they are.")
    return t("Classes were learnt as they come, without balancing.")


def ensemble(record: Record) -> str:
    """How a patient's probability came about."""
    if record.study is None:
        return ""
    first = t(
        "A training patient was scored by the network of the fold that had not learnt from that patient; a test "
        "patient’s probability is the mean over the {folds} fold networks of a model.",
        folds=record.study.split.folds,
    )
    rules = {"mean": t("their mean"), "max": t("their maximum"), "noisy-or": t("the noisy-or rule")}
    pooled = t(
        "Probabilities of several slices of a patient were pooled by {rule}.", rule=rules[record.study.fit.pooling]
    )
    has_several = any((arm.slices or 0) > 1 for arm in record.study.arm)
    return as_text([first, pooled if has_several else ""])
