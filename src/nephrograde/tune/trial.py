"""One trial: a cross-validation inside the learning patients of a fold, with other settings of training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from nephrograde.cohort.split import Assignment, Split, check_disjoint, hash_of
from nephrograde.errors import FitError
from nephrograde.fit.chosen import Trial, with_strength, with_values
from nephrograde.fit.folds import assemble_job
from nephrograde.fit.job import check_grades, derive_seed
from nephrograde.study.tuning import own_values, spans_of
from nephrograde.tune.search import STEPS, propose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nephrograde.fit.history import Epoch
    from nephrograde.fit.job import FitJob
    from nephrograde.fit.planned import Fit
    from nephrograde.study import Study, TuneSettings
    from nephrograde.study.tuning import Span
    from nephrograde.tune.search import Proposal


@dataclass(frozen=True, slots=True)
class Search:
    """What is tuned: one model on one fold.

    Attributes:
        planned: The fit with the patients of the whole study; its own settings are those of the first trial.
        study: The resolved study.
        tune: ``[tune]``.
        is_high: The true grade by patient id.
        inside: The fit with the learning patients alone, in inner folds; nobody else is in it.
        spans: What is searched.
        own: The study's own values.
    """

    planned: Fit
    study: Study
    tune: TuneSettings
    is_high: Mapping[str, bool]
    inside: Fit
    spans: Mapping[str, Span]
    own: Mapping[str, float]

    def seed(self, number: int) -> int:
        """The seed of the sampler for a trial.

        Args:
            number: Of the trial, from 0.
        """
        planned = self.planned
        name = f"{planned.model}/{planned.repeat.split_name}"
        return derive_seed(self.tune.seed, name, planned.fold, str(number), n_bytes=4)  # NumPy takes 32 bits


def plan_search(planned: Fit, study: Study, tune: TuneSettings, *, is_high: Mapping[str, bool]) -> Search:
    """Draw the inner folds of a fold, and check that every trial can be fitted.

    Args:
        planned: One of the fits of the study, with its own settings.
        study: The resolved study.
        tune: ``[tune]``.
        is_high: The true grade by patient id.

    Raises:
        FitError: Nothing can be tuned, or the patients to learn from are too few for the inner folds.
        RunError: A patient who is not learnt from is in an inner fold.
    """
    spans = spans_of(tune, planned.settings, study.augment)
    if not spans:
        raise FitError(
            f"Model {planned.model}: tune.values lists nothing that has an effect ({', '.join(tune.values)}). "
            "List a further value, or give limits."
        )
    inner = draw_inner(planned, tune, is_high=is_high)
    for number in range(inner.folds):
        truths = [is_high[patient] for patient in inner.learning_ids(number)]
        check_grades(f"Model {planned.model}, fold {planned.fold}, inner fold {number}", truths)
    inside = _only(planned, inner)
    outside = {"held out": planned.split.fold_ids(planned.fold), "test": planned.split.test_ids()}
    check_disjoint({"inner": {*inside.patients, *inner.assignments}, **outside})
    return Search(planned, study, tune, is_high, inside, spans, own_values(spans, planned.settings))


def _only(planned: Fit, inner: Split) -> Fit:
    """Leave the patients of the inner folds, with their regions and clinical values."""
    learning, table = inner.assignments, planned.clinical
    regions = {
        phase: {patient: path for patient, path in files.items() if patient in learning}
        for phase, files in planned.regions.items()
    }
    clinical = table and replace(table, rows={patient: table.rows[patient] for patient in learning})
    return replace(planned, split=inner, fold=0, regions=regions, clinical=clinical)


def draw_inner(planned: Fit, tune: TuneSettings, *, is_high: Mapping[str, bool]) -> Split:
    """Deal the learning patients of a fold to inner folds, by patient and grade.

    Args:
        planned: The fit.
        tune: The number of inner folds and the seed.
        is_high: The true grade by patient id.

    Raises:
        FitError: There are fewer patients of a grade than inner folds.
    """
    ranked = sorted(planned.learning_ids, key=hash_of(f"tune:{tune.seed}"))
    by_grade = [[patient for patient in ranked if is_high[patient] is high] for high in (False, True)]
    check_grades(
        f"Model {planned.model}, fold {planned.fold}: tuning with {tune.folds} inner folds",
        [is_high[patient] for patient in ranked],
        fewest=tune.folds,
    )
    dealt = {patient: position % tune.folds for position, patient in enumerate([*by_grade[0], *by_grade[1]])}
    return Split({patient: Assignment("train", dealt[patient]) for patient in sorted(dealt)})


def inner_job(search: Search, number: int, values: Mapping[str, float]) -> FitJob:
    """Assemble the fit of one inner fold, as a fold of the study is assembled, from its learning patients alone.

    The patients of the inner fold decide when to stop, as the stopping patients of a fold of the study do, and their
    loss is that of the trial. No file of another patient is opened.

    Args:
        search: What is tuned.
        number: The inner fold.
        values: Of the trial.
    """
    settings = with_values(search.planned.settings, values)
    without_stop = settings.model_copy(update={"patience": 0})
    inside = replace(search.inside, fold=number, settings=without_stop)
    job = assemble_job(inside, search.study, is_high=search.is_high)
    return replace(
        job,
        fold=search.planned.fold,
        stop=job.held_out,
        held_out=job.test,  # nobody
        fit=settings,
        augment=with_strength(search.study.augment, values),
    )


class _EndedEarly(Exception):  # noqa: N818 (not an error)
    """The trial is worse than the others."""


@dataclass(slots=True)
class _Course:
    """The loss of a trial in its first inner fold, step by step."""

    proposal: Proposal
    epochs: int
    keeps_best: bool
    steps: list[float] = field(default_factory=list)

    def follow(self, epoch: Epoch) -> None:
        """Take in an epoch.

        Raises:
            _EndedEarly: The trial has no prospect.
        """
        loss = math.inf if epoch.stop_loss is None else epoch.stop_loss
        if self.keeps_best and self.steps:
            loss = min(loss, self.steps[-1])
        for _ in range(len(self.steps), STEPS * epoch.epoch // self.epochs):
            self._add(loss)
            if self.proposal.is_hopeless():
                raise _EndedEarly

    def end(self, loss: float) -> None:
        """Fill the steps that are left after the fit, which may have stopped early."""
        while len(self.steps) < STEPS:
            self._add(loss)

    def _add(self, loss: float) -> None:
        self.steps.append(loss)
        self.proposal.report(len(self.steps), loss)


def run_trial(search: Search, finished: Sequence[Trial], *, advance: Callable[[float], None]) -> Trial:
    """Run the next trial of a search: every inner fold, unless the first one shows that the values are worse.

    Args:
        search: What is tuned.
        finished: The trials so far.
        advance: Told how much was done, in inner folds.

    Raises:
        FitError: The study's own values cannot be fitted. Other values may fail, which the trial then says.
    """
    proposal = propose(search.spans, search.own, finished, seed=search.seed(len(finished)))
    settings = with_values(search.planned.settings, proposal.values)
    course = _Course(proposal, settings.epochs, settings.patience > 0)
    done = 0.0

    def follow(epoch: Epoch, *, number: int) -> None:
        nonlocal done
        share = min(1.0 / settings.epochs, number + 1 - done)
        done += share
        advance(share)
        if number == 0:
            course.follow(epoch)

    losses, sizes = [], []
    try:
        for number in range(search.tune.folds):
            job = inner_job(search, number, proposal.values)
            loss = _fit_inner(replace(job, after_epoch=partial(follow, number=number)))
            losses.append(loss)
            sizes.append(len(job.stop.patient_ids))
            if number == 0:
                course.end(loss)
    except _EndedEarly:
        return Trial(proposal.values, "pruned", course.steps[-1], tuple(course.steps))
    except FitError as error:
        if not finished:
            raise
        return Trial(proposal.values, "failed", None, tuple(course.steps), str(error))
    finally:
        advance(search.tune.folds - done)
    mean = math.fsum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)
    return Trial(proposal.values, "complete", mean, tuple(course.steps))


def _fit_inner(job: FitJob) -> float:
    """Fit one inner fold, and return the loss of its patients with the weights that the fit keeps."""
    from nephrograde.fit.loop import fit_fold

    fitted = fit_fold(job)
    loss = fitted.history[fitted.card.best_epoch - 1].stop_loss
    return math.inf if loss is None else loss
