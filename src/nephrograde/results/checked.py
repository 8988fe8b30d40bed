"""What is read from a run folder as text, and checked before anything is computed from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from nephrograde.errors import RunError
from nephrograde.files import finite
from nephrograde.run.parts import RunPart
from nephrograde.study import EvaluateSettings, Study, restore_study
from nephrograde.study.faults import read_section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.run.folder import RunFolder

Row: TypeAlias = dict[str, str]


def checked_cases(cases: tuple[Row, ...], folder: RunFolder) -> tuple[Row, ...]:
    """The rows of ``cases.csv``, each of another patient whose truth is known."""
    known: set[str] = set()
    for case in cases:
        if not case["patient_id"] or case["patient_id"] in known or case["is_high"] not in {"0", "1"}:
            raise RunError(
                f"{folder.cases_path} is damaged (the row of patient '{case['patient_id']}' is a second one, or has no "
                "truth). Run `nephrograde evaluate` on the study again."
            )
        known.add(case["patient_id"])
    return cases


def checked_regions(regions: tuple[Row, ...], folder: RunFolder) -> tuple[Row, ...]:
    """The rows of ``regions.csv``, whose measures of the tumour are numbers or empty."""
    try:
        for region in regions:
            for name in ("tumour_volume_ml", "tumour_diameter_mm"):
                if region.get(name):
                    finite(region[name])
    except ValueError as error:
        raise RunError(f"{folder.regions_path} is damaged ({error}). Run `nephrograde prepare` again.") from None
    return regions


def is_there(folder: RunFolder, part: RunPart) -> bool:
    """Whether a run folder has a part, and of the models at least one fold."""
    return any(folder.folds()) if part is RunPart.MODELS else part.path(folder).exists()


def study_of(lock: Mapping[str, Any], folder: RunFolder) -> Study | None:
    """The study in a lock file; None for an evaluated score table.

    Raises:
        RunError: If it is not a study of this version.
    """
    if "study" not in lock:
        return None
    try:
        study = restore_study(lock["study"])
        for arm in study.arm:
            study.fit_of(arm)
    except ValidationError as error:
        raise RunError(
            f"{folder.study_lock_path} does not hold a study of this version ({error.error_count()} errors). "
            "Run the study again with this version of nephrograde."
        ) from None
    return study


def check_settings(lock: Mapping[str, Any], folder: RunFolder) -> None:
    """Check the settings of the evaluation of a score table."""
    try:
        read_section(EvaluateSettings, lock.get("evaluate", {}))
    except ValidationError as error:
        raise RunError(
            f"{folder.study_lock_path} does not hold settings of this version ({error.error_count()} errors). "
            "Run `nephrograde evaluate` on the score table again."
        ) from None
