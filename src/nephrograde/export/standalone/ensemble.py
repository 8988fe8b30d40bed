"""The networks of a nephrograde model and their mean, in plain torch: needs torch and safetensors, not nephrograde.

``nephrograde export --torch`` writes the weights and settings of a model into one safetensors file, which holds no
code; this file reads it: ``load_ensemble("model.safetensors")(pictures)``. It may be copied into other projects.
Research use only.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional

KEY = "nephrograde"
"""The entry of the header of the safetensors file that holds the settings, as JSON."""
_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Block(nn.Module):
    """Two convolutions and a shortcut: "B" is a convolution where the size changes, "A" subsampling and zeros."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, dimensions: int, shortcut: str) -> None:
        super().__init__()
        conv, norm = _CONV[dimensions], _NORM[dimensions]
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride, 1, bias=False), norm(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3, 1, 1, bias=False), norm(outputs)
        self.stride = stride
        self.downsample: nn.Module | None = None
        if stride > 1 and shortcut == "B":
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """``(row, channel, …)`` to maps of the next size."""
        found = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(maps)))))
        if self.downsample is not None:
            maps = self.downsample(maps)
        elif self.stride > 1:
            axes = maps.ndim - 2
            maps = maps[(slice(None), slice(None), *[slice(None, None, self.stride)] * axes)]
            maps = functional.pad(maps, [0, 0] * axes + [0, found.shape[1] - maps.shape[1]])
        return functional.relu(found + maps)


class ResNet18(nn.Module):
    """A ResNet-18 in 2D or 3D; its weights have the names of torchvision's."""

    def __init__(self, dimensions: int, *, channels: int, shortcut: str, has_attention: bool) -> None:
        super().__init__()
        self.conv1 = _CONV[dimensions](channels, 64, 7, 2, 3, bias=False)
        self.bn1 = _NORM[dimensions](64)
        self.maxpool: nn.Module = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[dimensions](3, 2, 1)
        widths = (64, 64, 128, 256, 512)
        kind: dict[str, Any] = {"dimensions": dimensions, "shortcut": shortcut}
        for stage, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            first = Block(inputs, outputs, stride=1 if stage == 1 else 2, **kind)
            self.add_module(f"layer{stage}", nn.Sequential(first, Block(outputs, outputs, stride=1, **kind)))
        self.fc = nn.Linear(512, 1)
        self.attention = nn.ModuleDict()
        if has_attention:
            sizes = {"value": (512, 128), "gate": (512, 128), "score": (128, 1)}
            self.attention.update({name: nn.Linear(*size) for name, size in sizes.items()})

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The logit and the score of each picture, ``(row,)``; the scores are 0 without attention."""
        maps = self.maxpool(functional.relu(self.bn1(self.conv1(pictures))))
        for stage in range(1, 5):
            maps = self.get_submodule(f"layer{stage}")(maps)
        features = maps.flatten(2).mean(2)
        if not self.attention:
            return self.fc(features)[:, 0], torch.zeros(len(features))
        layers = self.attention
        hidden = torch.tanh(layers["value"](features)) * torch.sigmoid(layers["gate"](features))
        return self.fc(features)[:, 0], layers["score"](hidden)[:, 0]


class Ensemble(nn.Module):
    """The networks of all folds; ``settings`` is what the file holds beside the weights."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings
        kind = {name: settings[name] for name in ("dimensions", "channels", "shortcut")}
        has_attention = settings["pooling"] == "attention"
        self.folds = nn.ModuleDict(
            {f"fold-{fold}": ResNet18(**kind, has_attention=has_attention) for fold in settings["folds"]}
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Grade one patient.

        Args:
            pictures: All pictures of the patient, ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``: grey values
                in [0, 1] after the window, and a mask of 0 and 1 as the last channel if the model has one.

        Returns:
            ``(1, 1 + fold)``, double: the probability of high grade of the model, then that of each network.
        """
        settings = self.settings
        images = settings["channels"] - settings["has_mask"]
        scaled = (pictures[:, :images] - settings["centre"]) / settings["spread"]
        scaled = torch.cat([scaled, pictures[:, images:]], dim=1)
        found = []
        for network in self.folds.values():
            logits, scores = network(scaled)
            found.append(pooled(logits.double(), scores.double(), settings["pooling"]))
        edge = settings["largest_log_odds"]
        scale = settings["scale"]
        lines = torch.tensor(
            [[one[name] for name in ("prior_shift", "slope", "intercept")] for one in scale["folds"]],
            dtype=torch.float64,
        )
        shift, slope, intercept = lines.T
        of_folds = (torch.stack(found).clamp(-edge, edge) + shift) * slope + intercept
        own = scale["ensemble"]
        mean = (of_folds.mean() + own["prior_shift"]) * own["slope"] + own["intercept"]
        return torch.cat([mean[None], of_folds]).sigmoid()[None]


def pooled(logits: torch.Tensor, scores: torch.Tensor, rule: str) -> torch.Tensor:
    """The logit of a patient from the logits and scores of the patient's pictures, ``(row,)``, double."""
    if rule == "attention":
        return (scores.softmax(0) * logits).sum()
    if rule == "mean":
        return logits.mean()
    if rule == "max":
        return logits.max()
    if rule == "log-sum-exp":
        return logits.logsumexp(0) - torch.tensor(float(len(logits)), dtype=torch.float64).log()
    total = functional.softplus(logits).sum()  # noisy-or: 1 − ∏(1 − p) has the logit log(exp(t) − 1)
    return logits[0] if len(logits) == 1 else total + (-torch.expm1(-total)).log()


def load_ensemble(path: str) -> Ensemble:
    """Read a model; a safetensors file holds numbers and texts, so that nothing of it is run."""
    with safe_open(path, framework="pt") as file:
        ensemble = Ensemble(json.loads(file.metadata()[KEY]))
        names = file.keys()
        ensemble.folds.load_state_dict({name: file.get_tensor(name) for name in names})
    return ensemble.eval().requires_grad_(requires_grad=False)
