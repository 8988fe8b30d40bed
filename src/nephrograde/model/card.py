"""The card stored with every fitted network: what it is and how it was made."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of the card
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from nephrograde.errors import RunError
from nephrograde.files import parse_json, write_json
from nephrograde.model.encoders.described import DescribedEncoder
from nephrograde.model.fusion import Fusion  # noqa: TC001 - pydantic reads the annotations of the card
from nephrograde.model.kind import BackboneKind
from nephrograde.vocabulary import RESEARCH_USE_ONLY, Pooling, together

if TYPE_CHECKING:
    from pathlib import Path

_ENCODER = "encoder"
"""The key of ``settings`` that describes a frozen encoder."""
_PRETRAINED = "pretrained"
"""The key of ``settings`` that describes the encoder that a network was trained from."""
_PROCESSES = "processes"
"""The key of ``settings`` that says how many processes shared each batch."""
_LATER = {"fusion", "backbone", "versions"}
"""What cards of earlier versions lack."""
Count: TypeAlias = Annotated[int, Field(ge=0)]


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a fitted network is, what it learnt from, and what happened during the fit.

    ``channels`` counts those of the image and, with ``has_mask``, the mask, which is the last one; ``pooling`` is how
    the network pools the pictures of a patient. ``backbone`` is that of a network that was a pre-trained encoder; None
    for a ResNet-18, whose ``shortcut`` says all. ``phase`` is one phase, or several that the network sees together, as
    ``fusion`` says; cards of versions without fusion lack it.

    The counts are patients; ``n_learn_high`` of the ``n_learn`` that it learnt from were high grade. ``is_balanced``
    says whether half of every batch was high grade all the same. ``precision`` is the one the weights come from, and
    ``refit_reason`` says why a first fit in bf16 was discarded ("" if none was). ``seconds`` is wall time;
    ``inputs_sha256`` identifies all inputs, so that a later run can tell whether the fit is still valid; ``versions``
    are those of the packages among them.
    """

    model: str
    arm: str
    phase: str
    fold: Count
    dimensions: Literal[2, 3]
    channels: Annotated[int, Field(ge=1)]
    has_mask: bool
    shortcut: Literal["A", "B"]
    pooling: Pooling
    n_learn: Count
    n_learn_high: Count
    is_balanced: bool
    n_stop: Count
    n_held_out: Count
    n_test: Count
    best_epoch: Count
    epochs_run: Count
    precision: Literal["fp32", "bf16"]
    refit_reason: str
    device: str
    seconds: Annotated[float, Field(ge=0)]
    seed: int
    torch_version: str
    inputs_sha256: str
    settings: Mapping[str, Any]
    synthetic: bool
    research_use_only: str = RESEARCH_USE_ONLY
    fusion: Fusion | None = None
    backbone: BackboneKind | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> BackboneKind:
        """The backbone of the network."""
        return self.backbone or BackboneKind(shortcut=self.shortcut)

    @property
    def prevalence(self) -> float:
        """The share of high grade among the patients that it learnt from, between 0 and 1."""
        return self.n_learn_high / self.n_learn

    @property
    def encoder(self) -> DescribedEncoder | None:
        """The frozen encoder whose features the model learnt from; None if it is a trained network."""
        return self._described(_ENCODER)

    @property
    def pretrained(self) -> DescribedEncoder | None:
        """The encoder that the network was trained from; None if there is none."""
        return self._described(_PRETRAINED)

    @property
    def processes(self) -> int | None:
        """How many processes shared each batch; None if nothing was trained, or an earlier version did not say."""
        if self.encoder is not None:
            return None
        fit = self.settings.get("fit", {})
        devices, nodes = fit.get("devices", 1), fit.get("nodes", 1)
        found = self.settings.get(_PROCESSES, devices * nodes if devices > 0 else None)
        return found if isinstance(found, int) else None

    def _described(self, key: str) -> DescribedEncoder | None:
        content = self.settings.get(key)
        return None if content is None else DescribedEncoder.of_dict(content)


def write_card(card: ModelCard, card_path: Path) -> None:
    """Write a card as JSON, completely or not at all."""
    write_json(card_path, asdict(card))


def read_card(card_path: Path) -> ModelCard:
    """Read a card.

    Raises:
        RunError: If the file is missing, damaged, or of another version.
    """
    try:
        return parse_card(card_path.read_bytes(), card_path)
    except OSError as error:
        raise RunError(f"{card_path} cannot be read ({error.strerror}). Delete its folder and fit again.") from None


def parse_card(raw: bytes, card_path: Path) -> ModelCard:
    """Parse a card whose bytes have been read.

    Args:
        raw: The bytes.
        card_path: The file that they come from, in the folder of its fold.

    Raises:
        RunError: If they are damaged, of another version, or the card of another network.
    """
    content = parse_json(raw, card_path)
    known = {one.name for one in fields(ModelCard)}
    if set(content) | _LATER != known:
        wrong = ", ".join(sorted(known ^ (set(content) | _LATER)))
        raise RunError(
            f"{card_path} was written by another version of nephrograde ({wrong}). Delete its folder and fit again."
        )
    try:
        card = _adapter().validate_json(raw)
    except ValidationError as error:
        places = ", ".join(dict.fromkeys(str(one["loc"][0]) for one in error.errors() if one["loc"]))
        raise _damaged(card_path, places or "it") from None
    if card.channels <= card.has_mask:  # a mask alone is no image
        raise _damaged(card_path, "channels")
    try:
        _ = card.encoder, card.pretrained
    except ValueError:
        raise _damaged(card_path, "settings") from None
    if card.fusion is not None and together(card.fusion.phases) != card.phase:
        raise _damaged(card_path, "fusion")
    try:
        _ = None if card.fusion is None else card.fusion.channels(card.channels - card.has_mask)
    except ValueError:
        raise _damaged(card_path, "channels") from None
    if not 0 < card.n_learn_high < card.n_learn:  # no network learns from one grade
        raise _damaged(card_path, "n_learn_high")
    return card


def processes_settings(processes: int) -> dict[str, Any]:
    """Return the part of ``settings`` that says how many processes shared each batch, as the card reads it.

    Args:
        processes: Their number.
    """
    return {_PROCESSES: processes}


def pretrained_settings(encoder: DescribedEncoder) -> dict[str, Any]:
    """Return the part of ``settings`` that describes an encoder, as :attr:`ModelCard.pretrained` reads it.

    Args:
        encoder: The encoder and the pictures of the network.
    """
    return {_PRETRAINED: encoder.as_dict()}


def encoder_settings(encoder: DescribedEncoder) -> dict[str, Any]:
    """Return the part of ``settings`` that describes an encoder, as :attr:`ModelCard.encoder` reads it.

    Args:
        encoder: The encoder and its pictures.
    """
    return {_ENCODER: encoder.as_dict()}


def _damaged(card_path: Path, what: str) -> RunError:
    return RunError(f"{card_path} is damaged: {what} cannot be used. Delete its folder and fit again.")


@cache
def _adapter() -> TypeAdapter[ModelCard]:
    return TypeAdapter(ModelCard)
