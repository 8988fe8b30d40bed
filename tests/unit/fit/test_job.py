"""A job that leaks, or cannot be learnt from, is refused before training starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.fit.conftest import NOBODY

from nephrograde.errors import FitError, RunError
from nephrograde.fit.job import check_job
from nephrograde.model.initial import Initial
from nephrograde.sample.dataset import Bags, SampleSet
from nephrograde.study import InitialWeights

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.fit.conftest import MakeJob


def test_a_sound_job_passes(make_job: MakeJob) -> None:
    check_job(make_job(rows=3))
    check_job(make_job(patience=0))


@pytest.mark.parametrize("target", ["stop", "held_out", "test"])
def test_image_level_split_is_caught_by_name(make_job: MakeJob, target: str) -> None:
    job = make_job(rows=3)
    learn, other = job.learn, getattr(job, target)
    some, one = job.bags(other), job.bags(learn)
    leaked = SampleSet(
        (*other.patient_ids, learn.patient_ids[0]),
        np.append(other.is_high, learn.is_high[0]),
        {job.phase: Bags(np.concatenate([some.images, one.images[:1]]), np.append(some.counts, 1))},
    )
    sets: dict[str, Any] = {target: leaked}
    with pytest.raises(RunError, match="learn-0"):
        check_job(make_job(rows=3, **sets))


def test_one_class_only(make_job: MakeJob) -> None:
    job = make_job()
    learn = replace(job.learn, is_high=np.zeros(16, dtype=bool))
    with pytest.raises(FitError, match=r"Model weak-1-cmp, fold 2: .* 0 of high and 16 of low grade"):
        check_job(replace(job, learn=learn))


def test_a_patient_in_two_bags_of_one_set(make_job: MakeJob) -> None:
    job = make_job(rows=2)
    twice = replace(job.test, patient_ids=("test-1", *job.test.patient_ids[1:]))
    with pytest.raises(FitError, match="patient test-1 has two bags of pictures"):
        check_job(replace(job, test=twice))


def test_a_patient_without_a_picture(make_job: MakeJob) -> None:
    job = make_job(rows=2)
    bags = job.bags(job.stop)
    nothing = Bags(bags.images[2:], np.append(0, bags.counts[1:]))
    with pytest.raises(FitError, match="patient stop-0 has no picture on cmp"):
        check_job(replace(job, stop=replace(job.stop, phases={job.phase: nothing})))


def test_nobody_to_stop_by(make_job: MakeJob) -> None:
    with pytest.raises(FitError, match=r"fit\.patience is 3, but no patients"):
        check_job(make_job(stop=NOBODY))


def test_each_model_fold_and_purpose_has_a_seed_of_its_own(make_job: MakeJob) -> None:
    job = make_job()
    seeds = [
        job.seed("weights"),
        job.seed("batches"),
        replace(job, fold=3).seed("weights"),
        replace(job, model="weak-1-np").seed("weights"),
        make_job(seed=1).seed("weights"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == make_job().seed("weights")
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_initial_weights_are_those_of_the_dimensions(make_job: MakeJob, tmp_path: Path) -> None:
    flat = InitialWeights(path=tmp_path / "2d.pth", sha256="0" * 64)
    solid = InitialWeights(path=tmp_path / "3d.pth", sha256="1" * 64)
    both: dict[str, Any] = {"weights_2d": flat, "weights_3d": solid}
    assert make_job(**both).initial == Initial(flat)
    assert make_job(shape=(8, 8, 8), **both).initial == Initial(solid)
    assert make_job().initial is None
    assert (make_job().channels, make_job(shape=(8, 8, 8)).channels) == (1, 2)
