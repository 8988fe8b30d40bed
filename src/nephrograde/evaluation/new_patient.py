"""What the out-of-fold patients of a model teach about a new patient: the recalibrated probability and the set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.conformal import SetKind, conformal_cutoffs, why_no_sets
from nephrograde.evaluation.recalibration import learn_map, why_not_learnt

if TYPE_CHECKING:
    from nephrograde.evaluation.conformal import Cutoffs, GradeSet
    from nephrograde.evaluation.recalibration import Map
    from nephrograde.evaluation.scores import ModelScores
    from nephrograde.study import EvaluateSettings


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure a model may be of a new patient; what could not be learnt is None.

    Attributes:
        p_calibrated: The recalibrated probability of high grade.
        grade_set: The grades that are plausible: ``high``, ``low``, ``both`` or ``none``.
        is_referred: Whether the set is not a single grade, so that the patient would be referred to biopsy.
    """

    p_calibrated: float | None
    grade_set: GradeSet | None
    is_referred: bool | None


@dataclass(frozen=True, slots=True)
class Judge:
    """Recalibration and cutoffs of a model, as learnt on all its out-of-fold patients; made by :func:`learn_judge`."""

    recalibration: Map | None = None
    cutoffs: Cutoffs | None = None

    def judge(self, p_high: float) -> Certainty:
        """Judge a new patient.

        Args:
            p_high: The probability on the scale of ``scores.csv``.
        """
        recalibrated = None if self.recalibration is None else float(self.recalibration.apply(np.array([p_high]))[0])
        found = None if self.cutoffs is None else self.cutoffs.set_of(p_high)
        return Certainty(recalibrated, found, None if found is None else not found.is_decided)


def learn_judge(oof: ModelScores, settings: EvaluateSettings) -> Judge:
    """Learn on the out-of-fold patients of a model how to judge new ones, as the evaluation does for test patients.

    Args:
        oof: The out-of-fold scores of the model.
        settings: ``[evaluate]`` of the study: how to recalibrate, and the error of the sets, which are by class.

    Returns:
        The judge, without what too few patients or equal scores do not teach.

    >>> from nephrograde.evaluation.scores import ModelScores
    >>> from nephrograde.study import EvaluateSettings
    >>> scores = np.linspace(0.05, 0.95, 40)
    >>> oof = ModelScores(tuple(map(str, range(40))), np.arange(40) % 4 < np.arange(40) // 10, scores)
    >>> found = learn_judge(oof, EvaluateSettings()).judge(0.5)
    >>> round(found.p_calibrated, 2), str(found.grade_set), found.is_referred
    (0.34, 'both', True)
    """
    error = settings.conformal_error
    has_sets = why_no_sets(oof.is_high, error=error, kind=SetKind.BY_CLASS) is None
    return Judge(
        learn_map(oof.p_high, oof.is_high, settings.recalibration)
        if why_not_learnt(oof.p_high, oof.is_high) is None
        else None,
        conformal_cutoffs(oof.p_high, oof.is_high, error=error) if has_sets else None,
    )
