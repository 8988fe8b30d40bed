"""Another hospital's cohort, as a model from a grader file is validated on it.

What describes the patients comes from the study file: the table, the columns, the phases, the annotations, the outcome,
which labels of its masks are the tumour, and how the results are evaluated. How scans are read and cut comes from the
grader file; what the study file says about that, and about learning, is not used, and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nephrograde.cohort.stage import load_source
from nephrograde.cohort.table import is_marked_synthetic, read_cohort
from nephrograde.errors import InputError, Problem
from nephrograde.sheet import clean_heading, open_sheet
from nephrograde.study import EvaluateSettings
from nephrograde.study.file import salvage_study
from nephrograde.study.study import restore_study
from nephrograde.toml_text import read_toml

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.export.contents import Members
    from nephrograde.study import CohortSettings, Study, StudyModel

_NOT_USED = ("split", "arm", "image", "window", "annotation", "augment", "fit", "tune")
"""Tables of a study file that say how to read, cut or learn."""
_LEARNT = {"threshold", "threshold_target", "cost_ratio", "recalibration", "conformal_error", "primary", "baselines"}
"""Keys of ``[evaluate]`` that the grader file decides, or that would learn from these patients."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A cohort that a model is validated on.

    Attributes:
        study: The model with its preprocessing, on this cohort.
        model: The model in it.
        cohort: The patients who have a scan of one of its phases; others are in ``without_scan``.
        notes: What of the study file is not used, and how the table was read.
    """

    study: Study
    model: StudyModel
    cohort: Cohort
    notes: tuple[str, ...]


def open_elsewhere(source_path: Path, file: Members, *, encoding: str | None = None) -> Elsewhere:
    """Read another hospital's cohort for the model of a grader file.

    Args:
        source_path: A study file (.toml), which needs no arms; or a cohort table.
        file: The grader file.
        encoding: The encoding of the cohort table; None detects it.

    Raises:
        InputError: The file or the table has mistakes, all of them at once; or the cohort lacks a phase or a column
            that the model needs.
    """
    given, notes = _read(source_path, encoding)
    own = file.preprocessing.own_model(file.study)
    cohort_settings = _in_order(given["cohort"], file)
    if missing := [phase for phase in own.phases if phase not in cohort_settings.phases]:
        what = f"do not include {', '.join(missing)}, which {own.id} sees"
        raise InputError([Problem("cohort.phases", what, "Add the phase, with a column of its images.")])
    study = _study_of(file, own, given, cohort_settings)
    cohort, problems = read_cohort(study.cohort, None)
    if cohort is None or problems:
        raise InputError(problems)
    if problems := _without_column(own, cohort, study):
        raise InputError(problems)
    if study.cohort.outcome != file.preprocessing.outcome:
        notes = (*notes, _other_outcome(study.cohort.outcome, file.preprocessing.outcome))
    model = next(one for one in study.models() if one.id == own.id)
    return Elsewhere(study, model, _seen_by(model, cohort), (*notes, *cohort.notes))


def _read(source_path: Path, encoding: str | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The parts of a study file that count, and notes on those that do not."""
    if source_path.suffix.casefold() != ".toml":
        _, cohort = load_source(source_path, encoding)
        sheet, _ = open_sheet(cohort.table, encoding)
        is_synthetic = sheet is not None and is_marked_synthetic(sheet)
        return {
            "name": source_path.stem,
            "synthetic": is_synthetic,
            "cohort": cohort,
            "evaluate": EvaluateSettings(),
        }, ()
    named = () if encoding is None else (f'cohort.encoding="{encoding}"',)
    study, problems = salvage_study(source_path, named)
    problems = [one for one in problems if one.place.partition(".")[0] not in _NOT_USED]
    if problems or study is None:
        raise InputError(problems or [Problem(str(source_path), "cannot be read", "Correct the study file.")])
    raw = read_toml(source_path.read_text(encoding="utf-8-sig"))
    given = {
        "name": study.name,
        "synthetic": study.synthetic,
        "cohort": study.cohort,
        "evaluate": study.evaluate,
        "masks": {key: value for key, value in raw.get("masks", {}).items() if key != "carry"},
    }
    return given, tuple(_notes(source_path.name, raw))


def _notes(name: str, raw: dict[str, Any]) -> list[str]:
    """Say what a study file sets that is not used."""
    tables = [f"[{table}]" for table in _NOT_USED if table in raw]
    keys = [f"evaluate.{key}" for key in raw.get("evaluate", {}) if key in _LEARNT]
    keys += ["masks.carry"] if "carry" in raw.get("masks", {}) else []
    unused = [*tables, *keys]
    if not unused:
        return []
    note = (
        f"{name}: {', '.join(unused)} not used: how scans are read, cut and called comes from the grader file, and "
        "nothing is learnt from these patients."
    )
    return [note]


def _other_outcome(outcome: str, learnt: str) -> str:
    return (
        f"The truth of these patients is {outcome}, while the model learnt from {learnt}: see that both mean the same."
    )


def _in_order(cohort: CohortSettings, file: Members) -> CohortSettings:
    """The phases in the order of the model's study, which decides whose mask is carried over."""
    known = file.preprocessing.cohort_phases
    order = [phase for phase in known if phase in cohort.phases]
    others = [phase for phase in cohort.phases if phase not in known]
    return cohort.model_copy(update={"phases": (*order, *others)})


def _study_of(file: Members, own: StudyModel, given: dict[str, Any], cohort: CohortSettings) -> Study:
    """The study that reads these patients as the model's own study would."""
    preprocessing, evaluate = file.preprocessing, given["evaluate"].model_dump(mode="json")
    arm = dict(preprocessing.arm)
    if own.fusion is None:  # one phase of an arm that may see several
        arm |= {"phases": list(own.phases), "fusion": None, "clinical": [], "differences": []}
        arm["registration"] = "position"
    kept = {key: value for key, value in evaluate.items() if key not in _LEARNT}
    return restore_study(
        {
            "name": given["name"],
            "synthetic": given["synthetic"],
            "cohort": cohort.model_dump(mode="json"),
            "arm": [arm],
            "image": preprocessing.image,
            "window": preprocessing.window,
            "masks": {**preprocessing.masks, **given.get("masks", {})},
            "evaluate": {**kept, "conformal_error": file.decision.set_error, "baselines": []},
        }
    )


def _without_column(own: StudyModel, cohort: Cohort, study: Study) -> list[Problem]:
    """The clinical columns that the model joins and the table does not have."""
    known = ", ".join(cohort.clinical_columns)
    remedy = f"The clinical columns of {study.cohort.table.name} are {known}." if known else "Add it to the table."
    return [
        Problem(column, f"is missing, and {own.id} joins it with the images", remedy)
        for column in (own.arm.clinical if own.fusion is not None else ())
        if clean_heading(column) not in cohort.clinical_columns
    ]


def _seen_by(model: StudyModel, cohort: Cohort) -> Cohort:
    """The patients with a scan that the model sees; scans of other phases stay only where their mask may be needed."""
    seen = [case for case in cohort.cases if any(phase in case.scans for phase in model.phases)]
    others = tuple(case.patient_id for case in cohort.cases if not any(phase in case.scans for phase in model.phases))
    return replace(cohort, cases=tuple(seen), phases=model.phases, without_scan=(*cohort.without_scan, *others))
