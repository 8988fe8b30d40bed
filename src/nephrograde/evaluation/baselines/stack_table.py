"""Everything on the same patients: size, clinical data, radiomics, encoders and networks, and the stack of all of them.

All rows of a split are computed on the patients whom every model of the table has scored, and compared with one
reference: the first of volume, size, clinical data and radiomics that the study has, whatever its AUC. The tests of one
split are a family, adjusted by Holm's method. The test patients have no part in the fit of any row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.baseline import fit_baseline
from nephrograde.evaluation.baselines.stack import STACK, stack_scores
from nephrograde.evaluation.comparison.family import adjust_in_families
from nephrograde.evaluation.comparison.reference import auc_beyond, auc_of, shared_columns
from nephrograde.evaluation.remarks import Caution, Judged, Reason
from nephrograde.evaluation.scores.scores import SPLITS, Score, Scores
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.baseline import Predictors
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName
    from nephrograde.study import Study, StudyModel
    from nephrograde.vocabulary import BaselineName

REFERENCES: tuple[BaselineName, ...] = ("volume", "size", "clinical", "clinical-no-size", "radiomics")
"""The baselines that a study may be compared with; the first one that it has is the reference."""


class Kind(StrEnum):
    """What a row of the table is."""

    BASELINE = "baseline"
    FEATURES = "features"
    ENCODER = "encoder"
    NETWORK = "network"
    STACK = "stack"


@dataclass(frozen=True, slots=True)
class StackRow(Judged):
    """One model on the patients that all models of the table have scored; a row of ``statistics/stack.csv``.

    ``network`` is that of the arm, such as ``resnet18`` or ``frozen:efficientnet-lite0``; empty for other kinds.
    ``n`` patients are behind the AUC, of ``n_scored`` whom any model of the table has scored. ``difference`` is the AUC
    minus that of ``reference``; there is none for the reference itself. NaN means "not computed", and ``reason`` says
    why.
    """

    model: str
    kind: Kind
    network: str
    split: str
    auc: float
    low: float
    high: float
    n: int
    n_high: int
    n_scored: int
    reference: str
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    p_value: float = math.nan
    p_adjusted: float = math.nan
    family_size: int | None = None
    method: str = ""
    confidence: float | None = None
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)

    @property
    def is_reference(self) -> bool:
        """Whether the other rows are compared with it."""
        return self.model == self.reference


@dataclass(frozen=True, slots=True)
class Together:
    """The rows of the table, and the scores that only it has: of the stack, and of parts of the radiomic features."""

    rows: tuple[StackRow, ...] = ()
    scores: Scores = field(default_factory=lambda: Scores(()))


def stack_models(
    scores: Scores,
    study: Study,
    split: Split,
    baselines: Mapping[str, Predictors],
    *,
    features: Mapping[str, Predictors] | None = None,
) -> Together:
    """Stack all models of a study, and compare them and the stack on the same patients.

    Args:
        scores: The scores of all models.
        study: Its models, the confidence level of the intervals, and a seed.
        split: Test patients and folds.
        baselines: The predictors of each baseline.
        features: Predictors that are parts of a baseline's, by the name of their row, such as ``radiomics/shape``.

    Returns:
        The rows by split; nothing with fewer than two scored models, because then there is nothing to stack.
    """
    known = {model.id: model for model in study.models() if model.id in scores.models}
    fitted = [name for name in BASELINES if name in scores.models]
    parts = [*fitted, *(name for name, model in known.items() if model.has_networks)]
    if len(parts) < 2:
        return Together()
    is_high = {row.patient_id: row.is_high for row in scores.rows}
    in_test = scores.has_test
    added = [
        row
        for name, predictors in (features or {}).items()
        for row in _fitted(predictors, is_high, split, name)
        if in_test or row.split == "oof"
    ]
    stacked: tuple[Score, ...] = ()
    try:
        stacked = stack_scores(scores, split, parts, baselines, seed=study.evaluate.seed)
    except ScoresError as error:
        if error.reason is None:
            raise
    own = Scores((*added, *stacked))
    kinds: dict[str, tuple[Kind, str]] = {
        **{str(name): (Kind.BASELINE, "") for name in fitted},
        **{name: (Kind.FEATURES, "") for name in own.models if name != STACK},
        **{name: _kind(model) for name, model in _encoders_first(known).items()},
        STACK: (Kind.STACK, ""),
    }
    rows: list[StackRow] = []
    for part in SPLITS:
        groups = {name: (own if name in own.models else scores) for name in kinds if name != STACK or stacked}
        found = {name: group.of(name, part) for name, group in groups.items()}
        if any(len(patients) for patients in found.values()):
            rows += _rows(found, kinds, part, confidence=study.evaluate.confidence)
    return Together(_adjusted(rows), own)


def _encoders_first(models: Mapping[str, StudyModel]) -> dict[str, StudyModel]:
    return dict(sorted(models.items(), key=lambda item: item[1].arm.encoder is None))


def _kind(model: StudyModel) -> tuple[Kind, str]:
    return (Kind.NETWORK if model.arm.encoder is None else Kind.ENCODER), model.arm.network


def _fitted(predictors: Predictors, is_high: Mapping[str, bool], split: Split, name: str) -> tuple[Score, ...]:
    scored = {patient_id: row for patient_id, row in predictors.values.items() if patient_id in is_high}
    try:
        return fit_baseline(replace(predictors, values=scored), is_high, split, model=name)
    except ScoresError:  # the learning patients of some fold are of one grade
        return ()


def _rows(
    found: Mapping[str, ModelScores], kinds: Mapping[str, tuple[Kind, str]], split: SplitName, *, confidence: float
) -> list[StackRow]:
    """The rows of one split, on the patients that all have scored."""
    sets = [set(patients.patient_ids) for patients in found.values()]
    common = tuple(sorted(set.intersection(*sets)))
    n_scored = len(set.union(*sets))
    reference = next((name for name in REFERENCES if name in found), "")
    own = {name: patients.select(common) for name, patients in found.items()}
    rows = []
    for name, patients in own.items():
        kind, network = kinds[name]
        made = auc_of(patients, split, confidence=confidence)
        if not common:
            made = replace(made, reason=Reason.NO_COMMON_PATIENTS)
        beyond = None
        if reference and name != reference and made.reason is None:
            beyond = auc_beyond((reference, own[reference]), (name, patients), split, confidence=confidence)
        rows.append(
            StackRow(
                model=name,
                kind=kind,
                network=network,
                split=split,
                n_scored=n_scored,
                reference=reference,
                **shared_columns(made, beyond),
            )
        )
    return rows


def _adjusted(rows: Sequence[StackRow]) -> tuple[StackRow, ...]:
    """Adjust P by Holm's method among the rows of one split."""
    adjusted = adjust_in_families([row.p_value for row in rows], [row.split for row in rows])
    return tuple(replace(row, p_adjusted=p, family_size=size) for row, (p, size) in zip(rows, adjusted, strict=True))
