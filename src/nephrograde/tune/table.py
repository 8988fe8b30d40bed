"""The table of all trials: ``tuning/trials.csv``, for people; the programs read the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from nephrograde.files import write_rows
from nephrograde.fit.chosen import find_best, read_record
from nephrograde.study.tuning import Tunable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.fit.chosen import TuningRecord
    from nephrograde.run.folder import RunFolder

HEADINGS = ("model", "repeat", "fold", "trial", "state", "loss", "is_chosen", *get_args(Tunable), "reason")


def write_trials(run: RunFolder) -> None:
    """Write one row per trial of all models that were tuned in a run folder.

    Args:
        run: The run folder.

    Raises:
        RunError: The trials of a model are damaged.
    """
    records = [(place, read_record(path)) for *place, path in run.tuning.records()]
    write_rows(run.tuning.trials_path, HEADINGS, (row for place, record in records for row in _rows(place, record)))


def _rows(place: list[object], record: TuningRecord) -> Iterator[dict[str, object]]:
    repeat, model, fold = place
    best = find_best(record)
    for number, one in enumerate(record.trials):
        yield {
            "model": model,
            "repeat": repeat,
            "fold": fold,
            "trial": number,
            "state": one.state,
            "loss": one.loss,
            "is_chosen": int(number == best),
            **{name: one.values.get(name) for name in get_args(Tunable)},
            "reason": one.reason,
        }
