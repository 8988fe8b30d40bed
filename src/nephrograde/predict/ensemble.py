"""The networks of all folds of a model, held in memory to score many patients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import RunError
from nephrograde.fit.folder import load_network
from nephrograde.model.network import score
from nephrograde.sample.dataset import Bags

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.model.network import Network
    from nephrograde.model.weights_file import Weights
    from nephrograde.run.fold_folder import FoldFolder
    from nephrograde.run.seal import Seal


_FOLDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One network per fold."""

    networks: tuple[Network, ...] = field(repr=False)

    def p_high_of_folds(self, pictures: npt.NDArray[np.float16]) -> tuple[float, ...]:
        """Probability of high grade of one patient from each fold's network, which pools the patient's pictures.

        Args:
            pictures: The patient's region, ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, in [0, 1].

        Raises:
            RunError: Where a network gives a value that is not finite.
        """
        patient = Bags(pictures, np.array([len(pictures)]))
        found = tuple(float(score(network, patient).p_high[0]) for network in self.networks)
        if not all(0.0 <= p_high <= 1.0 for p_high in found):
            raise RunError(
                "The networks give no probability for this scan (a value is not finite), so it is not graded. Check "
                "the image; if other scans fail too, fit the model again."
            )
        return found


def load_ensemble(seal: Seal, model: str, *, weights: Callable[[Path], Weights] | None = None) -> Ensemble:
    """Read the networks of a model, and verify that they are those that were evaluated.

    Args:
        seal: The seal of the evaluated run.
        model: Like ``weak-1-cmp``.
        weights: Returns the weights in a sealed file, verified; read with
            :meth:`Seal.read <nephrograde.run.seal.Seal.read>` when None.

    Raises:
        RunError: Where the model has not been fitted, or a file is missing, damaged, altered or of another version.
    """
    folds = seal.folds(model)
    with ThreadPoolExecutor(_FOLDS_AT_ONCE) as executor:
        networks = tuple(executor.map(lambda fold: _load_fold(fold, seal, weights), folds))
    if not networks:
        raise RunError(
            f"{seal.folder.models_dir / model} holds no network that was evaluated. Run `nephrograde fit` and "
            "`nephrograde evaluate`."
        )
    return Ensemble(networks)


def _load_fold(fold: FoldFolder, seal: Seal, weights: Callable[[Path], Weights] | None) -> Network:
    network, card = load_network(fold.fold_dir, read=seal.read, weights=weights)
    if (card.model, card.fold) != (fold.model, fold.number):
        raise RunError(
            f"{fold.card_path} is the card of fold {card.fold} of {card.model}. Delete {fold.fold_dir} and run "
            "`nephrograde fit` and `nephrograde evaluate`."
        )
    return network
