"""The ladder of a study as files: ``statistics/ladder.csv`` and, with repeats, ``statistics/ladder_curves.csv``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.cohort.repeat import Repeat, repeats_of_split
from nephrograde.evaluation.baselines.repeat_scores import read_repeats
from nephrograde.evaluation.comparison.repeats import RepeatedAuc
from nephrograde.evaluation.ladder.curve import LadderPoint, ladder_points
from nephrograde.evaluation.ladder.ladder import LadderRow, climb, rungs_of
from nephrograde.evaluation.ladder.minutes import choose_minutes
from nephrograde.evaluation.scores.score_table import read_scores
from nephrograde.evaluation.tables import read_estimates, read_table, write_table
from nephrograde.run.stage import run_stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.evaluation.ladder.minutes import Minutes
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study
    from nephrograde.vocabulary import Supervision

_STAGE = "ladder"


def write_ladder(study: Study, run: RunFolder, *, measured: Mapping[Supervision, Minutes]) -> None:
    """Write the ladder of a study that has been evaluated; nothing if its arms are of one level.

    The test set is not opened again: everything is computed from the scores that were written. Other minutes change the
    costs, and nothing else.

    Args:
        study: The resolved study.
        run: The run folder, with scores, estimates and repeats.
        measured: Minutes of annotation per patient by level, as far as they were measured.

    Raises:
        RunError: A file of the evaluation is damaged.
        ScoresError: The scores contradict each other.
    """
    models = study.models()
    if not rungs_of(models, [model.id for model in models]):
        for path in (run.ladder_path, run.ladder_curves_path, run.stage_path(_STAGE)):
            path.unlink(missing_ok=True)  # of the arms that the study had before
        return
    minutes = choose_minutes(study.annotation.minutes, measured)
    settings = study.evaluate

    def make(_: str) -> None:
        scores = read_scores(run.scores_path)
        rungs = rungs_of(models, scores.models)
        rows = climb(scores, read_estimates(run.estimates_path), rungs, minutes=minutes, margin=settings.margin)
        write_table(rows, LadderRow, run.ladder_path)
        repeats = [repeat for repeat in repeats_of_split(study.split) if not repeat.is_first]
        of_repeats = {Repeat(): scores, **read_repeats(run.repeats_scores_path, repeats)}
        aucs = read_table(RepeatedAuc, run.repeats_path)
        points = ladder_points(of_repeats, aucs, rungs, minutes=minutes, confidence=settings.confidence)
        write_table(points, LadderPoint, run.ladder_curves_path)

    inputs = [run.scores_path, run.estimates_path, run.repeats_scores_path, run.repeats_path]
    known = [[level, found.value, found.source, found.n] for level, found in minutes.items()]
    arms = [
        arm.model_dump(mode="json", include={"name", "supervision", "slices", "neighbours", "network"})
        for arm in study.arm
    ]
    run_stage(_STAGE, run, inputs=inputs, settings=[known, arms, settings.margin, settings.confidence], make=make)
