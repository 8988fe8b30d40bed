"""Late fusion: one score per patient from the scores of an arm's networks on single phases, without another network.

A penalised logistic regression joins the log odds that the networks of the single phases give, and clinical values
where the study asks for them. A training patient's own outcome must not enter the patient's own score. So the
regression that scores the patients of a fold is fitted to the out-of-fold scores of the patients of all other folds;
the one for test patients and new patients is fitted to those of all folds. Every input is standardised on the patients
that a regression is fitted to, so the calibration of a phase, which is a line on the scale of log odds and the same for
all its networks, changes nothing.

A phase that a patient does not have is replaced by its median, and a further input says that it is missing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nephrograde.cohort.clinical import ClinicalTable, Term, clinical_table, encode, learn_terms
from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.baseline import penalised
from nephrograde.evaluation.scores.prevalence import log_odds, probability
from nephrograde.evaluation.scores.scores import Score
from nephrograde.evaluation.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.clinical import Value
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study, StudyModel

INTERCEPT = "intercept"
_PENALTY = 1.0


@dataclass(frozen=True, slots=True)
class FusionRow:
    """One term of the regression that joins the phases of a new patient: a row of ``statistics/fusion.csv``.

    Attributes:
        model: The model id, such as ``weak-1-cmp+np``.
        column: The phase or clinical column; "intercept" for the constant.
        kind: "number" (for a phase, the log odds of its model), "missing", "entry" or "intercept".
        entry: Of a column of texts.
        fill: What takes the place of a missing number.
        center: What is subtracted.
        spread: What the difference is divided by.
        coefficient: What the result is multiplied by.
        n: Patients that the regression is fitted to.
    """

    model: str
    column: str
    kind: str
    entry: str
    fill: float
    center: float
    spread: float
    coefficient: float
    n: int

    def of(self, value: Value) -> float:
        """Return what the term adds to the log odds of a patient.

        Args:
            value: That of the column; NaN or None if it is missing.
        """
        if self.kind == INTERCEPT:
            return self.coefficient
        kind: Literal["number", "missing", "entry"] = "number"
        if self.kind == "missing":
            kind = "missing"
        elif self.kind == "entry":
            kind = "entry"
        return self.coefficient * Term(self.column, kind, self.entry, self.fill, self.center, self.spread).of(value)


class Fused(NamedTuple):
    """The scores of all models of late fusion, and the regressions for new patients."""

    scores: list[Score]
    rows: list[FusionRow]


def fuse_late(scores: Iterable[Score], study: Study, cohort: Cohort) -> Fused:
    """Score all patients with the models of late fusion of a study.

    Args:
        scores: Those of the networks on single phases.
        study: Its arms.
        cohort: The patients with their clinical values.

    Returns:
        Nothing for a model of which one of the phases has no scores.

    Raises:
        ScoresError: The patients that a regression would be fitted to are all of one grade.

    Source:
        Stacking on out-of-fold scores: Wolpert 1992, Neural Networks 5:241.
    """
    fused = Fused([], [])
    of_model: defaultdict[str, list[Score]] = defaultdict(list)
    for score in scores:
        of_model[score.model].append(score)
    for model in study.models():
        if model.fusion != "late":
            continue
        of_phases = {phase: of_model.get(part, []) for phase, part in model.parts.items()}
        if all(of_phases.values()):
            _fuse(model, of_phases, clinical_table(cohort, model.arm.clinical), fused)
    return fused


def write_fusion(rows: Sequence[FusionRow], run: RunFolder) -> None:
    """Write ``fusion.csv``; a study without late fusion has none.

    Args:
        rows: The regressions of all models.
        run: The run folder.
    """
    if rows:
        write_table(rows, FusionRow, run.fusion_path)
    else:
        run.fusion_path.unlink(missing_ok=True)


def join(rows: Sequence[FusionRow], values: Mapping[str, Value]) -> float:
    """Return the probability of high grade of a patient.

    Args:
        rows: Those of one model.
        values: The log odds by phase, and the clinical values by column; what is not there is missing.

    >>> rows = [
    ...     FusionRow("weak-1-cmp+np", "intercept", "intercept", "", 0.0, 0.0, 1.0, 0.5, 40),
    ...     FusionRow("weak-1-cmp+np", "cmp", "number", "", 0.0, 1.0, 2.0, 1.0, 40),
    ... ]
    >>> join(rows, {"cmp": 0.0}), round(join(rows, {"cmp": 2.0}), 4)
    (0.5, 0.7311)
    """
    return probability(math.fsum(row.of(values.get(row.column)) for row in rows))


def _fuse(model: StudyModel, of_phases: Mapping[str, Sequence[Score]], clinical: ClinicalTable, fused: Fused) -> None:
    patients = _patients(of_phases, clinical)
    training = [one for one in patients if one.score.split == "oof"]
    whole = _regress(model, training, clinical, where="for the test patients")
    for fold in sorted({one.score.fold for one in training if one.score.fold is not None}):
        others = [one for one in training if one.score.fold != fold]
        rows = _regress(model, others, clinical, where=f"fold {fold}")
        fused.scores.extend(_scored(model, one, rows) for one in training if one.score.fold == fold)
    fused.scores.extend(_scored(model, one, whole) for one in patients if one.score.split == "test")
    fused.rows.extend(whole)


class _Patient(NamedTuple):
    """A score that says who, where and with which truth, and the values that are joined."""

    score: Score
    values: dict[str, Value]


def _patients(of_phases: Mapping[str, Sequence[Score]], clinical: ClinicalTable) -> list[_Patient]:
    """Every patient with at least one of the phases, in the order of the phases."""
    found: dict[str, _Patient] = {}
    for phase, scores in of_phases.items():
        for score in scores:
            if score.patient_id not in found:
                row = clinical.rows.get(score.patient_id, ())
                found[score.patient_id] = _Patient(score, dict(zip(clinical.names, row, strict=False)))
            found[score.patient_id].values[phase] = log_odds(score.p_high)
    return sorted(found.values(), key=lambda one: (one.score.split, one.score.fold or 0, one.score.patient_id))


def _regress(
    model: StudyModel, patients: Sequence[_Patient], clinical: ClinicalTable, *, where: str
) -> list[FusionRow]:
    truths = np.array([one.score.is_high for one in patients], dtype=np.bool_)
    if truths.all() or not truths.any():
        raise ScoresError(
            f"Model {model.id}, {where}: the {len(patients)} patients that the phases are joined on are not of both "
            "grades. Take fewer folds, or leave the arm out."
        )
    names = [*model.phases, *clinical.names]
    texts = [len(model.phases) + position for position in clinical.codes]
    terms = learn_terms(names, [[one.values.get(name) for name in names] for one in patients], texts)
    found = penalised(_PENALTY).fit(np.array([encode(terms, one.values) for one in patients]), truths)
    rows = [FusionRow(model.id, INTERCEPT, INTERCEPT, "", 0.0, 0.0, 1.0, float(found.intercept_[0]), len(patients))]
    for term, coefficient in zip(terms, found.coef_[0].tolist(), strict=True):
        own = {field.name: getattr(term, field.name) for field in fields(Term)}
        rows.append(FusionRow(model=model.id, **own, coefficient=coefficient, n=len(patients)))
    return rows


def _scored(model: StudyModel, patient: _Patient, rows: Sequence[FusionRow]) -> Score:
    score = patient.score
    p_high = join(rows, patient.values)
    return Score(score.patient_id, model.id, score.split, score.fold, score.is_high, p_high)
