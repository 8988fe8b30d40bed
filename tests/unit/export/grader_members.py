"""What is made up of a model whose networks were not trained: their cards, and the members of its grader file."""

from collections.abc import Sequence
from typing import Any

from nephrograde.evaluation.calibration.maps import StoredMap
from nephrograde.evaluation.performance.threshold import Threshold
from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.scores.scale import ModelScale
from nephrograde.export.contents import (
    CARD,
    COHORT_RANGE,
    DECISION,
    GRAPH,
    PREPROCESSING,
    Card,
    Decision,
    Fold,
    Preprocessing,
    Sets,
    written,
)
from nephrograde.export.description import not_for
from nephrograde.predict.cohort_range import CohortRange
from nephrograde.predict.grading import Performance
from nephrograde.study import Study

OF_CARD: dict[str, Any] = {
    "arm": "m", "phase": "cmp", "n_learn": 9, "n_learn_high": 4, "is_balanced": True, "n_stop": 0, "n_held_out": 1,
    "n_test": 1, "best_epoch": 1, "epochs_run": 1, "precision": "fp32", "refit_reason": "", "device": "cpu",
    "seconds": 1.0, "seed": 1, "torch_version": "", "inputs_sha256": "", "settings": {}, "synthetic": True,
}  # fmt: skip


def members_of(
    study: Study,
    given: Preprocessing,
    scale: ModelScale,
    graph: bytes,
    *,
    aucs: Sequence[Performance] = (),
    recalibration: StoredMap | None = None,
    sets: Sets | None = None,
    cohort_range: CohortRange | None = None,
) -> dict[str, bytes]:
    """The members of a grader file, as they are packed."""
    card = Card(
        given.model, study.name, True, 20, 8, 6, 3, (), tuple(aucs), "mean",
        tuple(Fold(one.fold or 0, 9, 4, True, 1, 1, f"{one.fold}" * 64) for one in scale.networks), {},
        not_for(synthetic=True), "2026-11-28", {}, "",
    )  # fmt: skip
    return {
        PREPROCESSING: written(given),
        DECISION: written(Decision(scale, Threshold(0.4, Rule.YOUDEN, 20), 0.1, recalibration, sets)),
        CARD: written(card),
        COHORT_RANGE: written(cohort_range or CohortRange()),
        GRAPH: graph,
    }
