"""What the members of a grader file hold besides the graph, and how they are read and written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from nephrograde.cohort.clinical import Term  # noqa: TC001 - pydantic reads the annotations
from nephrograde.errors import GraderError, InputError
from nephrograde.evaluation.calibration.maps import StoredMap  # noqa: TC001 - pydantic reads the annotations
from nephrograde.evaluation.performance.threshold import Threshold  # noqa: TC001 - pydantic reads the annotations
from nephrograde.evaluation.scores.scale import ModelScale  # noqa: TC001 - pydantic reads the annotations
from nephrograde.evaluation.uncertainty.conformal import Cutoffs
from nephrograde.evaluation.uncertainty.new_patient import Judge
from nephrograde.export.archive import MOST_TEXT_BYTES, as_json
from nephrograde.export.printable import IN_HEADINGS, printable, printable_json
from nephrograde.predict.cohort_range import CohortRange  # noqa: TC001 - pydantic reads the annotations
from nephrograde.predict.grading import Performance  # noqa: TC001 - pydantic reads the annotations
from nephrograde.study.study import restore_study
from nephrograde.vocabulary import RESEARCH_USE_ONLY, Pooling

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.study import Study, StudyModel

GRAPH = "graph.onnx"
PREPROCESSING = "preprocessing.json"
DECISION = "decision.json"
CARD = "card.json"
COHORT_RANGE = "range.json"
_STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
Kind = TypeVar("Kind")


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From the scans of a patient to the inputs of the graph.

    Attributes:
        model: Its id, such as ``weak-1-cmp``.
        phases: Those that it sees, in the order of its inputs.
        cohort_phases: Those of its study.
        outcome: The column of the truth.
        axes: The axes of ``pictures`` in the graph.
        channels: What each channel shows, in order.
        size: Pixels or voxels along the axes of the picture, in their order.
        arm: As ``[[arm]]`` of the study: supervision, slices, neighbours, fusion, registration and the like.
        image: As ``[image]``: pixels and mm of slices and boxes.
        window: As ``[window]``, of each phase: the HU that become 0 and 1.
        masks: As ``[masks]``: which labels are the tumour, and how a mask is carried to another phase.
        clinical: How each network standardises the clinical values that are joined, by fold; empty if none are.
    """

    model: str
    phases: tuple[str, ...]
    cohort_phases: tuple[str, ...]
    outcome: str
    axes: tuple[str, ...]
    channels: tuple[str, ...]
    size: tuple[int, ...]
    arm: dict[str, Any]
    image: dict[str, Any]
    window: dict[str, dict[str, Any]]
    masks: dict[str, Any]
    clinical: tuple[tuple[Term, ...], ...] = ()

    def as_study(self, card: Card, *, set_error: float) -> Study:
        """Return the study as far as a new patient needs it.

        Args:
            card: Of the same file.
            set_error: The error of the prediction sets.
        """
        return restore_study(
            {
                "name": card.study,
                "synthetic": card.synthetic,
                "cohort": {"table": "cohort.csv", "phases": self.cohort_phases, "outcome": self.outcome},
                "arm": [self.arm],
                "image": self.image,
                "window": self.window,
                "masks": self.masks,
                "evaluate": {"conformal_error": set_error},
            }
        )

    def own_model(self, study: Study) -> StudyModel:
        """Return the model in its study.

        Args:
            study: From ``as_study``.

        Raises:
            KeyError: The study has no such model.
        """
        return {one.id: one for one in study.models()}[self.model]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Sets:
    """The cutoffs of prediction sets: high grade is plausible from ``high_from`` on, low grade up to ``low_to``."""

    high_from: float
    low_to: float
    error: float
    kind: str = "by-class"


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Decision:
    """From the output of the graph to a call; all of it holds for ``p_high`` of this graph, as in ``scores.csv``.

    Attributes:
        scale: What the graph does with the log odds of the networks, and with their mean.
        threshold: ``p_high >= value`` is the call "high", and how it was chosen.
        set_error: The error that the study wants of prediction sets.
        recalibration: A second, recalibrated probability; None if too few patients teach it.
        sets: The cutoffs of the prediction sets; None if too few patients teach them.
        holds_on: The name of the output that threshold, recalibration and sets are about.
    """

    scale: ModelScale
    threshold: Threshold
    set_error: float
    recalibration: StoredMap | None
    sets: Sets | None
    holds_on: Literal["p_high"] = "p_high"

    def judge(self) -> Judge:
        """Return what the out-of-fold patients teach about a new one."""
        sets = self.sets
        return Judge(
            None if self.recalibration is None else self.recalibration.as_map(),
            None if sets is None else Cutoffs(sets.high_from, sets.low_to),
        )


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Fold:
    """One network of the ensemble, and what it learnt from."""

    fold: int
    n_learn: int
    n_learn_high: int
    is_balanced: bool
    best_epoch: int
    seed: int
    weights_sha256: str


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Card:
    """The model card: what the model is, what it was fitted on, what it is worth, and what it is not for.

    Attributes:
        model: Its id.
        study: The name of its study.
        synthetic: Whether the patients were generated by code.
        n_train: The patients of the cohort that it could learn from, and ``n_train_high`` of them of high grade.
        n_test: The patients that were held out.
        collections: The public data sets that the patients come from.
        aucs: Of test patients, if any, and out of fold.
        pooling: How the pictures of a patient are pooled.
        folds: The networks.
        pretrained: The encoder that they were trained from, or that is frozen in them, with licence and data; empty if
            there is none.
        not_for: What it must not be used for.
        created: When the run was started.
        versions: Of the packages that fitted it.
        study_sha256: What the results depend on in the study.
    """

    model: str
    study: str
    synthetic: bool
    n_train: int
    n_train_high: int
    n_test: int
    n_test_high: int
    collections: tuple[str, ...]
    aucs: tuple[Performance, ...]
    pooling: Pooling
    folds: tuple[Fold, ...]
    pretrained: dict[str, Any]
    not_for: tuple[str, ...]
    created: str
    versions: dict[str, str]
    study_sha256: str
    research_use_only: str = RESEARCH_USE_ONLY


@dataclass(frozen=True, slots=True)
class Members:
    """What the members of a grader file hold.

    Attributes:
        path: The file, for messages.
        preprocessing: From scans to the inputs of the graph.
        decision: From its output to a call.
        card: What the model is, and what it is worth.
        cohort_range: What the patients looked like that it learnt from.
        study: The study as far as a new patient needs it, restored from them.
        graph: The bytes of the ONNX file.
    """

    path: Path
    preprocessing: Preprocessing
    decision: Decision
    card: Card
    cohort_range: CohortRange
    study: Study = field(repr=False)
    graph: memoryview = field(repr=False)


def written(content: Any) -> bytes:
    """Return a member as bytes.

    Args:
        content: One of the classes of this module.
    """
    return as_json(asdict(content))


def parsed(kind: type[Kind], members: Mapping[str, bytes | memoryview], name: str, path: Path) -> Kind:
    """Read a member; its texts are made printable, as they come from somebody else.

    Args:
        kind: One of the classes of this module.
        members: Content by name.
        name: Of the member.
        path: The grader file, for messages.

    Raises:
        GraderError: It holds something else.
    """
    content = members[name]
    if len(content) > MOST_TEXT_BYTES:
        raise unusable(path, f"{name} is too large")
    keep = IN_HEADINGS if name == PREPROCESSING else ""
    try:
        found = TypeAdapter(kind).validate_json(json.dumps(printable_json(json.loads(bytes(content)), keep)))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise unusable(path, f"{name} is no JSON") from None
        places = ", ".join(dict.fromkeys(".".join(map(str, one["loc"])) for one in error.errors()))
        raise unusable(path, f"{name} cannot be used ({printable(places or 'it')})") from None
    return found


def restored_study(preprocessing: Preprocessing, card: Card, decision: Decision, path: Path) -> Study:
    """Return the study of a file, checked.

    Args:
        preprocessing: Of the file.
        card: Of the file.
        decision: Of the file.
        path: The file, for messages.

    Raises:
        GraderError: It is no study, or has no such model.
    """
    try:
        study = preprocessing.as_study(card, set_error=decision.set_error)
        preprocessing.own_model(study)
    except (InputError, ValidationError, KeyError, TypeError):
        raise unusable(path, f"{PREPROCESSING} does not describe the model") from None
    return study


def unusable(path: Path, why: str) -> GraderError:
    """Return the refusal of a grader file whose members cannot be used.

    Args:
        path: The file.
        why: What is wrong with it, printable.
    """
    return GraderError(f"{path} cannot be used: {why}. Pack the model again with this version of nephrograde.")
