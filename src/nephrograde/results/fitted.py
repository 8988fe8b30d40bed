"""The fitted networks of a run: their learning curves and cards."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.fit.chosen import parse_chosen
from nephrograde.fit.history import Epoch, read_history
from nephrograde.model.card import read_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.fit.chosen import Chosen
    from nephrograde.model.encoders.described import DescribedEncoder
    from nephrograde.run.fold_folder import FoldFolder
    from nephrograde.run.folder import RunFolder


@dataclass(frozen=True, slots=True)
class FittedFold:
    """One fitted network: its learning curve and the contents of its card, empty if there is no card.

    ``encoder`` is the frozen encoder whose features a regression learnt from; None for a trained network. ``chosen`` is
    what was chosen by tuning; None for the settings of the study. ``start`` is the encoder that a network was trained
    from.
    """

    model: str
    fold: int
    history: tuple[Epoch, ...]
    card: Mapping[str, Any]
    encoder: DescribedEncoder | None = None
    chosen: Chosen | None = None
    start: DescribedEncoder | None = None

    @property
    def pretrained(self) -> DescribedEncoder | None:
        """The encoder that the model uses, frozen or not; None if there is none."""
        return self.encoder or self.start

    @property
    def is_frozen(self) -> bool:
        """Whether this is a regression on the features of a frozen encoder, and not a trained network."""
        return self.encoder is not None


def read_fits(folder: RunFolder) -> tuple[FittedFold, ...]:
    """Read the folds that have a learning curve, models by name."""
    return tuple(_read_fit(fold) for fold in folder.folds() if fold.history_path.exists())


def _read_fit(fold: FoldFolder) -> FittedFold:
    history = read_history(fold.history_path)
    if not fold.card_path.exists():
        return FittedFold(fold.model, fold.number, history, {})
    card = read_card(fold.card_path)
    chosen = parse_chosen(card.settings, fold.card_path)
    return FittedFold(fold.model, fold.number, history, asdict(card), card.encoder, chosen, card.pretrained)
