"""The folder of a run with the trials that settings of training were chosen among: the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST = "first"
"""The folder of the study's results, beside those of the repeats."""


@dataclass(frozen=True, slots=True)
class TuningFolder:
    """The path of each file of the trials.

    >>> from pathlib import Path
    >>> TuningFolder(Path("tuning")).record_path("weak-1-cmp", 2, "folds-1").as_posix()
    'tuning/folds-1/weak-1-cmp/fold-2.json'
    """

    tuning_dir: Path

    @property
    def models_path(self) -> Path:
        """The models whose tuning was begun."""
        return self.tuning_dir / "models.json"

    @property
    def trials_path(self) -> Path:
        """All trials, one row each."""
        return self.tuning_dir / "trials.csv"

    def record_path(self, model: str, fold: int, repeat: str) -> Path:
        """The trials of a model on a fold.

        Args:
            model: The model id, such as ``weak-1-cmp``.
            fold: Counted from 0.
            repeat: The name of the repeat, such as ``folds-1``; empty for the study's results.
        """
        return self.tuning_dir / (repeat or _FIRST) / model / f"fold-{fold}.json"

    def records(self) -> Iterator[tuple[str, str, int, Path]]:
        """The existing trials: repeat, model, fold and path, the study's results first."""
        found = []
        for path in self.tuning_dir.glob("*/*/fold-*.json"):
            number = path.stem.removeprefix("fold-")
            if number.isascii() and number.isdecimal():
                repeat, model = path.parent.parent.name, path.parent.name
                found.append(("" if repeat == _FIRST else repeat, model, int(number), path))
        yield from sorted(found)
