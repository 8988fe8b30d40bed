"""Run folders of studies with several levels of supervision, made by code: scores and statistics, without networks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.cohort.repeat import Repeat, repeats_of_split
from nephrograde.cohort.split import Split
from nephrograde.evaluation.baselines.repeat_scores import RepeatScores, write_repeats
from nephrograde.evaluation.comparison.repeats import RepeatedAuc
from nephrograde.evaluation.evaluation import evaluate_scores, write_statistics
from nephrograde.evaluation.ladder.stage import write_ladder
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import write_table
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import FORMAT
from nephrograde.run.seal import renew_seal
from nephrograde.study import Study

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALL_ARMS: tuple[dict[str, Any], ...] = (
    {"name": "kidneys", "supervision": "none", "slices": 3},
    {"name": "whole", "supervision": "slice", "slices": 1},
    {"name": "click-1", "supervision": "point", "slices": 1},
    {"name": "click-1-near", "supervision": "point", "slices": 1, "neighbours": 2},
    {"name": "boxed-1", "supervision": "box", "slices": 1},
    {"name": "boxed-3", "supervision": "box", "slices": 3},
    {"name": "boxed", "supervision": "box"},
    {"name": "drawn", "supervision": "mask"},
)
"""Arms of every level, and several networks of one."""
ARMS: tuple[dict[str, Any], ...] = (
    {"name": "click-1", "supervision": "point", "slices": 1},
    {"name": "click-3", "supervision": "point", "slices": 3},
    {"name": "boxed", "supervision": "box", "slices": 1},
    {"name": "drawn", "supervision": "mask"},
)
SHIFTS = {"none": 0.6, "slice": 0.7, "point": 1.0, "box": 1.35, "mask": 1.4}
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Size:
    """Patients of a made run."""

    training: int = 200
    test: int = 80


def build_ladder_study(arms: Sequence[dict[str, Any]] = ARMS, **changes: Any) -> Study:
    content: dict[str, Any] = {
        "name": "ladder of supervision",
        "synthetic": True,
        "cohort": {"table": "cohort.csv", "phases": ["cmp", "np"]},
        "split": {"folds": FOLDS, "repeats": 2, "learning_curve": [0.25, 0.5, 0.75]},
        "evaluate": {"bootstraps": 100, "baselines": []},
        "arm": list(arms),
    }
    return Study.model_validate_json(json.dumps(content | changes), strict=True)


def build_ladder_run(run_dir: Path, study: Study, size: Size = Size()) -> Path:
    """Write scores, repeats and statistics of a study, as its evaluation would, and the ladder."""
    run = RunFolder(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    lock = {"format": FORMAT, "study": study.model_dump(mode="json"), "command": "nephrograde run study.toml"}
    run.study_lock_path.write_text(json.dumps(lock), encoding="utf-8")
    made = {repeat: _scores(study, repeat, size) for repeat in repeats_of_split(study.split)}
    write_scores(made[Repeat()], run.scores_path)
    arms = {one.id: (one.arm.name, one.phase) for one in study.models()}
    write_statistics(evaluate_scores(made[Repeat()], study.evaluate, arms=arms), run)
    write_repeats(
        [RepeatScores(one, Split({}), made[one]) for one in made if not one.is_first], run.repeats_scores_path
    )
    rows = [
        RepeatedAuc(
            model.id, one.drawing, one.seed, one.share, "oof", fold, 0.8, 40, 20, round(size.training * 0.8 * one.share)
        )
        for one in made
        for model in study.models()
        for fold in range(FOLDS)
    ]
    write_table(rows, RepeatedAuc, run.repeats_path)
    write_ladder(study, run, measured={})
    renew_seal(run, ())
    return run_dir


def _scores(study: Study, repeat: Repeat, size: Size) -> Scores:
    patients = size.training + size.test
    is_high = np.arange(patients) % 2 == 0
    shared = np.random.default_rng(11).standard_normal(patients)
    stream = np.random.default_rng([5, repeat.drawing, round(100 * repeat.share)])
    folds = stream.permutation(size.training // 2) % FOLDS
    rows = []
    for model in study.models():
        shift = (
            SHIFTS[model.arm.supervision]
            * (0.7 if model.phase == "np" else 1.0)
            * (1.0 - 0.25 / (1.0 + 3.0 * repeat.share))
        )
        values = shift * is_high + 0.85 * shared + 0.5 * stream.standard_normal(patients)
        p_high = 1.0 / (1.0 + np.exp(-values + 0.7))
        for k in range(patients):
            is_test = k >= size.training
            fold = None if is_test else int(folds[k // 2])
            rows.append(
                Score(f"P{k:03}", model.id, "test" if is_test else "oof", fold, bool(is_high[k]), float(p_high[k]))
            )
    return Scores(tuple(rows))
