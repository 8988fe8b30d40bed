"""The fit stage: every model on every fold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem, RunError, WeightsError
from nephrograde.fit.encoded import encode_regions
from nephrograde.fit.folds import encode_planned, fit_planned, is_fitted, list_fits, plan_fits, work_of
from nephrograde.fit.planned import key_of, longest_first
from nephrograde.fit.unit import fit_unit
from nephrograde.fit.work import memory_of
from nephrograde.fit.workers import fit_at_once
from nephrograde.lock import in_turn
from nephrograde.model.card import read_card
from nephrograde.run.progress import Watched, Workload, silent
from nephrograde.run.stage import remove_interrupted
from nephrograde.sample.prepare import read_prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.fit.planned import Fit
    from nephrograde.fit.team import Team
    from nephrograde.fit.workers import FitOne
    from nephrograde.placing.engine import Engine
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Part, Progress
    from nephrograde.study import Study


@dataclass(frozen=True, slots=True)
class Plan:
    """The fits that are left to be done.

    Attributes:
        fit: Fits one of them.
        todo: The fits with their work.
        split: The split of the study.
    """

    fit: FitOne
    todo: tuple[tuple[Fit, Part], ...]
    split: Split


def fit_models(study: Study, cohort: Cohort, split: Split, run: RunFolder, *, progress: Progress = silent) -> None:
    """Fit every model on every fold, in every repeat that the study asks for; a fold with unchanged inputs is kept.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        run: The run folder; the scans are prepared.
        progress: How to show long steps.

    Raises:
        RunError: If the scans are not prepared, or a model has none.
        FitError: If a model cannot be learnt.
    """
    plan = plan_models(study, cohort, split, run, progress=progress)
    if not plan.todo:
        return
    team = team_for([one for one, _ in plan.todo], [part for _, part in plan.todo], study, split)
    work_through("Fitting models", plan.fit, plan.todo, run, team=team, progress=progress)


def plan_models(study: Study, cohort: Cohort, split: Split, run: RunFolder, *, progress: Progress = silent) -> Plan:
    """List the fits that are left, and compute what several of them share; arguments and errors as :func:`fit_models`.

    The process is the only writer of the run folder.
    """
    prepared = read_prepared(run)
    planned = plan_fits(study, cohort, split, prepared=prepared, run=run)
    if planned:
        encode_planned(planned, study, prepared=prepared, run=run, progress=progress)
    return Plan(_fit_of(study, cohort), tuple((one, work_of(one)) for one in planned), split)


def _fit_of(study: Study, cohort: Cohort) -> FitOne:
    """What fits one network of a study."""
    return partial(fit_planned, study=study, is_high={case.patient_id: case.is_high for case in cohort.cases})


def place_models(plan: Plan, run: RunFolder, engine: Engine, *, progress: Progress = silent) -> None:
    """Let an engine place the fits of a plan on other machines, beside other processes that fit in the same run folder.

    On a CPU, each fit runs on as many threads as on this machine, so that its networks are the same to the last digit,
    unless the engine is told how many processors each gets.

    Args:
        plan: From :func:`plan_models`.
        run: The run folder.
        engine: SLURM or Ray.
        progress: How to show long steps.

    Raises:
        InputError: The engine cannot be used, or a fit would need several machines.
        FitError: Fits have failed; each is named, and the others are kept.
        RunError: The run folder is being written as a whole.
    """
    from nephrograde.fit.placed import place_fits
    from nephrograde.fit.team import threads_on_cpu

    if not plan.todo:
        return
    _refuse_shared([one for one, _ in plan.todo], engine)
    threads = engine.number("cpus") or threads_on_cpu(plan.split.folds)
    place_fits(plan.fit, plan.todo, run, engine=engine, threads=threads, progress=progress)


def _refuse_shared(planned: Sequence[Fit], engine: Engine) -> None:
    """Refuse fits that several machines share, or on SLURM several devices: a job of it is one process."""
    has_several = (engine.number("gpus") or 1) > 1
    for one in planned:
        devices = one.settings.devices
        is_shared = devices > 1 or (devices < 0 and has_several)
        if one.settings.nodes > 1 or (is_shared and engine.kind == "slurm"):
            what = f"{one.name} is fitted by several processes together, which --on {engine.kind} cannot start"
            remedy = "Set fit.nodes = 1 and fit.devices = 1, or start `nephrograde fit` with torchrun or srun."
            raise InputError([Problem("fit.nodes, fit.devices", what, remedy)])


def fit_only(
    study: Study, cohort: Cohort, split: Split, run: RunFolder, *, only: Sequence[str], progress: Progress = silent
) -> None:
    """Fit single units of a study, each done once, beside other processes that fit others in the same run folder.

    The process holds the run folder as :func:`nephrograde.run.writer.beside_others` does.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        run: The run folder; the scans are prepared.
        only: The names of the units, as of :func:`keys_of_fits`.
        progress: How to show long steps.

    Raises:
        InputError: The study has no such unit.
        RunError: If the scans are not prepared, or a model has none.
        FitError: If a model cannot be learnt.
    """
    prepared = read_prepared(run)
    named = {one.name: one for one in list_fits(study, cohort, split, prepared=prepared, run=run)}
    if unknown := [name for name in only if name not in named]:
        remedy = "`nephrograde units` on the study lists its units."
        raise InputError([Problem("--only", f"'{name}' is not a unit of the study", remedy) for name in unknown])
    todo = [named[name] for name in dict.fromkeys(only) if not is_fitted(named[name])]
    if not todo:
        return
    with in_turn(run.encoded_dir):
        encode_regions({one.model: one.encoding for one in todo if one.encoding}.values(), run, progress=progress)
    fit = _fit_of(study, cohort)
    parts = [work_of(one) for one in todo]
    threads = team_for(todo, parts, study, split).threads
    work = Workload(parts)
    with progress("Fitting models", work) as show:
        for one, part in zip(todo, parts, strict=True):
            fit_unit(fit, one, threads=threads, watched=Watched(work, part, show))


def team_for(planned: Sequence[Fit], parts: Sequence[Part], study: Study, split: Split) -> Team:
    """Decide how many networks are fitted at once, and on how many threads.

    Args:
        planned: The fits; at least one.
        parts: The work of each of them.
        study: The resolved study.
        split: Its split.

    Raises:
        FitError: If the devices are not available, or do not allow the number of workers.
    """
    from nephrograde.fit.team import form_team

    n_patients = len(split.assignments)
    return form_team(
        study.fit.workers,
        [one.settings for one in planned],
        folds=split.folds,
        operations=sum(part.units * part.cost for part in parts),
        memory_bytes=max(
            memory_of(study, one.arm, n_patients=n_patients, architecture=one.architecture) for one in planned
        ),
    )


def work_through(
    name: str, fit: FitOne, todo: Sequence[tuple[Fit, Part]], run: RunFolder, *, team: Team, progress: Progress
) -> None:
    """Do the same with each of several fits: one after the other, or several at once, the longest first.

    Args:
        name: What the long step is called.
        fit: What is done; it writes the files of its fit as a whole.
        todo: The fits with their work.
        run: The run folder.
        team: How many at once, and on how many threads.
        progress: How to show long steps.

    Raises:
        NephrogradeError: As ``fit``.
    """
    from nephrograde.fit.team import on_threads

    if team.workers == 1:
        work = Workload([part for _, part in todo])
        with progress(name, work) as show, on_threads(team.threads):
            for one, part in todo:
                fit(one, watched=Watched(work, part, show))
        return
    ordered = longest_first(todo)
    work = Workload([part for _, part in ordered], workers=team.workers)
    try:
        with progress(name, work) as show:
            fit_at_once(fit, [one for one, _ in ordered], team=team, work=work, show=show)
    except BaseException:
        remove_interrupted(run)  # of fits that were ended while they wrote
        raise


def keys_of_fits(study: Study, cohort: Cohort, split: Split, run: RunFolder) -> dict[str, str]:
    """Return the fingerprint of everything that each fit depends on, as its card will state it, before it is fitted.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Who is tested, and who is in which fold.
        run: The run folder; the scans are prepared.

    Returns:
        The fingerprints by the name of the fold's folder, such as ``weak-1-cmp/fold-0``, or
        ``seed-1/weak-1-cmp/fold-0`` in a repeat.

    Raises:
        RunError: If the scans are not prepared, or a model has none.
    """
    fits = list_fits(study, cohort, split, prepared=read_prepared(run), run=run)
    return {one.name: one.key for one in fits}


def require_fits_of(study: Study, cohort: Cohort, split: Split, run: RunFolder) -> None:
    """Refuse networks of another study: with other patients, grades, regions or settings than these.

    The versions of packages may differ, with which they were fitted. Arguments and further errors are those of
    :func:`keys_of_fits`.

    Raises:
        RunError: Networks are of another study.
    """
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    try:
        planned = list_fits(study, cohort, split, prepared=read_prepared(run), run=run)
    except WeightsError:  # a file of an encoder is not on this machine: nothing can be compared
        return
    others = []
    for one in planned:
        if one.folder.is_whole():
            card = read_card(one.folder.card_path)
            then = key_of(one, study, is_high, known_versions=card.versions)
            others += [one.name] if card.inputs_sha256 not in {one.key, then} else []
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise RunError(
            f"{run.run_dir} holds networks that were fitted with other settings, grades or regions: {others[0]}{more}. "
            "Give the same --set as then, or run `nephrograde fit` on the study first."
        )


def fitted_units(study: Study, cohort: Cohort, split: Split, run: RunFolder) -> dict[str, bool]:
    """Return whether each unit of a study is fitted, by its name; arguments and errors as of :func:`keys_of_fits`."""
    return {one.name: is_fitted(one) for one in list_fits(study, cohort, split, prepared=read_prepared(run), run=run)}
