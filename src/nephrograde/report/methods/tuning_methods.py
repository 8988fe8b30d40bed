"""The sentence on how settings of training were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.tables.tuning import chosen_folds, limits_sentence, setting_words, trials_sentence
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import listed
from nephrograde.study.tuning import Tunable

if TYPE_CHECKING:
    from nephrograde.results import Results


def tuning(run: Results) -> str:
    """How settings of training were chosen, and among how many trials; empty if they are those of the study."""
    found = chosen_folds(run)
    if not found:
        return ""
    everyone = [one for folds in found.values() for one in folds.values()]
    names = [name for name in get_args(Tunable) if any(name in one.values for one in everyone)]
    inner = sorted({one.folds for one in everyone})
    first = t(
        "For {models}, {settings} were chosen separately for each fold (Optuna, tree-structured Parzen estimator): "
        "each trial was judged by its mean log-loss in a cross-validation with {folds} inner folds among the patients "
        "that the network of the fold learns from, and ended early where it was worse than the median of earlier "
        "trials.",
        models=listed(list(found)),
        settings=listed([setting_words(name) for name in names]),
        folds=listed([str(one) for one in inner]),
    )
    last = t(
        "The settings given above are those of the first trial. Neither the patients of a held-out fold nor the test "
        "patients took part in a trial."
    )
    return as_text([first, trials_sentence(found), last])


def limits(run: Results) -> str:
    """What the tuning does not show; empty if nothing was tuned."""
    found = chosen_folds(run)
    return limits_sentence(run, found) if found else ""
