"""What an evaluation over several hospitals found, in words and tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, enumerated, p_value, running_text, with_bounds
from nephrograde.sharing.combined import NotPooled
from nephrograde.sharing.contents import UNKNOWN_OUTCOME
from nephrograde.sharing.random_effects import FEW_SITES

if TYPE_CHECKING:
    from nephrograde.sharing.combined import BenefitRow, Combined, PooledRow, SiteRow, WithoutRow


def measure_words(measure: str) -> str:
    """Name a pooled measure."""
    return {
        "auc": "AUC",
        "auc_difference": t("Difference of AUC"),
        "observed_expected": t("Observed / expected high"),
        "calibration_intercept": t("Calibration intercept"),
        "calibration_slope": t("Calibration slope"),
        "brier": t("Brier score"),
    }[measure]


def summary(found: Combined) -> list[str]:
    """Say what was found in a few sentences, the most important ones first."""
    first = t(
        "{k} hospitals with {n} patients, {n_high} of them high grade; no image was exchanged.",
        k=len(found.shared),
        n=found.n,
        n_high=found.n_high,
    )
    return [first, *(_auc(found, model) for model in found.models), *_differences(found)]


def _auc(found: Combined, model: str) -> str:
    row = found.estimate(model, "auc")
    sentence = t(
        "{model}: mean AUC over hospitals {value}; I² {i2}, tau² {tau2} on log odds.",
        model=model,
        value=with_bounds(row.value, row.low, row.high),
        i2=f"{100 * row.i2:.0f}%",
        tau2=decimal(row.tau2),
    )
    if math.isnan(row.prediction_low):
        return sentence
    ahead = t(
        "In {n}% of further hospitals the true AUC is expected within {bounds}.",
        n=f"{100 * found.confidence:g}",
        bounds=bounds(row.prediction_low, row.prediction_high),
    )
    return running_text(sentence, ahead)


def _differences(found: Combined) -> list[str]:
    rows = [row for row in found.pooled if row.measure == "auc_difference" and row.reason is None]
    return [_difference(row) for row in rows]


def _difference(row: PooledRow) -> str:
    value = with_bounds(row.value, row.low, row.high)
    if row.low <= 0.0 <= row.high:
        return t(
            "{a} minus {b}: mean difference of AUC {value}, which may be due to chance.",
            a=row.model,
            b=row.against,
            value=value,
        )
    return t(
        "{a} minus {b}: mean difference of AUC {value}, which is more than chance explains.",
        a=row.model,
        b=row.against,
        value=value,
    )


def remarks(found: Combined) -> list[str]:
    """What a reader has to know before believing any number."""
    k, lines = len(found.shared), []
    if k < FEW_SITES:
        lines.append(
            t(
                "Fewer than {n} hospitals: the variance between hospitals is hardly known. The intervals are wide for "
                "that reason, and I² near 0 does not show that the hospitals agree.",
                n=FEW_SITES,
            )
        )
    if k == 2:
        lines.append(t("With two hospitals there is no prediction interval, and none can be left out."))
    heads = [one.head for one in found.shared.values()]
    unknown = sorted({one.name for head in heads for one in head.models if one.identity is None})
    if unknown:
        lines.append(
            t(
                "Only the name says that {names} is the same model in all hospitals: the scores came from a table.",
                names=enumerated(unknown),
            )
        )
    if any(head.outcome == UNKNOWN_OUTCOME for head in heads):
        lines.append(t("At least one hospital does not say how high and low are defined. See that all mean the same."))
    lines.append(
        t(
            "Files of one hospital are recognised by their key and their numbers. A patient who was examined in two "
            "hospitals is not."
        )
    )
    reasons = {row.reason for row in found.pooled} | {row.reason for row in found.benefit}
    lines += [words for reason, words in reason_words().items() if reason in reasons]
    return lines


def reason_words() -> dict[NotPooled, str]:
    """Why a value was not pooled, as a sentence each."""
    return {
        NotPooled.TOO_FEW_SITES: t("A measure that could be computed in fewer than two hospitals is not pooled."),
        NotPooled.NO_VARIANCE: t(
            "A measure without variance in a hospital, as of two models that rank its patients alike, is not pooled."
        ),
        NotPooled.SUPPRESSED: t(
            "Net benefit is not given where a hospital suppressed small counts: the others alone would not stand for "
            "all."
        ),
    }


def method_note() -> str:
    """Say how hospitals were pooled."""
    return t(
        "Random effects: AUC on the logit scale with DeLong's variances, observed / expected on the logarithm; "
        "variance between hospitals by Paule and Mandel, interval by Hartung, Knapp, Sidik and Jonkman. The prediction "
        "interval is where the true value of a further hospital is expected. I² is the share of the variation between "
        "hospitals that chance does not explain; P is Cochran's Q test."
    )


def pooled_headings() -> tuple[str, ...]:
    """The headings of the table of pooled measures."""
    return (
        t("Model"),
        t("Measure"),
        t("Mean over hospitals"),
        t("Prediction interval"),
        "tau²",
        "I²",
        t("P"),
        t("Hospitals"),
        "n",
    )


def pooled_cells(row: PooledRow) -> tuple[str, ...]:
    """A pooled measure as texts."""
    name = f"{row.model} − {row.against}" if row.against else row.model
    return (
        name,
        measure_words(row.measure),
        with_bounds(row.value, row.low, row.high),
        bounds(row.prediction_low, row.prediction_high) or NOTHING,
        decimal(row.tau2),
        NOTHING if math.isnan(row.i2) else f"{100 * row.i2:.0f}%",
        p_value(row.p_heterogeneity),
        str(row.sites),
        str(row.n),
    )


def site_headings() -> tuple[str, ...]:
    """The headings of the table of hospitals."""
    return (
        t("Hospital"),
        t("Model"),
        "n",
        t("High"),
        t("AUC [CI]"),
        t("Weight"),
        t("Sensitivity"),
        t("Specificity"),
        t("Shared"),
    )


def site_cells(row: SiteRow) -> tuple[str, ...]:
    """A model in a hospital as texts."""
    kinds = {"scores": t("scores"), "statistics": t("statistics")}
    return (
        row.site,
        row.model,
        str(row.n),
        str(row.n_high),
        with_bounds(row.auc, row.auc_low, row.auc_high),
        f"{100 * row.weight:.0f}%",
        with_bounds(row.sensitivity, row.sensitivity_low, row.sensitivity_high, 2),
        with_bounds(row.specificity, row.specificity_low, row.specificity_high, 2),
        kinds[row.kind],
    )


def calibration_headings() -> tuple[str, ...]:
    """The headings of the table of calibration in each hospital."""
    return (
        t("Hospital"),
        t("Model"),
        t("Observed / expected high"),
        t("Calibration intercept"),
        t("Calibration slope"),
        t("Brier score"),
    )


def calibration_cells(row: SiteRow) -> tuple[str, ...]:
    """The calibration of a model in a hospital as texts."""
    return (
        row.site,
        row.model,
        with_bounds(row.observed_expected, row.observed_expected_low, row.observed_expected_high, 2),
        with_bounds(row.calibration_intercept, row.calibration_intercept_low, row.calibration_intercept_high, 2),
        with_bounds(row.calibration_slope, row.calibration_slope_low, row.calibration_slope_high, 2),
        with_bounds(row.brier, row.brier_low, row.brier_high),
    )


def without_headings() -> tuple[str, ...]:
    """The headings of the table that leaves one hospital out at a time."""
    return t("Without"), t("Model"), t("AUC [CI]"), t("Change"), "tau²", "I²"


def without_cells(row: WithoutRow) -> tuple[str, ...]:
    """The pooled AUC without a hospital as texts."""
    return (
        row.without,
        row.model,
        with_bounds(row.auc, row.low, row.high),
        decimal(row.change),
        decimal(row.tau2),
        f"{100 * row.i2:.0f}%",
    )


def benefit_headings() -> tuple[str, ...]:
    """The headings of the table of net benefit."""
    return (
        t("Threshold"),
        t("Model"),
        t("Net benefit [CI]"),
        t("Calling all high"),
        t("Hospitals where better than all"),
        t("than none"),
    )


def benefit_cells(row: BenefitRow) -> tuple[str, ...]:
    """Net benefit at a threshold as texts."""
    of = "{} / {}".format
    return (
        f"{row.threshold:.2f}",
        row.model,
        with_bounds(row.net_benefit, row.low, row.high),
        decimal(row.treat_all),
        NOTHING if row.reason else of(row.better_than_all, row.sites),
        NOTHING if row.reason else of(row.better_than_none, row.sites),
    )
