"""The folder of one fitted fold: weights, card, learning curve and predictions, complete or absent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import torch

from nephrograde.errors import RunError
from nephrograde.files import read_rows, write_rows
from nephrograde.fit.attention import RowWeight, read_attention, write_attention
from nephrograde.fit.history import read_history, write_history
from nephrograde.model.card import ModelCard, parse_card, write_card
from nephrograde.model.encoders.head import Head
from nephrograde.model.network import Network, build_hollow_network
from nephrograde.model.weights import load_weights, save_weights
from nephrograde.model.weights_file import parse_weights
from nephrograde.replacement import replaced_folder
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.seal import fold_digests, read_verified, seal_fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.fit.history import Epoch
    from nephrograde.model.weights_file import Weights


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one fold's network predicts for one patient it has not learnt from.

    ``attention`` holds the weight of each of the patient's pictures; it is empty with other pooling.
    """

    patient_id: str
    split: Literal["oof", "test"]
    is_high: bool
    p_high: float
    attention: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class FoldFit:
    """One fitted network: its weights by name, card, learning curve and predictions."""

    weights: Mapping[str, torch.Tensor] = field(repr=False)
    card: ModelCard
    history: tuple[Epoch, ...]
    predictions: tuple[Prediction, ...]


def write_fold(
    fold_fit: FoldFit, target_dir: Path, *, slices: Mapping[str, Sequence[int]] = MappingProxyType({})
) -> None:
    """Write ``weights.safetensors``, ``card.json``, ``history.csv``, ``predictions.csv`` and their seal, ``seal.json``.

    A network with attention also has ``attention.csv``, with the weight of each picture. The folder is filled under a
    temporary name and then renamed; an older fit of that name is replaced. If several processes fit together, the
    first writes and the others wait.

    Args:
        fold_fit: The fitted network.
        target_dir: The folder of the fold.
        slices: The slice number of each picture by patient id, where pictures are slices; used in ``attention.csv``.
    """
    target = FoldFolder(target_dir)
    names = {path.name for path in (*target.paths, target.attention_path, target.seal_path)}
    joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not joined or torch.distributed.get_rank() == 0:
        with replaced_folder(target_dir, is_ours=names.__contains__) as temporary_dir:
            written = FoldFolder(temporary_dir)
            save_weights(fold_fit.weights, written.weights_path)
            write_card(fold_fit.card, written.card_path)
            write_history(fold_fit.history, written.history_path)
            write_rows(
                written.predictions_path,
                ("patient_id", "split", "is_high", "p_high"),
                (
                    {"patient_id": p.patient_id, "split": p.split, "is_high": int(p.is_high), "p_high": p.p_high}
                    for p in fold_fit.predictions
                ),
            )
            if fold_fit.card.pooling == "attention":
                write_attention(_weights_of(fold_fit.predictions, slices), written.attention_path)
            seal_fold(written)
    if joined:
        torch.distributed.barrier()


def read_fold(fold_dir: Path) -> FoldFit:
    """Read a fitted fold.

    Raises:
        RunError: If a file is missing, damaged, or of another version.
    """
    fold = FoldFolder(fold_dir)
    weights, card = _read_weights(fold)
    history = read_history(fold.history_path)
    attention: defaultdict[tuple[str, str], tuple[float, ...]] = defaultdict(tuple)
    for one in read_attention(fold.attention_path) if card.pooling == "attention" else ():
        attention[one.patient_id, one.split] += (one.weight,)
    try:
        predictions = tuple(
            Prediction(
                row["patient_id"],
                "oof" if row["split"] == "oof" else "test",
                row["is_high"] == "1",
                float(row["p_high"]),
                attention[row["patient_id"], row["split"]],
            )
            for row in read_rows(fold.predictions_path, ("patient_id", "split", "is_high", "p_high"))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{fold_dir} is damaged ({error}). Delete it and fit again.") from None
    return FoldFit(weights, card, history, predictions)


def _read_weights(fold: FoldFolder) -> tuple[Mapping[str, torch.Tensor], ModelCard]:
    """The weights of a fold, of a network or a head, and its card."""
    if read_fold_card(fold).encoder is not None:
        head, card = load_head(fold.fold_dir)
        return {name: torch.from_numpy(array) for name, array in head.arrays().items()}, card
    network, card = load_network(fold.fold_dir)
    return network.weights(), card


def _weights_of(predictions: Sequence[Prediction], slices: Mapping[str, Sequence[int]]) -> Iterator[RowWeight]:
    for one in predictions:
        numbers = slices.get(one.patient_id, ())
        for row, weight in enumerate(one.attention):
            yield RowWeight(one.patient_id, one.split, row, numbers[row] if row < len(numbers) else None, weight)


def load_network(
    fold_dir: Path, *, read: Callable[[Path], bytes] | None = None, weights: Callable[[Path], Weights] | None = None
) -> tuple[Network, ModelCard]:
    """Build the network of a fitted fold, with its weights, on the CPU and ready to score.

    Card and weights are verified on the same read that loads them.

    Args:
        fold_dir: The folder of the fold.
        read: Reads and verifies a file of the fold; against the seal of the fit when None.
        weights: Reads, verifies and parses the weights; with ``read`` when None.

    Raises:
        RunError: If the folder is incomplete, damaged, altered, or of another version.
    """
    fold = FoldFolder(fold_dir)
    read = read or _reader(fold)
    card = read_fold_card(fold, read=read)
    network = build_hollow_network(
        card.dimensions,
        channels=card.channels,
        has_mask=card.has_mask,
        pooling=card.pooling,
        fusion=card.fusion,
        kind=card.kind,
    )
    path = fold.weights_path
    load_weights(network, path, weights(path) if weights else parse_weights(read(path), path))
    return network.eval(), card


def load_head(
    fold_dir: Path, *, read: Callable[[Path], bytes] | None = None, weights: Callable[[Path], Weights] | None = None
) -> tuple[Head, ModelCard]:
    """Read the regression of a fitted fold of a frozen encoder.

    Args:
        fold_dir: The folder of the fold.
        read: As of :func:`load_network`.
        weights: As of :func:`load_network`.

    Raises:
        RunError: If the folder is incomplete, damaged, altered, or of another version.
    """
    fold = FoldFolder(fold_dir)
    read = read or _reader(fold)
    card = read_fold_card(fold, read=read)
    path = fold.weights_path
    if card.encoder is None:
        raise RunError(f"{fold.card_path} is the card of a trained network. Delete its folder and fit again.")
    try:
        n_features = card.encoder.encoder.input.features
        head = Head.of_arrays(weights(path) if weights else parse_weights(read(path), path), n_features)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}). Delete its folder and fit again.") from None
    return head, card


def read_fold_card(fold: FoldFolder, *, read: Callable[[Path], bytes] | None = None) -> ModelCard:
    """Read the card of a fitted fold, verified, and check that no file of the fold is missing.

    Args:
        fold: The folder of the fold.
        read: As of :func:`load_network`.

    Raises:
        RunError: If the folder is incomplete, damaged, altered, or of another version.
    """
    missing = [path.name for path in fold.paths if not path.is_file()]
    if missing:
        raise RunError(f"{fold.fold_dir} lacks {', '.join(missing)}. Run `nephrograde fit` on the study again.")
    read = read or _reader(fold)
    return parse_card(read(fold.card_path), fold.card_path)


def _reader(fold: FoldFolder) -> Callable[[Path], bytes]:
    """Reads files of a fold and verifies them against the seal of the fit."""
    digests = fold_digests(fold)
    remedy = f"Delete {fold.fold_dir} and fit again."
    return lambda path: read_verified(path, digests[path.name], remedy=remedy)
