"""The scans of a patient from the arguments of a function that takes one scan, or several by phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem
from nephrograde.predict.together import Annotated, scans_of

if TYPE_CHECKING:
    from nephrograde.cohort.case import Scan
    from nephrograde.predict.grader import Grader


def given_scans(grader: Grader, given: Mapping[str, Any]) -> dict[str, Scan]:
    """Make the scans of a patient.

    Args:
        grader: Who is to grade the patient.
        given: ``image`` and what the model is given besides, by argument, as
            :class:`~nephrograde.predict.together.Annotated` takes them; or each of them by phase. None is as good as
            nothing.

    Returns:
        By phase, in the order of the model.

    Raises:
        InputError: Only some are given by phase, a phase is not one of the model, or the model needs them by phase.
        PlaceError: A box, point or slice is not written with its unit.
    """
    known = {name: one for name, one in given.items() if one is not None}
    by_phase = [name for name, one in known.items() if isinstance(one, Mapping)]
    if by_phase and len(by_phase) < len(known):
        others = ", ".join(sorted(known.keys() - set(by_phase)))
        what = f"is given by phase, but {others} is not"
        raise InputError([Problem(by_phase[0], what, "Give all of them by phase, or none.")])
    if by_phase:
        return scans_of(known, grader.phases, grader.model)
    return grader.scan_of(Annotated(**known))
