"""``validate``: a packed model on another hospital's patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import FLAG, PATH, TEXT, checked, either

if TYPE_CHECKING:
    from nephrograde.validation.validation import Validation


@checked(
    grader=PATH,
    study=PATH,
    out=PATH,
    development=either(PATH, type(None), remedy="Give the folder of a run, or None."),
    check_scans=FLAG,
    reason=TEXT,
    encoding=either(TEXT, type(None), remedy="Give the name of an encoding, or None."),
)
def validate(
    grader: str | Path,
    study: str | Path,
    out: str | Path,
    *,
    development: str | Path | None = None,
    check_scans: bool = True,
    reason: str = "",
    encoding: str | None = None,
) -> Validation:
    """Validate a packed model on another hospital's patients; nothing is learnt from them, and no torch is needed.

    How scans are read, cut and called comes from the grader file. An interrupted validation goes on.

    Args:
        grader: The file that ``nephrograde pack`` wrote.
        study: A study file of the patients, which needs no arms; or their cohort table.
        out: The folder that everything is written to.
        development: The run that the model was packed from, if it is at hand: more measures can then be compared, and
            patients who are in both are found.
        check_scans: Check every scan as ``nephrograde check`` does.
        reason: Why the patients are evaluated again, if anything has changed since they were.
        encoding: The encoding of the cohort table; detected when None.

    Returns:
        What was found; the page is ``validation.page_path()``.

    Raises:
        GraderError: The grader file cannot be used.
        InputError: An argument is of another kind, or the study file or the table has mistakes; all are listed.
        RunError: The folder holds something else, nobody could be graded, all who were are of one grade, or something
            has changed and no reason is given.
    """
    from nephrograde.validation.stage import ValidationSettings, validate_elsewhere

    settings = ValidationSettings(
        development_dir=None if development is None else Path(development),
        checks_scans=check_scans,
        encoding=encoding,
        reason=reason,
    )
    return validate_elsewhere(Path(grader), Path(study), Path(out), settings)
