"""Updating the probabilities of a model for patients from elsewhere: whether, how, and what it would gain.

Three updates are looked at, all on the log odds of ``p_high``: the shift that another proportion of high grade alone
would explain, a free intercept, and a free intercept with a free slope. Nothing is applied; :func:`advise_update` says
what the data suggest, and when they suggest nothing.

A closed test decides between leaving the model as it is, a new intercept, and a new intercept and slope: the larger
update is chosen only if the data reject every smaller one. The gain in Brier score and log loss is corrected for having
been measured on the patients that the update was learnt from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.arguments import NUMBERS, SHARE, VALUES, checked
from nephrograde.evaluation.calibration import probability_vectors
from nephrograde.evaluation.logistic import ALIKE, clipped_log_odds

if TYPE_CHECKING:
    from nephrograde.vocabulary import BoolVector, FloatVector

Weights: TypeAlias = Annotated[npt.NDArray[np.float64], "replicate patient"]
Coefficients: TypeAlias = Annotated[npt.NDArray[np.float64], "replicate 2"]

LEVEL = 0.05
"""Of each test of the closed test, and so of any update of a model that is calibrated."""
FEWEST_FOR_INTERCEPT = 10
"""Patients of each grade below which no update is suggested: ten for each number that is estimated."""
FEWEST_FOR_SLOPE = 20
"""Patients of each grade below which no slope is estimated."""
FEWEST_FOR_PRECISION = 100
"""Patients of each grade below which calibration is known imprecisely."""
REPLICATES = 500
_STEPS = 50
_SOLVED = 1e-8
_FARTHEST = 30.0
"""Coefficients beyond this are on their way to infinity."""


class Update(StrEnum):
    """How the log odds are changed."""

    NONE = "none"
    PREVALENCE = "prevalence"
    INTERCEPT = "intercept"
    INTERCEPT_SLOPE = "intercept-slope"


class Why(StrEnum):
    """Why an update is suggested, or none is."""

    SUGGESTED = "suggested"
    AGREES = "agrees"
    NO_GAIN = "no-gain"
    TOO_FEW = "too-few"
    ONE_GRADE = "one-grade"
    PREDICTIONS_ALIKE = "predictions-alike"
    WRONG_WAY = "wrong-way"
    NOT_CONVERGED = "not-converged"


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """One update of a model: ``log odds = intercept + slope × log odds of p_high``, and its gain on these patients.

    ``brier`` and ``log_loss`` are those with the update, and the gains how much lower they are than without:
    ``_apparent`` on the patients that it was learnt from, ``_corrected`` without the optimism of that, from the
    bootstrap. NaN means "not computed".
    """

    update: Update
    intercept: float
    slope: float
    brier: float
    log_loss: float
    brier_gain_apparent: float = math.nan
    brier_gain_corrected: float = math.nan
    log_loss_gain_apparent: float = math.nan
    log_loss_gain_corrected: float = math.nan

    def apply(self, p_high: FloatVector) -> FloatVector:
        """Return the updated probabilities."""
        from scipy.special import expit

        return np.asarray(expit(self.intercept + self.slope * clipped_log_odds(p_high)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Advice:
    """What the patients of another hospital suggest about the probabilities of a model.

    Attributes:
        n: The patients, and ``n_high`` of them of high grade.
        rows: The model as it is, and the updates that could be estimated.
        p_any: P value of the test that neither intercept nor slope needs to change.
        p_slope: P value of the test that a new intercept is enough.
        suggested: The update that is suggested; ``none`` if there is none.
        why: Why.
        corrected_gain: In log loss, of choosing an update by the closed test as was done here, without its optimism.
        prevalence: The share of high grade that the model was fitted with; NaN if it is not known.
        is_prevalence_enough: Whether the new intercept agrees with the shift that the proportions alone explain.
        replicates: Of the bootstrap, as far as they could be computed.
    """

    n: int
    n_high: int
    rows: tuple[UpdateRow, ...] = ()
    p_any: float = math.nan
    p_slope: float = math.nan
    suggested: Update = Update.NONE
    why: Why = Why.ONE_GRADE
    corrected_gain: float = math.nan
    prevalence: float = math.nan
    is_prevalence_enough: bool | None = None
    replicates: int = 0

    def row(self, update: Update) -> UpdateRow | None:
        """Return one update; None if it was not estimated."""
        return next((row for row in self.rows if row.update is update), None)

    @property
    def is_imprecise(self) -> bool:
        """Whether there are too few patients of a grade to know the calibration precisely."""
        return min(self.n_high, self.n - self.n_high) < FEWEST_FOR_PRECISION


@checked(p_high=NUMBERS, is_high=VALUES, prevalence=SHARE)
def advise_update(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, *, prevalence: float, seed: int, replicates: int = REPLICATES
) -> Advice:
    """Advise whether and how the probabilities of a model should be updated for the patients of another hospital.

    An update is suggested only if there are enough patients of either grade (10 for an intercept, 20 for a slope as
    well), the closed test rejects that the model agrees with them, and log loss still gains once the optimism has been
    taken off. Even then nothing is applied.

    Args:
        p_high: The probabilities of the model, for patients that it was not fitted on.
        is_high: The truths of the same patients, in the same order.
        prevalence: The share of high grade among the patients that the model was fitted on.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.

    Returns:
        The advice; ``why`` names what it rests on.

    Raises:
        InputError: An argument is of another kind.
        ScoresError: A value outside 0 to 1, no patient, a value that is not finite, or different lengths.

    Source:
        Closed test: Vergouwe 2017, Stat Med 36:4529; intercept and slope: Cox 1958, Biometrika 45:562, and Van Calster
        2019, BMC Med 17:230; shift: Saerens 2002, Neural Comput 14:21; optimism: Efron 1983, JASA 78:316. The smallest
        numbers are our choice.

    >>> stream = np.random.default_rng(1)
    >>> p = stream.uniform(0.05, 0.95, 400)
    >>> truths = stream.random(400) < 1 / (1 + (1 - p) / p * np.exp(1.0))  # the log odds are 1 too high
    >>> advice = advise_update(p, truths, prevalence=0.5, seed=1, replicates=100)
    >>> str(advice.suggested), round(advice.row(advice.suggested).intercept, 1), advice.p_any < 0.001
    ('intercept', -1.0, True)
    """
    probabilities, truths = probability_vectors(p_high, is_high)
    n, n_high = truths.size, int(truths.sum())
    log_odds = clipped_log_odds(probabilities)
    bare = Advice(n, n_high, prevalence=prevalence, rows=(_row(Update.NONE, 0.0, 1.0, log_odds, truths),))
    fewest = min(n_high, n - n_high)
    if not fewest:
        return bare
    fits = _fits(log_odds, truths, np.ones((1, n)), prevalence)
    if fewest < FEWEST_FOR_INTERCEPT:
        return _with(bare, why=Why.TOO_FEW)
    has_slope = fewest >= FEWEST_FOR_SLOPE and np.ptp(log_odds) > ALIKE
    updates = [Update.PREVALENCE, Update.INTERCEPT, *([Update.INTERCEPT_SLOPE] if has_slope else [])]
    found = {update: fits[update][0] for update in updates}
    if not all(np.isfinite(one).all() for one in found.values()):
        return _with(bare, why=Why.NOT_CONVERGED)
    choice = _choose(fits, log_odds, truths, np.ones((1, n)), has_slope=has_slope)
    gains = _gains(found, log_odds, truths, prevalence, replicates=replicates, seed=seed, has_slope=has_slope)
    rows = tuple(_with_gains(update, found[update], gains, log_odds, truths) for update in updates)
    chosen = Update.NONE if choice.chosen[0] < 0 else _ORDER[int(choice.chosen[0])]
    suggested, why = _judge(chosen, found, log_odds, gains.chosen)
    return _with(
        bare,
        rows=(*bare.rows, *rows),
        p_any=float(choice.p_any[0]),
        p_slope=float(choice.p_slope[0]),
        suggested=suggested,
        why=why,
        corrected_gain=gains.chosen,
        is_prevalence_enough=_is_enough(found, log_odds, truths),
        replicates=gains.replicates,
    )


_ORDER = (Update.INTERCEPT, Update.INTERCEPT_SLOPE)


def _with(advice: Advice, **changes: object) -> Advice:
    from dataclasses import replace

    return replace(advice, **changes)  # type: ignore[arg-type]


def _judge(
    chosen: Update, found: dict[Update, FloatVector], log_odds: FloatVector, corrected: float
) -> tuple[Update, Why]:
    """What is suggested, and why."""
    if Update.INTERCEPT_SLOPE in found and found[Update.INTERCEPT_SLOPE][1] <= 0.0:
        return Update.NONE, Why.WRONG_WAY
    if np.ptp(log_odds) <= ALIKE:
        return Update.NONE, Why.PREDICTIONS_ALIKE
    if chosen is Update.NONE:
        return Update.NONE, Why.AGREES
    return (chosen, Why.SUGGESTED) if corrected > 0.0 else (Update.NONE, Why.NO_GAIN)


def _is_enough(found: dict[Update, FloatVector], log_odds: FloatVector, truths: BoolVector) -> bool:
    """Whether the shift of the proportions lies in the 95 % interval of the intercept."""
    from scipy.special import expit

    own, shift = float(found[Update.INTERCEPT][0]), float(found[Update.PREVALENCE][0])
    shares = expit(log_odds + own)
    return abs(own - shift) <= 1.959964 / math.sqrt(float((shares * (1.0 - shares)).sum()))


def _fits(log_odds: FloatVector, truths: BoolVector, weights: Weights, prevalence: float) -> dict[Update, Coefficients]:
    """Intercept and slope of each update, for each replicate; NaN where a fit does not converge."""
    from scipy.special import logit

    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (weights @ truths) / weights.sum(axis=1)
        shift = logit(shares) - logit(prevalence)
    ones = np.ones(len(weights))
    return {
        Update.PREVALENCE: np.column_stack([np.where(np.isfinite(shift), shift, math.nan), ones]),
        Update.INTERCEPT: _newton(log_odds, truths, weights, is_slope_free=False),
        Update.INTERCEPT_SLOPE: _newton(log_odds, truths, weights, is_slope_free=True),
    }


def _newton(log_odds: FloatVector, truths: BoolVector, weights: Weights, *, is_slope_free: bool) -> Coefficients:
    """Logistic models of many weightings of the same patients at once, by Newton's method with limited steps."""
    from scipy.special import expit

    centre, spread = float(log_odds.mean()), float(log_odds.std()) or 1.0
    scaled = (log_odds - centre) / spread
    # log odds = a + b × scaled; with a slope of 1, b is the spread, and a the centre plus the intercept
    found = np.tile([centre, spread], (len(weights), 1))
    step = np.zeros_like(found)
    for _ in range(_STEPS):
        shares = expit(found[:, :1] + found[:, 1:] * scaled)
        residuals, information = weights * (truths - shares), weights * shares * (1.0 - shares)
        first, aa = residuals.sum(axis=1), information.sum(axis=1)
        with np.errstate(all="ignore"):
            if is_slope_free:
                second, ab, bb = residuals @ scaled, information @ scaled, information @ scaled**2
                determinant = aa * bb - ab**2
                step[:, 0] = (bb * first - ab * second) / determinant
                step[:, 1] = (aa * second - ab * first) / determinant
            else:
                step[:, 0] = first / aa
        step = np.clip(step, -2.0, 2.0)
        if not np.nanmax(np.abs(step), initial=0.0) > _SOLVED:
            break
        found = found + step
    failed = ~(np.abs(step).max(axis=1) <= 1e-6) | (np.abs(found).max(axis=1) > _FARTHEST)
    slopes = found[:, 1] / spread
    return np.where(failed[:, None], math.nan, np.column_stack([found[:, 0] - slopes * centre, slopes]))


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """The closed test of each replicate; ``chosen`` counts in the order of the updates, −1 for none."""

    p_any: FloatVector
    p_slope: FloatVector
    chosen: npt.NDArray[np.int64]


def _choose(
    fits: dict[Update, Coefficients], log_odds: FloatVector, truths: BoolVector, weights: Weights, *, has_slope: bool
) -> _Choice:
    from scipy.stats import chi2

    same = np.tile([0.0, 1.0], (len(weights), 1))
    none, shifted = (_log_losses(one, log_odds, truths, weights) for one in (same, fits[Update.INTERCEPT]))
    total = weights.sum(axis=1)
    if not has_slope:
        p_any = chi2.sf(2.0 * total * (none - shifted), 1)
        return _Choice(p_any, np.full(len(weights), math.nan), np.where(p_any < LEVEL, 0, -1))
    whole = _log_losses(fits[Update.INTERCEPT_SLOPE], log_odds, truths, weights)
    p_any, p_slope = chi2.sf(2.0 * total * (none - whole), 2), chi2.sf(2.0 * total * (shifted - whole), 1)
    return _Choice(p_any, p_slope, np.where(p_any < LEVEL, np.where(p_slope < LEVEL, 1, 0), -1))


def _log_losses(coefficients: Coefficients, log_odds: FloatVector, truths: BoolVector, weights: Weights) -> FloatVector:
    """The weighted mean log loss of each replicate."""
    odds = coefficients[:, :1] + coefficients[:, 1:] * log_odds
    losses = np.logaddexp(0.0, odds) - truths * odds
    return np.asarray((weights * losses).sum(axis=1) / weights.sum(axis=1))


def _briers(coefficients: Coefficients, log_odds: FloatVector, truths: BoolVector, weights: Weights) -> FloatVector:
    from scipy.special import expit

    errors = (expit(coefficients[:, :1] + coefficients[:, 1:] * log_odds) - truths) ** 2
    return np.asarray((weights * errors).sum(axis=1) / weights.sum(axis=1))


@dataclass(frozen=True, slots=True)
class _Gains:
    """The optimism of each update in Brier score and log loss, and the corrected gain of choosing one."""

    optimism: dict[Update, tuple[float, float]]
    chosen: float
    replicates: int


def _gains(
    found: dict[Update, FloatVector],
    log_odds: FloatVector,
    truths: BoolVector,
    prevalence: float,
    *,
    replicates: int,
    seed: int,
    has_slope: bool,
) -> _Gains:
    """Learn each update on patients drawn with replacement, and compare its gain there with that on all patients."""
    n = truths.size
    stream = np.random.default_rng(seed)
    weights = stream.multinomial(n, np.full(n, 1.0 / n), size=replicates).astype(np.float64)
    fits = _fits(log_odds, truths, weights, prevalence)
    good = np.all([np.isfinite(fits[update]).all(axis=1) for update in found], axis=0)
    weights, fits = weights[good], {update: one[good] for update, one in fits.items()}
    if not len(weights):
        return _Gains({update: (math.nan, math.nan) for update in found}, math.nan, 0)
    whole = np.ones((1, n))
    same = np.tile([0.0, 1.0], (len(weights), 1))

    def optimism(fitted: Coefficients, loss: object) -> FloatVector:
        drawn = loss(same, log_odds, truths, weights) - loss(fitted, log_odds, truths, weights)  # type: ignore[operator]
        all_of_them = loss(same, log_odds, truths, whole) - loss(fitted, log_odds, truths, whole)  # type: ignore[operator]
        return np.asarray(drawn - all_of_them)

    by_update = {
        update: (float(optimism(fits[update], _briers).mean()), float(optimism(fits[update], _log_losses).mean()))
        for update in found
    }
    choice = _choose(fits, log_odds, truths, weights, has_slope=has_slope)
    options = np.stack([same, fits[Update.INTERCEPT], fits[Update.INTERCEPT_SLOPE]])
    picked = options[choice.chosen + 1, np.arange(len(weights))]
    here = _choose({update: one[None] for update, one in found.items()}, log_odds, truths, whole, has_slope=has_slope)
    own = same[:1] if here.chosen[0] < 0 else found[_ORDER[int(here.chosen[0])]][None]
    apparent = _log_losses(same[:1], log_odds, truths, whole) - _log_losses(own, log_odds, truths, whole)
    return _Gains(by_update, float(apparent[0] - optimism(picked, _log_losses).mean()), len(weights))


def _row(update: Update, intercept: float, slope: float, log_odds: FloatVector, truths: BoolVector) -> UpdateRow:
    one, whole = np.array([[intercept, slope]]), np.ones((1, truths.size))
    return UpdateRow(
        update,
        intercept,
        slope,
        float(_briers(one, log_odds, truths, whole)[0]),
        float(_log_losses(one, log_odds, truths, whole)[0]),
    )


def _with_gains(
    update: Update, coefficients: FloatVector, gains: _Gains, log_odds: FloatVector, truths: BoolVector
) -> UpdateRow:
    from dataclasses import replace

    before = _row(Update.NONE, 0.0, 1.0, log_odds, truths)
    row = _row(update, float(coefficients[0]), float(coefficients[1]), log_odds, truths)
    brier, log_loss = before.brier - row.brier, before.log_loss - row.log_loss
    brier_optimism, log_loss_optimism = gains.optimism[update]
    return replace(
        row,
        brier_gain_apparent=brier,
        brier_gain_corrected=brier - brier_optimism,
        log_loss_gain_apparent=log_loss,
        log_loss_gain_corrected=log_loss - log_loss_optimism,
    )
