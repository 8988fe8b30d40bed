"""The network: ResNet-18 in 2D and 3D, one logit a picture, and how a picture is scored with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.vocabulary import FloatVector

CENTRE = 0.5
SPREAD = 0.25
"""Grey values in [0, 1] enter the network as (value − 0.5) / 0.25: zero mean and unit variance, roughly.

ImageNet's grey values have mean 0.45 and standard deviation 0.225, so torchvision's weights find what they were
trained on; MedicalNet's were trained on zero mean and unit variance. Our choice.
"""
ROWS_AT_ONCE = 8
"""Pictures scored in one pass, always exactly so many: see ``score``."""


class Network(nn.Module):
    """ResNet-18 behind the scaling of the grey values: ``(n, channel, …)`` in [0, 1] to ``(n,)`` logits.

    Only the image channel is scaled; a mask channel stays 0 and 1, so that what is padded reads "not tumour". The
    weights are kept channels-last, in which training is faster on a CPU and on a tensor-core GPU.
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
        self.memory_format = torch.channels_last if dimensions == 2 else torch.channels_last_3d
        self.resnet = resnet.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        shape = (1, channels, *(1 for _ in range(dimensions)))
        centre, spread = torch.zeros(shape), torch.ones(shape)
        centre[:, 0], spread[:, 0] = CENTRE, SPREAD
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("spread", spread, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logit of high grade for every picture of a batch."""
        scaled = (images - self.centre) / self.spread
        logits: torch.Tensor = self.resnet(scaled.contiguous(memory_format=self.memory_format))
        return logits.squeeze(1)


class SlicedMaxPool3d(nn.Module):
    """Max pooling with kernel 3, stride 2 and padding 1, written with slices and ``maximum``.

    torch's own 3D pooling adds gradients up in an unstated order on CUDA, so that no two fits agree to the last
    digit. This one has a stated order and the same values. On a CPU it is slower, and torch's is exact there.

    >>> volume = torch.rand(1, 2, 5, 6, 7)
    >>> torch.equal(SlicedMaxPool3d()(volume), nn.MaxPool3d(3, 2, 1)(volume))
    True
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pool ``(n, channel, x, y, z)`` along each axis in turn."""
        for axis in (2, 3, 4):
            before = (slice(None),) * axis
            even, odd = images[(*before, slice(0, None, 2))], images[(*before, slice(1, None, 2))]
            count = even.shape[axis]
            edge = [0, 0] * (4 - axis)
            left = nn.functional.pad(odd, [*edge, 1, 0], value=-torch.inf).narrow(axis, 0, count)
            right = nn.functional.pad(odd, [*edge, 0, count - odd.shape[axis]], value=-torch.inf)
            images = torch.maximum(torch.maximum(left, even), right)
        return images


def build_network(dimensions: Literal[2, 3], *, channels: int, shortcut: Literal["A", "B"] = "B") -> Network:
    """Build MONAI's ResNet-18 with the strides of the published one and a single logit.

    MONAI's own first convolution has stride 1, which makes 3D about ten times dearer and fits no published weights;
    its downsampling convolutions have a bias, which the batch norm behind them cancels and no published file holds.
    The weights are drawn from torch's global generator.

    Args:
        dimensions: 2 for slices, 3 for boxes.
        channels: 1 for the image, 2 for image and mask.
        shortcut: "B", a convolution where the size changes (He 2016; torchvision), or "A", subsampling and zeros (the
            18-layer network of MedicalNet).

    Source:
        He 2016, arXiv:1512.03385, table 1; Chen 2019, arXiv:1904.00625 (MedicalNet). The paper says "ResNet-18".

    >>> network = build_network(2, channels=1).eval()
    >>> network(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2])
    """
    from monai.networks.nets.resnet import resnet18

    resnet = resnet18(
        spatial_dims=dimensions,
        n_input_channels=channels,
        num_classes=1,
        conv1_t_stride=2,
        shortcut_type=shortcut,
        bias_downsample=False,
    )
    return Network(resnet, dimensions=dimensions, channels=channels, shortcut=shortcut)


def score(network: Network, images: npt.NDArray[np.float16]) -> FloatVector:
    """Probability of high grade for every picture, in fp32 and as the network is when it does not learn.

    The pictures pass in groups of exactly ``ROWS_AT_ONCE``, the last one filled up with zeros: the shapes are always
    the same, and so a patient's probability does not hang on who is scored alongside, to the last digit.

    Args:
        network: On whatever device it is.
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
