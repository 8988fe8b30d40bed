"""What the out-of-fold patients of a model teach about a new patient: the recalibrated probability and the set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import RunError
from nephrograde.evaluation.calibration.maps import StoredMap
from nephrograde.evaluation.uncertainty.conformal import Cutoffs
from nephrograde.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.evaluation.calibration.maps import Map
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.evaluation.uncertainty.conformal import GradeSet
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

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> from nephrograde.study import EvaluateSettings
    >>> scores = np.linspace(0.05, 0.95, 40)
    >>> oof = ModelScores(tuple(map(str, range(40))), np.arange(40) % 4 < np.arange(40) // 10, scores)
    >>> found = learn_judge(oof, EvaluateSettings()).judge(0.5)
    >>> round(found.p_calibrated, 2), str(found.grade_set), found.is_referred
    (0.34, 'both', True)
    """
    from nephrograde.evaluation.calibration.recalibration import learn_map, why_not_learnt
    from nephrograde.evaluation.uncertainty.conformal import SetKind, conformal_cutoffs, why_no_sets

    error = settings.conformal_error
    has_sets = why_no_sets(oof.is_high, error=error, kind=SetKind.BY_CLASS) is None
    return Judge(
        learn_map(oof.p_high, oof.is_high, settings.recalibration)
        if why_not_learnt(oof.p_high, oof.is_high) is None
        else None,
        conformal_cutoffs(oof.p_high, oof.is_high, error=error) if has_sets else None,
    )


def write_judges(judges: Mapping[str, Judge], judges_path: Path) -> None:
    """Store what was learnt, so that grading a new patient need not learn it again.

    Args:
        judges: By model.
        judges_path: The JSON file: by model ``recalibration`` (``way``, ``numbers``) and ``sets`` (``high_from``,
            ``low_to``); null where it could not be learnt.
    """
    write_json(judges_path, {model: _stored(judge) for model, judge in judges.items()})


def read_judge(judges_path: Path, model: str) -> Judge | None:
    """Read what was learnt of a model.

    Args:
        judges_path: As written by :func:`write_judges`.
        model: The model id.

    Returns:
        The judge; None if there is no such file, as in a run of an older version, or it does not name the model.

    Raises:
        RunError: The file is damaged.

    >>> import pathlib, tempfile
    >>> from nephrograde.evaluation.calibration.maps import PlattMap
    >>> judges_path = pathlib.Path(tempfile.mkdtemp()) / "judges.json"
    >>> write_judges({"weak-1-cmp": Judge(PlattMap(0.1, 0.9), Cutoffs(0.3, 0.6))}, judges_path)
    >>> read_judge(judges_path, "weak-1-cmp")
    Judge(recalibration=PlattMap(intercept=0.1, slope=0.9), cutoffs=Cutoffs(high_from=0.3, low_to=0.6))
    """
    if not judges_path.is_file():
        return None
    found = read_json(judges_path).get(model)
    if found is None:
        return None
    try:
        return _restored(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError(f"{judges_path} is damaged. Run `nephrograde evaluate` again.") from None


def _stored(judge: Judge) -> dict[str, Any]:
    learnt, cutoffs = judge.recalibration, judge.cutoffs
    return {
        "recalibration": None if learnt is None else asdict(StoredMap.of(learnt)),
        "sets": None if cutoffs is None else asdict(cutoffs),
    }


def _restored(found: Mapping[str, Any]) -> Judge:
    learnt, sets = found["recalibration"], found["sets"]
    if learnt is not None:
        numbers = {name: tuple(map(float, values)) for name, values in learnt["numbers"].items()}
        learnt = StoredMap(learnt["way"], numbers).as_map()
    return Judge(learnt, None if sets is None else Cutoffs(float(sets["high_from"]), float(sets["low_to"])))
