"""Collect the predictions of all folds into one score per patient and model, on one scale."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import RunError
from nephrograde.evaluation.scores.scale import ModelScale, NetworkScores, fit_scale
from nephrograde.evaluation.scores.score_table import row_of
from nephrograde.evaluation.scores.scores import COLUMNS, Score
from nephrograde.files import read_rows, write_rows
from nephrograde.model.card import read_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.run.fold_folder import FoldFolder


_COLUMNS = ("patient_id", "split", "is_high", "p_high")


class Collected(NamedTuple):
    """The scores of all models.

    Attributes:
        rows: The rows of ``scores.csv``.
        members: What each network gives, before anything is done to it.
        scales: What was done to it.
    """

    rows: list[Score]
    members: list[Score]
    scales: list[ModelScale]


def collect_scores(folds: Iterable[FoldFolder]) -> Collected:
    """Read the folds' predictions, and bring the networks of each model and their mean to one scale.

    Each training patient is held out by one fold, whose network gives the out-of-fold score. A test patient is scored
    by the networks of all folds, and the ensemble's score is their mean. :mod:`nephrograde.evaluation.scores.scale`
    says how both are put on one scale; the truth of the test patients plays no part in it.

    Args:
        folds: The fitted networks.

    Raises:
        RunError: A file of a network is damaged, of another version, or the networks scored different test patients.
    """
    by_model: dict[str, list[FoldFolder]] = defaultdict(list)
    for fold in folds:
        by_model[fold.model].append(fold)
    collected = Collected([], [], [])
    for of_model in by_model.values():
        _collect_model(sorted(of_model, key=lambda fold: fold.number), collected)
    return collected


def _collect_model(folds: Sequence[FoldFolder], collected: Collected) -> None:
    held_out: list[Score] = []
    tested: list[dict[str, Score]] = []
    networks: list[NetworkScores] = []
    for fold in folds:
        scores = [_score(row, fold) for row in read_rows(fold.predictions_path, _COLUMNS)]
        own = [score for score in scores if score.split == "oof"]
        new = {score.patient_id: score for score in scores if score.split == "test"}
        if tested and new.keys() != tested[0].keys():
            raise RunError(
                f"{fold.predictions_path} and {folds[0].predictions_path} do not hold the same test patients. Delete "
                f"{fold.fold_dir.parent} and run `nephrograde fit` again."
            )
        held_out += own
        tested.append(new)
        networks.append(_network(fold, own, [new[patient_id] for patient_id in (tested[0] if tested else new)]))
    scale = fit_scale(folds[0].model, networks)
    collected.scales.append(scale)
    collected.members.extend([*held_out, *(score for new in tested for score in new.values())])
    collected.rows.extend(replace(score, p_high=scale.of_held_out(score.p_high, score.fold or 0)) for score in held_out)
    for patient_id, score in tested[0].items():
        p_high = scale.of_ensemble([new[patient_id].p_high for new in tested])
        collected.rows.append(Score(patient_id, score.model, "test", None, score.is_high, p_high))


def _network(fold: FoldFolder, own: Sequence[Score], new: Sequence[Score]) -> NetworkScores:
    card = read_card(fold.card_path)
    return NetworkScores(
        fold.number,
        card.prevalence,
        card.is_balanced,
        [score.p_high for score in own],
        [score.is_high for score in own],
        [score.p_high for score in new],
    )


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
    """Write the probabilities of the individual networks as they give them, without any correction."""
    write_rows(members_path, COLUMNS, map(row_of, members))
