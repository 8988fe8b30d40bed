"""What the methods say about annotation: what each arm was given, and how a cheaper one was derived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.methods.design_methods import as_text, in_turn
from nephrograde.report.tables.wording import given_words
from nephrograde.report.text.language import t
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from nephrograde.results import Results
    from nephrograde.study import Study


def annotation(run: Results) -> str:
    """The annotation that each scan needed, by arm."""
    if run.study is None:
        return ""
    arms = [
        t(
            "{arm}: {given} (level “{level}”)",
            arm=arm.name,
            given=given_words(arm.supervision),
            level=arm.supervision.value,
        )
        for arm in run.study.arm
    ]
    first = t("Annotation given to each arm: {arms}.", arms=in_turn(arms))
    return as_text([first, *_places_found(run.study), *_derived_places(run.study)])


def _places_found(study: Study) -> list[str]:
    """How an arm that is given no place finds the kidneys."""
    if all(arm.supervision is not Supervision.NONE for arm in study.arm):
        return []
    return [t("At the level “none”, the kidneys were found by the program, or in a mask of them that the table names.")]


def _derived_places(study: Study) -> list[str]:
    """The error that was added to places derived from a more expensive annotation."""
    error_mm = study.annotation.error_mm
    if not error_mm:
        return []
    if error_mm == "readers":
        size = t("whose size was taken from the differences between readers")
    else:
        size = t("with a standard deviation of {mm} mm along each axis", mm=f"{error_mm:g}")
    return [
        t(
            "Slices, points and boxes derived from a more expensive annotation were moved by a simulated error of a "
            "reader, {size} (seed {seed}).",
            size=size,
            seed=study.annotation.seed,
        )
    ]
