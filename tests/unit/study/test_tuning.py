"""``[tune]``: limits that follow from the study, and what is refused before anything is fitted."""

import pytest

from nephrograde.errors import InputError
from nephrograde.study import Arm, AugmentSettings, CohortSettings, FitSettings, Study, TuneSettings
from nephrograde.study.file import load_study
from nephrograde.study.tuning import Span, own_values, scaled, spans_of
from nephrograde.vocabulary import Supervision

STILL = AugmentSettings(rotate_deg=0, shift=0, scale=0, contrast=0, brightness=0, noise=0)


def test_limits_follow_from_the_settings_of_the_arm():
    fit = FitSettings(learning_rate=0.01, weight_decay=0.1, epochs=6, batch_size=8)
    spans = spans_of(TuneSettings(), fit, AugmentSettings())
    assert spans == {
        "learning_rate": Span(0.001, 0.1, is_log=True),
        "weight_decay": Span(0.01, 1.0, is_log=True),
        "epochs": Span(3, 12, is_whole=True),
        "batch_size": Span(4, 16, is_whole=True, is_log=True),
        "augmentation": Span(0.0, 2.0),
    }
    assert spans_of(TuneSettings(), FitSettings(epochs=1, batch_size=2), STILL)["epochs"] == Span(1, 2, is_whole=True)


def test_what_cannot_have_an_effect_is_left_out():
    spans = spans_of(TuneSettings(), FitSettings(weight_decay=0), STILL)
    assert list(spans) == ["learning_rate", "epochs", "batch_size"]
    named = spans_of(TuneSettings(weight_decay=(1e-4, 1e-2)), FitSettings(weight_decay=0), STILL)
    assert named["weight_decay"] == Span(1e-4, 1e-2, is_log=True)


def test_own_values_outside_of_the_limits_are_moved_to_the_nearest():
    fit = FitSettings(epochs=60, learning_rate=1e-3)
    spans = spans_of(TuneSettings(values=("epochs", "learning_rate"), epochs=(5, 20)), fit, STILL)
    assert own_values(spans, fit) == {"epochs": 20, "learning_rate": 1e-3}


def test_a_study_without_tuning_is_sealed_as_before(tmp_path):
    arm = (Arm(name="weak-1", supervision=Supervision.BOX, slices=1),)
    study = Study(cohort=CohortSettings(table=tmp_path / "cohort.csv"), arm=arm)
    assert study.tune is None
    assert "tune" not in study.sealed()
    assert study.model_copy(update={"tune": TuneSettings()}).sealed()["tune"] == {}


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("epochs = [9, 3]", "tune: epochs must run from a lower to a higher limit, not from 9 to 3"),
        ("epochs = 9", "tune.epochs: "),
        ("learning_rate = [0, 0.1]", "tune.learning_rate item 1: "),
        ("batch_size = [1, 4]", "tune.batch_size item 1: "),
        ("augmentation = [0, 9]", "tune.augmentation item 2: "),
        ("trials = 1", "tune.trials: "),
        ("folds = 1", "tune.folds: "),
        ('values = ["dropout"]', "tune.values item 1: "),
        ('values = ["epochs", "epochs"]', "tune.values: lists one value twice"),
        ("values = []", "tune.values: "),
        ('values = ["epochs"]\nbatch_size = [2, 4]', "tune: batch_size has limits, but values does not list it"),
        ("trails = 9", "tune.trails: unknown key. Did you mean 'trials'?"),
    ],
)
def test_mistakes_are_refused_with_their_place(tmp_path, line, place):
    arm = '[[arm]]\nname = "weak-1"\nsupervision = "box"\nslices = 1\n'
    text = f'[cohort]\ntable = "cohort.csv"\n{arm}[tune]\n{line}\n'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_study(tmp_path / "study.toml")
    assert place in str(caught.value)


def test_a_strength_of_one_changes_nothing():
    augment = AugmentSettings(rotate_deg=7)
    assert scaled(augment, 1.0) is augment
    assert scaled(augment, 0.0) == STILL
