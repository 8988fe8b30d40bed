"""Single phases, all phases together, and both with clinical values: what each step adds, in one table.

The arms that see the same pictures with the same network and head are a family. Its models on single phases, and those
that join phases, each have two rows: the images alone, and the images with the clinical columns and the tumour size,
which are stacked as in :mod:`nephrograde.evaluation.baselines.increment`. Each row is compared with the best single
phase of the family, images with images and stack with stack, and with the clinical values alone, on the patients that
both scored. The first row of a family is that of the clinical values alone, on the patients of the best single phase.

The best single phase is the one with the highest AUC out of fold. The test patients have no part in this choice, so
their differences are free of it. Out of fold, the best of several AUCs is too high by chance, and so the difference of
all phases from it is too low, if anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from nephrograde.evaluation.baselines.increment import WITH, WITHOUT
from nephrograde.evaluation.comparison.family import adjust_in_families
from nephrograde.evaluation.comparison.reference import auc_beyond, auc_of, shared_columns
from nephrograde.evaluation.remarks import Caution, Judged, Reason
from nephrograde.evaluation.scores.scores import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nephrograde.evaluation.comparison.reference import Difference
    from nephrograde.evaluation.scores.scores import ModelScores, Scores, SplitName
    from nephrograde.evaluation.tables import ModelEstimate
    from nephrograde.study import Arm, Study, StudyModel

_View: TypeAlias = "tuple[object, ...]"


class Inputs(StrEnum):
    """What a row is computed from."""

    CLINICAL = "clinical"
    IMAGES = "images"
    WITH_CLINICAL = "images+clinical"


class Against(StrEnum):
    """What a row is compared with."""

    PHASE = "phase"
    CLINICAL = "clinical"


def scored_as(model: str, inputs: Inputs) -> str:
    """Name the scores of a model with certain inputs.

    Args:
        model: The model id.
        inputs: What they are computed from.

    >>> scored_as("weak-1-cmp", Inputs.IMAGES), scored_as("weak-1-cmp", Inputs.WITH_CLINICAL)
    ('weak-1-cmp', 'weak-1-cmp/with-image')
    """
    return {Inputs.CLINICAL: f"{model}/{WITHOUT}", Inputs.IMAGES: model, Inputs.WITH_CLINICAL: f"{model}/{WITH}"}[
        inputs
    ]


@dataclass(frozen=True, slots=True)
class PhaseRow(Judged):
    """One model of a family, with or without clinical values, against a reference: a row of ``statistics/phases.csv``.

    ``family`` is the first arm of those that see the same pictures with the same network and head. ``fusion`` is how
    the model joins its phases, empty for a single one, and ``joined`` names the clinical columns that the model itself
    has. ``auc`` with ``low`` and ``high`` is on its own patients. ``difference`` is the AUC minus ``reference_auc``,
    both on the ``n_compared`` patients that both scored; the reference itself has none. Other single phases are not
    tested against the best, which was chosen among them. NaN means "not computed", and ``reason`` says why.
    """

    family: str
    model: str
    arm: str
    phase: str
    fusion: str
    joined: str
    inputs: Inputs
    split: str
    auc: float
    low: float
    high: float
    n: int
    n_high: int
    against: Against
    reference: str
    reference_auc: float = math.nan
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    n_compared: int = 0
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
        """Whether it is that with which the other rows are compared, or a stack compared with its own columns."""
        return self.reference == scored_as(self.model, self.inputs)


def compare_phases(
    scores: Scores,
    stacked: Scores,
    estimates: Sequence[ModelEstimate],
    study: Study,
) -> tuple[PhaseRow, ...]:
    """Compare single phases, phases together, and both with clinical values.

    Args:
        scores: The scores of all models.
        stacked: The scores of their stacks with the clinical values, from
            :func:`~nephrograde.evaluation.baselines.increment.stack_images`.
        estimates: The estimates made from the scores, which choose the best single phase.
        study: Its models, and the confidence level of the intervals.

    Returns:
        The rows by family, split, model and inputs; nothing for families in which nothing is joined.

    Raises:
        ScoresError: Two models disagree on a patient's truth.
    """
    out_of_fold = {model: one.value for model, split, one in estimates if split == "oof" and one.measure == "auc"}
    rows: list[PhaseRow] = []
    for family in _families(model for model in study.models() if model.id in scores.models):
        best = _best_phase(family, out_of_fold)
        for split in SPLITS:
            found = {
                **{model.id: scores.of(model.id, split) for model in family},
                **{name: stacked.of(name, split) for name in stacked.models},
            }
            table = _Table(family[0].arm.name, best, split, found, study.evaluate.confidence)
            known = [model for model in family if len(found[model.id])]
            if known:
                first = next((model for model in known if model.id == best), known[0])
                rows += table.rows(first, [Inputs.CLINICAL])
            rows += [row for model in known for row in table.rows(model, [Inputs.IMAGES, Inputs.WITH_CLINICAL])]
    return _adjusted(rows)


def _families(models: Iterable[StudyModel]) -> list[list[StudyModel]]:
    """The models of arms that see the same pictures with the same network and head, where any joins something."""
    of_view: dict[_View, list[StudyModel]] = {}
    for model in models:
        of_view.setdefault(_view(model.arm), []).append(model)
    joined = [family for family in of_view.values() if any(model.fusion is not None for model in family)]
    return [sorted(family, key=lambda model: len(model.phases) > 1) for family in joined]


def _view(arm: Arm) -> _View:
    return arm.supervision, arm.slices, arm.neighbours, arm.network, arm.head


def _best_phase(family: Iterable[StudyModel], out_of_fold: Mapping[str, float]) -> str | None:
    """The model on a single phase with the highest AUC out of fold; of equal ones the first."""
    known = [
        model.id
        for model in family
        if len(model.phases) == 1 and model.fusion is None and not math.isnan(out_of_fold.get(model.id, math.nan))
    ]
    return max(known, key=lambda name: out_of_fold[name], default=None)


class _Table(NamedTuple):
    """One family in one split: its name, its best single phase, and the scores of models and stacks."""

    family: str
    best: str | None
    split: SplitName
    found: Mapping[str, ModelScores]
    confidence: float

    def rows(self, model: StudyModel, asked: Iterable[Inputs]) -> Iterator[PhaseRow]:
        """The rows of one model, as far as it has been scored with these inputs."""
        for inputs in asked:
            name = scored_as(model.id, inputs)
            compared = Inputs.IMAGES if inputs is Inputs.CLINICAL else inputs
            best = "" if self.best is None else scored_as(self.best, compared)
            patients = self.found.get(name)
            if patients is None or not len(patients):
                continue
            made = auc_of(patients, self.split, confidence=self.confidence)
            fusion = "" if inputs is Inputs.CLINICAL else model.fusion or ""
            for against, reference in (
                (Against.PHASE, best),
                (Against.CLINICAL, scored_as(model.id, Inputs.CLINICAL)),
            ):
                if reference not in self.found:
                    continue
                beyond = None if reference == name else self._beyond(reference, name)
                if beyond is not None and against is Against.PHASE and not fusion:
                    beyond = beyond._replace(p_value=math.nan)
                yield PhaseRow(
                    family=self.family,
                    model=model.id,
                    arm=model.arm.name,
                    phase=model.phase,
                    fusion=fusion,
                    joined=" + ".join(model.arm.clinical) if fusion else "",
                    inputs=inputs,
                    split=self.split,
                    against=against,
                    reference=reference,
                    reference_auc=math.nan if beyond is None else beyond.reference_auc,
                    n_compared=0 if beyond is None else beyond.n,
                    **shared_columns(made, beyond),
                )

    def _beyond(self, reference: str, name: str) -> Difference:
        of_reference, of_model = ((one, self.found[one]) for one in (reference, name))
        return auc_beyond(of_reference, of_model, self.split, confidence=self.confidence)


def _adjusted(rows: Sequence[PhaseRow]) -> tuple[PhaseRow, ...]:
    """Adjust P by Holm's method among the rows of one split that are compared with the same kind of reference."""
    adjusted = adjust_in_families([row.p_value for row in rows], [(row.split, row.against) for row in rows])
    return tuple(replace(row, p_adjusted=p, family_size=size) for row, (p, size) in zip(rows, adjusted, strict=True))
