"""What was chosen for a fold: when it counts, when it is out of date, and what it changes."""

import json

import pytest

from nephrograde.cohort.repeat import Repeat
from nephrograde.errors import RunError
from nephrograde.fit.chosen import (
    Trial,
    TuningRecord,
    add_tuned_models,
    choose,
    chosen_settings,
    parse_chosen,
    read_chosen,
    tuned_models,
    with_strength,
    with_values,
    write_record,
)
from nephrograde.run.folder import RunFolder
from nephrograde.study import AugmentSettings, FitSettings, TuneSettings

MODEL = "weak-1-cmp"
TUNE = TuneSettings(trials=3)


def trial(loss, state="complete", *, epochs=4.0):
    return Trial({"epochs": epochs, "augmentation": 0.5}, state, loss, (), "")


TRIALS = (trial(0.7), trial(0.5, epochs=6.0), trial(0.6, "pruned"), trial(0.1, epochs=9.0))


@pytest.fixture
def run(tmp_path):
    """A run whose first model has four trials on its first fold."""
    run = RunFolder(tmp_path)
    add_tuned_models(run, [MODEL])
    record = TuningRecord("key", TUNE.model_dump(mode="json"), TRIALS)
    write_record(record, run.tuning.record_path(MODEL, 0, ""))
    return run


def chosen(run, fold=0, *, model=MODEL, tune=None, key="key", repeat=None):
    return read_chosen(run, model, fold, repeat or Repeat(), tune=tune, key=lambda _tune: key)


def test_the_best_complete_trial_among_those_asked_for_is_chosen(run):
    found = chosen(run)
    assert found is not None
    assert (found.values["epochs"], found.own["epochs"]) == (6.0, 4.0)
    assert (found.loss, found.own_loss) == (0.5, 0.7)
    assert (found.trials, found.pruned, found.failed, found.folds) == (3, 1, 0, 3)
    more = chosen(run, tune=TuneSettings(trials=4))
    assert more is not None
    assert more.loss == 0.1
    assert chosen(run, repeat=Repeat(seed=2)) == found  # the same patients to learn from


def test_a_tie_is_decided_by_order():
    record = TuningRecord("", TuneSettings(trials=2).model_dump(mode="json"), (trial(0.5), trial(0.5, epochs=8.0)))
    found = choose(record)
    assert found is not None
    assert found.values["epochs"] == 4.0


def test_a_run_without_tuning_keeps_the_settings_of_the_study(run, tmp_path):
    assert chosen(RunFolder(tmp_path / "other")) is None
    assert chosen(run, model="strong-cmp") is None  # nobody asked for it


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"key": "another"}, "was tuned for other patients, images or settings"),
        ({"fold": 1}, "fold 1 is not tuned yet"),
        ({"repeat": Repeat(drawing=1)}, "of folds-1 is not tuned yet"),
        ({"tune": TuneSettings(trials=9)}, "4 of 9 trials are finished"),
        ({"model": "strong-cmp", "tune": TUNE}, "strong-cmp, fold 0 is not tuned yet"),
    ],
)
def test_what_is_missing_or_out_of_date_is_refused_with_the_command(run, given, why):
    with pytest.raises(RunError, match=why) as caught:
        chosen(run, **given)
    assert f"nephrograde tune STUDY.toml --out {run.run_dir}" in str(caught.value)
    assert ("[tune] from the study" in str(caught.value)) == ("tune" in given)


@pytest.mark.parametrize(
    "change",
    [
        {"trials": 3},
        {"key": 1},
        {"trials": [{"values": {"epochs": 1.0}, "state": "complete", "loss": None, "steps": [], "reason": ""}]},
        {"trials": [{"values": {"epochs": 1.0}, "state": "pruned", "loss": 0.3, "steps": [], "reason": ""}]},
        {"settings": {"trials": 0}},
    ],
)
def test_a_damaged_record_is_refused(run, change):
    path = run.tuning.record_path(MODEL, 0, "")
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(RunError, match=r"fold-0\.json is damaged.*nephrograde tune"):
        chosen(run)


def test_a_damaged_list_of_models_is_refused(run):
    run.tuning.models_path.write_text('{"models": 1}', encoding="utf-8")
    with pytest.raises(RunError, match=r"models\.json is damaged"):
        tuned_models(run)


def test_models_are_noted_once(run):
    add_tuned_models(run, ["strong-cmp", MODEL])
    assert tuned_models(run) == [MODEL, "strong-cmp"]


def test_values_take_the_place_of_settings():
    fit = with_values(FitSettings(seed=3), {"epochs": 7.0, "learning_rate": 0.5, "augmentation": 2.0})
    assert (fit.epochs, fit.learning_rate, fit.seed, fit.batch_size) == (7, 0.5, 3, 16)
    assert isinstance(fit.epochs, int)
    augment = AugmentSettings(rotate_deg=10, shift=0.9, noise=0)
    wider = with_strength(augment, {"augmentation": 2.0})
    assert (wider.rotate_deg, wider.shift, wider.noise, wider.flip) == (20, 0.99, 0, True)
    assert AugmentSettings(**wider.model_dump()) == wider  # within the limits of a study file
    assert with_strength(augment, {"epochs": 1.0}) is augment


def test_a_card_says_what_was_chosen(run, tmp_path):
    found = chosen(run)
    settings = json.loads(json.dumps({"fit": {}, **chosen_settings(found)}))
    assert parse_chosen(settings, tmp_path) == found
    assert chosen_settings(None) == {}
    assert parse_chosen({"fit": {}}, tmp_path) is None
    with pytest.raises(RunError, match=r"card\.json is damaged: settings"):
        parse_chosen({"chosen": {"values": "many"}}, tmp_path / "card.json")
