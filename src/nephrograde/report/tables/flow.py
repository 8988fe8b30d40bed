"""The patients from the cohort table to the scores: how many are left at each step, and why the others are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.report.tables.paper import absent_patients, fatal_findings
from nephrograde.vocabulary import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.results import Model, Results

NO_IMAGE = "no-image"
"""The patient has no image of the model's phase."""
NO_VALUE = "no-value"
"""A baseline has no value of the patient to work with."""
NOT_SCORED = "not-scored"
"""There is no score, and the run does not say why."""


@dataclass(frozen=True, slots=True)
class Group:
    """A number of patients, and how many of them are high."""

    n: int
    n_high: int


@dataclass(frozen=True, slots=True)
class Scored:
    """The patients of one part of the data whom a model scored; ``reasons`` counts the others by code."""

    model: str
    patients: Group
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class FlowPart:
    """One part of the data, "train" or "test", with the patients that each model scored in it."""

    part: str
    patients: Group
    scored: tuple[Scored, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """All steps. ``found`` counts the patients of the cohort table, None for a score table from elsewhere."""

    found: int | None
    without_scan: int
    patients: Group
    parts: tuple[FlowPart, ...]

    def rows(self) -> list[dict[str, object]]:
        """The numbers as rows: step, part, model, patients, how many are high, and the code of a reason."""
        listed = [] if self.found is None else [_row("found", n=self.found)]
        if self.without_scan:
            listed.append(_row("left out", n=self.without_scan, reason="no-scan"))
        listed.append(_row("patients", group=self.patients))
        for part in self.parts:
            listed.append(_row("part", part=part.part, group=part.patients))
            for scored in part.scored:
                listed.append(_row("scored", part=part.part, model=scored.model, group=scored.patients))
                listed += [
                    _row("not scored", part=part.part, model=scored.model, n=n, reason=code)
                    for code, n in scored.reasons
                ]
        return listed


def _row(
    step: str, *, part: str = "", model: str = "", n: int | None = None, group: Group | None = None, reason: str = ""
) -> dict[str, object]:
    return {
        "step": step,
        "part": part,
        "model": model,
        "n": n if group is None else group.n,
        "n_high": None if group is None else group.n_high,
        "reason": reason,
    }


def patient_flow(run: Results) -> Flow:
    """Count the patients at every step.

    A patient of a part without a score of a model counts under one reason: the code of the finding that excluded the
    scan, no image of the phase, no value for a baseline, or no score.

    Args:
        run: The contents of the run folder; it has been evaluated.

    Source:
        The steps of STARD 2015 (BMJ 351:h5527), as far as a run knows them.
    """
    truths = {case["patient_id"]: case["is_high"] == "1" for case in run.cases} or run.truths
    absent = absent_patients(run)
    parts = tuple(
        _part(run, part, truths=truths, members=members)
        for part, members in (("train", _members(run, "train")), ("test", _members(run, "test")))
        if members
    )
    found = len(run.cases) + len(absent) if run.cases else None
    return Flow(found, len(absent), _group(truths, truths), parts)


def _members(run: Results, part: str) -> list[str]:
    """The patients of a part by the split; without one, those who have its scores."""
    if run.split.assignments:
        return list(run.split.test_ids() if part == "test" else run.split.train_ids())
    split = "test" if part == "test" else "oof"
    return list(dict.fromkeys(row.patient_id for row in run.scores.rows if row.split == split))


def _part(run: Results, part: str, *, truths: Mapping[str, bool], members: list[str]) -> FlowPart:
    split: SplitName = "test" if part == "test" else "oof"
    faults = {(finding.patient_id, finding.phase): finding.code for finding in fatal_findings(run)}
    scored = []
    for model in run.models:
        known = {row.patient_id for row in run.scores.rows if row.model == model.name and row.split == split}
        if known:
            others = [patient for patient in members if patient not in known]
            reasons = Counter(_reason(run, model, patient, faults) for patient in others)
            scored.append(Scored(model.name, _group(known, truths), tuple(reasons.most_common())))
    return FlowPart(part, _group(members, truths), tuple(scored))


def _reason(run: Results, model: Model, patient_id: str, faults: Mapping[tuple[str, str], str]) -> str:
    if model.is_baseline:
        return NO_VALUE
    if model.phase is None:
        return NOT_SCORED
    phases = model.phase.split(TOGETHER)
    if found := [faults[patient_id, phase] for phase in phases if (patient_id, phase) in faults]:
        return found[0]
    case = next((case for case in run.cases if case["patient_id"] == patient_id), {})
    return NOT_SCORED if any(case.get(f"{phase}_image") for phase in phases) else NO_IMAGE


def _group(members: Iterable[str], truths: Mapping[str, bool]) -> Group:
    known = [truths[patient] for patient in members if patient in truths]
    return Group(len(known), sum(known))
