"""The networks that grade are those that were evaluated, whole and finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from nephrograde.errors import RunError
from nephrograde.files import write_json
from nephrograde.model.card import ModelCard, write_card
from nephrograde.model.network import build_network
from nephrograde.model.weights import save_weights
from nephrograde.predict.ensemble import Ensemble, load_ensemble
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import FORMAT
from nephrograde.run.seal import make_seal, seal_fold

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "weak-1-cmp"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    write_json(run.study_lock_path, {"format": FORMAT, "study": {}})
    weights = build_network(2, channels=1).weights()
    for number in range(2):
        fold = run.fold(MODEL, number)
        fold.fold_dir.mkdir(parents=True)
        save_weights(weights, fold.weights_path)
        write_card(card_of(number), fold.card_path)
        fold.history_path.touch()
        fold.predictions_path.touch()
        seal_fold(fold)
    return run


def card_of(fold: int, model: str = MODEL) -> ModelCard:
    return ModelCard(
        model=model,
        arm="weak-1",
        phase="cmp",
        fold=fold,
        dimensions=2,
        channels=1,
        has_mask=False,
        shortcut="B",
        pooling="mean",
        n_learn=8,
        n_learn_high=3,
        is_balanced=True,
        n_stop=0,
        n_held_out=4,
        n_test=4,
        best_epoch=1,
        epochs_run=1,
        precision="fp32",
        refit_reason="",
        device="cpu",
        seconds=1.5,
        seed=7,
        torch_version="2",
        inputs_sha256="0" * 64,
        settings={},
        synthetic=True,
    )


def load(run: RunFolder) -> Ensemble:
    ensemble = load_ensemble(make_seal(run, run.folds()), MODEL)
    assert isinstance(ensemble, Ensemble)
    return ensemble


def test_sealed_networks_grade_and_altered_weights_do_not(run: RunFolder) -> None:
    seal = make_seal(run, run.folds())
    ensemble = load_ensemble(seal, MODEL)
    assert len(ensemble.p_high_of_folds(np.zeros((1, 1, 16, 16), np.float16))) == 2
    weights_path = run.fold(MODEL, 1).weights_path
    raw = bytearray(weights_path.read_bytes())
    raw[-1] ^= 1
    weights_path.write_bytes(bytes(raw))
    with pytest.raises(RunError, match=r"fold-1/weights\.safetensors is not the file"):
        load_ensemble(seal, MODEL)


def test_weights_that_are_not_finite_are_refused_even_where_they_are_sealed(run: RunFolder) -> None:
    weights = build_network(2, channels=1).weights()
    weights["fc.bias"] = torch.full_like(weights["fc.bias"], torch.nan)
    save_weights(weights, run.fold(MODEL, 0).weights_path)
    seal_fold(run.fold(MODEL, 0))
    with pytest.raises(RunError, match=r"weights\.safetensors holds weights that are not finite \(in fc\.bias\)"):
        load(run)


def test_no_probability_is_no_grade(run: RunFolder) -> None:
    with pytest.raises(RunError, match="not graded"):
        load(run).p_high_of_folds(np.full((1, 1, 16, 16), np.nan, np.float16))


def test_a_card_of_another_fold_is_refused(run: RunFolder) -> None:
    write_card(card_of(1), run.fold(MODEL, 0).card_path)
    seal_fold(run.fold(MODEL, 0))
    with pytest.raises(RunError, match=r"card\.json is the card of fold 1"):
        load(run)


def test_a_model_that_was_not_evaluated_has_no_networks(run: RunFolder) -> None:
    with pytest.raises(RunError, match="no network that was evaluated"):
        load_ensemble(make_seal(run, ()), MODEL)
