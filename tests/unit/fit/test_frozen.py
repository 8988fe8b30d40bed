"""Models of frozen encoders: a whole study, resumed and predicted with, and what is refused before it begins."""

from __future__ import annotations

import csv
import importlib.metadata
import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.torch import load_file

from nephrograde.errors import FitError, InputError, RunError, WeightsError
from nephrograde.fit.encoded import Encoding, encode_regions, plan_encoding, read_features
from nephrograde.fit.folder import read_fold
from nephrograde.fit.frozen import FrozenJob, fit_frozen
from nephrograde.fit.job import derive_seed
from nephrograde.model.encoders.known import Encoder
from nephrograde.model.encoders.store import read_store
from nephrograde.model.encoders.view import View
from nephrograde.pipeline import check_study, fit_study, load_inputs, prepare_study, run_study
from nephrograde.placing.engine import parse_engine
from nephrograde.placing.unit import attempt
from nephrograde.predict.loading import load_grader
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.progress import silent
from nephrograde.study import Arm
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.placing.unit import Done, Unit
    from nephrograde.study import Study

MODEL = "frozen-1-cmp"


@pytest.fixture
def study(frozen_dir: Path, tiny_study_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(frozen_dir / "store"))
    return load_inputs(tiny_study_path.parent / "frozen.toml")


@pytest.mark.usefixtures("study")
def test_a_study_gives_scores_and_a_card_that_names_the_encoder(frozen_dir: Path) -> None:
    results = Results.read(frozen_dir / "run")
    assert next(model.name for model in results.models) == MODEL
    fold = results.folder.fold(MODEL, 0)
    fit = read_fold(fold.fold_dir)
    [kept] = read_store(frozen_dir / "store").files
    assert fit.card.encoder is not None
    assert fit.card.encoder.encoder == kept.encoder
    assert fit.card.encoder.view.spacing_mm == (140 / 32, 140 / 32)
    assert fit.card.is_balanced is False
    assert fit.card.epochs_run == 0
    assert fit.history == ()
    assert {one.split for one in fit.predictions} == {"oof", "test"}
    assert set(load_file(fold.weights_path)) == {"head.mean", "head.spread", "head.weight", "head.bias"}


def test_a_new_patient_gets_the_score_of_the_study(frozen_dir: Path, study: Study) -> None:
    results = Results.read(frozen_dir / "run")
    [row] = [one for one in results.scores.rows if one.split == "test" and one.model == MODEL][:1]
    with study.cohort.table.open(encoding="utf-8") as stream:
        [patient] = [one for one in csv.DictReader(stream) if one["patient_id"] == row.patient_id]
    folder = study.cohort.table.parent
    given = load_grader(frozen_dir / "run", MODEL).grade(
        folder / patient["cmp_image"], mask=folder / patient["cmp_mask"]
    )
    assert given.p_high == row.p_high
    assert len(given.p_high_of_folds) == 2


def test_a_new_patient_is_shown_to_the_network_on_the_card(
    frozen_dir: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shutil.copytree(frozen_dir / "store", tmp_path / "store")
    [about_path] = store.glob("*.json")
    about_path.write_text(about_path.read_text().replace("efficientnet-lite0", "resnet18"))
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(store))
    with study.cohort.table.open(encoding="utf-8") as stream:
        patient = next(csv.DictReader(stream))
    folder = study.cohort.table.parent
    given = load_grader(frozen_dir / "run", MODEL).grade(
        folder / patient["cmp_image"], mask=folder / patient["cmp_mask"]
    )
    assert len(given.p_high_of_folds) == 2


def test_nothing_is_fitted_or_encoded_again(frozen_dir: Path, study: Study, tmp_path: Path) -> None:
    run = shutil.copytree(frozen_dir / "run", tmp_path / "run")
    seen: list[str] = []

    def noted(name: str, work: Any) -> Any:
        if getattr(work, "n_parts", work):
            seen.append(name)
        return silent(name, work)

    fit_study(study, run, progress=noted)
    assert seen == []
    before = {path.name for path in (run / "encoded").iterdir()}
    (run / "encoded" / sorted(before)[0]).unlink()
    repeated = study.model_copy(update={"fit": study.fit.model_copy(update={"repeats": 2})})
    fit_study(repeated, run, progress=noted)
    assert seen == ["Encoding pictures", "Fitting models"]  # the features of the repeat are those of the study
    assert {path.name for path in (run / "encoded").iterdir()} == before
    assert (run / "repeats" / "seed-1" / MODEL / "fold-1" / "card.json").is_file()


@pytest.mark.slow
def test_a_machine_without_the_run_folder_gets_the_features_alone(
    frozen_dir: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The regions, of which there are megabytes for each patient, stay; the fits that come back are the same."""
    run, carried = shutil.copytree(frozen_dir / "run", tmp_path / "run"), []
    whole = [(run / "models" / MODEL / f"fold-{fold}" / "predictions.csv").read_bytes() for fold in range(2)]
    shutil.rmtree(run / "models")

    def without_folder(units: list[Unit], *_: object, collect: Callable[[int, Done], None], **__: object) -> None:
        for number, unit in enumerate(units):
            assert unit.carried is not None
            carried.append(unit.carried.pack())
            (run / "volumes").rename(tmp_path / "hidden")
            collect(number, attempt(partial(unit.carried.call, carried[-1])))
            (tmp_path / "hidden").rename(run / "volumes")

    monkeypatch.setattr("nephrograde.placing.on_ray.place_on_ray", without_folder)
    fit_study(study, run, engine=parse_engine("ray"))
    patients = len(list((run / "encoded").iterdir()))
    for luggage in carried:
        assert sorted(name.partition("/")[0] for name in luggage) == ["encoded"] * patients + ["volumes"]
    assert [(run / "models" / MODEL / f"fold-{fold}" / "predictions.csv").read_bytes() for fold in range(2)] == whole


def test_another_encoder_of_the_name_is_another_fit(
    frozen_dir: Path, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put_encoder: Callable[..., None]
) -> None:
    put_encoder(tmp_path / "store", seed=2)
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(tmp_path / "store"))
    with pytest.raises(WeightsError, match="was fitted with the encoder mine"):
        load_grader(frozen_dir / "run", MODEL).load()
    with pytest.raises(RunError, match="opened"):  # the test set would be opened for another model
        run_study(study, frozen_dir / "run")


@pytest.mark.parametrize("damage", ["absent", "altered"])
def test_what_is_wrong_with_an_encoder_is_said_before_a_scan_is_read(
    damage: str, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put_encoder: Callable[..., None]
) -> None:
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(tmp_path / "store"))
    if damage == "altered":
        put_encoder(tmp_path / "store", seed=3)
        [kept] = read_store(tmp_path / "store").files
        kept.paths[0].write_bytes(kept.paths[0].read_bytes()[:1000])
    for run_it in (run_study, prepare_study, check_study):
        with pytest.raises(WeightsError, match="No encoder is called mine" if damage == "absent" else "is not whole"):
            run_it(study, tmp_path / "run")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"network": "frozen:"}, "is neither"),
        ({"network": "resnet50"}, "is neither"),
        ({"network": "frozen:astra", "fit": {"epochs": 3}}, "fit cannot set epochs"),
    ],
)
def test_a_network_that_is_none_is_refused(given: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        Arm(name="a", supervision=Supervision.BOX, **given)


def test_the_default_network_leaves_a_study_as_it_was(study: Study) -> None:
    trained = Arm(name="a", supervision=Supervision.BOX, slices=1)
    assert trained.encoder is None
    sealed = study.model_copy(update={"arm": (trained,)}).sealed()
    assert "network" not in sealed["arm"][0]
    assert study.sealed()["arm"][0]["network"] == "frozen:mine"


@pytest.fixture
def encoding(tmp_path: Path) -> Encoding:
    """Eight patients whose features exist, so that no file of weights is needed."""
    encoder = Encoder("spy", "efficientnet-lite0", "0" * 64, "MIT", ("nothing",), (), "")
    regions = {f"P{k}": tmp_path / f"{k}.npy" for k in range(20)}
    view = View((1.0, 1.0), None, has_mask=False)
    made = Encoding("frozen", "cmp", encoder, view, regions, tmp_path / "encoded", "2.0.0")
    made.folder.mkdir()
    for k, patient_id in enumerate(regions):
        np.save(regions[patient_id], np.zeros((1, 1, 4, 4), np.float16))
        features = np.zeros(1280, np.float32)
        features[0] = 1.0 if k % 2 else -1.0
        np.save(made.path(patient_id), features)
    return made


def job(encoding: Encoding, learn: range, **changed: Any) -> FrozenJob:
    patients = list(encoding.regions)
    given: dict[str, Any] = {
        "model": "frozen-cmp",
        "fold": 0,
        "repeat": "",
        "encoding": encoding,
        "dimensions": 2,
        "is_high": {patient_id: k % 2 == 1 for k, patient_id in enumerate(patients)},
        "learn": tuple(patients[k] for k in learn),
        "held_out": tuple(patients[16:18]),
        "test": tuple(patients[18:]),
        "seed": 1,
        "inputs_sha256": "",
        "synthetic": True,
    }
    return FrozenJob(**(given | changed))


def test_what_separates_the_grades_is_found(encoding: Encoding) -> None:
    fit = fit_frozen(job(encoding, range(16)))
    assert [one.p_high > 0.5 for one in fit.predictions] == [one.is_high for one in fit.predictions]
    assert (fit.card.n_learn, fit.card.n_learn_high) == (16, 8)
    again = fit_frozen(job(encoding, range(16)))
    assert again.predictions == fit.predictions


def test_another_torch_gives_other_features(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = {"P1": tmp_path / "1.npy"}

    def planned() -> Encoding:
        made = plan_encoding(study.arm[0], "cmp", study, regions=regions, run=RunFolder(tmp_path))
        assert made is not None
        return made

    before = planned()
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0" if name == "torch" else version(name))
    after = planned()
    assert before.path("P1") != after.path("P1")
    assert before.inputs() != after.inputs()


def test_a_fit_is_named_and_seeded_like_that_of_a_network(encoding: Encoding) -> None:
    assert str(job(encoding, range(16), repeat="seed-1")) == "Model frozen-cmp, fold 0 of seed-1"
    assert derive_seed(1, "frozen-cmp", 0, "penalty", n_bytes=4) == 2_428_957_258


def test_one_file_read_as_another_network_has_other_features(encoding: Encoding) -> None:
    names = {
        replace(encoding, encoder=replace(encoding.encoder, architecture=one)).path("P1").name
        for one in ("resnet18-3d", "medicalnet-18", "renalclip")
    }
    assert len(names) == 3


def test_few_patients_and_patients_in_two_sets_are_refused(encoding: Encoding) -> None:
    with pytest.raises(FitError, match="3 of high and 4 of low grade"):
        fit_frozen(job(encoding, range(7)))
    with pytest.raises(RunError, match="P3"):
        fit_frozen(job(encoding, range(16), test=("P3",)))


@pytest.mark.parametrize("content", [np.zeros(5, np.float32), np.full(1280, np.nan, np.float32), np.zeros(1280)])
def test_features_that_are_damaged_are_named(encoding: Encoding, content: np.ndarray) -> None:
    np.save(encoding.path("P1"), content)
    with pytest.raises(RunError, match="does not hold 1280 features"):
        read_features(encoding, ["P1"])
    encoding.path("P1").write_bytes(b"cut")
    with pytest.raises(RunError, match="cannot be read"):
        read_features(encoding, ["P1"])


def test_a_region_that_is_missing_is_named(
    encoding: Encoding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put_encoder: Callable[..., None]
) -> None:
    put_encoder(tmp_path / "store", seed=4, name="spy")
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(tmp_path / "store"))
    encoding.path("P1").unlink()
    encoding.regions["P1"].unlink()
    with pytest.raises(RunError, match="is damaged"):
        encode_regions([encoding], RunFolder(tmp_path), progress=silent)
