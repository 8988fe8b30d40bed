"""Maps from the probabilities of a model to recalibrated ones, and how they are stored; see ``recalibration``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from nephrograde.evaluation.calibration.logistic import clipped_log_odds

if TYPE_CHECKING:
    from nephrograde.vocabulary import FloatVector


@dataclass(frozen=True, slots=True)
class PlattMap:
    """``log odds = intercept + slope × log odds of p_high``, with a slope of at least 0.

    >>> PlattMap(intercept=0.0, slope=0.5).apply(np.array([0.2, 0.5, 0.8])).round(3).tolist()
    [0.333, 0.5, 0.667]
    """

    intercept: float
    slope: float

    def apply(self, p_high: FloatVector) -> FloatVector:
        """Recalibrate probabilities."""
        log_odds = self.intercept + self.slope * clipped_log_odds(p_high)
        # The expit without SciPy, whose modules grading a scan does not import.
        return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicMap:
    """Straight lines between the points (``at``, ``values``), constant beyond the first and the last one."""

    at: FloatVector
    values: FloatVector

    def apply(self, p_high: FloatVector) -> FloatVector:
        """Recalibrate probabilities."""
        return np.interp(p_high, self.at, self.values)


@dataclass(frozen=True, slots=True, eq=False)
class VennAbersMap:
    """The isotonic probabilities of a new patient, were the patient low (``if_low``) or high grade (``if_high``).

    ``if_high[i]`` holds for scores above ``at[i - 1]`` and up to ``at[i]``; beyond the last score it is 1.
    ``if_low[i]`` holds from ``at[i]`` to below ``at[i + 1]``; below the first score it is 0.
    """

    at: FloatVector
    if_low: FloatVector
    if_high: FloatVector

    def bounds(self, p_high: FloatVector) -> tuple[FloatVector, FloatVector]:
        """Return both probabilities of each patient; the first is the smaller one."""
        low = np.concatenate([[0.0], self.if_low])[np.searchsorted(self.at, p_high, side="right")]
        high = np.concatenate([self.if_high, [1.0]])[np.searchsorted(self.at, p_high, side="left")]
        return np.asarray(low), np.asarray(high)

    def apply(self, p_high: FloatVector) -> FloatVector:
        """Recalibrate probabilities."""
        return merged(*self.bounds(p_high))


def merged(low: FloatVector, high: FloatVector) -> FloatVector:
    """Merge both probabilities of each patient into the one with the smallest worst-case log loss.

    Args:
        low: The smaller one, from :meth:`VennAbersMap.bounds`.
        high: The larger one.

    >>> merged(np.array([0.25]), np.array([0.75])).tolist()
    [0.5]
    """
    return np.asarray(high / (1.0 - low + high), dtype=np.float64)


Map: TypeAlias = PlattMap | IsotonicMap | VennAbersMap

_MAPS = {"platt": PlattMap, "isotonic": IsotonicMap, "venn-abers": VennAbersMap}


@dataclass(frozen=True, slots=True)
class StoredMap:
    """A map of recalibration: its way, and its numbers by name."""

    way: Literal["platt", "isotonic", "venn-abers"]
    numbers: dict[str, tuple[float, ...]]
    __pydantic_config__: ClassVar = {"strict": True, "allow_inf_nan": False, "extra": "forbid"}

    @classmethod
    def of(cls, learnt: Map) -> StoredMap:
        """Store a map."""
        way: Any = next(name for name, kind in _MAPS.items() if isinstance(learnt, kind))
        return cls(way, {name: tuple(np.atleast_1d(value).tolist()) for name, value in asdict(learnt).items()})

    def as_map(self) -> Map:
        """Return the map.

        Raises:
            ValueError: A number is missing, surplus, or one that no map has.

        >>> StoredMap.of(PlattMap(intercept=0.5, slope=2.0)).as_map()
        PlattMap(intercept=0.5, slope=2.0)
        """
        kind: Any = _MAPS[self.way]
        lengths = {len(values) for values in self.numbers.values()}
        if self.numbers.keys() != {one.name for one in fields(kind)} or len(lengths) != 1 or lengths == {0}:
            raise ValueError("the map has other numbers")
        if self.way == "platt":
            if lengths != {1} or self.numbers["slope"][0] < 0.0:
                raise ValueError("the curve has other numbers")
            return PlattMap(**{name: values[0] for name, values in self.numbers.items()})
        at = self.numbers["at"]
        is_share = all(0.0 <= one <= 1.0 for values in self.numbers.values() for one in values)
        if not is_share or any(low >= high for low, high in pairwise(at)):
            raise ValueError("the map holds no probabilities, or its scores do not ascend")
        found: Map = kind(**{name: np.array(values) for name, values in self.numbers.items()})
        return found
