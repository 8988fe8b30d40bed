"""Which values to try next, and which trials to end early: Optuna, asked for one trial at a time.

What Optuna knows is built from the finished trials each time, and the seed of its sampler follows from their number. So
a search that was interrupted goes on exactly as it would have, and no state is kept apart from the trials themselves.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.fit.chosen import Trial
    from nephrograde.study.tuning import Span

STEPS = 10
"""Into how many parts the epochs of a fit are divided, after each of which a trial may be ended."""
TRIALS_BEFORE_ENDING = 5
"""Trials that must be complete before any is ended early."""
STEPS_BEFORE_ENDING = 3
"""Steps that every trial is given: the warm-up, and some epochs at full learning rate."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The values of the next trial, and the judge of its course."""

    values: dict[str, float]
    _trial: Any

    def report(self, step: int, loss: float) -> None:
        """Tell the loss after a step, counted from 1."""
        self._trial.report(loss, step)

    def is_hopeless(self) -> bool:
        """Whether the trial is worse than half of the earlier ones at the same step."""
        return bool(self._trial.should_prune())


def require_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        FitError: It is not; the message says how to install it.
    """
    if importlib.util.find_spec("optuna") is None:
        raise FitError('Tuning needs Optuna, which is not installed. Run: pip install "nephrograde[tune]"')


def propose(spans: Mapping[str, Span], own: Mapping[str, float], finished: Sequence[Trial], *, seed: int) -> Proposal:
    """Return the values of the next trial; those of the first are the study's own.

    Args:
        spans: What is searched.
        own: The study's own values.
        finished: The trials so far.
        seed: The seed of this trial.

    Source:
        Bergstra 2011 (tree-structured Parzen estimator); Akiba 2019, arXiv:1907.10902 (Optuna).
    """
    import optuna

    distributions = {name: _distribution(span) for name, span in spans.items()}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        search = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=TRIALS_BEFORE_ENDING, n_warmup_steps=STEPS_BEFORE_ENDING
            ),
        )
        for one in finished:
            search.add_trial(_as_optuna_has_it(one, spans, distributions))
        if not finished:
            search.enqueue_trial(_whole(own, spans))
        trial = search.ask(distributions)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return Proposal({name: float(trial.params[name]) for name in spans}, trial)


def _distribution(span: Span) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    kind = IntDistribution if span.is_whole else FloatDistribution
    low, high = (int(span.low), int(span.high)) if span.is_whole else (span.low, span.high)
    return kind(low, high, log=span.is_log)


def _as_optuna_has_it(trial: Trial, spans: Mapping[str, Span], distributions: Mapping[str, Any]) -> Any:
    from optuna.trial import TrialState, create_trial

    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    return create_trial(
        state=states[trial.state],
        value=trial.loss,
        params=_whole(trial.values, spans),
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(trial.steps, start=1)),
    )


def _whole(values: Mapping[str, float], spans: Mapping[str, Span]) -> dict[str, float]:
    return {name: int(values[name]) if span.is_whole else values[name] for name, span in spans.items()}
