"""A penalised logistic regression on the features of an encoder; needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.vocabulary import BoolVector, FloatVector

FeatureTable: TypeAlias = Annotated[npt.NDArray[np.float32], "patient feature"]
PENALTIES = tuple(10.0**exponent for exponent in (-6.0, -5.5, -5.0, -4.5, -4.0, -3.5, -3.0, -2.5, -2.0, -1.0, 0.0))
"""The values of C that are tried, from the strongest penalty to the weakest."""
_INNER_FOLDS = 5
_CERTAIN = 1e-7
_CONSTANT = 1e-6
"""A feature whose standard deviation is below this in the learning patients is left as it is."""


@dataclass(frozen=True, slots=True)
class Head:
    """A logistic regression on standardised features.

    Attributes:
        mean: Of each feature among the learning patients.
        spread: Its standard deviation, 1 where it is constant.
        weights: Of each standardised feature.
        intercept: The logit of a patient whose features are all at their mean.
    """

    mean: npt.NDArray[np.float64] = field(repr=False)
    spread: npt.NDArray[np.float64] = field(repr=False)
    weights: npt.NDArray[np.float64] = field(repr=False)
    intercept: float

    def p_high(self, features: FeatureTable) -> FloatVector:
        """Return the probability of high grade of each patient.

        Args:
            features: ``(patient, feature)``.
        """
        from scipy.special import expit

        # One patient at a time: a product of matrices may round differently with their number.
        standard = (np.asarray(features, np.float64) - self.mean) / self.spread
        logits = np.array([float(np.dot(row, self.weights)) for row in standard]) + self.intercept
        return np.asarray(expit(logits), np.float64)

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """The numbers by name, for a file."""
        return {
            "head.mean": self.mean,
            "head.spread": self.spread,
            "head.weight": self.weights,
            "head.bias": np.array([self.intercept]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], n_features: int) -> Head:
        """Read back what ``arrays`` gave.

        Args:
            arrays: By name.
            n_features: How many features the encoder has.

        Raises:
            ValueError: They are not the numbers of a head of so many features.
        """
        shapes = {name: array.shape for name, array in arrays.items()}
        vectors = ("head.mean", "head.spread", "head.weight")
        if shapes != {**dict.fromkeys(vectors, (n_features,)), "head.bias": (1,)}:
            raise ValueError(f"not a head of {n_features} features")
        mean, spread, weights = (np.asarray(arrays[name], np.float64) for name in vectors)
        return cls(mean, spread, weights, float(arrays["head.bias"][0]))


def fit_head(features: FeatureTable, is_high: BoolVector, *, seed: int) -> tuple[Head, float]:
    """Fit the regression; its L2 penalty is the one with the lowest log-loss in a cross-validation of these patients.

    Args:
        features: ``(patient, feature)`` of the patients to learn from.
        is_high: Their grades; at least two patients of either.
        seed: Of the folds in which the penalty is chosen.

    Returns:
        The regression, and its C, the inverse of the penalty.

    >>> rng = np.random.default_rng(0)
    >>> is_high = np.arange(40) % 2 == 0
    >>> features = rng.normal(size=(40, 100)).astype(np.float32)
    >>> features[is_high, 0] += 3.0
    >>> head, c = fit_head(features, is_high, seed=0)
    >>> bool(head.p_high(features)[is_high].mean() > 0.6), c in PENALTIES
    (True, True)
    """
    c = _choose_penalty(features, is_high, seed=seed)
    return _fit(features, is_high, [c])[0], c


def _choose_penalty(features: FeatureTable, is_high: BoolVector, *, seed: int) -> float:
    from sklearn.model_selection import StratifiedKFold

    count = min(_INNER_FOLDS, int(is_high.sum()), int((~is_high).sum()))
    losses = np.zeros(len(PENALTIES))
    for learning, held_out in StratifiedKFold(count, shuffle=True, random_state=seed).split(features, is_high):
        heads = _fit(features[learning], is_high[learning], PENALTIES)
        losses += [_loss(head.p_high(features[held_out]), is_high[held_out]) for head in heads]
    return float(PENALTIES[int(np.argmin(losses))])


def _loss(p_high: FloatVector, is_high: BoolVector) -> float:
    of_truth = np.where(is_high, p_high, 1 - p_high)
    return -math.fsum(np.log(np.maximum(of_truth, _CERTAIN)).tolist())


def _fit(features: FeatureTable, is_high: BoolVector, penalties: tuple[float, ...] | list[float]) -> list[Head]:
    """One regression for each penalty.

    With an L2 penalty the weights lie in the space that the patients span, so as many axes as patients are enough.
    """
    from sklearn.linear_model import LogisticRegression

    values = np.asarray(features, np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread < _CONSTANT, 1.0, spread)
    left, sizes, axes = np.linalg.svd((values - mean) / spread, full_matrices=False)
    places = left * sizes
    heads = []
    for c in penalties:
        model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-8, max_iter=1000).fit(places, is_high)
        heads.append(Head(mean, spread, model.coef_[0] @ axes, float(model.intercept_[0])))
    return heads
