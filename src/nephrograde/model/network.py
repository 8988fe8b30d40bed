"""The network as the study uses it: ResNet-18 after scaling of grey values, and how it scores images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nephrograde.model.resnet import ResNet18

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from nephrograde.vocabulary import FloatVector

CENTRE = 0.5
SPREAD = 0.25
"""Grey values in [0, 1] enter the network as (value − 0.5) / 0.25: zero mean and unit variance, roughly.

ImageNet's grey values have mean 0.45 and standard deviation 0.225, so torchvision's weights get the values they were
trained on; MedicalNet's were trained on zero mean and unit variance.
"""
ROWS_AT_ONCE = 8
"""Number of pictures scored in one pass, always exactly this many: see ``score``."""


class Network(nn.Module):
    """ResNet-18 after scaling of the grey values: ``(n, channel, …)`` in [0, 1] to ``(n,)`` logits.

    Only the image channel is scaled; a mask channel stays 0 and 1, so that padding means "not tumour". In 2D the
    weights are kept channels-last, in which training is faster. In 3D they are kept as torch makes them: oneDNN returns
    the gradient of a 3D kernel in that order, and on a CPU moving it into another takes longer than computing it.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self, resnet: nn.Module, *, dimensions: Literal[2, 3], channels: int, shortcut: Literal["A", "B"]
    ) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.channels = channels
        self.shortcut = shortcut
        self.resnet = resnet
        self.arrange(torch.channels_last if dimensions == 2 else torch.contiguous_format)
        shape = (1, channels, *(1 for _ in range(dimensions)))
        centre, spread = torch.zeros(shape), torch.ones(shape)
        centre[:, 0], spread[:, 0] = CENTRE, SPREAD
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("spread", spread, persistent=False)

    def arrange(self, memory_format: torch.memory_format) -> None:
        """Keep weights and pictures in this memory format."""
        self.memory_format = memory_format
        self.resnet.to(memory_format=memory_format)  # type: ignore[call-overload]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logit of high grade for every picture of a batch."""
        scaled = (images - self.centre) / self.spread
        logits: torch.Tensor = self.resnet(scaled.contiguous(memory_format=self.memory_format))
        return logits.squeeze(1)


def build_network(dimensions: Literal[2, 3], *, channels: int, shortcut: Literal["A", "B"] = "B") -> Network:
    """Build a ResNet-18 with a single logit; its weights are drawn from torch's global generator.

    Args:
        dimensions: 2 for slices, 3 for boxes.
        channels: 1 for the image, 2 for image and mask.
        shortcut: "B", a convolution where the size changes (He 2016; torchvision), or "A", subsampling and zeros (the
            18-layer network of MedicalNet).

    >>> network = build_network(2, channels=1).eval()
    >>> network(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2])
    """
    resnet = ResNet18(dimensions, channels=channels, shortcut=shortcut)
    return Network(resnet, dimensions=dimensions, channels=channels, shortcut=shortcut)


def build_hollow_network(dimensions: Literal[2, 3], *, channels: int, shortcut: Literal["A", "B"] = "B") -> Network:
    """Build the network of :func:`build_network` without weights, for those that ``load_weights`` puts into it.

    Nothing is drawn from torch's global generator, and no memory is taken.

    >>> build_hollow_network(3, channels=2).resnet.conv1.weight.device.type
    'meta'
    """
    with torch.device("meta"), _Undrawn():
        resnet = ResNet18(dimensions, channels=channels, shortcut=shortcut)
    return Network(resnet, dimensions=dimensions, channels=channels, shortcut=shortcut)


class _Undrawn(TorchFunctionMode):
    """Leaves new weights as they are where ``torch.nn.init`` would draw them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in {"normal_", "uniform_"}:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def score(network: Network, images: npt.NDArray[np.float16]) -> FloatVector:
    """Return the probability of high grade for every picture, in fp32 and in evaluation mode.

    The pictures are scored in groups of exactly ``ROWS_AT_ONCE``, the last one padded with zeros: the shapes are always
    the same, so a patient's probability does not depend on who is scored alongside, to the last digit.

    Args:
        network: On any device.
        images: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)`` in [0, 1]; may be memory-mapped.

    >>> score(build_network(2, channels=1), np.zeros((3, 1, 32, 32), np.float16)).shape
    (3,)
    """
    p_high = np.empty(len(images))
    learning = network.training
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(images), ROWS_AT_ONCE):
            rows = images[start : start + ROWS_AT_ONCE]
            group = np.zeros((ROWS_AT_ONCE, *images.shape[1:]), np.float32)
            group[: len(rows)] = rows
            logits = network(torch.from_numpy(group).to(network.centre.device)).cpu().double()
            p_high[start : start + len(rows)] = torch.sigmoid(logits).numpy()[: len(rows)]
    network.train(learning)
    return p_high
