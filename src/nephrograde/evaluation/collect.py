"""Collect the predictions of all folds into one score per patient and model."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.evaluation.scores import Score
from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nephrograde.run.folder import FoldFolder


def collect_scores(folds: Iterable[FoldFolder]) -> tuple[list[Score], list[Score]]:
    """Read the folds' predictions: out-of-fold rows as they are, test rows averaged over the folds.

    Each training patient is held out by one fold, which gives the out-of-fold score. A test patient is scored by the
    networks of all folds, and the ensemble's score is the mean of their probabilities.

    Args:
        folds: The fitted networks.

    Returns:
        The rows of ``scores.csv``, and the test scores of the individual folds.
    """
    held_out: list[Score] = []
    members: list[Score] = []
    for fold in folds:
        for row in read_rows(fold.predictions_path, ("patient_id", "split", "is_high", "p_high")):
            score = _score(row, fold)
            (held_out if score.split == "oof" else members).append(score)
    together: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in members:
        together[score.model, score.patient_id].append(score)
    ensemble = [
        Score(patient_id, model, "test", None, scores[0].is_high, math.fsum(s.p_high for s in scores) / len(scores))
        for (model, patient_id), scores in together.items()
    ]
    return held_out + ensemble, members


def _score(row: Mapping[str, str], fold: FoldFolder) -> Score:
    try:
        p_high = float(row["p_high"])
        if not 0.0 <= p_high <= 1.0:
            raise ValueError(f"p_high is {row['p_high']}, not a probability")  # noqa: TRY301
        if row["split"] not in {"oof", "test"} or row["is_high"] not in {"0", "1"}:
            raise ValueError(f"split is {row['split']} and is_high {row['is_high']}")  # noqa: TRY301
    except ValueError as error:
        raise RunError(
            f"{fold.predictions_path} is damaged ({error}). Delete {fold.fold_dir} and run `nephrograde fit` again."
        ) from None
    return Score(
        patient_id=row["patient_id"],
        model=fold.model,
        split="oof" if row["split"] == "oof" else "test",
        fold=fold.number,
        is_high=row["is_high"] == "1",
        p_high=p_high,
    )


def write_members(members: Iterable[Score], members_path: Path) -> None:
    """Write the test scores of the individual folds, from which the ensemble's are averaged."""
    write_rows(
        members_path,
        ("patient_id", "model", "fold", "is_high", "p_high"),
        (
            {
                "patient_id": s.patient_id,
                "model": s.model,
                "fold": s.fold,
                "is_high": int(s.is_high),
                "p_high": s.p_high,
            }
            for s in members
        ),
    )
