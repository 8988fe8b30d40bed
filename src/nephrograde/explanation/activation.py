"""Class activation maps: what each place of the last feature maps adds to the log odds of the answer.

The network averages its last feature maps over the picture and has one linear layer after that, so for this network the
map by gradients (Grad-CAM) and the map by weights (CAM) are the same, and exact: the mean of a picture's map is what
the picture adds to the log odds, and the sum over the pictures with a constant is the log odds of the answer.

Source: Zhou 2016, arXiv:1512.04150, equation 2; Selvaraju 2017, arXiv:1610.02391, appendix A. Signed, without a ReLU.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.explanation.head import Heads, Inputs, Terms
    from nephrograde.vocabulary import FloatVector


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """The answer as a sum over the places of the pictures.

    Attributes:
        of_folds: The terms of each network.
        features: ``(fold, row, feature)``, the means of the feature maps.
        rows: ``(row, …)``, what each cell adds, as the mean over the cells; on the scale of the answer, all networks
            together.
        agree: ``(row, …)``, how many of the networks have the same sign there as all together.
        log_odds: Of the answer.
        constant: What is not of any place.
    """

    of_folds: tuple[Terms, ...] = field(repr=False)
    features: npt.NDArray[np.float64] = field(repr=False)
    rows: npt.NDArray[np.float64] = field(repr=False)
    agree: npt.NDArray[np.int64] = field(repr=False)
    log_odds: float
    constant: float

    def weights(self) -> FloatVector:
        """``(row,)``, the weight of each picture in the pooled log odds, as the mean of the networks."""
        return np.asarray(np.mean([one.weights for one in self.of_folds], axis=0))


def activation_of(maps: npt.NDArray[np.float32], heads: Heads, inputs: Inputs) -> Activation:
    """Take the answer for a patient apart.

    Args:
        maps: ``(fold, row, feature, …)``, the last feature maps.
        heads: Those of the grader file.
        inputs: What they are given besides.
    """
    cells = tuple(range(3, maps.ndim))
    features = maps.mean(axis=cells, dtype=np.float64)
    terms = [heads.read(own, fold, inputs) for fold, own in enumerate(features)]
    of_folds = [
        factor * np.einsum("rf,rf...->r...", one.vectors, own.astype(np.float64))
        for factor, one, own in zip(heads.factors(), terms, maps, strict=True)
    ]
    rows = np.sum(of_folds, axis=0)
    agree = np.sum([np.sign(one) == np.sign(rows) for one in of_folds], axis=0)
    log_odds = heads.odds_of([one.logit for one in terms])
    adds = float(rows.mean(axis=tuple(range(1, rows.ndim))).sum())
    return Activation(tuple(terms), features, rows, agree, log_odds, log_odds - adds)
