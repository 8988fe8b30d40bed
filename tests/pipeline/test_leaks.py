"""No patient is where it must not be, in whatever phase, and a planted leak is caught."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from nephrograde.cohort.stage import load_inputs, open_cohort
from nephrograde.errors import RunError
from nephrograde.files import read_json, read_rows, write_json
from nephrograde.fit.folds import assemble_job, plan_fits
from nephrograde.fit.job import check_job
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import seal_fold
from nephrograde.sample.dataset import Bags, SampleSet
from nephrograde.sample.prepare import read_prepared
from nephrograde.sample.stage import prepare_scans

SETS = ("learn", "stop", "held_out", "test")


@pytest.fixture(scope="module")
def planned(tiny_study_path, tmp_path_factory):
    """Every job of the tiny study as the fit loop is given it, and the saved split; nothing is fitted."""
    study = load_inputs(tiny_study_path, ("fit.patience=2", "split.folds=3"))
    run = RunFolder(tmp_path_factory.mktemp("planned"))
    cohort, split = open_cohort(study, run)
    prepare_scans(study, cohort, run)
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    fits = plan_fits(study, cohort, split, prepared=read_prepared(run), run=run)
    jobs = [assemble_job(one, study, is_high=is_high) for one in fits]
    return jobs, {row["patient_id"]: row for row in read_rows(run.run_dir / "cohort" / "split.csv")}


def test_no_patient_is_in_two_sets(planned):
    jobs, _ = planned
    assert len(jobs) == 2 * 2 * 3
    for job in jobs:
        for one, other in itertools.combinations(SETS, 2):
            assert not set(getattr(job, one).patient_ids) & set(getattr(job, other).patient_ids)
        assert all(getattr(job, name).patient_ids for name in SETS)


def test_no_phase_of_a_test_patient_is_learnt_from(planned):
    jobs, split = planned
    learnt = {
        patient for job in jobs for name in ("learn", "stop", "held_out") for patient in getattr(job, name).patient_ids
    }
    tested = {patient for job in jobs for patient in job.test.patient_ids}
    assert learnt == {patient for patient, row in split.items() if row["split"] == "train"}
    assert tested == {patient for patient, row in split.items() if row["split"] == "test"}


def test_every_model_holds_the_same_patients_out(planned):
    jobs, split = planned
    for job in jobs:
        assert set(job.held_out.patient_ids) == {p for p, row in split.items() if row["fold"] == str(job.fold)}


def test_a_split_by_image_is_caught(planned):
    """One slice of a patient is moved to the test set, as a split by image would."""
    job = planned[0][0]
    test, learn = job.bags(job.test), job.bags(job.learn)
    moved = SampleSet(
        (*job.test.patient_ids, job.learn.patient_ids[0]),
        np.concatenate([job.test.is_high, job.learn.is_high[:1]]),
        {job.phase: Bags(np.concatenate([test.images, learn.images[:1]]), np.append(test.counts, 1))},
    )
    with pytest.raises(RunError, match=f"{job.learn.patient_ids[0]}.*learn.*test.*by patient"):
        check_job(replace(job, test=moved))


def test_a_network_of_an_earlier_version_is_fitted_again(tiny_study_path, tiny_run_copy):
    run, study = RunFolder(tiny_run_copy), load_inputs(tiny_study_path)
    cohort, split = open_cohort(study, run)
    prepared = read_prepared(run)
    assert plan_fits(study, cohort, split, prepared=prepared, run=run) == []
    fold = run.fold("weak-1-cmp", 1)
    card = {name: value for name, value in read_json(fold.card_path).items() if name != "n_learn_high"}
    write_json(fold.card_path, card)
    seal_fold(fold)
    (planned,) = plan_fits(study, cohort, split, prepared=prepared, run=run)
    assert (planned.model, planned.fold) == ("weak-1-cmp", 1)
