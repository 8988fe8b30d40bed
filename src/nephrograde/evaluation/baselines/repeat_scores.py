"""The scores of the repeats: those of all networks and baselines in every repeat, on the scale of that repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.cohort.repeat import repeats_of_arm, repeats_of_split, split_of
from nephrograde.errors import RunError
from nephrograde.evaluation.baselines.baseline import fit_baseline
from nephrograde.evaluation.baselines.late import fuse_late
from nephrograde.evaluation.scores.collect import collect_scores
from nephrograde.evaluation.scores.score_table import row_of
from nephrograde.evaluation.scores.scores import COLUMNS, Score, Scores
from nephrograde.files import finite, read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.repeat import Repeat
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.baseline import Predictors
    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.run.fold_folder import FoldFolder
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study


@dataclass(frozen=True, slots=True)
class RepeatScores:
    """The scores of one repeat, and its folds."""

    repeat: Repeat
    split: Split
    scores: Scores


def repeated_folds(study: Study, split: Split, run: RunFolder) -> dict[Repeat, list[FoldFolder]]:
    """List the networks of all repeats but the first.

    Args:
        study: The resolved study.
        split: Its folds.
        run: The run folder.
    """
    folders: dict[Repeat, list[FoldFolder]] = {}
    for model in study.models():
        for repeat in repeats_of_arm(study, model.arm):
            if not repeat.is_first and model.has_networks:
                own = (run.fold(model.id, fold, repeat.name) for fold in range(split.folds))
                folders.setdefault(repeat, []).extend(own)
    return folders


def score_repeats(
    study: Study,
    cohort: Cohort,
    split: Split,
    *,
    fitted: Mapping[Repeat, Iterable[FoldFolder]],
    baselines: Mapping[str, Predictors],
) -> list[RepeatScores]:
    """Collect the scores of all repeats but the first.

    Networks are brought to one scale within each repeat, as in the first fit. Baselines are fitted again on the folds
    of each repeat; they have no seed.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Its folds.
        fitted: The networks of each repeat, all of them whole.
        baselines: The predictors of each baseline.

    Raises:
        RunError: A file of a network is damaged, or a repeat leaves too few patients to learn from.
        ScoresError: The patients that a baseline learns from are all of one grade.
    """
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    repeated = []
    of_split = [repeat for repeat in repeats_of_split(study.split) if not repeat.is_first]
    for repeat in dict.fromkeys([*of_split, *fitted]):
        own = split_of(repeat, split, cohort, study.split)
        rows: list[Score] = collect_scores(fitted.get(repeat, ())).rows
        rows += fuse_late(rows, study, cohort).scores
        if repeat in of_split:
            for name, predictors in baselines.items():
                rows += fit_baseline(predictors, is_high, own, model=name)
        if rows:
            repeated.append(RepeatScores(repeat, own, Scores(tuple(rows))))
    return repeated


def write_repeats(repeated: Iterable[RepeatScores], scores_path: Path) -> None:
    """Write the scores of the repeats: the columns of ``scores.csv`` after the name of the repeat.

    Args:
        repeated: The scores of each repeat.
        scores_path: The file.
    """
    rows = ({"repeat": one.repeat.name, **row_of(score)} for one in repeated for score in one.scores.rows)
    write_rows(scores_path, ("repeat", *COLUMNS), rows)


def read_repeats(scores_path: Path, repeats: Sequence[Repeat]) -> dict[Repeat, Scores]:
    """Read the scores of repeats that :func:`write_repeats` has written.

    Args:
        scores_path: The file.
        repeats: Those to read; any that have no scores are left out.

    Raises:
        RunError: The file is missing or damaged.
        ScoresError: Its scores contradict each other.
    """
    by_name: dict[str, list[Score]] = {repeat.name: [] for repeat in repeats}
    try:
        for row in read_rows(scores_path, ("repeat", *COLUMNS)):
            if row["repeat"] in by_name:
                by_name[row["repeat"]].append(_score(row))
    except ValueError as error:
        raise RunError(f"{scores_path} is damaged ({error}). Run `nephrograde evaluate` again.") from None
    return {repeat: Scores(tuple(rows)) for repeat in repeats if (rows := by_name[repeat.name])}


def _score(row: Mapping[str, str]) -> Score:
    fold = int(row["fold"]) if row["fold"] else None
    split: SplitName = "oof" if row["split"] == "oof" else "test"
    return Score(row["patient_id"], row["model"], split, fold, row["is_high"] == "1", finite(row["p_high"]))
