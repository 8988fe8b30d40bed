"""A plan that writes itself as a paragraph of a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.arguments import FLAG, NUMBER, PATH, TEXT, WHOLE, checked, choice
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.evaluation.plan import Plan as PlannedStudy
from nephrograde.evaluation.plan import PlanSettings, make_plan
from nephrograde.report.text.language import LANGUAGES, speaking
from nephrograde.report.text.protocol import protocol_paragraphs

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.ladder.learning_curve import LearningCurve
    from nephrograde.report.text.language import Language


class Plan(PlannedStudy):
    """How many patients a study needs; printing it gives a paragraph for the protocol.

    Made by :func:`plan`. ``test_set``, ``development`` and ``validation`` hold one requirement per criterion.
    """

    __slots__ = ()

    @checked(language=choice(*LANGUAGES))
    def text(self, language: Language = "en") -> str:
        """Write the plan as paragraphs of a protocol.

        Args:
            language: "en" or "zh".

        Raises:
            InputError: It is another language.
        """
        with speaking(language):
            return "\n\n".join(protocol_paragraphs(self))

    def __str__(self) -> str:
        return self.text()


@checked(
    auc=NUMBER,
    high=NUMBER,
    run=PATH,
    model=TEXT,
    difference=NUMBER,
    margin=NUMBER,
    width=NUMBER,
    correlation=NUMBER,
    power=NUMBER,
    alpha=NUMBER,
    confidence=NUMBER,
    predictors=WHOLE,
    r_squared=NUMBER,
    validates=FLAG,
    threshold=NUMBER,
)
def plan(
    *,
    auc: float | None = None,
    high: float | None = None,
    run: str | Path | None = None,
    model: str | None = None,
    difference: float | None = None,
    margin: float | None = None,
    width: float = 0.1,
    correlation: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.05,
    confidence: float = 0.95,
    predictors: int | None = None,
    r_squared: float | None = None,
    validates: bool = False,
    threshold: float | None = None,
) -> Plan:
    """Compute beforehand how many patients a study needs.

    Args:
        auc: The expected AUC, 0.5 to 1; that of the run when None.
        high: The expected proportion of high grade, 0 to 1; that of the run when None.
        run: The folder of a run with ``split.learning_curve``, whose learning curve says what more patients would give.
        model: The model of the run; the network with the highest out-of-fold AUC when None.
        difference: The difference of two AUCs on the same patients that the test set is to detect.
        margin: The margin by which a model may be worse (non-inferiority) or differ (equivalence).
        width: The width of the interval of the AUC in the test set.
        correlation: Correlation of two AUCs over new patients.
        power: The probability of showing what is to be shown.
        alpha: Two-sided significance level; one-sided tests use half of it.
        confidence: Coverage probability of intervals.
        predictors: Candidate predictor parameters of a logistic regression that is to be developed.
        r_squared: Its Cox–Snell R²; from the AUC when None.
        validates: Whether a model is to be validated externally.
        threshold: The probability at which the net benefit counts in the validation.

    Returns:
        The plan: printing it gives a paragraph for the protocol, ``as_dict()`` everything.

    Raises:
        InputError: A value is out of range, or missing without a run; all of them are listed.
        RunError: The run cannot be read, or has no learning curve of the model.
        ScoresError: More than ten million patients would be needed.

    >>> import nephrograde as ng
    >>> study = ng.plan(auc=0.85, high=0.4, difference=0.05)
    >>> [(need.criterion.value, need.n) for need in study.test_set]
    [('auc-precision', 243), ('auc-difference', 546)]
    """
    learning, found = (None, {}) if run is None else _learning(run, model)
    given = {name: value for name, value in {"auc": auc, "high": high}.items() if value is not None}
    expected = {**found, **given}
    if missing := [name for name in ("auc", "high") if name not in expected]:
        remedy = "Give it, or a run with a learning curve."
        raise InputError([Problem(f"plan.{name}", "is missing", remedy) for name in missing])
    settings = PlanSettings(
        **expected,
        difference=difference,
        margin=margin,
        width=width,
        correlation=correlation,
        power=power,
        alpha=alpha,
        confidence=confidence,
        predictors=predictors,
        r_squared=r_squared,
        validates=validates,
        threshold=threshold,
    )
    made = make_plan(settings)
    return Plan(settings, made.test_set, made.development, made.validation, made.r_squared, learning)


def _learning(run: str | Path, model: str | None) -> tuple[LearningCurve, dict[str, float]]:
    """The learning curve of a model, its AUC with all patients, and the run's proportion of high grade."""
    from nephrograde.evaluation.ladder.learning_curve import learning_curves
    from nephrograde.results import Results

    results = Results.read(run)
    settings = results.settings
    found = learning_curves(results.repeats, confidence=settings.confidence, seed=settings.seed)
    curves = {curve.model: curve for curve in found}
    if not curves:
        raise RunError(
            f"{results.run_dir} has no learning curve. Add `learning_curve = [0.25, 0.5, 0.75]` to [split] of its "
            "study and run it again; networks that are fitted already are kept."
        )
    name = model or (results.chosen_network if results.chosen_network in curves else next(iter(curves)))
    if name not in curves:
        raise RunError(f"{results.run_dir} has no learning curve of {name}. It has: {', '.join(curves)}.")
    truths = results.truths.values()
    return curves[name], {"auc": round(curves[name].points[-1].mean, 3), "high": round(sum(truths) / len(truths), 3)}
