"""Whether a study can be fitted as it is: each model needs prepared scans of both grades outside every fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.sample.dataset import phases_alone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import Study


def find_obstacles(study: Study, cohort: Cohort, split: Split, prepared: Prepared) -> tuple[str, ...]:
    """Find the models that could not be fitted.

    Args:
        study: Its arms, phases and folds.
        cohort: The true grades.
        split: Who is tested, and who is in which fold.
        prepared: The prepared regions.

    Returns:
        One clause per reason, with the models it holds for; empty if every model can be fitted.
    """
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    reasons: dict[str, list[str]] = {}
    for model in study.models():
        of_phases = list(prepared.patients(model).values())
        usable = set().union(*of_phases)
        places = {patient: place for patient, place in split.assignments.items() if patient in usable}
        if not usable:
            reasons.setdefault("no patient can be used", []).append(model.id)
            continue
        if alone := phases_alone(model.phases, of_phases):
            reasons.setdefault(f"no patient has {alone[0]} together with another phase", []).append(model.id)
            continue
        for fold in range(study.split.folds):
            learn = [is_high[p] for p, place in places.items() if place.split == "train" and place.fold != fold]
            n_high, n_low = sum(learn), len(learn) - sum(learn)
            if min(n_high, n_low) < model.arm.fewest_of_a_grade:
                reason = f"only {n_high} of high and {n_low} of low grade are left to learn from"
                reasons.setdefault(reason, []).append(model.id)
                break
    return tuple(f"{reason} by {_listed(models)}" for reason, models in reasons.items())


def readiness_line(obstacles: Sequence[str]) -> str:
    """Say in one line whether a study can be fitted.

    Args:
        obstacles: As :func:`find_obstacles` returns them.

    >>> readiness_line([]), readiness_line(["no patient can be used by strong-np"])
    ('Ready: every model can be fitted.', 'Not ready, because no patient can be used by strong-np.')
    """
    return f"Not ready, because {'; '.join(obstacles)}." if obstacles else "Ready: every model can be fitted."


def _listed(models: Sequence[str]) -> str:
    return models[0] if len(models) == 1 else f"{', '.join(models[:-1])} and {models[-1]}"
