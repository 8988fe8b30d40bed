"""A model of a finished run, loaded to grade new scans with it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nephrograde.arguments import PATH, TEXT, checked, choice, either
from nephrograde.errors import RunError
from nephrograde.files import fingerprint
from nephrograde.predict.grader import Grader, Stack
from nephrograde.predict.learnt import performance_of, scale_of
from nephrograde.predict.learnt_range import range_of
from nephrograde.predict.values import text_columns
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.threshold import Threshold
    from nephrograde.predict.refusals import Outside
    from nephrograde.study import Study, StudyModel


RUN = either(PATH, Results, RunFolder, remedy="Give the folder of a run, as a str or Path.")
"""The kind of an argument that is a run."""


@checked(
    run=RUN,
    model=TEXT,
    outside=choice("refuse", "warn"),
)
def load_grader(run: Results | RunFolder | str | Path, model: str, *, outside: Outside = "refuse") -> Grader:
    """Load a model of a finished run to grade new scans with it.

    Args:
        run: The folder of the run, or its results where they have been read.
        model: Like ``weak-1-cmp``; it sets the phase and the supervision level.
        outside: What is done with a scan on which an answer would mean nothing: "refuse" or "warn".

    Raises:
        InputError: Where the run is not a path, the model not a text, or ``outside`` another word.
        RunError: Where the run has no such model, has not been evaluated, or was altered since.
    """
    results = run if isinstance(run, Results) else Results.read(run)
    study = results.study
    if study is None:
        raise RunError(f"{results.run_dir} holds the evaluation of a score table, not the run of a study.")
    found = {one.id: one for one in study.models()}
    if model not in found:
        raise RunError(f"This run has no model '{model}'. It has: {', '.join(found)}.")
    threshold = results.threshold(model)
    if threshold is None or results.seal is None:
        raise RunError(f"{results.run_dir} holds no threshold for '{model}'. Run `nephrograde evaluate` first.")
    results.seal.check_study(results.lock)
    return replace(_grader(results, study, found[model], threshold), outside=outside)


def _grader(results: Results, study: Study, own: StudyModel, threshold: Threshold) -> Grader:
    model = own.id
    if results.seal is None:
        raise RunError(f"{results.run_dir} has not been evaluated. Run `nephrograde evaluate` first.")
    return Grader(
        model=model,
        arm=own.arm,
        phase=own.phase,
        phases=own.phases,
        threshold=threshold,
        study=study,
        seal=results.seal,
        scale=scale_of(results, model) if own.has_networks else None,
        performance=performance_of(results, model),
        judge=results.judge(model),
        stack=None if own.has_networks else _stack(results, study, own, threshold),
        is_joined=own.fusion is not None,
        texts=text_columns(results, own.id),
        study_sha256=results.seal.study,
        identify=partial(fingerprint, [model, results.seal.study, dict(results.seal.files)]),
        cohort_range=range_of(results, study, own, with_greys=False),
    )


def _stack(results: Results, study: Study, own: StudyModel, threshold: Threshold) -> Stack:
    """The regression of late fusion, and a grader of each of its phases."""
    rows = tuple(row for row in results.fusion if row.model == own.id)
    if not rows:
        raise RunError(
            f"{results.folder.fusion_path} does not join the phases of {own.id}. Run `nephrograde evaluate`."
        )
    singles = {one.id: one for one in study.models()}
    parts = {
        phase: _grader(results, study, singles[part], results.threshold(part) or threshold)
        for phase, part in own.parts.items()
    }
    return Stack(rows, parts)
