"""The network as the study uses it: a backbone after scaling of grey values, and pooling over a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nephrograde.model.adapter import merge_adapters, merged
from nephrograde.model.backbone import build_backbone, standardise
from nephrograde.model.encoders.known import INPUTS
from nephrograde.model.kind import CENTRE, RESNET18, SPREAD
from nephrograde.model.pooling import GatedAttention, pool, shares, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nephrograde.model.backbone import Backbone
    from nephrograde.model.fusion import Fusion
    from nephrograde.model.kind import BackboneKind
    from nephrograde.sample.channels import Channels
    from nephrograde.vocabulary import Pooling

_OF_BACKBONE = "backbone."
_OF_ATTENTION = "attention."


class RowValues(NamedTuple):
    """What the network gives for each picture: its logit of high grade, and its score for attention (else 0).

    A network that joins phases gives the features of each picture instead of a logit, ``(row, feature)``.
    """

    values: torch.Tensor
    scores: torch.Tensor


class Network(nn.Module):
    """A backbone after scaling of the grey values, pooled over the pictures of each patient.

    A backbone gives the features of each picture, and ends in a linear head.

    Only image channels are scaled; a mask, the last channel, stays 0 and 1, so that padding means "not tumour". In 2D
    the weights are kept channels-last, in which training is faster. In 3D they are kept as torch makes them: oneDNN
    returns the gradient of a 3D kernel in that order, and on a CPU moving it into another takes longer than computing
    it.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self,
        backbone: Backbone,
        attention: GatedAttention | None = None,
        *,
        channels: int,
        has_mask: bool = False,
        pooling: Pooling = "mean",
        kind: BackboneKind = RESNET18,
    ) -> None:
        super().__init__()
        self.dimensions = backbone.dimensions
        self.channels = channels
        self.has_mask = has_mask
        self.kind = kind
        self.is_standardised = INPUTS[kind.architecture].is_standardised
        self.pooling: Pooling = pooling
        self.backbone = backbone
        self.attention = attention
        self.frozen: tuple[nn.Module, ...] = ()
        self.arrange(torch.channels_last if self.dimensions == 2 else torch.contiguous_format)
        shape = (1, channels, *(1 for _ in range(self.dimensions)))
        centre, spread = torch.zeros(shape, device="cpu"), torch.ones(shape, device="cpu")
        centre[:, : self.image_channels], spread[:, : self.image_channels] = kind.centre, kind.spread
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("spread", spread, persistent=False)

    @property
    def image_channels(self) -> int:
        """Channels without the mask: 1, or more where neighbouring slices are channels."""
        return self.channels - self.has_mask

    def arrange(self, memory_format: torch.memory_format) -> None:
        """Keep weights and pictures in this memory format."""
        self.memory_format = memory_format
        self.backbone.to(memory_format=memory_format)  # type: ignore[call-overload]

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or evaluation mode; the ``frozen`` layers stay in evaluation mode.

        Args:
            mode: Whether to train.
        """
        super().train(mode)
        for layer in self.frozen:
            layer.eval()
        return self

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the linear head sees of each picture, ``(row, channel, …)`` in [0, 1]."""
        scaled = (images - self.centre) / self.spread
        if self.is_standardised:
            scaled = torch.cat([standardise(scaled[:, : self.image_channels]), scaled[:, self.image_channels :]], dim=1)
        return self.backbone.features(scaled.contiguous(memory_format=self.memory_format))

    def attention_scores(self, features: torch.Tensor) -> torch.Tensor:
        """Return the score of each picture by its features; 0 with other pooling."""
        scores: torch.Tensor = torch.zeros_like(features[:, 0]) if self.attention is None else self.attention(features)
        return scores

    def rows(self, images: torch.Tensor) -> RowValues:
        """Return what the network gives for each picture, ``(row, channel, …)`` in [0, 1]."""
        features = self.features(images)
        return RowValues(self.backbone.fc(features).squeeze(1), self.attention_scores(features))

    def forward(self, images: torch.Tensor, places: torch.Tensor, clinical: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logit of high grade of each patient.

        Args:
            images: ``(row, channel, …)`` in [0, 1], the pictures of all patients.
            places: ``(patient, place)``, the rows of each patient, −1 where a patient has fewer than others;
                ``(patient, phase, place)`` in a network that joins phases.
            clinical: ``(patient, value)``, the standardised values that a network joins with the pictures, if any.
        """
        values, scores = self.rows(images)
        return self.decide(values.float(), scores.float(), places, clinical)

    def decide(
        self, values: torch.Tensor, scores: torch.Tensor, places: torch.Tensor, clinical: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the logit of each patient from what ``rows`` gives, in its precision.

        Args:
            values: Of each picture.
            scores: Of each picture.
            places: As for ``forward``.
            clinical: As for ``forward``.
        """
        del clinical  # only a network that joins has a place for them
        rows = places.clamp(min=0)
        return pool(values[rows], scores[rows], places >= 0, self.pooling)

    def weigh_rows(self, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the weight of each picture by attention, with a sum of 1 over those of a patient.

        Args:
            scores: Of each picture.
            places: As for ``forward``.
        """
        return weigh(scores[places.clamp(min=0)], places >= 0)

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights by name: those of the backbone as in other libraries, and those of attention.

        Adapters are added to the weights that they adapt.
        """
        return {name.removeprefix(_OF_BACKBONE): tensor for name, tensor in merged(self).items()}

    def set_weights(self, weights: Mapping[str, torch.Tensor], *, assign: bool = False) -> None:
        """Replace the weights, and remove adapters.

        Args:
            weights: By name, as ``weights`` returns them.
            assign: Keep the given tensors instead of copying them.
        """
        merge_adapters(self)
        named = {name if name.startswith(_OF_ATTENTION) else _OF_BACKBONE + name: w for name, w in weights.items()}
        self.load_state_dict(named, assign=assign)


class FusedNetwork(Network):
    """A backbone on the pictures of all phases, pooled over each phase and joined.

    The backbone is the same for all phases. Its features are pooled over the pictures of a phase, so that the head sees
    each phase once; those of a phase that the patient does not have are zeros, and one further input per phase says
    whether it is there. The head takes the place of the last layer of the backbone.
    """

    def __init__(
        self, backbone: Backbone, attention: GatedAttention | None = None, *, fusion: Fusion, **further: Any
    ) -> None:
        backbone.fc = nn.Linear(fusion.inputs(backbone.fc.in_features), 1)
        nn.init.zeros_(backbone.fc.bias)
        super().__init__(backbone, attention, **further)
        self.fusion = fusion

    def rows(self, images: torch.Tensor) -> RowValues:
        """Return the features and the attention score of each picture, ``(row, channel, …)`` in [0, 1]."""
        features = self.features(images)
        return RowValues(features, self.attention_scores(features))

    def decide(
        self, values: torch.Tensor, scores: torch.Tensor, places: torch.Tensor, clinical: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the logit of each patient from what ``rows`` gives, in its precision.

        Args:
            values: ``(row, feature)``.
            scores: ``(row,)``, used by attention only.
            places: ``(patient, phase, place)``, the rows of each patient on each phase, −1 where there are fewer.
            clinical: ``(patient, value)``, as many as ``fusion`` has values.
        """
        rows, present = places.clamp(min=0), places >= 0
        weights = shares(scores[rows], present, self.pooling)
        pooled = (weights.unsqueeze(-1) * values[rows]).sum(dim=2)
        has_phase = present.any(dim=2).to(values.dtype)
        further = [] if clinical is None else [clinical.to(values.dtype)]
        differences = [
            (pooled[:, one] - pooled[:, other]) * (has_phase[:, one] * has_phase[:, other]).unsqueeze(1)
            for one, other in self.fusion.pairs
        ]
        return self.logits(torch.cat([pooled.flatten(1), *differences, has_phase, *further], dim=1))

    def logits(self, joined: torch.Tensor) -> torch.Tensor:
        """Return what the head makes of its inputs, the last axis, in their precision."""
        head = self.backbone.fc
        return nn.functional.linear(joined, head.weight.to(joined.dtype), head.bias.to(joined.dtype)).squeeze(-1)

    def weigh_rows(self, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the weight of each picture by attention: that within its phase, with all phases counting the same.

        Args:
            scores: Of each picture.
            places: As for ``decide``.
        """
        present = places >= 0
        weights = shares(scores[places.clamp(min=0)], present, self.pooling)
        return weights / present.any(dim=2).sum(dim=1)[:, None, None]


class EarlyNetwork(FusedNetwork):
    """A backbone on pictures whose channels are the phases of a patient.

    A channel whose phase is missing enters it as zeros, which are mid-grey after scaling, so that it adds nothing to
    the first convolution; one further input of the head per phase says whether it is there.
    """

    def __init__(
        self, backbone: Backbone, attention: GatedAttention | None = None, *, shown: Channels, **further: Any
    ) -> None:
        super().__init__(backbone, attention, **further)
        self.shown = shown
        # Differences are not grey values: no difference is 0.5.
        self.centre[:, shown.images : self.image_channels] = CENTRE
        self.spread[:, shown.images : self.image_channels] = SPREAD

    def rows(self, images: torch.Tensor) -> RowValues:
        """Return the features of each picture with its phases, and its score; missing channels are below 0."""
        features = self.features(torch.where(images < 0, self.centre, images))
        phases = self.shown.present(images).to(features.dtype)
        return RowValues(torch.cat([features, phases], dim=1), self.attention_scores(features))

    def decide(
        self, values: torch.Tensor, scores: torch.Tensor, places: torch.Tensor, clinical: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the logit of each patient; arguments as for ``Network.decide``, values as ``rows`` gives them."""
        rows = places.clamp(min=0)
        further = [] if clinical is None else [clinical.to(values.dtype).unsqueeze(1).expand(-1, rows.shape[1], -1)]
        logits = self.logits(torch.cat([values[rows], *further], dim=2))
        return pool(logits, scores[rows], places >= 0, self.pooling)

    def weigh_rows(self, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the weight of each picture by attention; all phases are in one picture."""
        return Network.weigh_rows(self, scores, places)


def build_network(
    dimensions: Literal[2, 3],
    *,
    channels: int,
    has_mask: bool = False,
    pooling: Pooling = "mean",
    fusion: Fusion | None = None,
    kind: BackboneKind = RESNET18,
) -> Network:
    """Build a network with a single logit, by default a ResNet-18; its weights are drawn from torch's global generator.

    Args:
        dimensions: 2 for slices, 3 for boxes.
        channels: All channels: 1 for a slice or box, more for a slice with its neighbours, and one for a mask.
        has_mask: Whether the last channel is a mask.
        pooling: How the pictures of a patient are pooled.
        fusion: How the network joins several phases; None for a network on one phase.
        kind: Its backbone, by default a ResNet-18.

    >>> network = build_network(2, channels=1).eval()
    >>> network(torch.zeros(3, 1, 32, 32), places=torch.tensor([[0, 1], [2, -1]])).shape
    torch.Size([2])
    """
    backbone = build_backbone(kind, dimensions, channels=channels)
    attention = GatedAttention(backbone.fc.in_features) if pooling == "attention" else None
    further: Any = {"channels": channels, "has_mask": has_mask, "pooling": pooling, "kind": kind}
    if fusion is None:
        return Network(backbone, attention, **further)
    shown = fusion.channels(channels - has_mask)
    if shown is not None:
        return EarlyNetwork(backbone, attention, fusion=fusion, shown=shown, **further)
    return FusedNetwork(backbone, attention, fusion=fusion, **further)


def build_hollow_network(
    dimensions: Literal[2, 3],
    *,
    channels: int,
    has_mask: bool = False,
    pooling: Pooling = "mean",
    fusion: Fusion | None = None,
    kind: BackboneKind = RESNET18,
) -> Network:
    """Build the network of :func:`build_network` without weights, for those that ``load_weights`` puts into it.

    Nothing is drawn from torch's global generator, and no memory is taken.

    >>> build_hollow_network(3, channels=2).backbone.conv1.weight.device.type
    'meta'
    """
    with torch.device("meta"), _Undrawn():
        return build_network(
            dimensions, channels=channels, has_mask=has_mask, pooling=pooling, fusion=fusion, kind=kind
        )


class _Undrawn(TorchFunctionMode):
    """Leaves new weights as they are where ``torch.nn.init`` would draw them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in {"normal_", "uniform_"}:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
