"""The tuning stage: settings of training for every model on every fold, chosen inside its learning patients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from nephrograde.errors import FitError, InputError, Problem
from nephrograde.fit.chosen import Chosen, TuningRecord, add_tuned_models, choose, read_record, write_record
from nephrograde.fit.folds import untuned_fits, work_of
from nephrograde.fit.planned import tuning_key
from nephrograde.fit.stage import team_for, work_through
from nephrograde.run.progress import Part, Watched, silent
from nephrograde.sample.prepare import read_prepared
from nephrograde.study import TuneSettings
from nephrograde.tune.search import require_optuna
from nephrograde.tune.table import write_trials
from nephrograde.tune.trial import Search, plan_search, run_trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.fit.planned import Fit
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.study import Study


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What is about to be done.

    Attributes:
        study: The resolved study.
        tune: ``[tune]``; its defaults where the study has none.
        searches: The folds of all models, those of repeats included.
        records: The trials of each that are finished and still valid.
        not_trained: Models of frozen encoders, of which nothing can be tuned.
    """

    study: Study
    tune: TuneSettings
    searches: tuple[Search, ...]
    records: tuple[TuningRecord, ...]
    not_trained: tuple[str, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The models."""
        return tuple(dict.fromkeys(one.planned.model for one in self.searches))

    @property
    def missing(self) -> tuple[int, ...]:
        """How many trials each search lacks."""
        return tuple(max(0, self.tune.trials - len(record.trials)) for record in self.records)

    @property
    def finished(self) -> int:
        """Trials of earlier calls that are kept."""
        return len(self.searches) * self.tune.trials - sum(self.missing)

    @property
    def fits(self) -> int:
        """Networks to be fitted at most."""
        return sum(self.missing) * self.tune.folds


@dataclass(frozen=True, slots=True)
class ChosenFold:
    """What was chosen for a fold of a model, of a repeat if that is named."""

    model: str
    fold: int
    repeat: str
    chosen: Chosen


def require_tunable(study: Study, models: Sequence[str]) -> None:
    """Check before the scans are prepared that Optuna is installed, and that there is something to tune.

    Args:
        study: The resolved study.
        models: The models to tune; all that train a network when empty.

    Raises:
        InputError: A model is not one of the study, or does not train a network.
        FitError: Optuna is missing, or no model trains a network.
    """
    require_optuna()
    if problems := _problems(study, models):
        raise InputError(problems)
    if all(arm.encoder is not None for arm in study.arm):
        raise FitError("All models of the study have frozen encoders, which are not trained: there is nothing to tune.")


def plan_tuning(
    study: Study, cohort: Cohort, split: Split, run: RunFolder, *, models: Sequence[str] = ()
) -> TuningPlan:
    """Find out what there is to tune, and check all of it before anything is fitted.

    Finished trials are kept, so that an interrupted search goes on where it was; if anything that they depend on has
    changed, they are run again.

    Args:
        study: The resolved study; without ``[tune]``, its defaults apply.
        cohort: Its patients.
        split: Who is tested, and who is in which fold. Neither test patients nor those of a fold are used for it.
        run: The run folder; the scans are prepared.
        models: The models to tune; all that train a network when empty.

    Raises:
        InputError: A model is not one of the study, or does not train a network.
        RunError: The scans are not prepared, or earlier trials are damaged.
        FitError: Optuna is missing, several devices share a fit, there is nothing to tune, or there are too few
            patients.
    """
    require_tunable(study, models)
    tune = study.tune or TuneSettings()
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    planned = _to_tune(study, cohort, split, run, models=models)
    _require_one_device(planned)
    searches = tuple(plan_search(one, study, tune, is_high=is_high) for one in planned)
    return TuningPlan(
        study=study,
        tune=tune,
        searches=searches,
        records=tuple(earlier_record(one, run) for one in searches),
        not_trained=() if models else tuple(one.id for one in study.models() if one.arm.encoder is not None),
    )


def tune_models(plan: TuningPlan, split: Split, run: RunFolder, *, progress: Progress = silent) -> list[ChosenFold]:
    """Choose settings of training for models on every fold, in every repeat that has folds or patients of its own.

    Args:
        plan: What is to be done.
        split: The split of the study.
        run: The run folder.
        progress: How to show long steps.

    Returns:
        What was chosen.

    Raises:
        FitError: A model cannot be fitted with its own settings.
    """
    study, tune = plan.study, plan.tune
    add_tuned_models(run, plan.models)
    todo = []
    for search, record, left in zip(plan.searches, plan.records, plan.missing, strict=True):
        if left:
            todo.append((search.planned, _work_of(search, left)))
        else:  # another number of trials may have been asked for before
            write_record(record, _record_path(search.planned, run))
    if todo:
        tune_one = partial(tune_planned, study=study, tune=tune, is_high=plan.searches[0].is_high, run=run)
        team = team_for([one for one, _ in todo], [part for _, part in todo], _with_largest_batches(plan), split)
        work_through("Tuning models", tune_one, todo, run, team=team, progress=progress)
    write_trials(run)
    chosen = [(one.planned, choose(earlier_record(one, run))) for one in plan.searches]
    return [ChosenFold(one.model, one.fold, one.repeat.name, values) for one, values in chosen if values is not None]


def tune_planned(
    planned: Fit, *, study: Study, tune: TuneSettings, is_high: Mapping[str, bool], run: RunFolder, watched: Watched
) -> None:
    """Run the missing trials of one model on one fold; each is written as soon as it is finished.

    Args:
        planned: The fit with its own settings.
        study: The resolved study.
        tune: ``[tune]``.
        is_high: The true grade by patient id.
        run: The run folder.
        watched: Told of every epoch.

    Raises:
        FitError: The study's own values cannot be fitted.
    """
    search = plan_search(planned, study, tune, is_high=is_high)
    record = earlier_record(search, run)
    while len(record.trials) < tune.trials:
        trial = run_trial(search, record.trials, advance=watched.advance)
        record = replace(record, trials=(*record.trials, trial))
        write_record(record, _record_path(planned, run))
    watched.finish()


def earlier_record(search: Search, run: RunFolder) -> TuningRecord:
    """Return the trials that are finished and still valid.

    Args:
        search: What is tuned.
        run: The run folder.

    Raises:
        RunError: The file is damaged.
    """
    path = _record_path(search.planned, run)
    key = tuning_key(search.planned, search.study, search.tune, is_high=search.is_high)
    earlier = read_record(path) if path.is_file() else None
    trials = earlier.trials if earlier is not None and earlier.key == key else ()
    return TuningRecord(key, search.tune.model_dump(mode="json"), trials)


def _to_tune(study: Study, cohort: Cohort, split: Split, run: RunFolder, *, models: Sequence[str]) -> list[Fit]:
    """List the fits to be tuned; seeds of one split share what is chosen, as they learn from the same patients."""
    planned = untuned_fits(study, cohort, split, prepared=read_prepared(run), run=run)
    return [
        one for one in planned if one.encoding is None and not one.repeat.seed and (not models or one.model in models)
    ]


def _problems(study: Study, models: Sequence[str]) -> list[Problem]:
    """What is wrong with the models that are named."""
    known = {model.id: model for model in study.models()}
    problems = []
    for name in models:
        model = known.get(name)
        if model is None:
            problems.append(Problem("--model", f"{name} is not a model of the study", f"Known: {', '.join(known)}."))
        elif model.arm.encoder is not None:
            what = f"{name} has a frozen encoder, which is not trained, so there is nothing to tune"
            problems.append(Problem("--model", what, "Name a model that trains a network."))
        elif not model.has_networks:
            what = f"{name} joins the scores of other models and trains no network"
            problems.append(Problem("--model", what, f"Name these: {', '.join(model.parts.values())}."))
    return problems


def _with_largest_batches(plan: TuningPlan) -> Study:
    """The study with the largest batches of any trial, which decide how much memory is needed."""
    largest = {
        one.planned.arm.name: int(one.spans["batch_size"].high) for one in plan.searches if "batch_size" in one.spans
    }
    arms = tuple(
        arm.model_copy(update={"fit": {**arm.fit, "batch_size": largest[arm.name]}}) if arm.name in largest else arm
        for arm in plan.study.arm
    )
    return plan.study.model_copy(update={"arm": arms})


def _require_one_device(planned: Sequence[Fit]) -> None:
    from nephrograde.fit.machine import find_machine

    for one in planned:
        if find_machine(one.settings).processes > 1:
            raise FitError(
                f"Model {one.model}: several devices share each fit, but a trial can only be ended early on a single "
                "one. Tune with --set fit.devices=1 --set fit.nodes=1 and without a launcher."
            )


def _work_of(search: Search, left: int) -> Part:
    """The work of the trials that are left, in inner folds."""
    of_one = work_of(search.inside)
    return Part(of_one.kind, float(left * search.tune.folds), cost=of_one.units * of_one.cost)


def _record_path(planned: Fit, run: RunFolder) -> Path:
    return run.tuning.record_path(planned.model, planned.fold, planned.repeat.split_name)
