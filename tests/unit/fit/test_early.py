"""Learning from phases as channels: phases left out, augmentation, and a fit that is stored and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.unit.fit.conftest import NOBODY, make_samples

from nephrograde.errors import RunError
from nephrograde.fit.folder import load_network, write_fold
from nephrograde.fit.learner import images_of, load_batch, without_phases
from nephrograde.fit.loop import fit_fold
from nephrograde.model.card import parse_card
from nephrograde.model.fusion import Fusion
from nephrograde.model.scoring import score
from nephrograde.sample.channels import ABSENT
from nephrograde.sample.dataset import Sample, SampleSet, gather

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.fit.conftest import MakeJob

    from nephrograde.fit.job import FitJob

FUSION = Fusion("early", ("cmp", "np"), (("cmp", "np"),))
MISSING = {"learn-0": 1, "learn-3": 0, "held_out-1": 1}


def stacked(*names: str) -> SampleSet:
    """Every second patient is high; some lack one of the phases."""
    single = make_samples(names, rows=2)
    images = single.bags("cmp").images
    samples = []
    for number, name in enumerate(names):
        own = images[2 * number : 2 * number + 2]
        channels = np.concatenate([own, own[..., ::-1], (own - own[..., ::-1]) / 2 + 0.5], axis=1).astype(np.float16)
        if name in MISSING:
            channels[:, [MISSING[name], 2]] = ABSENT
        samples.append(Sample(name, {"cmp+np": channels}, bool(single.is_high[number])))
    return gather(samples, names)


@pytest.fixture
def job(make_job: MakeJob) -> FitJob:
    sets: dict[str, Any] = {
        kind: stacked(*[f"{kind}-{number}" for number in range(n)]) for kind, n in (("learn", 8), ("held_out", 3))
    }
    fused: dict[str, Any] = {"model": "weak-2-cmp+np", "phase": "cmp+np", "fusion": FUSION}
    return make_job(**sets, **fused, phase_dropout=0.5, epochs=1, patience=0, stop=NOBODY, test=NOBODY)


def test_a_phase_that_is_left_out_is_a_phase_that_is_missing(job: FitJob) -> None:
    patients = np.array([3, 1, 0, 5, 1, 2])
    batch = load_batch(job, patients, torch.device("cpu"))
    dropped = without_phases(batch, job, patients, own=slice(None), chance=np.random.default_rng(0))
    fewer = images_of(dropped, held=None)
    is_absent = (fewer == ABSENT).flatten(2).all(dim=2).reshape(6, 2, 3)
    assert (is_absent[:, 0] == is_absent[:, 1]).all()  # both pictures of a patient
    there = ~is_absent[:, 0]
    assert there[:, :2].any(dim=1).all()
    assert there[0].tolist() == [False, True, False]
    assert there[2].tolist() == [True, False, False]
    assert (there[:, 2] == there[:, :2].all(dim=1)).all()
    assert bool(is_absent[[1, 3, 4, 5]].any())
    kept = ~is_absent.reshape(12, 3)
    assert torch.equal(fewer[kept], batch.images[kept])
    every = without_phases(
        batch, replace(job, phase_dropout=0.0), patients, own=slice(None), chance=np.random.default_rng(0)
    )
    assert torch.equal(images_of(every, held=None), batch.images)
    for rank in (0, 1):  # of two processes, each draws the same
        own = slice(rank, None, 2)
        share = load_batch(job, patients[own], torch.device("cpu"))
        share = without_phases(share, job, patients, own=own, chance=np.random.default_rng(0))
        assert torch.equal(images_of(share, held=None), fewer.reshape(6, 2, 3, 32, 32)[own].flatten(0, 1))


def test_a_mask_is_never_left_out(job: FitJob) -> None:
    masked = replace(job, fusion=Fusion("early", ("cmp", "np")), has_mask=True)
    patients = np.array([1, 2, 4, 5])
    batch = load_batch(masked, patients, torch.device("cpu"))
    fewer = without_phases(batch, masked, patients, own=slice(None), chance=np.random.default_rng(0))
    assert fewer.lacking is not None
    assert bool(fewer.lacking[:, :2].any())
    assert torch.equal(images_of(fewer, held=None)[:, 2], batch.images[:, 2])


def test_a_fit_is_repeatable_and_stored_whole(job: FitJob, tmp_path: Path) -> None:
    made = fit_fold(job)
    assert [one.p_high for one in made.predictions] == [one.p_high for one in fit_fold(job).predictions]
    write_fold(made, tmp_path / "fold-2")
    network, card = load_network(tmp_path / "fold-2")
    assert (card.phase, card.fusion, card.channels) == ("cmp+np", FUSION, 3)
    assert score(network, job.bags(job.held_out)).p_high.tolist() == [one.p_high for one in made.predictions]
    content = json.loads((tmp_path / "fold-2" / "card.json").read_bytes())
    with pytest.raises(RunError, match="channels"):
        parse_card(json.dumps({**content, "channels": 4}).encode(), tmp_path / "fold-2" / "card.json")
