"""The folder of one fitted network: the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FoldFolder:
    """The path of each file of one fitted network.

    All have ``paths``; ``attention_path`` exists only if the network pools by attention.

    >>> from pathlib import Path
    >>> fold = FoldFolder(Path("models/weak-1-cmp/fold-2"))
    >>> fold.model, fold.number
    ('weak-1-cmp', 2)
    """

    fold_dir: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of every fitted network, without their seal."""
        return (self.weights_path, self.card_path, self.history_path, self.predictions_path)

    def is_whole(self) -> bool:
        """Whether all files exist."""
        return all(path.is_file() for path in self.paths)

    @property
    def model(self) -> str:
        """The model id, such as ``weak-1-cmp``."""
        return self.fold_dir.parent.name

    @property
    def name(self) -> str:
        """The model and the fold, such as ``weak-1-cmp/fold-0``."""
        return f"{self.model}/{self.fold_dir.name}"

    def name_in(self, repeat: str) -> str:
        """The repeat, the model and the fold, such as ``seed-1/weak-1-cmp/fold-0``.

        Args:
            repeat: The name of the repeat; empty for the networks of the study's results.
        """
        return f"{repeat}/{self.name}" if repeat else self.name

    @property
    def number(self) -> int:
        """The fold, counted from 0."""
        return int(self.fold_dir.name.removeprefix("fold-"))

    def is_named_well(self) -> bool:
        """Whether the folder is called ``fold-<number>``, with the number as the program writes it."""
        number = self.fold_dir.name.removeprefix("fold-")
        return number.isascii() and number.isdecimal() and (number == "0" or not number.startswith("0"))

    @property
    def seal_path(self) -> Path:
        """The SHA-256 of the files of the network."""
        return self.fold_dir / "seal.json"

    @property
    def weights_path(self) -> Path:
        """The weights of the network."""
        return self.fold_dir / "weights.safetensors"

    @property
    def card_path(self) -> Path:
        """What the network is and how it was fitted."""
        return self.fold_dir / "card.json"

    @property
    def history_path(self) -> Path:
        """The learning curve."""
        return self.fold_dir / "history.csv"

    @property
    def attention_path(self) -> Path:
        """The weight of each picture, where the network pools by attention."""
        return self.fold_dir / "attention.csv"

    @property
    def predictions_path(self) -> Path:
        """The network's scores of patients that it was not trained on."""
        return self.fold_dir / "predictions.csv"
