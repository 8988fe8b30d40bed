"""The networks of all folds of a model, held in memory to score many patients."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.fit.folder import load_network
from nephrograde.model.network import score
from nephrograde.model.pooling import pool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nephrograde.model.network import Network
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import FitSettings


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One network per fold, and the rule by which the pictures of a patient are pooled."""

    networks: tuple[Network, ...] = field(repr=False)
    settings: FitSettings

    def p_high_of_folds(self, pictures: npt.NDArray[np.float16]) -> tuple[float, ...]:
        """Probability of high grade from each fold's network, pooled over the pictures of one patient.

        Args:
            pictures: The patient's region, ``(slice, 1, y, x)`` or ``(1, channel, x, y, z)``, in [0, 1].
        """
        return tuple(pool(score(network, pictures), self.settings.pooling) for network in self.networks)


def load_ensemble(run: RunFolder, model: str, *, settings: FitSettings) -> Ensemble:
    """Read the networks of a model.

    Args:
        run: The run folder.
        model: Like ``weak-1-cmp``.
        settings: The arm's fit settings, for the pooling rule.

    Raises:
        RunError: Where the model has not been fitted, or a file is missing, damaged or of another version.
    """
    networks: list[Network] = []
    for fold in run.folds(model):
        copied = copy.deepcopy(networks[0]) if networks else None
        networks.append(load_network(fold.fold_dir, into=copied)[0])
    if not networks:
        raise RunError(f"{run.models_dir / model} holds no fitted network. Run `nephrograde fit` first.")
    return Ensemble(tuple(networks), settings)
