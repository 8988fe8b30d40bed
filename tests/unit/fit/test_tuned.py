"""Networks that are trained from a pre-trained encoder: frozen stages, adapters, rates by stage, and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from nephrograde.errors import WeightsError
from nephrograde.files import sha256_of
from nephrograde.fit.folder import load_network, write_fold
from nephrograde.fit.initial import encoder_to_tune, require_weights
from nephrograde.fit.layers import LR_SCALE, freeze
from nephrograde.fit.learner import start
from nephrograde.fit.loop import fit_fold
from nephrograde.model.encoders.adding import Facts, add_file
from nephrograde.model.encoders.inflated import InflatedResNet
from nephrograde.model.encoders.store import read_store
from nephrograde.model.encoders.view import View
from nephrograde.model.initial import Initial, initial_of_encoder
from nephrograde.model.network import build_network
from nephrograde.model.scoring import score
from nephrograde.study import Arm, CohortSettings, FitSettings, InitialWeights, Study, Window
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.fit.conftest import MakeJob

    from nephrograde.fit.folder import FoldFit
    from nephrograde.fit.job import FitJob

VIEW = View((1.0, 1.0), (-200.0, 300.0), has_mask=False)


@pytest.fixture(scope="module")
def store_dir(put_encoder: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    put_encoder(folder, seed=7)
    return folder


@pytest.fixture
def mine(store_dir: Path) -> Initial:
    [file] = read_store(store_dir).files
    return initial_of_encoder(file, VIEW)


def backbone_at_first(job: FitJob) -> dict[str, torch.Tensor]:
    """The weights that a fit starts from."""
    return {name: tensor.clone() for name, tensor in start(Fabric(accelerator="cpu"), job).network.weights().items()}


def changed(before: dict[str, torch.Tensor], fitted: FoldFit) -> set[str]:
    assert before.keys() == fitted.weights.keys()
    return {name for name, tensor in fitted.weights.items() if not torch.equal(tensor, before[name])}


@pytest.mark.slow
def test_frozen_stages_stay_and_a_fold_is_read_back(make_job: MakeJob, mine: Initial, tmp_path: Path) -> None:
    job = make_job(pretrained=mine, train_from="stage7", epochs=2, patience=0, precision="fp32")
    fitted = fit_fold(job)
    learnt = {name.removeprefix("encoder.") for name in changed(backbone_at_first(job), fitted)}
    assert {name.split(".")[0] for name in learnt} == {"fc", "_blocks", "_conv_head", "_bn1"}
    assert {name.split(".")[1] for name in learnt if name.startswith("_blocks")} == {"15"}
    assert "_bn1.running_mean" in learnt
    assert fitted.card.pretrained is not None
    assert fitted.card.pretrained.encoder.name == "mine"
    assert fitted.card.encoder is None
    assert fitted.card.backbone is not None
    assert (fitted.card.backbone.architecture, fitted.card.backbone.centre) == ("efficientnet-lite0", 127 / 255)
    write_fold(fitted, tmp_path / "fold-0")
    network, card = load_network(tmp_path / "fold-0")
    assert card == fitted.card
    given = score(network, job.bags(job.test)).p_high.tolist()
    assert given == [one.p_high for one in fitted.predictions if one.split == "test"]


@pytest.mark.slow
def test_adapters_are_merged_into_plain_weights(make_job: MakeJob) -> None:
    network = build_network(2, channels=1)
    plain = {name: tensor.clone() for name, tensor in network.weights().items()}
    freeze(network, FitSettings(train_from="stage3", adapter_rank=2))
    job = make_job()
    images = torch.from_numpy(job.bags(job.test).images).float()
    network(images, torch.arange(5)[:, None]).sum().backward()
    learns = {name for name, weight in network.named_parameters() if weight.grad is not None}
    stem = "backbone.conv1.parametrizations.weight"
    assert {f"{stem}.0.up", "backbone.layer3.0.conv1.weight", "backbone.fc.weight"} < learns
    assert not {f"{stem}.original", "backbone.bn1.weight", "backbone.layer2.1.bn2.bias"} & learns
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(".up"):
                weight.normal_(generator=torch.Generator().manual_seed(1))
    merged = {name: tensor.clone() for name, tensor in network.weights().items()}
    moved = {name for name in plain if not torch.equal(merged[name], plain[name])}
    assert merged.keys() == plain.keys()
    assert {"conv1.weight", "layer2.0.downsample.0.weight"} < moved
    assert {name for name in moved if name.endswith(".weight")} <= {name for name in plain if plain[name].ndim == 4}
    difference = (merged["conv1.weight"] - plain["conv1.weight"]).flatten(1)
    assert int(torch.linalg.matrix_rank(difference, rtol=1e-4)) == 2
    adapted = score(network, job.bags(job.test)).p_high.tolist()
    network.set_weights(merged)
    assert network.state_dict().keys() == build_network(2, channels=1).state_dict().keys()
    assert score(network, job.bags(job.test)).p_high.tolist() == adapted


@pytest.mark.slow
def test_a_fold_with_adapters_is_read_back(make_job: MakeJob, mine: Initial, tmp_path: Path) -> None:
    job = make_job(pretrained=mine, train_from="head", adapter_rank=2, epochs=2, patience=2, precision="fp32")
    fitted = fit_fold(job)
    assert "encoder._conv_stem.weight" in fitted.weights
    assert not any("parametrizations" in name for name in fitted.weights)
    write_fold(fitted, tmp_path / "fold-0")
    given = score(load_network(tmp_path / "fold-0")[0], job.bags(job.test)).p_high.tolist()
    assert given == [one.p_high for one in fitted.predictions if one.split == "test"]


def test_the_learning_rate_falls_towards_the_input(make_job: MakeJob, mine: Initial) -> None:
    learner = start(Fabric(accelerator="cpu"), make_job(pretrained=mine, layer_decay=0.5))
    names = {id(weight): name for name, weight in learner.network.named_parameters()}
    scales = {
        names[id(weight)].removeprefix("backbone.").removeprefix("encoder."): group[LR_SCALE]
        for group in learner.optimizer.param_groups
        for weight in group["params"]
    }
    assert (scales["fc.weight"], scales["_conv_head.weight"], scales["_blocks.15._bn0.bias"]) == (1, 0.5, 0.5)
    assert (scales["_blocks.14._bn0.bias"], scales["_blocks.0._bn1.weight"]) == (0.25, 0.5**7)
    assert scales["_conv_stem.weight"] == 0.5**8
    assert len(scales) == len(names)
    usual = start(Fabric(accelerator="cpu"), make_job()).optimizer.param_groups
    assert [group[LR_SCALE] for group in usual] == [1.0, 1.0]


def test_keys_at_their_default_leave_a_fit_as_it_was() -> None:
    assert not {"train_from", "layer_decay", "adapter_rank"} & set(FitSettings().of_one_fit())
    assert FitSettings(layer_decay=0.7).of_one_fit()["layer_decay"] == 0.7


def study_of(*arms: Arm, **given: Any) -> Study:
    return Study(cohort=CohortSettings(table="cohort.csv", phases=("cmp", "np")), arm=arms, **given)  # type: ignore[arg-type]


def weak(**given: Any) -> Arm:
    usual: dict[str, Any] = {"name": "weak", "supervision": Supervision.BOX, "slices": 1}
    return Arm(**(usual | given))


@pytest.mark.parametrize(
    ("arm", "fit", "what"),
    [
        (weak(network="tuned:absent"), {}, "No encoder is called absent"),
        (weak(network="tuned:mine", slices=None), {}, "is a network for slices, and the arm has none"),
        (weak(network="tuned:dinov2-small"), {}, "is a vision transformer, which is not trained"),
        (weak(network="tuned:medicalnet-34"), {}, "is a network for boxes, and the arm has slices"),
        (weak(network="tuned:resnet50-imagenet", slices=None), {}, "is a network for slices, and the arm has none"),
        (weak(network="frozen:medicalnet-34"), {}, "is a network for boxes, and the arm has slices"),
        (weak(network="tuned:medicalnet-34", slices=None), {}, "is not in the store"),
        (weak(network="tuned:mine"), {"train_from": "stage8"}, "stem, stage1, .*stage7, head"),
        (weak(network="tuned:mine"), {"adapter_rank": 4}, "there are none"),
        (weak(), {"train_from": "stage2"}, r"\[fit\] sets train_from, .* starts from random ones"),
        (weak(fit={"layer_decay": 0.5}), {}, "starts from random ones"),
    ],
)
def test_what_cannot_be_tuned_is_refused_beforehand(
    arm: Arm, fit: dict[str, Any], what: str, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(store_dir))
    with pytest.raises(WeightsError, match=what):
        require_weights(study_of(arm, fit=FitSettings(**fit)))


@pytest.mark.parametrize("fusion", ["late", "intermediate"])
def test_phases_may_be_joined(fusion: str, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(store_dir))
    arm = weak(network="tuned:mine", phases=("cmp", "np"), fusion=fusion, fit={"train_from": "stage7"})
    study = study_of(arm, window={"np": Window(low=-1000, high=1000)})
    require_weights(study)
    starts = [encoder_to_tune(arm, model.phases, study) for model in study.models() if model.has_networks]
    assert len(starts) == (2 if fusion == "late" else 1)
    assert {(start.centre, start.spread) for start in starts if start is not None} == {(127 / 255, 128 / 255)}


def test_files_are_verified_beforehand(store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(store_dir))
    require_weights(study_of(weak(network="tuned:mine")))
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "cut.pth")
    cut = InitialWeights(path=tmp_path / "cut.pth", sha256=sha256_of(tmp_path / "cut.pth"))
    with pytest.raises(WeightsError, match=r"layer1\.0\.conv1\.weight: is missing"):
        require_weights(study_of(weak(), fit=FitSettings(weights_2d=cut)))
    with pytest.raises(WeightsError, match="SHA-256"):
        require_weights(study_of(weak(fit={"weights_2d": {"path": str(cut.path), "sha256": "0" * 64}})))
    require_weights(study_of(weak(), fit=FitSettings(weights_3d=cut)))  # the arm has slices


@pytest.mark.slow
def test_an_encoder_for_hu_gets_them_from_one_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(InflatedResNet((1, 1, 1, 1)).state_dict(), tmp_path / "box.pth")
    add_file(tmp_path / "box.pth", tmp_path, Facts("box", "MIT", ("CT",), None, ""))
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(tmp_path))
    both = Arm(
        name="both", supervision=Supervision.BOX, network="tuned:box", phases=("cmp", "np"), fusion="intermediate"
    )
    found = encoder_to_tune(both, ("cmp", "np"), study_of(both))
    assert found is not None
    assert np.allclose([(value - found.centre) / found.spread for value in (0.0, 1.0)], [0.4, 0.65])
    windows = {"np": Window(low=-1000, high=1000)}
    with pytest.raises(WeightsError, match="different windows"):
        require_weights(study_of(both, window=windows))
    apart = both.model_copy(update={"phases": (), "fusion": None})
    require_weights(study_of(apart, window=windows))
    slices = apart.model_copy(update={"slices": 1})
    with pytest.raises(WeightsError, match="is a network for boxes, and the arm has slices"):
        require_weights(study_of(slices))
