"""The folder of one fitted fold: weights, card, learning curve and predictions, complete or absent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from nephrograde.errors import RunError
from nephrograde.files import read_rows, write_rows
from nephrograde.fit.history import read_history, write_history
from nephrograde.model.card import ModelCard, parse_card, write_card
from nephrograde.model.network import Network, build_hollow_network
from nephrograde.model.weights import load_weights, save_weights
from nephrograde.model.weights_file import parse_weights
from nephrograde.replacement import replaced_folder
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.seal import fold_digests, read_verified, seal_fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nephrograde.fit.history import Epoch
    from nephrograde.model.weights_file import Weights


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one fold's network predicts for one patient it has not learnt from."""

    patient_id: str
    split: Literal["oof", "test"]
    is_high: bool
    p_high: float


@dataclass(frozen=True, slots=True)
class FoldFit:
    """One fitted network: weights of the ResNet by name, card, learning curve and predictions."""

    weights: Mapping[str, torch.Tensor] = field(repr=False)
    card: ModelCard
    history: tuple[Epoch, ...]
    predictions: tuple[Prediction, ...]


def write_fold(fold_fit: FoldFit, target_dir: Path) -> None:
    """Write ``weights.safetensors``, ``card.json``, ``history.csv``, ``predictions.csv`` and their seal, ``seal.json``.

    The folder is filled under a temporary name and then renamed; an older fit of that name is replaced. If several
    processes fit together, the first writes and the others wait.
    """
    names = {path.name for path in (*FoldFolder(target_dir).paths, FoldFolder(target_dir).seal_path)}
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
            seal_fold(written)
    if joined:
        torch.distributed.barrier()


def read_fold(fold_dir: Path) -> FoldFit:
    """Read a fitted fold.

    Raises:
        RunError: If a file is missing, damaged, or of another version.
    """
    network, card = load_network(fold_dir)
    fold = FoldFolder(fold_dir)
    history = read_history(fold.history_path)
    try:
        predictions = tuple(
            Prediction(
                row["patient_id"],
                "oof" if row["split"] == "oof" else "test",
                row["is_high"] == "1",
                float(row["p_high"]),
            )
            for row in read_rows(fold.predictions_path, ("patient_id", "split", "is_high", "p_high"))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{fold_dir} is damaged ({error}). Delete it and fit again.") from None
    return FoldFit(network.resnet.state_dict(), card, history, predictions)


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
    missing = [path.name for path in fold.paths if not path.is_file()]
    if missing:
        raise RunError(f"{fold_dir} lacks {', '.join(missing)}. Run `nephrograde fit` on the study again.")
    read = read or _reader(fold)
    card = parse_card(read(fold.card_path), fold.card_path)
    network = build_hollow_network(card.dimensions, channels=card.channels, shortcut=card.shortcut)
    path = fold.weights_path
    load_weights(network, path, weights(path) if weights else parse_weights(read(path), path))
    return network.eval(), card


def _reader(fold: FoldFolder) -> Callable[[Path], bytes]:
    """Reads files of a fold and verifies them against the seal of the fit."""
    digests = fold_digests(fold)
    remedy = f"Delete {fold.fold_dir} and fit again."
    return lambda path: read_verified(path, digests[path.name], remedy=remedy)
