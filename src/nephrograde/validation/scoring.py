"""Scoring the prepared patients of another hospital with the graph of a grader file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.errors import RunError
from nephrograde.export.loading import grader_of
from nephrograde.predict.values import unknown_entries
from nephrograde.replacement import make_folder
from nephrograde.run.progress import silent
from nephrograde.run.stage import kept_name, kept_record, remove_stale
from nephrograde.sample.dataset import open_region
from nephrograde.sheet import clean_heading
from nephrograde.vocabulary import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.cohort.case import Case
    from nephrograde.export.grader_file import GraderFile
    from nephrograde.predict.grader import Grader
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import StudyModel
    from nephrograde.validation.source import Elsewhere


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A patient who could not be graded, and one reason; a row of ``validation/left_out.csv``."""

    patient_id: str
    phase: str
    code: str
    message: str
    remedy: str


class ScoredPatient(NamedTuple):
    """What the model gives for one patient, on the scale of ``scores.csv``."""

    case: Case
    p_high: float
    of_folds: tuple[float, ...]


class ScoredCohort(NamedTuple):
    """The patients that were graded, in the order of the table, those that were not, and what the model ignores."""

    patients: tuple[ScoredPatient, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()


def score_patients(
    file: GraderFile, elsewhere: Elsewhere, prepared: Prepared, run: RunFolder, *, progress: Progress = silent
) -> ScoredCohort:
    """Score every patient with a prepared region; one patient's pictures are in memory at a time.

    The score of a patient is kept by what it was computed from, so that an interrupted validation goes on.

    Args:
        file: The grader file.
        elsewhere: The cohort.
        prepared: Its prepared regions.
        run: The folder of the validation.
        progress: How to show a long step.

    Raises:
        GraderError: The graph cannot be run.
        RunError: A prepared region is damaged.
    """
    folder, model, grader = run.validation, elsewhere.model, grader_of(file)
    make_folder(folder.scored_dir)
    files = {phase: prepared.files(model.arm.name, phase) for phase in model.region_phases}
    digest = file.archive.file_sha256()
    scored, left_out, kept = [], [], set()
    notes: dict[str, None] = {}
    with progress("Scoring patients", len(elsewhere.cohort.cases)) as advance:
        for case in elsewhere.cohort.cases:
            own = {phase: names[case.patient_id] for phase, names in files.items() if case.patient_id in names}
            values = _values(case, model)
            if own:
                name = kept_name(case.patient_id, model.id, [digest, own, values], ".json")
                try:
                    record = kept_record(
                        folder.scored_dir / name,
                        partial(_record, grader, model, own, values=values, run=run),
                        is_current=_is_scored,
                    )
                except _NotScoredError as error:
                    left_out.append(error.of(case.patient_id))
                else:
                    kept.add(name)
                    notes |= dict.fromkeys(unknown_entries(grader.values_of(values), grader.texts))
                    scored.append(ScoredPatient(case, record["p_high"], tuple(record["of_folds"])))
            advance()
    remove_stale(folder.scored_dir, kept)
    graded = {one.case.patient_id for one in scored} | {one.patient_id for one in left_out}
    return ScoredCohort(tuple(scored), (*_without_region(elsewhere, prepared, graded), *left_out), tuple(notes))


class _NotScoredError(Exception):
    """The networks give no probability for a patient."""

    def of(self, patient_id: str) -> LeftOut:
        return LeftOut(
            patient_id,
            "",
            "not-scored",
            "the networks give no probability for this patient (a value is not finite).",
            "Check the images.",
        )


def _is_scored(record: dict[str, Any]) -> bool:
    numbers = [record["p_high"], *record["of_folds"]]
    return all(isinstance(one, float) and 0.0 <= one <= 1.0 for one in numbers)


def _values(case: Case, model: StudyModel) -> dict[str, str | float]:
    """The clinical values that the model joins with the images, as far as they are known."""
    columns = [clean_heading(column) for column in (model.arm.clinical if model.fusion is not None else ())]
    return {column: case.clinical[column] for column in columns if column in case.clinical}


def _record(
    grader: Grader,
    model: StudyModel,
    own: Mapping[str, str],
    *,
    values: Mapping[str, str | float],
    run: RunFolder,
) -> dict[str, Any]:
    regions = {phase: open_region(run.volumes_dir / name) for phase, name in own.items()}
    is_pooled = model.fusion is not None and model.fusion != "early"
    parts = [len(regions.get(phase, ())) for phase in model.phases] if is_pooled else ()
    pictures = np.concatenate(list(regions.values()))
    try:
        found = grader.scorer.score(pictures, parts, grader.values_of(values))
    except RunError:
        raise _NotScoredError from None
    return {"p_high": found.p_high, "of_folds": list(found.of_folds)}


def _without_region(elsewhere: Elsewhere, prepared: Prepared, graded: set[str]) -> list[LeftOut]:
    """Why each patient without a region has none: every fatal finding on the patient."""
    rows: list[LeftOut] = []
    names = [*(case.patient_id for case in elsewhere.cohort.cases), *elsewhere.cohort.without_scan]
    shown = set(elsewhere.model.phases)
    for patient in names:
        if patient in graded:
            continue
        fatal = [
            finding
            for finding in prepared.findings
            if finding.patient_id == patient
            and finding.severity == "fatal"
            and (not finding.phase or shown & set(finding.phase.split(TOGETHER)))
        ]
        rows += [
            LeftOut(patient, one.phase, one.code, one.text if one.column else one.message, one.remedy)
            for one in dict.fromkeys(fatal)
        ]
        if not fatal:
            message = "nothing that the model sees could be cut from the scans."
            rows.append(LeftOut(patient, "", "no-region", message, "See volumes/findings.csv."))
    return rows
