"""What a grader file is, in words, in the language of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.export.printable import printable
from nephrograde.report.tables.uncertainty import way_words
from nephrograde.report.tables.wording import given_words, pooling_words, slices_words
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import MINUS, bounds, decimal, enumerated, listed
from nephrograde.report.text.published import window_text
from nephrograde.report.text.remarks import threshold_words
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.export.grader_file import GraderFile
    from nephrograde.predict.cohort_range import Spread
    from nephrograde.predict.grading import Performance

_INDENT = "  "
_LONGEST_LINE = 2000


def describe(file: GraderFile) -> list[str]:
    """Describe a grader file, line by line.

    Args:
        file: As it was read.
    """
    sections = (
        (t("What it is"), _model(file)),
        (t("What it needs of a patient"), _needs(file)),
        (t("How it decides"), _decision(file)),
        (t("What it learnt from"), _cohort(file)),
        (t("How well it did in its study"), [_auc(one) for one in file.card.aucs]),
        (t("Range of the patients it learnt from"), list(_range(file))),
        (t("What it must not be used for"), [told(line) for line in file.card.not_for]),
        (t("What the file holds"), _members(file)),
    )
    lines = [t("{path}: a packed model of nephrograde", path=file.path), t(RESEARCH_USE_ONLY)]
    if file.card.synthetic:
        lines.append(t("SYNTHETIC DATA"))
    for heading, own in sections:
        if own:
            lines += ["", heading, *(f"{_INDENT}{line}" for line in own)]
    return [printable(line, most=_LONGEST_LINE) for line in lines]


def quantity_words(name: str) -> str:
    """Name a quantity of a patient that has a range; an unknown one is returned unchanged.

    Args:
        name: As in the grader file.
    """
    return {
        "tumour_diameter_mm": t("tumour diameter, mm"),
        "tumour_volume_ml": t("tumour volume, ml"),
        "region_mean_hu": t("mean of the region, HU"),
        "region_sd_hu": t("standard deviation of the region, HU"),
        "pixel_mm": t("pixel, mm"),
        "slice_distance_mm": t("distance of slices, mm"),
        "slices": t("number of slices"),
    }.get(name, name)


def _model(file: GraderFile) -> list[str]:
    card, own = file.card, file.preprocessing
    phases = listed([f"{phase_in_words(one)} ({one})" for one in own.phases])
    lines = [
        t("Model {model} of the study “{study}”", model=card.model, study=card.study),
        t("Phase: {phases}", phases=phases),
        _networks(file),
    ]
    model = own.own_model(file.study)
    if model.arm.is_pooled:
        lines.append(t("The pictures of a patient are pooled by: {rule}", rule=pooling_words(card.pooling)))
    if own.outcome != "isup_grade":
        lines.append(t("“High grade” stands for {outcome} = 1", outcome=own.outcome))
    fusion = model.fusion
    if fusion is not None:
        columns = listed(list(dict.fromkeys(term.column for terms in own.clinical for term in terms)))
        joined = t("Phases are joined by {fusion} fusion", fusion=_fusion_words(fusion))
        lines.append(t("{joined}, with the values {columns}", joined=joined, columns=columns) if columns else joined)
    if card.pretrained:
        facts = {name: card.pretrained.get(name, "?") for name in ("name", "licence")}
        if model.arm.encoder is None:
            lines.append(t("Trained from the encoder {name} (licence: {licence})", **facts))
        else:
            lines.append(t("The encoder is {name} (licence: {licence}), which is in the file", **facts))
    return lines


def _networks(file: GraderFile) -> str:
    n, own = len(file.card.folds), file.preprocessing
    if own.own_model(file.study).arm.encoder is not None:
        return t("{n} regressions on the features of a frozen encoder, whose log odds are averaged", n=n)
    return t("{n} ResNet-18 in {d}D, one for each fold, whose log odds are averaged", n=n, d=len(own.size))


def _fusion_words(fusion: str) -> str:
    return {"early": t("early"), "intermediate": t("intermediate"), "late": t("late")}[fusion]


def _needs(file: GraderFile) -> list[str]:
    own, study = file.preprocessing, file.study
    arm, image = own.own_model(study).arm, study.image
    if arm.dimensions == 2:
        shown = t(
            "{slices}, {mm} mm wide, {px} × {px} pixels",
            slices=slices_words(arm),
            mm=f"{study.width_mm(arm):g}",
            px=image.slice_px,
        )
    else:
        shown = t(
            "A box of {mm} mm, {voxels} voxels",
            mm=" × ".join(f"{edge:g}" for edge in image.box_mm),
            voxels=" × ".join(map(str, image.box_voxels)),
        )
    windows = [f"{window_text(study.window_of(phase), phase)} ({phase})" for phase in own.phases]
    return [
        t("Annotation: {given}", given=given_words(arm.supervision)),
        t("Region: {shown}", shown=shown),
        t("Window, which becomes 0 to 1: {windows}", windows=listed(windows)),
        t(
            "Axes: {axes}; channels: {channels}",
            axes=enumerated(list(map(_axis_words, own.axes))),
            channels=enumerated(list(map(_channel_words, own.channels))),
        ),
    ]


def _axis_words(axis: str) -> str:
    return {"row": t("row"), "channel": t("channel")}.get(axis, axis)


def _channel_words(channel: str) -> str:
    """A channel, which may be that of a slice beside the one that was chosen, as in "image slice -1"."""
    shown, _, offset = channel.partition(" slice ")
    name = {"image": t("image"), "mask": t("mask")}.get(shown, shown)
    return t("{name} slice {offset}", name=name, offset=_signed(offset)) if offset else name


def _decision(file: GraderFile) -> list[str]:
    decision = file.decision
    lines = [
        t("The probability of high grade is calibrated on out-of-fold patients of its study, the scale of scores.csv"),
        t(
            "Threshold on that scale: {value} ({rule}, n = {n})",
            value=decimal(decision.threshold.value),
            rule=threshold_words(decision.threshold),
            n=decision.threshold.n,
        ),
    ]
    if decision.recalibration is not None:
        lines.append(
            t("A second, recalibrated probability is given ({way})", way=way_words(Way(decision.recalibration.way)))
        )
    if decision.sets is not None:
        lines.append(
            t(
                "Prediction sets with an error of {error}: high grade is plausible from {high}, low grade up to {low}",
                error=f"{decision.sets.error:g}",
                high=decimal(decision.sets.high_from),
                low=decimal(decision.sets.low_to),
            )
        )
    else:
        lines.append(t("No prediction sets: its study had too few patients to learn them"))
    return lines


def _cohort(file: GraderFile) -> list[str]:
    card = file.card
    lines = [
        t("{n} patients to learn from, {n_high} of them high grade", n=card.n_train, n_high=card.n_train_high),
        t("{n} patients held out as the test set, {n_high} of them high grade", n=card.n_test, n_high=card.n_test_high),
    ]
    if card.synthetic:
        lines.append(t("The patients are synthetic: their images were generated by code"))
    if card.collections:
        lines.append(t("Public collections: {names}", names=listed(card.collections)))
    return lines


def _auc(one: Performance) -> str:
    where = t("Test set") if one.split == "test" else t("Out-of-fold training predictions")
    if one.auc is None:
        return t("{where}: the AUC could not be computed (n = {n}, {n_high} high grade)", where=where, **_counts(one))
    value = decimal(one.auc)
    if one.low is not None and one.high is not None and one.confidence is not None:
        value = f"{value} {bounds(one.low, one.high)}"
    return t("{where}: AUC {value} (n = {n}, {n_high} high grade)", where=where, value=value, **_counts(one))


def _counts(one: Performance) -> dict[str, int]:
    return {"n": one.n, "n_high": one.n_high}


def _range(file: GraderFile) -> Iterator[str]:
    for phase, spreads in file.cohort_range.phases.items():
        for name, spread in spreads.items():
            yield t("{phase}, {quantity}: {spread}", phase=phase, quantity=quantity_words(name), spread=_spread(spread))


def _spread(spread: Spread) -> str:
    numbers = {key: _signed(f"{getattr(spread, key):.4g}") for key in ("least", "low", "median", "high", "most")}
    return t("{least} to {most}, 90 % within {low} to {high}, median {median} (n = {n})", n=spread.n, **numbers)


def _signed(number: str) -> str:
    """A number with the sign of the other numbers on the page."""
    return number.replace("-", MINUS)


def _members(file: GraderFile) -> list[str]:
    lines = [
        t("{name}: {n} bytes, SHA-256 {sha256}", name=name, n=f"{len(content):,}", sha256=file.archive.sha256[name])
        for name, content in file.archive.members.items()
    ]
    whole = t("SHA-256 of the whole file: {sha256}", sha256=file.archive.file_sha256())
    return [*lines, whole, t("Every byte was verified. Written by {program}.", program=file.archive.written_by)]
