"""The networks of all folds of a model, held in memory to score many patients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.cohort.clinical import encode
from nephrograde.errors import RunError
from nephrograde.fit.folder import load_head, load_network, read_fold_card
from nephrograde.model.encoders.features import load_encoder
from nephrograde.model.encoders.store import find_by_digest, store_dir
from nephrograde.model.network import FusedNetwork
from nephrograde.model.scoring import score
from nephrograde.predict.values import NOTHING
from nephrograde.sample.dataset import Bags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value
    from nephrograde.model.card import ModelCard
    from nephrograde.model.encoders.features import LoadedEncoder
    from nephrograde.model.encoders.head import Head
    from nephrograde.model.encoders.view import View
    from nephrograde.model.network import Network
    from nephrograde.model.weights_file import Weights
    from nephrograde.run.fold_folder import FoldFolder
    from nephrograde.run.seal import Seal


_FOLDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One network per fold."""

    networks: tuple[Network, ...] = field(repr=False)

    def p_high_of_folds(
        self, pictures: npt.NDArray[np.float16], parts: Sequence[int] = (), clinical: Mapping[str, Value] = NOTHING
    ) -> tuple[float, ...]:
        """Probability of high grade of one patient from each fold's network, which pools the patient's pictures.

        Args:
            pictures: The patient's region, ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, in [0, 1].
            parts: How many of the rows are of which phase, for networks that join phases; empty otherwise.
            clinical: Values by column, for networks that join them with the pictures.

        Raises:
            RunError: Where a network gives a value that is not finite.
        """
        patient = Bags(pictures, np.array([len(pictures)]), np.array([parts], np.intp) if parts else None)
        found = tuple(float(score(one, _with_values(patient, one, clinical)).p_high[0]) for one in self.networks)
        return _probabilities(found)


@dataclass(frozen=True, slots=True)
class FrozenEnsemble:
    """A frozen encoder, and the regression of each fold on its features.

    ``view`` is what the pictures of the study show.
    """

    encoder: LoadedEncoder
    view: View
    heads: tuple[Head, ...] = field(repr=False)

    def p_high_of_folds(
        self,
        pictures: npt.NDArray[np.float16],
        parts: Sequence[int] = (),
        clinical: Mapping[str, Value] = NOTHING,
    ) -> tuple[float, ...]:
        """Probability of high grade of one patient from each fold; arguments and errors as of :class:`Ensemble`."""
        del parts, clinical  # a frozen encoder joins nothing
        features = self.encoder.features(pictures, self.view)
        return _probabilities(tuple(float(head.p_high(features[None])[0]) for head in self.heads))


def _probabilities(found: tuple[float, ...]) -> tuple[float, ...]:
    if not all(0.0 <= p_high <= 1.0 for p_high in found):
        raise RunError(
            "The networks give no probability for this scan (a value is not finite), so it is not graded. Check "
            "the image; if other scans fail too, fit the model again."
        )
    return found


def _with_values(patient: Bags, network: Network, clinical: Mapping[str, Value]) -> Bags:
    """The patient with the clinical values as this network has learnt to standardise them."""
    terms = network.fusion.values if isinstance(network, FusedNetwork) else ()
    return replace(patient, values=np.array([encode(terms, clinical)], np.float32)) if terms else patient


def load_ensemble(
    seal: Seal, model: str, *, weights: Callable[[Path], Weights] | None = None
) -> Ensemble | FrozenEnsemble:
    """Read the networks of a model, and verify that they are those that were evaluated.

    Args:
        seal: The seal of the evaluated run.
        model: Like ``weak-1-cmp``.
        weights: Returns the weights in a sealed file, verified; read with
            :meth:`Seal.read <nephrograde.run.seal.Seal.read>` when None.

    Raises:
        RunError: Where the model has not been fitted, or a file is missing, damaged, altered or of another version.
        WeightsError: Where the file of a frozen encoder is missing or another one.
    """
    folds = seal.folds(model)
    if folds and read_fold_card(folds[0], read=seal.read).encoder is not None:
        return _load_frozen(folds, seal, weights)
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
    _check_place(card, fold)
    return network


def _load_frozen(folds: Sequence[FoldFolder], seal: Seal, weights: Callable[[Path], Weights] | None) -> FrozenEnsemble:
    loaded = [load_head(fold.fold_dir, read=seal.read, weights=weights) for fold in folds]
    for (_, card), fold in zip(loaded, folds, strict=True):
        _check_place(card, fold)
    used = loaded[0][1].encoder
    if used is None or any(card.encoder != used for _, card in loaded):
        raise RunError(
            f"The folds of {folds[0].model} were fitted with different encoders. Delete {folds[0].fold_dir.parent} and "
            "run `nephrograde fit` and `nephrograde evaluate`."
        )
    file = find_by_digest(used.encoder.sha256, used.encoder.name, store_dir())
    # The store may have been told since that the file is of another network of the same shapes.
    file = replace(file, encoder=replace(file.encoder, architecture=used.encoder.architecture))
    return FrozenEnsemble(load_encoder(file), used.view, tuple(head for head, _ in loaded))


def _check_place(card: ModelCard, fold: FoldFolder) -> None:
    if (card.model, card.fold) != (fold.model, fold.number):
        raise RunError(
            f"{fold.card_path} is the card of fold {card.fold} of {card.model}. Delete {fold.fold_dir} and run "
            "`nephrograde fit` and `nephrograde evaluate`."
        )
