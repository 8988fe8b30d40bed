"""Learning from several phases: which patients and phases a network sees, and phases that nobody has together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.unit.fit.conftest import NOBODY, make_samples

from nephrograde.errors import FitError, RunError
from nephrograde.fit.folder import load_network, read_fold, write_fold
from nephrograde.fit.job import check_grades, check_job
from nephrograde.fit.joining import check_phases
from nephrograde.fit.learner import load_batch, without_phases
from nephrograde.fit.loop import fit_fold
from nephrograde.fit.sampling import keep_phases
from nephrograde.model.fusion import Fusion
from nephrograde.model.scoring import score
from nephrograde.sample.dataset import Sample, SampleSet, gather_together
from nephrograde.study import Arm, CohortSettings, Study
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from tests.unit.fit.conftest import MakeJob

    from nephrograde.fit.job import FitJob

PHASES = ("cmp", "np")


def together(*names: str, missing: dict[str, str]) -> SampleSet:
    """Every second patient is high; some have no picture of one phase."""
    single = make_samples(names)
    images = single.bags("cmp").images
    samples = []
    for number, name in enumerate(names):
        own = {"cmp": images[number : number + 1], "np": images[number : number + 1, :, ::-1]}
        samples.append(
            Sample(name, {p: i for p, i in own.items() if p != missing.get(name)}, bool(single.is_high[number]))
        )
    return gather_together(samples, names, PHASES)


@pytest.fixture
def job(make_job: MakeJob) -> FitJob:
    names = {kind: [f"{kind}-{number}" for number in range(n)] for kind, n in (("learn", 8), ("held_out", 3))}
    missing = {"learn-0": "np", "learn-3": "cmp", "held_out-1": "cmp", "held_out-2": "np"}
    sets: dict[str, Any] = {kind: together(*own, missing=missing) for kind, own in names.items()}
    fused: dict[str, Any] = {"model": "weak-1-cmp+np", "phase": "cmp+np", "fusion": Fusion("intermediate", PHASES)}
    return make_job(**sets, **fused, phase_dropout=0.5, epochs=1, patience=0, stop=NOBODY, test=NOBODY)


def test_phases_are_left_out_at_random_but_never_all() -> None:
    present = np.array([[True, True, True]] * 3000 + [[False, True, True]] * 3000 + [[False, False, True]])
    kept = keep_phases(present, dropout=0.5, chance=np.random.default_rng(1))
    assert not (kept & ~present).any()
    assert kept.any(axis=1).all()
    # A phase stays if it is not left out, or, where nothing would be left, if it is the one that is drawn.
    assert kept[:3000].mean(axis=0) == pytest.approx(0.5 + 0.5**3 / 3, abs=0.03)
    assert kept[3000:6000, 1:].mean(axis=0) == pytest.approx(0.5 + 0.5**2 / 2, abs=0.03)
    assert keep_phases(present, dropout=0.0, chance=np.random.default_rng(1)).tolist() == present.tolist()


def test_patients_with_one_of_the_phases_are_learnt_from(job: FitJob) -> None:
    assert job.learn.patient_ids == tuple(f"learn-{number}" for number in range(8))
    batch = load_batch(job, np.array([3, 1]), torch.device("cpu"))
    assert batch.places.tolist() == [[[-1], [0]], [[1], [2]]]
    fewer = without_phases(batch, job, np.array([3, 1]), own=slice(None), chance=np.random.default_rng(0))
    assert (fewer.places >= 0).any(dim=2).any(dim=1).all()


def test_a_single_phase_is_never_left_out(make_job: MakeJob) -> None:
    job = make_job()
    batch = load_batch(job, np.array([3, 1]), torch.device("cpu"))
    assert without_phases(batch, job, np.array([3, 1]), own=slice(None), chance=np.random.default_rng(0)) is batch


def test_a_fit_is_repeatable_and_stored_whole(job: FitJob, tmp_path: Path) -> None:
    made = fit_fold(job)
    again = fit_fold(job)
    assert [one.p_high for one in made.predictions] == [one.p_high for one in again.predictions]
    assert [one.patient_id for one in made.predictions] == ["held_out-0", "held_out-1", "held_out-2"]
    write_fold(made, tmp_path / "fold-2")
    network, card = load_network(tmp_path / "fold-2")
    assert (card.phase, card.fusion) == ("cmp+np", job.fusion)
    assert score(network, job.bags(job.held_out)).p_high.tolist() == [one.p_high for one in made.predictions]
    assert read_fold(tmp_path / "fold-2").card == card


def test_a_patient_without_any_phase_is_refused(job: FitJob) -> None:
    bags = job.bags(job.learn)
    assert bags.parts is not None
    counts, parts = bags.counts.copy(), bags.parts.copy()
    rows = int(counts[1])
    counts[1], parts[1] = 0, 0
    images = np.delete(bags.images, slice(int(bags.starts[1]), int(bags.starts[1]) + rows), axis=0)
    empty = replace(job.learn, phases={"cmp+np": replace(bags, images=images, counts=counts, parts=parts)})
    with pytest.raises(FitError, match=r"learn-1 has no picture on cmp\+np"):
        check_job(replace(job, learn=empty))


def test_phases_that_nobody_has_together_are_refused() -> None:
    arm = Arm(name="weak-1", supervision=Supervision.BOX, slices=1, phases=("cmp", "np"), fusion="intermediate")
    (model,) = Study(cohort=CohortSettings(table=Path("c.csv"), phases=("cmp", "np")), arm=(arm,)).models()
    check_phases(model, {"cmp": {"P1": "a", "P2": "b"}, "np": {"P2": "c", "P3": "d"}})
    with pytest.raises(RunError, match="cmp"):
        check_phases(model, {"cmp": {"P1": "a"}, "np": {"P2": "c", "P3": "d"}})
    with pytest.raises(RunError, match="no scans"):
        check_phases(model, {"cmp": {"P1": "a"}, "np": {}})


def test_one_grade_is_refused_before_any_training() -> None:
    check_grades("Model weak-1-cmp, fold 2", [True, False])
    for truths in ([True, True], [False], []):
        with pytest.raises(FitError, match="weak-1-cmp, fold 2"):
            check_grades("Model weak-1-cmp, fold 2", truths)
