"""The search: the same trials whatever interrupted it, and an early end for those that are worse."""

import sys

import pytest

from nephrograde.errors import FitError
from nephrograde.fit.chosen import Trial, TuningRecord, read_record, write_record
from nephrograde.study import AugmentSettings, FitSettings, TuneSettings
from nephrograde.study.tuning import own_values, spans_of
from nephrograde.tune.search import STEPS, TRIALS_BEFORE_ENDING, propose, require_optuna

pytestmark = pytest.mark.needs("optuna")
FIT = FitSettings(learning_rate=1e-3, epochs=20)
SPANS = spans_of(TuneSettings(), FIT, AugmentSettings())
OWN = own_values(SPANS, FIT)


def loss_of(values):
    """A landscape with its lowest place at a learning rate of 0.004 and a strength of 0.5."""
    return abs(values["learning_rate"] - 0.004) * 100 + abs(values["augmentation"] - 0.5)


def finished(values):
    loss = loss_of(values)
    return Trial(values, "complete", loss, (loss,) * STEPS)


def search(n, trials=()):
    trials = list(trials)
    while len(trials) < n:
        trials.append(finished(propose(SPANS, OWN, trials, seed=100 + len(trials)).values))
    return trials


def test_without_optuna_the_line_that_installs_it_is_given(monkeypatch):
    require_optuna()
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(FitError, match=r'Run: pip install "nephrograde\[tune\]"'):
        require_optuna()


def test_the_first_trial_has_the_values_of_the_study():
    assert propose(SPANS, OWN, (), seed=1).values == OWN
    assert OWN == {"learning_rate": 1e-3, "weight_decay": 0.01, "epochs": 20, "batch_size": 16, "augmentation": 1.0}


def test_values_lie_within_their_limits_and_improve():
    trials = search(30)
    for trial in trials:
        assert all(SPANS[name].low <= value <= SPANS[name].high for name, value in trial.values.items())
        assert all(trial.values[name].is_integer() for name in ("epochs", "batch_size"))
    assert min(trial.loss for trial in trials) < 0.5 * trials[0].loss
    assert len({trial.values["learning_rate"] for trial in trials}) == 30


def test_a_search_goes_on_after_an_interruption_as_it_would_have(tmp_path):
    whole = search(12)
    record = TuningRecord("key", TuneSettings().model_dump(mode="json"), tuple(whole[:7]))
    write_record(record, tmp_path / "fold-0.json")
    assert search(12, read_record(tmp_path / "fold-0.json").trials) == whole


def test_further_trials_follow_those_that_failed_or_ended_early():
    values = search(4)
    ended = [
        Trial(values[1].values, "pruned", 3.0, (3.0, 3.0, 3.0, 3.0)),
        Trial(values[2].values, "failed", None, (), "not finite"),
    ]
    assert propose(SPANS, OWN, [values[0], *ended], seed=5).values.keys() == SPANS.keys()


def test_a_trial_is_ended_once_half_of_the_earlier_ones_were_better():
    trials = search(TRIALS_BEFORE_ENDING)
    proposal = propose(SPANS, OWN, trials, seed=9)
    for step in (1, 2):
        proposal.report(step, 1e3)
        assert not proposal.is_hopeless()  # every trial is given some epochs
    proposal.report(3, 1e3)
    assert proposal.is_hopeless()
    better = propose(SPANS, OWN, trials, seed=9)
    better.report(3, 0.0)
    assert not better.is_hopeless()
    early = propose(SPANS, OWN, trials[:-1], seed=9)
    early.report(3, 1e3)
    assert not early.is_hopeless()  # too few trials to compare with
