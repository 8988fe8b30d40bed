"""What a model brings along when it is evaluated on patients from elsewhere: everything it decides by, fixed before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.maps import IsotonicMap, PlattMap, VennAbersMap
from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.uncertainty.conformal import SetKind
from nephrograde.evaluation.uncertainty.cross_fit import CrossFitted

if TYPE_CHECKING:
    from nephrograde.evaluation.calibration.maps import Map
    from nephrograde.evaluation.performance.threshold import Threshold
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.evaluation.uncertainty.conformal import Cutoffs

_WAYS: dict[type[object], Way] = {PlattMap: Way.PLATT, IsotonicMap: Way.ISOTONIC, VennAbersMap: Way.VENN_ABERS}


@dataclass(frozen=True, slots=True)
class Frozen:
    """The decisions of a model, as its own study made them.

    Attributes:
        threshold: ``p_high >= value`` is the call "high".
        recalibration: From ``p_high`` to the recalibrated probability; None if the model has none.
        cutoffs: Of its prediction sets, by class; None if it has none.
        error: The error that the sets were calibrated for.
        n: The patients that map and cutoffs were learnt on, and ``n_high`` of them of high grade.
    """

    threshold: Threshold
    recalibration: Map | None
    cutoffs: Cutoffs | None
    error: float
    n: int
    n_high: int

    def apply(self, patients: ModelScores) -> CrossFitted:
        """Recalibrate patients and find their prediction sets; what the model does not have is absent.

        Args:
            patients: Their truths play no part.

        >>> import numpy as np
        >>> from nephrograde.evaluation.uncertainty.conformal import Cutoffs
        >>> from nephrograde.evaluation.remarks import Rule
        >>> from nephrograde.evaluation.scores.scores import ModelScores
        >>> from nephrograde.evaluation.performance.threshold import Threshold
        >>> own = Frozen(Threshold(0.4, Rule.YOUDEN, 60), PlattMap(0.0, 2.0), Cutoffs(0.3, 0.6), 0.1, 60, 20)
        >>> found = own.apply(ModelScores(("A", "B"), np.array([False, True]), np.array([0.2, 0.5])))
        >>> found.probabilities[Way.PLATT].round(3).tolist(), [str(one) for one in found.sets[SetKind.BY_CLASS]]
        ([0.059, 0.5], ['low', 'both'])
        """
        one = self.recalibration
        return CrossFitted(
            patients,
            probabilities={} if one is None else {_WAYS[type(one)]: one.apply(patients.p_high)},
            bounds=one.bounds(patients.p_high) if isinstance(one, VennAbersMap) else None,
            sets={} if self.cutoffs is None else {SetKind.BY_CLASS: tuple(self.cutoffs.sets_of(patients.p_high))},
            reasons={},
        )
