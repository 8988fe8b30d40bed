"""A plan that writes itself as a paragraph of a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.evaluation.plan import Plan as PlannedStudy
from nephrograde.evaluation.plan import PlanSettings, make_plan
from nephrograde.report.text.language import speaking
from nephrograde.report.text.protocol import protocol_paragraphs

if TYPE_CHECKING:
    from nephrograde.report.text.language import Language


class Plan(PlannedStudy):
    """How many patients a study needs; printing it gives a paragraph for the protocol.

    Made by :func:`plan`. ``test_set``, ``development`` and ``validation`` hold one requirement per criterion.
    """

    __slots__ = ()

    def text(self, language: Language = "en") -> str:
        """Write the plan as paragraphs of a protocol.

        Args:
            language: English or Chinese.
        """
        with speaking(language):
            return "\n\n".join(protocol_paragraphs(self))

    def __str__(self) -> str:
        return self.text()


def plan(
    *,
    auc: float,
    high: float,
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
        auc: The expected AUC, 0.5 to 1.
        high: The expected proportion of high grade, 0 to 1.
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
        InputError: A value is out of range; all of them are listed.
        ScoresError: More than ten million patients would be needed.

    >>> import nephrograde as ng
    >>> study = ng.plan(auc=0.85, high=0.4, difference=0.05)
    >>> [(need.criterion.value, need.n) for need in study.test_set]
    [('auc-precision', 243), ('auc-difference', 546)]
    """
    settings = PlanSettings(
        auc=auc,
        high=high,
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
    return Plan(settings, made.test_set, made.development, made.validation, made.r_squared)
