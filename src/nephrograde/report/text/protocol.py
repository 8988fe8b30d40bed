"""The sample size of a study as a paragraph for its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.evaluation.plan import most_demanding
from nephrograde.evaluation.sample_size.sample_size import Criterion
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import bounds, decimal, listed
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.evaluation.ladder.learning_curve import LearningCurve
    from nephrograde.evaluation.plan import Plan
    from nephrograde.evaluation.sample_size.sample_size import Requirement

_ROUNDING = 0.0005
"""An AUC taken from the run is rounded to three decimals."""


def protocol_paragraphs(plan: Plan) -> list[str]:
    """Write a plan as paragraphs of a protocol, one for each purpose.

    Args:
        plan: The plan.

    >>> from nephrograde.evaluation.plan import PlanSettings, make_plan
    >>> print(protocol_paragraphs(make_plan(PlanSettings(auc=0.85, high=0.4)))[0].partition(" For")[0])
    Test set. An AUC of 0.85 and a proportion of 40% high-grade tumours are expected.
    """
    paragraphs = [] if plan.learning is None else [_learning(plan.learning, plan.settings.auc)]
    paragraphs.append(_test_set(plan))
    if plan.development:
        paragraphs.append(_development(plan))
    if plan.validation:
        paragraphs.append(_validation(plan))
    paragraphs.append(_caution())
    return [*paragraphs, t(RESEARCH_USE_ONLY)]


def _learning(curve: LearningCurve, auc: float) -> str:
    last = curve.points[-1]
    sentences = [
        t(
            "Training set. In the run, {model} had an out-of-fold AUC of {aucs} when it learnt from {sizes} patients.",
            model=curve.model,
            aucs=listed([decimal(point.mean) for point in curve.points]),
            sizes=listed([f"{round(point.n_learn)}" for point in curve.points]),
        )
    ]
    if curve.drawings > 1:
        sentences.append(t("These are means over {n} drawings of the folds.", n=curve.drawings))
    if curve.law is None:
        sentences.append(t("With fewer than three sizes, nothing is said about more patients."))
        return _joined(sentences)
    sentences.append(
        t(
            "If it goes on as an inverse power law (Figueroa 2012), the AUC with {n} patients is {auc} ({confidence}% "
            "interval {bounds}).",
            n=round(curve.farther_n),
            auc=decimal(curve.farther),
            confidence=_percent(curve.confidence),
            bounds=bounds(curve.farther_low, curve.farther_high).strip("[]"),
        )
    )
    needed = curve.patients_for(auc)
    if auc > last.mean + _ROUNDING and needed is None:
        sentences.append(t("An AUC of {auc} is not reached with twice as many patients.", auc=_short(auc)))
    elif auc > last.mean + _ROUNDING:
        sentences.append(t("An AUC of {auc} needs {n} patients to learn from.", auc=_short(auc), n=needed))
    return _joined(sentences)


def _test_set(plan: Plan) -> str:
    settings = plan.settings
    sentences = [
        t(
            "Test set. An AUC of {auc} and a proportion of {high}% high-grade tumours are expected.",
            auc=_short(settings.auc),
            high=_percent(settings.high),
        ),
        *(_of_test_set(row, plan) for row in plan.test_set),
    ]
    most = most_demanding(plan.test_set)
    if len(plan.test_set) > 1:
        sentences.append(
            t(
                "All of this needs a test set of {n} patients, {n_high} of them high grade.",
                n=most.n,
                n_high=most.n_high,
            )
        )
    return _joined(sentences)


def _of_test_set(row: Requirement, plan: Plan) -> str:
    settings = plan.settings
    numbers = {"n": f"{row.n:,}", "n_high": f"{row.n_high:,}"}
    tested = {
        **numbers,
        "target": _short(row.target),
        "correlation": _short(settings.correlation),
        "power": _percent(settings.power),
    }
    if row.criterion is Criterion.AUC_PRECISION:
        return t(
            "For a {confidence}% confidence interval of the AUC no wider than {target}, {n} patients are needed, "
            "{n_high} of them high grade (variance by Newcombe 2006, as in Riley 2021).",
            confidence=_percent(settings.confidence),
            target=_short(row.target),
            **numbers,
        )
    if row.criterion is Criterion.AUC_DIFFERENCE:
        return t(
            "To detect a difference between two AUCs of {auc} and {other} on the same patients (correlation of the "
            "AUCs {correlation}) with a power of {power}% at a two-sided significance level of {alpha}%, {n} patients "
            "are needed, {n_high} of them high grade (normal scores; correlation as in Hanley and McNeil 1983).",
            auc=_short(settings.auc),
            other=_short(settings.auc - row.target),
            alpha=_percent(settings.alpha),
            **{name: value for name, value in tested.items() if name != "target"},
        )
    if row.criterion is Criterion.NON_INFERIORITY:
        return t(
            "To show that one model is not worse than the other by {target} or more, if both have the same AUC "
            "(correlation {correlation}), with a power of {power}% at a one-sided level of {alpha}%, {n} patients are "
            "needed, {n_high} of them high grade (Obuchowski 1997).",
            alpha=_percent(settings.alpha / 2.0),
            **tested,
        )
    return t(
        "To show that the two models differ by less than {target} in either direction, under the same assumptions, {n} "
        "patients are needed, {n_high} of them high grade (two one-sided tests).",
        target=_short(row.target),
        **numbers,
    )


def _development(plan: Plan) -> str:
    words = {
        Criterion.OVERALL_RISK: t("estimate the overall risk within 0.05"),
        Criterion.MEAN_ERROR: t("keep the mean absolute error of the predicted risks below 0.05"),
        Criterion.SHRINKAGE: t("shrink the coefficients by no more than 10%"),
        Criterion.OPTIMISM: t("keep the optimism of Nagelkerke’s R² below 0.05"),
    }
    most = most_demanding(plan.development)
    return _joined(
        [
            t(
                "Development of a prediction model. A logistic regression with {predictors} candidate predictor "
                "parameters and a Cox–Snell R² of {r_squared} is planned (Riley 2020).",
                predictors=plan.settings.predictors,
                r_squared=decimal(plan.r_squared or 0.0),
            ),
            t("Patients needed to {needs}.", needs=_needs(plan.development, words)),
            t(
                "The development needs {n} patients, {n_high} of them high grade ({share} per parameter). Networks "
                "have no number of parameters in this sense; the size is that of the clinical model beside them.",
                n=f"{most.n:,}",
                n_high=f"{most.n_high:,}",
                share=decimal(most.n * plan.settings.high / (plan.settings.predictors or 1), 1),
            ),
        ]
    )


def _validation(plan: Plan) -> str:
    words = {
        Criterion.OBSERVED_EXPECTED: t("observed / expected, interval no wider than 0.2"),
        Criterion.CALIBRATION_SLOPE: t("calibration slope, interval no wider than 0.2"),
        Criterion.AUC_PRECISION: t("AUC, interval no wider than 0.1"),
        Criterion.NET_BENEFIT: t("standardised net benefit at the threshold, interval no wider than 0.2"),
    }
    most = most_demanding(plan.validation)
    return _joined(
        [
            t(
                "External validation. A calibrated model with an AUC of {auc} and normal scores in both grades is "
                "assumed (Riley 2021 and 2024).",
                auc=_short(plan.settings.auc),
            ),
            t("Patients needed by measure: {needs}.", needs=_needs(plan.validation, words)),
            t(
                "The validation needs {n} patients, {n_high} of them high grade.",
                n=f"{most.n:,}",
                n_high=f"{most.n_high:,}",
            ),
        ]
    )


def _needs(rows: tuple[Requirement, ...], words: dict[Criterion, str]) -> str:
    return t("; ").join(t("{what}: {n}", what=words[row.criterion], n=f"{row.n:,}") for row in rows)


def _caution() -> str:
    return t("These numbers hold only as far as the assumptions do; add the patients who will turn out to be unusable.")


def _joined(sentences: list[str]) -> str:
    return (
        t("{first} {second}", first=sentences[0], second=_joined(sentences[1:])) if len(sentences) > 1 else sentences[0]
    )


def _short(value: float) -> str:
    """A number with as many decimals as it was given, at least two.

    >>> _short(0.85), _short(0.1), _short(0.025)
    ('0.85', '0.10', '0.025')
    """
    text = f"{round(value, 6):g}"
    return decimal(value, max(2, len(text.partition(".")[2])))


def _percent(value: float) -> str:
    return f"{100 * value:g}"
