"""A model of a finished run, loaded to grade new scans with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nephrograde.arguments import PATH, TEXT, checked, choice, either
from nephrograde.errors import RunError
from nephrograde.files import fingerprint
from nephrograde.predict.grader import Grader
from nephrograde.predict.learnt import performance_of, scale_of
from nephrograde.predict.learnt_range import range_of
from nephrograde.predict.networks import SealedNetworks, Stack
from nephrograde.predict.values import text_columns
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.predict.refusals import Outside
    from nephrograde.predict.scored import Scorer
    from nephrograde.run.seal import Seal
    from nephrograde.study import StudyModel


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
    own = found[model]
    return Grader(
        model=model,
        arm=own.arm,
        phase=own.phase,
        phases=own.phases,
        threshold=threshold,
        study=study,
        scorer=_scorer(own, results, results.seal, found),
        performance=performance_of(results, model),
        judge=results.judge(model),
        is_joined=own.fusion is not None,
        texts=text_columns(results, model),
        study_sha256=results.seal.study,
        identify=partial(fingerprint, [model, results.seal.study, dict(results.seal.files)]),
        cohort_range=range_of(results, study, own, with_greys=False),
        outside=outside,
    )


def _scorer(own: StudyModel, results: Results, seal: Seal, models: Mapping[str, StudyModel]) -> Scorer:
    """The networks of a model; of late fusion, the regression and the networks of each of its phases."""
    if own.has_networks:
        return SealedNetworks(own.id, seal, scale_of(results, own.id))
    rows = tuple(row for row in results.fusion if row.model == own.id)
    if not rows:
        raise RunError(
            f"{results.folder.fusion_path} does not join the phases of {own.id}. Run `nephrograde evaluate`."
        )
    parts = {phase: _scorer(models[part], results, seal, models) for phase, part in own.parts.items()}
    return Stack(rows, own.phases, parts)
