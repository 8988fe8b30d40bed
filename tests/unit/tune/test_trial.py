"""A trial sees the patients that its fold learns from, and nobody else."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.cohort.clinical import ClinicalTable
from nephrograde.cohort.split import Assignment, Split
from nephrograde.errors import FitError, RunError
from nephrograde.fit.history import Epoch
from nephrograde.fit.planned import tuning_key
from nephrograde.study import TuneSettings
from nephrograde.tune.trial import inner_job, plan_search, run_trial

if TYPE_CHECKING:
    from nephrograde.fit.chosen import Trial

TUNE = TuneSettings(folds=3)


def outsiders(planned):
    return {*planned.split.fold_ids(planned.fold), *planned.split.test_ids()}


def test_no_held_out_or_test_patient_reaches_a_trial(planned, study, is_high):
    """Their files are damaged, and nothing notices; in every inner fold, each learning patient has one place."""
    for patient in outsiders(planned):
        planned.files[patient].write_bytes(b"damaged")
    search = plan_search(planned, study, TUNE, is_high=is_high)
    scored: list[str] = []
    for number in range(TUNE.folds):
        job = inner_job(search, number, search.own)
        seen = {*job.learn.patient_ids, *job.stop.patient_ids}
        assert seen == set(planned.split.learning_ids(planned.fold))
        assert seen.isdisjoint(outsiders(planned))
        assert not set(job.learn.patient_ids) & set(job.stop.patient_ids)
        assert job.held_out.patient_ids == job.test.patient_ids == ()
        scored += job.stop.patient_ids
    assert sorted(scored) == sorted(planned.split.learning_ids(planned.fold))


def test_a_patient_who_is_not_learnt_from_is_refused(planned, study, is_high, monkeypatch):
    leaking = Split({**planned.split.assignments, "P01": Assignment("test", None)})
    monkeypatch.setattr("nephrograde.tune.trial.draw_inner", lambda *_args, **_given: leaking)
    with pytest.raises(RunError, match="in inner and in"):
        plan_search(planned, study, TUNE, is_high=is_high)


def test_inner_folds_have_the_same_grades(planned, study, is_high):
    search = plan_search(planned, study, TUNE, is_high=is_high)
    high = [sum(is_high[patient] for patient in search.inside.split.fold_ids(number)) for number in range(3)]
    sizes = [len(search.inside.split.fold_ids(number)) for number in range(3)]
    assert max(high) - min(high) <= 1
    assert max(sizes) - min(sizes) <= 1
    other = plan_search(planned, study, TUNE.model_copy(update={"seed": 1}), is_high=is_high)
    assert other.inside.split != search.inside.split


def test_clinical_values_of_others_are_left_out(planned, study, is_high):
    rows = {patient: (float(number),) for number, patient in enumerate(is_high)}
    table = ClinicalTable(("age",), rows, (0,), ())
    search = plan_search(replace(planned, clinical=table), study, TUNE, is_high=is_high)
    clinical = search.inside.clinical
    assert clinical is not None
    assert set(clinical.rows) == set(planned.split.learning_ids(planned.fold))


def test_a_trial_has_its_own_settings_and_those_of_the_study(planned, study, is_high):
    search = plan_search(planned, study, TUNE, is_high=is_high)
    values = {**search.own, "epochs": 3.0, "learning_rate": 0.5, "augmentation": 0.0}
    job = inner_job(search, 0, values)
    assert (job.fit.epochs, job.fit.learning_rate) == (3, 0.5)
    assert (job.fit.patience, job.fit.batch_size) == (study.fit.patience, study.fit.batch_size)
    assert job.augment.rotate_deg == job.augment.noise == 0
    assert job.augment.flip == study.augment.flip
    assert inner_job(search, 0, search.own).augment == study.augment


def test_too_few_patients_for_the_inner_folds(planned, study, is_high):
    with pytest.raises(FitError, match=r"weak-1-cmp, fold 1: tuning with 10 inner folds.*at least 10 of either"):
        plan_search(planned, study, TuneSettings(folds=10), is_high=is_high)


def test_a_value_without_effect_is_not_searched(planned, study, is_high):
    still = study.model_copy(
        update={
            "augment": study.augment.model_copy(
                update=dict.fromkeys(("rotate_deg", "shift", "scale", "contrast", "brightness", "noise"), 0.0)
            )
        }
    )
    with pytest.raises(FitError, match="nothing that has an effect"):
        plan_search(planned, still, TuneSettings(values=("augmentation",)), is_high=is_high)


def test_trials_depend_on_the_learning_patients_alone(planned, study, is_high):
    def key(fit=planned, whole=study, tune=TUNE, truths=is_high):
        return tuning_key(fit, whole, tune, is_high=truths)

    def with_file(patient):
        files = {**planned.files, patient: planned.files[patient].with_name("other.npy")}
        return replace(planned, regions={"cmp": files})

    first, test, held_out = planned.learning_ids[0], planned.split.test_ids()[0], planned.split.fold_ids(1)[0]
    assert key() == key(with_file(test)) == key(with_file(held_out))
    assert key() == key(truths={**is_high, test: not is_high[test]})
    assert key() == key(tune=TUNE.model_copy(update={"trials": 99}))
    assert key() == key(replace(planned, settings=planned.settings.model_copy(update={"devices": 2})))
    fewer = Split({p: place for p, place in planned.split.assignments.items() if p != first})
    others = [
        key(with_file(first)),
        key(truths={**is_high, first: not is_high[first]}),
        key(replace(planned, split=fewer)),
        key(tune=TUNE.model_copy(update={"epochs": (2, 5)})),
        key(whole=study.model_copy(update={"augment": study.augment.model_copy(update={"noise": 0.5})})),
        key(replace(planned, settings=planned.settings.model_copy(update={"patience": 1}))),
        key(replace(planned, arm=planned.arm.model_copy(update={"neighbours": 1}))),
    ]
    assert key() not in others
    assert len(set(others)) == len(others)


class Fitted:
    """Stands for the loop: every epoch has the loss that a function gives."""

    def __init__(self, monkeypatch, loss_of):
        self.loss_of, self.jobs = loss_of, []
        monkeypatch.setattr("nephrograde.fit.loop.fit_fold", self)

    def __call__(self, job):
        self.jobs.append(job)
        history = []
        for epoch in range(1, job.fit.epochs + 1):
            history.append(Epoch(epoch, 0.1, 0.5, self.loss_of(job, epoch)))
            job.tell(history[-1])
        best = min(history, key=lambda one: one.stop_loss or 0.0) if job.fit.patience else history[-1]
        card = type("Card", (), {"best_epoch": best.epoch})
        return type("Fold", (), {"history": tuple(history), "card": card})


@pytest.mark.needs("optuna")
def test_the_loss_of_a_trial_is_that_of_all_inner_patients(planned, study, is_high, monkeypatch):
    search = plan_search(planned, study, TUNE, is_high=is_high)
    by_first = {patient: 0.1 * (number + 1) for number, patient in enumerate(planned.learning_ids)}
    fitted = Fitted(monkeypatch, lambda job, epoch: by_first[job.stop.patient_ids[0]] + abs(epoch - 4))
    told: list[float] = []
    trial = run_trial(search, (), advance=told.append)
    sizes = [len(job.stop.patient_ids) for job in fitted.jobs]
    losses = [by_first[job.stop.patient_ids[0]] for job in fitted.jobs]
    assert trial.state == "complete"
    assert trial.loss == pytest.approx(np.average(losses, weights=sizes))
    assert len(trial.steps) == 10
    assert trial.steps[-1] == pytest.approx(losses[0])  # the best epoch counts
    assert list(trial.steps) == sorted(trial.steps, reverse=True)
    assert math.fsum(told) == pytest.approx(3.0)


@pytest.mark.needs("optuna")
def test_a_worse_trial_is_ended_in_its_first_inner_fold(planned, study, is_high, monkeypatch):
    search = plan_search(planned, study, TUNE, is_high=is_high)
    finished: list[Trial] = []
    Fitted(monkeypatch, lambda _job, _epoch: 0.3)
    while len(finished) < 5:
        finished.append(run_trial(search, finished, advance=lambda _share: None))
    fitted = Fitted(monkeypatch, lambda _job, _epoch: 0.9)
    told: list[float] = []
    trial = run_trial(search, finished, advance=told.append)
    assert (trial.state, trial.loss, len(fitted.jobs)) == ("pruned", 0.9, 1)
    assert math.fsum(told) == pytest.approx(3.0)


@pytest.mark.needs("optuna")
def test_a_trial_that_cannot_be_fitted_fails_alone_but_the_study_itself_may_not(planned, study, is_high, monkeypatch):
    search = plan_search(planned, study, TUNE, is_high=is_high)
    Fitted(monkeypatch, lambda _job, _epoch: 0.3)
    first = run_trial(search, (), advance=lambda _share: None)

    def refuse(_job):
        raise FitError("a loss is not finite")

    monkeypatch.setattr("nephrograde.fit.loop.fit_fold", refuse)
    failed = run_trial(search, [first], advance=lambda _share: None)
    assert (failed.state, failed.loss, failed.reason) == ("failed", None, "a loss is not finite")
    with pytest.raises(FitError, match="not finite"):
        run_trial(search, (), advance=lambda _share: None)
