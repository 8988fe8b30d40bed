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
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.arguments import NUMBERS, SHARE, VALUES, checked
from nephrograde.evaluation.calibration.calibration import probability_vectors
from nephrograde.evaluation.calibration.logistic import ALIKE, clipped_log_odds
from nephrograde.evaluation.performance.delong import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

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
_LONGEST = 2.0
_MOST_WEIGHTS = 500_000
"""Replicates times patients in memory at once."""
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
    fewest = min(int(truths.sum()), int((~truths).sum()))
    log_odds = clipped_log_odds(probabilities)
    has_slope = fewest >= FEWEST_FOR_SLOPE and bool(np.ptp(log_odds) > ALIKE)
    patients = _Patients(log_odds, truths, prevalence, has_slope)
    bare = Advice(truths.size, int(truths.sum()), prevalence=prevalence, rows=(patients.row(Update.NONE, _SAME),))
    if not fewest:
        return bare
    if fewest < FEWEST_FOR_INTERCEPT:
        return replace(bare, why=Why.TOO_FEW)
    found = {update: one[0] for update, one in patients.fit(patients.all).items()}
    if not all(np.isfinite(one).all() for one in found.values()):
        return replace(bare, why=Why.NOT_CONVERGED)
    test = patients.choose({update: one[None] for update, one in found.items()}, patients.all)
    optimism = _bootstrap(patients, replicates=replicates, seed=seed)
    rows = [patients.row(update, one, optimism.by_update[update]) for update, one in found.items()]
    chosen = _ORDER[int(test.chosen[0])]
    own = patients.row(chosen, found.get(chosen, _SAME), (math.nan, optimism.of_choosing))
    gain = own.log_loss_gain_corrected
    suggested, why = _judge(chosen, found, gain, is_alike=bool(np.ptp(log_odds) <= ALIKE))
    return replace(
        bare,
        rows=(*bare.rows, *rows),
        p_any=float(test.p_any[0]),
        p_slope=float(test.p_slope[0]),
        suggested=suggested,
        why=why,
        corrected_gain=gain,
        is_prevalence_enough=patients.is_enough(found[Update.PREVALENCE][0], found[Update.INTERCEPT][0]),
        replicates=optimism.replicates,
    )


_SAME = np.array([0.0, 1.0])
"""Intercept and slope that change nothing."""
_ORDER = (Update.NONE, Update.INTERCEPT, Update.INTERCEPT_SLOPE)
"""What the closed test chooses from, from small to large."""


def _judge(chosen: Update, found: dict[Update, FloatVector], corrected: float, *, is_alike: bool) -> tuple[Update, Why]:
    """What is suggested, and why."""
    if is_alike:
        return Update.NONE, Why.PREDICTIONS_ALIKE
    if Update.INTERCEPT_SLOPE in found and found[Update.INTERCEPT_SLOPE][1] <= 0.0:
        return Update.NONE, Why.WRONG_WAY
    if chosen is Update.NONE:
        return Update.NONE, Why.AGREES
    return (chosen, Why.SUGGESTED) if corrected > 0.0 else (Update.NONE, Why.NO_GAIN)


@dataclass(frozen=True, slots=True, eq=False)
class _Test:
    """The closed test of each replicate; ``chosen`` is a position in the order of the updates."""

    p_any: FloatVector
    p_slope: FloatVector
    chosen: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Patients:
    """The patients that updates are learnt from; a replicate gives each of them a weight."""

    log_odds: FloatVector
    truths: BoolVector
    prevalence: float
    has_slope: bool

    @property
    def all(self) -> Weights:
        """A single replicate: each patient once."""
        return np.ones((1, self.truths.size))

    def fit(self, weights: Weights) -> dict[Update, Coefficients]:
        """Intercept and slope of each update, for each replicate; NaN where a fit does not converge."""
        from scipy.special import logit

        with np.errstate(divide="ignore", invalid="ignore"):
            shift = logit((weights @ self.truths) / weights.sum(axis=1)) - logit(self.prevalence)
        shift = np.where(np.isfinite(shift), shift, math.nan)
        fits = {
            Update.PREVALENCE: np.column_stack([shift, np.ones(len(weights))]),
            Update.INTERCEPT: self._newton(weights, is_slope_free=False),
        }
        return fits | ({Update.INTERCEPT_SLOPE: self._newton(weights, is_slope_free=True)} if self.has_slope else {})

    def _newton(self, weights: Weights, *, is_slope_free: bool) -> Coefficients:
        """Logistic models of all replicates at once, by Newton's method with limited steps."""
        from scipy.special import expit

        centre, spread = float(self.log_odds.mean()), float(self.log_odds.std()) or 1.0
        scaled = (self.log_odds - centre) / spread
        found = np.tile([centre, spread], (len(weights), 1))  # log odds = a + b × scaled, here without an update
        step = np.zeros_like(found)
        for _ in range(_STEPS):
            shares = expit(found[:, :1] + found[:, 1:] * scaled)
            residuals, information = weights * (self.truths - shares), weights * shares * (1.0 - shares)
            first, aa = residuals.sum(axis=1), information.sum(axis=1)
            with np.errstate(all="ignore"):
                if is_slope_free:
                    second, ab, bb = residuals @ scaled, information @ scaled, information @ scaled**2
                    determinant = aa * bb - ab**2
                    step[:, 0] = (bb * first - ab * second) / determinant
                    step[:, 1] = (aa * second - ab * first) / determinant
                else:
                    step[:, 0] = first / aa
            step = np.clip(step, -_LONGEST, _LONGEST)
            found = found + step
            if not np.nanmax(np.abs(step), initial=0.0) > _SOLVED:
                break
        failed = ~(np.abs(step).max(axis=1) <= _SOLVED) | (np.abs(found).max(axis=1) > _FARTHEST)
        slopes = found[:, 1] / spread
        return np.where(failed[:, None], math.nan, np.column_stack([found[:, 0] - slopes * centre, slopes]))

    def log_losses(self, coefficients: Coefficients, weights: Weights) -> FloatVector:
        """The mean log loss of each replicate."""
        odds = coefficients[:, :1] + coefficients[:, 1:] * self.log_odds
        losses = np.logaddexp(0.0, odds) - self.truths * odds
        return np.asarray((weights * losses).sum(axis=1) / weights.sum(axis=1))

    def briers(self, coefficients: Coefficients, weights: Weights) -> FloatVector:
        """The Brier score of each replicate."""
        from scipy.special import expit

        errors = (expit(coefficients[:, :1] + coefficients[:, 1:] * self.log_odds) - self.truths) ** 2
        return np.asarray((weights * errors).sum(axis=1) / weights.sum(axis=1))

    def choose(self, fits: dict[Update, Coefficients], weights: Weights) -> _Test:
        """Test whether an update is needed, and whether an intercept is enough."""
        from scipy.stats import chi2

        total = 2.0 * weights.sum(axis=1)
        none = self.log_losses(np.tile(_SAME, (len(weights), 1)), weights)
        shifted = self.log_losses(fits[Update.INTERCEPT], weights)
        if Update.INTERCEPT_SLOPE not in fits:
            p_any = chi2.sf(total * (none - shifted), 1)
            return _Test(p_any, np.full(len(weights), math.nan), np.where(p_any < LEVEL, 1, 0))
        whole = self.log_losses(fits[Update.INTERCEPT_SLOPE], weights)
        p_any, p_slope = chi2.sf(total * (none - whole), 2), chi2.sf(total * (shifted - whole), 1)
        return _Test(p_any, p_slope, np.where(p_any < LEVEL, np.where(p_slope < LEVEL, 2, 1), 0))

    def row(self, update: Update, coefficients: FloatVector, optimism: tuple[float, float] | None = None) -> UpdateRow:
        """An update with its gain; ``optimism`` is that in Brier score and log loss."""
        brier, log_loss = (float(loss(coefficients[None], self.all)[0]) for loss in (self.briers, self.log_losses))
        row = UpdateRow(update, float(coefficients[0]), float(coefficients[1]), brier, log_loss)
        if optimism is None:
            return row
        brier_gain = float(self.briers(_SAME[None], self.all)[0]) - brier
        log_loss_gain = float(self.log_losses(_SAME[None], self.all)[0]) - log_loss
        return replace(
            row,
            brier_gain_apparent=brier_gain,
            brier_gain_corrected=brier_gain - optimism[0],
            log_loss_gain_apparent=log_loss_gain,
            log_loss_gain_corrected=log_loss_gain - optimism[1],
        )

    def is_enough(self, shift: float, intercept: float) -> bool:
        """Whether the shift of the proportions lies in the 95 % interval of the new intercept."""
        from scipy.special import expit

        shares = expit(self.log_odds + intercept)
        return bool(abs(intercept - shift) <= normal_quantile(0.95) / math.sqrt((shares * (1.0 - shares)).sum()))


@dataclass(frozen=True, slots=True)
class _Optimism:
    """How much more an update gains on the patients that it was learnt from than on all of those they stand for.

    ``by_update`` is in Brier score and log loss, ``of_choosing`` in log loss, with the choice repeated each time.
    """

    by_update: dict[Update, tuple[float, float]]
    of_choosing: float
    replicates: int


def _bootstrap(patients: _Patients, *, replicates: int, seed: int) -> _Optimism:
    """Learn each update on patients drawn with replacement, and compare its gain there with that on all patients."""
    n = patients.truths.size
    stream = np.random.default_rng(seed)
    brier: dict[Update, list[FloatVector]] = {}
    log_loss: dict[Update, list[FloatVector]] = {}
    choosing: list[FloatVector] = []
    at_once = max(1, _MOST_WEIGHTS // n)
    for start in range(0, replicates, at_once):
        size = min(at_once, replicates - start)
        weights = stream.multinomial(n, np.full(n, 1.0 / n), size=size).astype(np.float64)
        fits = patients.fit(weights)
        good = np.all([np.isfinite(one).all(axis=1) for one in fits.values()], axis=0)
        weights, fits = weights[good], {update: one[good] for update, one in fits.items()}
        same = np.tile(_SAME, (len(weights), 1))
        for update, one in fits.items():
            brier.setdefault(update, []).append(_optimism_of(patients.briers, one, same, weights, patients.all))
            log_loss.setdefault(update, []).append(_optimism_of(patients.log_losses, one, same, weights, patients.all))
        options = np.stack([same, *(fits[update] for update in _ORDER[1:] if update in fits)])
        chosen = options[patients.choose(fits, weights).chosen, np.arange(len(weights))]
        choosing.append(_optimism_of(patients.log_losses, chosen, same, weights, patients.all))
    return _Optimism(
        {update: (_mean(brier[update]), _mean(log_loss[update])) for update in brier},
        _mean(choosing),
        sum(map(len, choosing)),
    )


def _optimism_of(
    loss: Callable[[Coefficients, Weights], FloatVector],
    fitted: Coefficients,
    *given: npt.NDArray[np.float64],
) -> FloatVector:
    """The gain on the drawn patients less that on all; ``given`` is no update, the drawn weights, and those of all."""
    same, drawn, every = given
    return (loss(same, drawn) - loss(fitted, drawn)) - (loss(same, every) - loss(fitted, every))


def _mean(parts: list[FloatVector]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if values.size else math.nan
