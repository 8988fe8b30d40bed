"""A plan of a study: which requirements apply, how many patients they need, and what was assumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem
from nephrograde.evaluation.sample_size.model_size import (
    cox_snell_of_auc,
    development,
    highest_cox_snell,
    scores_of_auc,
    validation,
)
from nephrograde.evaluation.sample_size.sample_size import (
    Requirement,
    auc_difference,
    auc_equivalence,
    auc_noninferiority,
    auc_precision,
)
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.evaluation.ladder.learning_curve import LearningCurve

WIDTHS = (0.2, 0.2, 0.1, 0.2)
"""Widths of the intervals in a validation: observed / expected, calibration slope, AUC, standardised net benefit."""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What is expected and wanted.

    Attributes:
        auc: The expected AUC.
        high: The expected proportion of high grade.
        difference: The difference of two AUCs to detect; None leaves it out.
        margin: The margin of non-inferiority and equivalence; None leaves them out.
        width: The width of the interval of the AUC.
        correlation: Correlation of two AUCs over new patients.
        power: The probability of showing what is to be shown.
        alpha: Two-sided significance level; one-sided tests use half of it.
        confidence: Coverage probability of intervals.
        predictors: Candidate predictor parameters of a model to be developed; None leaves it out.
        r_squared: Its Cox–Snell R²; from the AUC when None.
        validates: Whether a model is to be validated externally.
        threshold: The probability at which the net benefit counts in the validation; None leaves it out.
    """

    auc: float
    high: float
    difference: float | None = None
    margin: float | None = None
    width: float = 0.1
    correlation: float = 0.5
    power: float = 0.8
    alpha: float = 0.05
    confidence: float = 0.95
    predictors: int | None = None
    r_squared: float | None = None
    validates: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise InputError(problems)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many patients are needed: for a test set, and, if asked for, for developing and for validating a model.

    ``r_squared`` is the Cox–Snell R² that the development assumes; None without one. ``learning`` is the learning curve
    of an existing run; None without one.
    """

    settings: PlanSettings
    test_set: tuple[Requirement, ...]
    development: tuple[Requirement, ...] = ()
    validation: tuple[Requirement, ...] = ()
    r_squared: float | None = None
    learning: LearningCurve | None = None

    @property
    def parts(self) -> dict[str, tuple[Requirement, ...]]:
        """The requirements by purpose, without those that were not asked for."""
        parts = {"test_set": self.test_set, "development": self.development, "validation": self.validation}
        return {name: rows for name, rows in parts.items() if rows}

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON has it."""
        parts = {
            name: {
                "n": (most := most_demanding(rows)).n,
                "n_high": most.n_high,
                "decided_by": most.criterion.value,
                "requirements": [asdict(row) for row in rows],
            }
            for name, rows in self.parts.items()
        }
        settings = {**asdict(self.settings), "r_squared": self.r_squared}
        learning = {} if self.learning is None else {"learning_curve": asdict(self.learning)}
        return {"note": RESEARCH_USE_ONLY, "assumed": settings, **parts, **learning}


def most_demanding(rows: tuple[Requirement, ...]) -> Requirement:
    """Find the requirement that needs the most patients.

    Args:
        rows: At least one.
    """
    return max(rows, key=lambda row: row.n)


def make_plan(settings: PlanSettings) -> Plan:
    """Compute how many patients a study needs.

    Args:
        settings: What is expected and wanted.

    Raises:
        ScoresError: What is wanted needs more patients than there are.

    >>> plan = make_plan(PlanSettings(auc=0.85, high=0.4, difference=0.05))
    >>> [(row.criterion.value, row.n) for row in plan.test_set]
    [('auc-precision', 243), ('auc-difference', 546)]
    """
    auc, high = settings.auc, settings.high
    paired = {"correlation": settings.correlation, "power": settings.power}
    rows = [auc_precision(auc, high, width=settings.width, confidence=settings.confidence)]
    if settings.difference is not None:
        rows.append(auc_difference(auc, high, difference=settings.difference, alpha=settings.alpha, **paired))
    if settings.margin is not None:
        one_sided = settings.alpha / 2.0
        rows.append(auc_noninferiority(auc, high, margin=settings.margin, alpha=one_sided, **paired))
        rows.append(auc_equivalence(auc, high, margin=settings.margin, alpha=one_sided, **paired))
    developed: tuple[Requirement, ...] = ()
    r_squared = None
    if settings.predictors is not None:
        r_squared = cox_snell_of_auc(auc, high) if settings.r_squared is None else settings.r_squared
        developed = development(high, predictors=settings.predictors, r_squared=r_squared)
    validated: tuple[Requirement, ...] = ()
    if settings.validates or settings.threshold is not None:
        scores, confidence = scores_of_auc(auc, high), settings.confidence
        validated = validation(scores, auc, widths=WIDTHS, threshold=settings.threshold, confidence=confidence)
    return Plan(settings, tuple(rows), developed, validated, r_squared)


def _problems(settings: PlanSettings) -> list[Problem]:
    """Everything that is out of range, each with the option that it is given by."""
    ranges: dict[str, tuple[float | None, float, float, str]] = {
        "auc": (settings.auc, 0.5, 1.0, "0.85"),
        "high": (settings.high, 0.0, 1.0, "0.4"),
        "difference": (settings.difference, 0.0, settings.auc, "0.05"),
        "margin": (settings.margin, 0.0, 0.5, "0.05"),
        "width": (settings.width, 0.0, 1.0, "0.1"),
        "correlation": (settings.correlation, -1.0, 1.0, "0.5"),
        "power": (settings.power, 0.5, 1.0, "0.8"),
        "alpha": (settings.alpha, 0.0, 0.5, "0.05"),
        "confidence": (settings.confidence, 0.0, 1.0, "0.95"),
        "threshold": (settings.threshold, 0.0, 1.0, "0.4"),
    }
    problems = [
        Problem(f"plan.{name}", f"is {value:g}", f"Give a number between {low:g} and {high:g}, such as {example}.")
        for name, (value, low, high, example) in ranges.items()
        if value is not None and not low < value < high
    ]
    if settings.predictors is not None and settings.predictors < 1:
        problems.append(Problem("plan.predictors", f"is {settings.predictors}", "Give at least 1."))
    if settings.r_squared is not None and 0.0 < settings.high < 1.0:
        most = min(highest_cox_snell(settings.high), 0.9)
        if not 0.0 < settings.r_squared < most:
            remedy = (
                f"Give a number between 0 and {most:.2f}, which no model exceeds with this proportion of high grade."
            )
            problems.append(Problem("plan.r_squared", f"is {settings.r_squared:g}", remedy))
    if settings.r_squared is not None and settings.predictors is None:
        problems.append(Problem("plan.r_squared", "is given without predictors", "Give the number of predictors, too."))
    return problems
