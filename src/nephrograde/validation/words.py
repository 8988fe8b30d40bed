"""What a validation found, in sentences and table cells, for the page and the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.updating import (
    FEWEST_FOR_INTERCEPT,
    FEWEST_FOR_PRECISION,
    FEWEST_FOR_SLOPE,
    Update,
    Why,
)
from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT
from nephrograde.export.words import quantity_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import (
    NOTHING,
    bounds,
    decimal,
    enumerated,
    p_value,
    running_text,
    share,
    with_bounds,
)
from nephrograde.validation.inputs import RANGE_GROUP
from nephrograde.validation.side_by_side import Untested

if TYPE_CHECKING:
    from nephrograde.validation.inputs import InputRow
    from nephrograde.validation.side_by_side import SideRow
    from nephrograde.validation.validation import Validation

NAMED = 10
"""Patients that a sentence names."""
_FEW = 10
"""Patients below which every number of the page is uncertain."""


def measure_words(measure: str) -> str:
    """Name a measure."""
    return {
        "auc": "AUC",
        "prevalence": t("Proportion of high"),
        "observed_expected": t("Observed / expected high"),
        "accuracy": t("Accuracy"),
        "sensitivity": t("Sensitivity"),
        "specificity": t("Specificity"),
        "ppv": t("PPV"),
        "npv": t("NPV"),
        "brier": t("Brier score"),
        "calibration_intercept": t("Calibration intercept"),
        "calibration_slope": t("Calibration slope"),
        "ece": t("Expected calibration error"),
        "coverage": t("Coverage of the prediction sets"),
        "coverage_high": t("Coverage of high grade"),
        "coverage_low": t("Coverage of low grade"),
        "referred": t("Share referred to biopsy"),
    }[measure]


def split_words(split: str) -> str:
    """Name the patients of development that a measure is about."""
    return {"test": t("test set"), "oof": t("out of fold")}.get(split, "")


def summary(found: Validation) -> list[str]:
    """Say what was found in a few sentences, the most important ones first."""
    truths = found.results.truths
    card = found.file.card
    first = t(
        "{model} of the study “{study}” was validated on {n} patients of “{cohort}”, {n_high} of them high grade.",
        model=found.model,
        study=card.study,
        cohort=found.cohort,
        n=len(truths),
        n_high=sum(truths.values()),
    )
    lines = [first, *_auc(found), _calibration(found), _inputs(found), advice_sentence(found)]
    return [line for line in lines if line]


def _auc(found: Validation) -> list[str]:
    row = found.side("auc")
    here = with_bounds(row.value, row.low, row.high)
    if math.isnan(row.known_value):
        return [t("AUC {here}. The grader file does not say the AUC of development.", here=here)]
    known = with_bounds(row.known_value, row.known_low, row.known_high)
    sentence = t(
        "AUC {here}; in development {known} ({where}).", here=here, known=known, where=split_words(row.known_split)
    )
    if row.untested is not None:
        return [sentence]
    difference = f"{decimal(row.difference)} {bounds(row.difference_low, row.difference_high)}"
    if _too_few(row):
        second = t(
            "The difference is {difference}; there is no verdict with fewer than {n} patients of a grade on a side.",
            difference=difference,
            n=FEWEST_FOR_VERDICT,
        )
    elif row.difference_low <= 0.0 <= row.difference_high:
        second = t("The difference, {difference}, may be due to chance.", difference=difference)
    else:
        second = t("The difference, {difference}, is more than chance explains.", difference=difference)
    return [running_text(sentence, second)]


def _too_few(row: SideRow) -> bool:
    counts = (row.known_n_high, (row.known_n or 0) - (row.known_n_high or 0), row.n_high, row.n - row.n_high)
    return min(one or 0 for one in counts) < FEWEST_FOR_VERDICT


def _calibration(found: Validation) -> str:
    intercept, slope = found.side("calibration_intercept"), found.side("calibration_slope")
    if math.isnan(intercept.value) and math.isnan(slope.value):
        return t("Calibration could not be estimated.")
    return t(
        "Calibration: intercept {intercept} (0 is perfect), slope {slope} (1 is perfect).",
        intercept=with_bounds(intercept.value, intercept.low, intercept.high),
        slope=with_bounds(slope.value, slope.low, slope.high),
    )


def _inputs(found: Validation) -> str:
    if not found.inputs:
        return t("The grader file holds no range that these patients could be compared with.")
    tested = [row for row in found.inputs if not math.isnan(row.p_outside)]
    if not tested:
        return t("The inputs could not be tested for drift: too few patients in development or here.")
    drifted = [f"{row.phase.upper()} {quantity_words(row.quantity)}" for row in tested if row.has_drifted]
    if not drifted:
        return t(
            "Inputs: in none of {n} quantities do these patients differ from development by more than chance explains.",
            n=len(tested),
        )
    return t(
        "Inputs: these patients differ from development by more than chance explains in {k} of {n} quantities: "
        "{names}.",
        k=len(drifted),
        n=len(tested),
        names=enumerated(drifted),
    )


def advice_sentence(found: Validation) -> str:
    """Say whether a recalibration is suggested, and why."""
    advice = found.advice
    row = advice.row(advice.suggested)
    if advice.suggested is not Update.NONE and row is not None:
        way = {
            Update.INTERCEPT: t("a new intercept"),
            Update.INTERCEPT_SLOPE: t("a new intercept and slope"),
        }[advice.suggested]
        sentence = t(
            "A recalibration is suggested, and not applied: {way}, log odds = {intercept} + {slope} × log odds of "
            "p_high (closed test P {p}; log loss lower by {gain} after correction for optimism).",
            way=way,
            intercept=decimal(row.intercept),
            slope=decimal(row.slope),
            p=p_value(advice.p_any),
            gain=decimal(advice.corrected_gain),
        )
        if advice.suggested is Update.INTERCEPT and advice.is_prevalence_enough:
            sentence += " " + t("The other proportion of high grade alone would explain it.")
        return sentence
    reasons = {
        Why.AGREES: t("the data do not reject that the model is calibrated here (P {p})", p=p_value(advice.p_any)),
        Why.NO_GAIN: t("nothing is gained once the optimism is taken off"),
        Why.TOO_FEW: t(
            "fewer than {n} patients of a grade ({m} for a slope as well)", n=FEWEST_FOR_INTERCEPT, m=FEWEST_FOR_SLOPE
        ),
        Why.ONE_GRADE: t("patients of one grade only"),
        Why.PREDICTIONS_ALIKE: t("all predictions are alike"),
        Why.WRONG_WAY: t("the model ranks these patients in the wrong order, which no recalibration corrects"),
        Why.NOT_CONVERGED: t("the grades are separated, so that no finite recalibration exists"),
        Why.SUGGESTED: "",
    }
    return t("No recalibration is suggested: {reason}.", reason=reasons[advice.why])


def scale_sentence() -> str:
    """Say which scale every number is on."""
    return t(
        "All numbers are about the probabilities of the model as it was packed; its threshold and cutoffs are those of "
        "its own study. No recalibration learnt from these patients is applied to anything."
    )


def remarks(found: Validation) -> list[str]:
    """What a reader has to know before believing any number."""
    card, advice = found.file.card, found.advice
    lines = [*_overlap(found), *found.notes]
    if card.synthetic:
        lines.append(t("The model learnt from synthetic images: no number says anything about real patients."))
    if len(found.left_out_ids):
        lines.append(
            t(
                "{n} patients could not be graded and are in no number: {names}. {path} says why.",
                n=len(found.left_out_ids),
                names=_named(found.left_out_ids),
                path="validation/left_out.csv",
            )
        )
    if found.n < _FEW:
        lines.append(t("Fewer than {n} patients: every number is very uncertain.", n=_FEW))
    if advice.is_imprecise:
        lines.append(
            t(
                "Fewer than {n} patients of a grade: calibration is known imprecisely (Vergouwe 2005).",
                n=FEWEST_FOR_PRECISION,
            )
        )
    if found.unusual:
        lines.append(
            t("{n} scans look like another phase than the table says; see quality/quality.csv.", n=found.unusual)
        )
    if found.kernels:
        kernels = [f"{name} ({count})" for name, count in found.kernels.items()]
        lines.append(
            t(
                "Reconstruction kernels here: {kernels}; those of development are not known.",
                kernels=enumerated(kernels),
            )
        )
    return lines


def _overlap(found: Validation) -> list[str]:
    if found.development.results is None:
        return [
            t(
                "Whether these patients took part in the development of the model is not known: the grader file names "
                "nobody. With --development RUN, ids and images are compared."
            )
        ]
    lines = []
    if images := found.overlap.same_image:
        lines.append(
            t(
                "{n} patients have an image that the development of the model had as well: {names}. This is no "
                "external validation of them, and no difference has an interval.",
                n=len(images),
                names=_named(images),
            )
        )
    if ids := tuple(one for one in found.overlap.same_id if one not in images):
        lines.append(
            t(
                "{n} patients have an id of a patient of the development, with other images: {names}. See that they "
                "are other people.",
                n=len(ids),
                names=_named(ids),
            )
        )
    return lines


def _named(patients: tuple[str, ...]) -> str:
    return enumerated(list(patients[:NAMED])) + (" …" if len(patients) > NAMED else "")


def side_headings() -> tuple[str, ...]:
    """The headings of the table of both sides."""
    return t("Measure"), t("Development"), t("Validation"), t("Validation − development")


def side_cells(row: SideRow) -> tuple[str, ...]:
    """A measure of both sides as texts."""
    known = with_bounds(row.known_value, row.known_low, row.known_high)
    if row.known_split:
        known += f" ({split_words(row.known_split)}, n = {row.known_n})"
    here = with_bounds(row.value, row.low, row.high)
    difference = with_bounds(row.difference, row.difference_low, row.difference_high)
    return measure_words(row.measure), known, here, difference


def untested_words(untested: Untested) -> str:
    """Say why a difference has no interval, to follow a colon."""
    return {
        Untested.NOT_KNOWN: t("the grader file does not say it; --development RUN reads the run"),
        Untested.NOT_COMPUTED: t("not computed on one side"),
        Untested.OTHER_CONFIDENCE: t("the intervals have different confidence levels"),
        Untested.SAME_PATIENTS: t("patients are in both"),
        Untested.NO_INTERVAL: t("a side has no interval"),
    }[untested]


def untested_notes(found: Validation) -> list[str]:
    """Why differences have no interval, with the measures; one sentence per reason."""
    by_reason: dict[Untested, list[str]] = {}
    for row in found.sides:
        if row.untested is not None:
            by_reason.setdefault(row.untested, []).append(measure_words(row.measure))
    return [
        t("No interval of the difference of {names}: {reason}.", names=enumerated(names), reason=untested_words(reason))
        for reason, names in by_reason.items()
    ]


def input_headings() -> tuple[str, ...]:
    """The headings of the table of inputs."""
    return (
        t("Quantity"),
        t("Development: 5 %, median, 95 %"),
        t("Validation: 5 %, median, 95 %"),
        t("Outside 5–95 %"),
        t("Outside least–most"),
        t("P outside"),
        t("P median"),
    )


def input_cells(row: InputRow) -> tuple[str, ...]:
    """A quantity against development as texts."""

    def three(*values: float) -> str:
        return " / ".join(decimal(value, 1 if abs(row.known_median) >= 10 else 2) for value in values)

    outside = share(row.n_below + row.n_above, row.n)
    return (
        f"{row.phase.upper()} {quantity_words(row.quantity)}",
        f"{three(row.known_low, row.known_median, row.known_high)} (n = {row.known_n})",
        f"{three(row.low, row.median, row.high)} (n = {row.n})",
        f"{outside} {bounds(row.outside_low, row.outside_high, 2)}",
        share(row.n_beyond, row.n),
        p_value(row.p_outside),
        p_value(row.p_median),
    )


def update_headings() -> tuple[str, ...]:
    """The headings of the table of recalibrations."""
    return (
        t("Recalibration"),
        t("Intercept"),
        t("Slope"),
        t("Brier score"),
        t("Gain, apparent"),
        t("Gain, corrected"),
        t("Log loss"),
        t("Gain, apparent"),
        t("Gain, corrected"),
    )


def update_rows(found: Validation) -> list[tuple[str, ...]]:
    """The updates of the probabilities as texts."""
    names = {
        Update.NONE: t("none: the model as packed"),
        Update.PREVALENCE: t("shift by the proportion of high alone"),
        Update.INTERCEPT: t("new intercept"),
        Update.INTERCEPT_SLOPE: t("new intercept and slope"),
    }
    return [
        (
            names[row.update] + (f" ({t('suggested')})" if _is_suggested(found, row.update) else ""),
            decimal(row.intercept),
            decimal(row.slope),
            *map(decimal, (row.brier, row.brier_gain_apparent, row.brier_gain_corrected)),
            *map(decimal, (row.log_loss, row.log_loss_gain_apparent, row.log_loss_gain_corrected)),
        )
        for row in found.advice.rows
    ]


def _is_suggested(found: Validation, update: Update) -> bool:
    return update is found.advice.suggested and update is not Update.NONE


def inside_rows(found: Validation) -> list[tuple[str, ...]]:
    """The AUC of the patients inside and outside of the range of development."""
    groups = {"inside": t("inside 5–95 % in every quantity"), "outside": t("outside in at least one")}
    rows = [row for row in found.results.subgroups if row.column == RANGE_GROUP and row.group in groups]
    return [
        (
            groups[row.group],
            str(row.n),
            str(row.n_high),
            with_bounds(row.auc, row.low, row.high),
            p_value(row.p_interaction) if not math.isnan(row.p_interaction) else NOTHING,
        )
        for row in rows
    ]
