"""The card stored with every fitted network: what it is and how it was made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from nephrograde.errors import RunError
from nephrograde.files import read_json, write_json
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a fitted network is, what it learnt from, and what happened during the fit.

    The counts are patients. ``precision`` is the one the weights come from, and ``refit_reason`` says why a first fit
    in bf16 was discarded ("" if none was). ``seconds`` is wall time; ``inputs_sha256`` identifies all inputs, so that a
    later run can tell whether the fit is still valid.
    """

    model: str
    arm: str
    phase: str
    fold: int
    dimensions: Literal[2, 3]
    channels: int
    shortcut: Literal["A", "B"]
    n_learn: int
    n_stop: int
    n_held_out: int
    n_test: int
    best_epoch: int
    epochs_run: int
    precision: Literal["fp32", "bf16"]
    refit_reason: str
    device: str
    seconds: float
    seed: int
    torch_version: str
    inputs_sha256: str
    settings: Mapping[str, Any]
    synthetic: bool
    research_use_only: str = RESEARCH_USE_ONLY


def write_card(card: ModelCard, card_path: Path) -> None:
    """Write a card as JSON, completely or not at all."""
    write_json(card_path, asdict(card))


def read_card(card_path: Path) -> ModelCard:
    """Read a card.

    Raises:
        RunError: If the file is missing, damaged, or of another version.
    """
    content = read_json(card_path)
    known = {field.name for field in fields(ModelCard)}
    if set(content) != known:
        wrong = ", ".join(sorted(known ^ set(content)))
        raise RunError(
            f"{card_path} was written by another version of nephrograde ({wrong}). Delete its folder and fit again."
        )
    return ModelCard(**content)
