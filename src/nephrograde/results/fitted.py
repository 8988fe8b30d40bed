"""The fitted networks of a run: their learning curves and cards."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.fit.history import Epoch, read_history
from nephrograde.model.card import read_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.run.folder import RunFolder


@dataclass(frozen=True, slots=True)
class FittedFold:
    """One fitted network: its learning curve and the contents of its card, empty if there is no card."""

    model: str
    fold: int
    history: tuple[Epoch, ...]
    card: Mapping[str, Any]

    @property
    def is_frozen(self) -> bool:
        """Whether this is a regression on the features of a frozen encoder, and not a trained network."""
        return "encoder" in (self.card.get("settings") or {})


def read_fits(folder: RunFolder) -> tuple[FittedFold, ...]:
    """Read the folds that have a learning curve, models by name."""
    return tuple(
        FittedFold(
            fold.model,
            fold.number,
            read_history(fold.history_path),
            asdict(read_card(fold.card_path)) if fold.card_path.exists() else {},
        )
        for fold in folder.folds()
        if fold.history_path.exists()
    )
