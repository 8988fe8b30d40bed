"""What a finished run has learnt of one of its models, besides the networks."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.predict.grading import Performance

if TYPE_CHECKING:
    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.results import Results


def scale_of(results: Results, model: str) -> ModelScale:
    """How a model corrects its networks and their mean.

    Args:
        results: Of the run.
        model: The model id.

    Raises:
        RunError: Where the run does not hold the scale of each network.
    """
    scale = results.scale(model)
    folds = [fold.number for fold in results.seal.folds(model)] if results.seal is not None else []
    if scale is None or [row.fold for row in scale.networks] != folds:
        raise RunError(
            f"{results.folder.scale_path} does not hold the scale of each network of '{model}'. Run `nephrograde "
            "evaluate` first."
        )
    return scale


def performance_of(results: Results, model: str, split: SplitName | None = None) -> Performance | None:
    """How well a model did in its study; None if the study did not estimate it.

    Args:
        results: Of the run.
        model: The model id.
        split: Of the patients; those that the study reports when None.
    """
    found = results.estimate(model, "auc", split)
    if found is None:
        return None
    auc, low, high = (None if isnan(number) else number for number in (found.value, found.low, found.high))
    return Performance(auc, low, high, found.confidence, found.n, found.n_high, split or results.reported)
