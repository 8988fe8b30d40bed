"""The settings of training that were tuned: among how many trials, and what was chosen for each fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from nephrograde.report.tables.manuscript import Line, Table, marked
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, decimal, listed
from nephrograde.study.tuning import Tunable

if TYPE_CHECKING:
    from nephrograde.fit.chosen import Chosen
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class TuningRow:
    """One fold of a model, as texts."""

    model: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TuningTable:
    """What was chosen for each fold.

    Attributes:
        caption: What it shows.
        headings: Of the cells of a row.
        rows: One for each fold of each model.
        summary: How many trials there were, for which models.
        limits: What the tuning does not show.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[TuningRow, ...]
    summary: str
    limits: str


def chosen_folds(run: Results) -> dict[str, dict[int, Chosen]]:
    """Return what was chosen, by model and fold, from the cards of the fitted networks.

    Args:
        run: The run.
    """
    found: dict[str, dict[int, Chosen]] = {}
    for fit in run.fits:
        if fit.chosen is not None:
            found.setdefault(fit.model, {})[fit.fold] = fit.chosen
    return found


def tuning_table(run: Results) -> TuningTable | None:
    """Compose the table; None if no model was tuned.

    Args:
        run: The run.
    """
    found = chosen_folds(run)
    if not found:
        return None
    rows = [
        TuningRow(model, chosen_row(fold, chosen)) for model, folds in found.items() for fold, chosen in folds.items()
    ]
    caption = t(
        "Settings of training chosen for each fold, inside the patients that its network learns from. Augmentation: a "
        "factor on all widths of the study. Log-loss: mean in the inner folds, of the chosen trial and of the study’s "
        "own settings."
    )
    return TuningTable(caption, tuning_headings(), tuple(rows), trials_sentence(found), limits_sentence(run, found))


def tuning_manuscript(run: Results) -> Table | None:
    """Compose the table for a manuscript; None if no model was tuned.

    Args:
        run: The run.
    """
    table = tuning_table(run)
    if table is None:
        return None
    lines = tuple(Line((row.model, *row.cells)) for row in table.rows)
    return Table(
        "tuning", marked(run, table.caption), (t("Model"), *table.headings), lines, (table.summary, table.limits)
    )


def trials_sentence(found: dict[str, dict[int, Chosen]]) -> str:
    """Count the trials of every model.

    Args:
        found: From :func:`chosen_folds`; at least one model.
    """
    counts = {model: sum(one.trials for one in folds.values()) for model, folds in found.items()}
    everyone = [one for folds in found.values() for one in folds.values()]
    return t(
        "{total} trials in all ({counts}); {pruned} of them were ended early, and {failed} could not be fitted.",
        total=sum(counts.values()),
        counts=listed([t("{model}: {n}", model=model, n=n) for model, n in counts.items()]),
        pruned=sum(one.pruned for one in everyone),
        failed=sum(one.failed for one in everyone),
    )


def tuning_terms(run: Results) -> list[tuple[str, str]]:
    """Describe the tuning as a term with its meaning; empty if no model was tuned.

    Args:
        run: The run.
    """
    found = chosen_folds(run)
    if not found:
        return []
    listed_where = t("The settings of the study are those of the first trial; what was chosen is listed by fold.")
    return [(t("Tuned settings"), t("{first} {second}", first=trials_sentence(found), second=listed_where))]


def limits_sentence(run: Results, found: dict[str, dict[int, Chosen]]) -> str:
    """Say what the tuning does not show, and which networks were fitted without it.

    Args:
        run: The run.
        found: From :func:`chosen_folds`; at least one model.
    """
    first = t(
        "The log-losses are those of the inner folds, among whose trials the lowest was chosen: they are optimistic, "
        "unlike the results in the held-out folds and the test patients, who took no part in any trial. Few patients "
        "decide between trials, so what is chosen varies from fold to fold."
    )
    others = sorted({fit.model for fit in run.fits if not fit.is_frozen} - set(found))
    if not others:
        return first
    second = t(
        "Not tuned: {models}. Differences between them and the tuned models include the effect of tuning.",
        models=listed(others),
    )
    return t("{first} {second}", first=first, second=second)


def tuning_headings() -> tuple[str, ...]:
    """The headings of a row of :func:`chosen_row`."""
    names = (t("Learning rate"), t("Weight decay"), t("Epochs"), t("Batch size"), t("Augmentation"))
    return (t("Fold"), *names, t("Trials"), t("Ended early"), t("Log-loss"), t("Log-loss, own settings"))


def setting_words(name: str) -> str:
    """Return the words for what is tuned.

    Args:
        name: As in ``tune.values``.
    """
    words = {
        "learning_rate": t("the learning rate"),
        "weight_decay": t("the weight decay"),
        "epochs": t("the number of epochs"),
        "batch_size": t("the batch size"),
        "augmentation": t("the strength of augmentation"),
    }
    return words[name]


def chosen_row(fold: int, chosen: Chosen) -> tuple[str, ...]:
    """Format what was chosen for a fold.

    Args:
        fold: Counted from 0.
        chosen: What was chosen.

    >>> from nephrograde.fit.chosen import Chosen
    >>> values = {"epochs": 40.0, "learning_rate": 0.00123}
    >>> chosen = Chosen(values, {}, loss=0.5, own_loss=0.61, trials=20, pruned=9, failed=0, folds=3)
    >>> chosen_row(0, chosen)
    ('0', '0.0012', '–', '40', '–', '–', '20', '9', '0.500', '0.610')
    """
    values = [_formatted(name, chosen.values.get(name)) for name in get_args(Tunable)]
    return (str(fold), *values, str(chosen.trials), str(chosen.pruned), decimal(chosen.loss), decimal(chosen.own_loss))


def _formatted(name: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    if name in {"epochs", "batch_size"}:
        return f"{value:.0f}"
    return decimal(value, 2) if name == "augmentation" else f"{value:.2g}"
