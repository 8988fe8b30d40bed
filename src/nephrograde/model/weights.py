"""Weights to and from files. Initial weights come from local files and installed packages, never from the internet."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from nephrograde.errors import RunError, WeightsError
from nephrograde.model.backbone import named_inside
from nephrograde.model.encoders.layout import blocks_of, shortcut_of, weights_of
from nephrograde.model.kind import RESNET18, BackboneKind
from nephrograde.model.network import build_hollow_network
from nephrograde.model.resnet import ResNet18
from nephrograde.model.tensors import as_float, is_head, mismatches, parse_tensors, require_finite
from nephrograde.model.weights_file import parse_weights
from nephrograde.replacement import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.model.initial import Initial
    from nephrograde.model.network import Network
    from nephrograde.model.weights_file import Weights


def read_initial(initial: Initial) -> dict[str, torch.Tensor]:
    """Read and verify the pre-trained weights that a network starts from.

    Args:
        initial: Where they are.

    Returns:
        By name, as in the file.

    Raises:
        WeightsError: If the file is missing, differs from the one that the study names, or cannot be read.
    """
    return parse_tensors(initial.read(), initial.source)


def kind_of(initial: Initial | None, weights: Mapping[str, torch.Tensor]) -> BackboneKind:
    """Return the backbone for weights from a file; a network that starts from random weights has a ResNet-18.

    Args:
        initial: Where the weights come from, if from a file.
        weights: Those of the file, or of a network that started from it.
    """
    if initial is None:
        return RESNET18
    names = [name.removeprefix("encoder.") for name in weights]
    shortcut = shortcut_of(names) if initial.architecture != "efficientnet-lite0" else "B"
    return BackboneKind(initial.architecture, shortcut, blocks_of(names), initial.centre, initial.spread)


def load_initial(network: Network, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Put pre-trained weights into a network, except into its last layer.

    Reads torchvision's layout (2D) and MedicalNet's (3D) of a ResNet-18, and those of encoders. The colour channels of
    the first convolution are summed, which is exact for a grey picture repeated three times and scaled as a whole.
    MedicalNet's kernels are stored in the order z, y, x and are transposed to ours, x, y, z. A 2D file of a ResNet-18
    is inflated for a network in 3D: its kernels are repeated along z and divided by their number. Where neighbouring
    slices are channels, each gets an equal part of the summed kernel. A mask channel starts at zero, so that the
    network behaves like the file's at first and learns to use the mask. Attention keeps its own weights.

    Args:
        network: Built with the file's own kind of backbone (``kind_of``); modified in place.
        weights: From ``read_initial``.
        source: What to call the file in messages.

    Raises:
        WeightsError: If the weights do not fit (all mismatches are listed), or are not finite.

    Source:
        torchvision ``resnet18``; MedicalNet (Chen 2019, arXiv:1904.00625; its ``datasets/brains18.py`` states the axis
        order depth, height, width). Carreira & Zisserman 2017, arXiv:1705.07750 (inflation).
    """
    given = _fitted(network, weights, source)
    named_inside(network.backbone).load_state_dict(given, strict=False)


def check_initial(initial: Initial, dimensions: Literal[2, 3]) -> None:
    """Check that pre-trained weights can be read and fit, without a network.

    Args:
        initial: Where they are.
        dimensions: 2 for slices, 3 for boxes.

    Raises:
        WeightsError: As :func:`read_initial` and :func:`load_initial`.
    """
    weights = read_initial(initial)
    _fitted(build_hollow_network(dimensions, channels=1, kind=kind_of(initial, weights)), weights, initial.source)


def _fitted(network: Network, weights: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """The weights of a file as the network has them; its last layer is not among them."""
    place = named_inside(network.backbone)
    wanted = {name: tensor for name, tensor in place.state_dict().items() if not is_head(name)}
    if isinstance(network.backbone, ResNet18):
        given = {name: as_float(tensor) for name, tensor in weights.items() if not is_head(name)}
        if network.dimensions == 3:
            given = {name: _as_solid(tensor) for name, tensor in given.items()}
    else:
        given = weights_of(weights, network.kind.architecture, source)
    stem = next(name for name, tensor in wanted.items() if tensor.ndim == network.dimensions + 2)
    if stem in given and given[stem].ndim == network.dimensions + 2:
        given[stem] = _with_channels(given[stem], network)
    if faults := mismatches(given, wanted):
        raise WeightsError(_misfit(network, faults, source))
    require_finite(given, source)
    return given


def _as_solid(kernel: torch.Tensor) -> torch.Tensor:
    """A kernel ``(output, input, z, y, x)`` with its axes in our order, or an inflated ``(output, input, y, x)``."""
    if kernel.ndim == 5:
        return kernel.permute(0, 1, 4, 3, 2)
    if kernel.ndim != 4:
        return kernel
    depth = kernel.shape[-1]
    return kernel.transpose(2, 3).unsqueeze(-1).repeat(1, 1, 1, 1, depth) / depth


def _with_channels(kernel: torch.Tensor, network: Network) -> torch.Tensor:
    """The first kernel of a file for as many channels as the pictures have; a mask starts at zero."""
    image = kernel.sum(dim=1, keepdim=True)
    images = (image / network.image_channels).repeat_interleave(network.image_channels, dim=1)
    masks = torch.zeros_like(image).repeat_interleave(network.channels - network.image_channels, dim=1)
    return torch.cat([images, masks], dim=1)


def _misfit(network: Network, faults: Sequence[str], source: str) -> str:
    listed = "\n".join(f"  {fault}" for fault in faults)
    if not isinstance(network.backbone, ResNet18):
        return f"{source} does not hold the weights of {network.kind.architecture}:\n{listed}"
    return (
        f"{source} does not hold a ResNet-18 in {network.dimensions}D with shortcut {network.kind.shortcut}:\n{listed}"
        "\nName a file of torchvision's ResNet-18, or in 3D of MedicalNet's, or remove the key from the study."
    )


def save_weights(weights: Mapping[str, torch.Tensor], weights_path: Path) -> None:
    """Write the weights of a fitted network (``network.weights()``) as safetensors, whole or not at all.

    Raises:
        WriteError: If they cannot be written.
    """
    with replaced(weights_path) as temporary_path:
        try:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, temporary_path)
        except SafetensorError as error:  # quotes the operating system
            code = re.search(r"(?:code:|os error) (\d+)", str(error))
            raise OSError(int(code[1]) if code else errno.EIO, str(error)) from error


def load_weights(network: Network, weights_path: Path, weights: Weights | None = None) -> None:
    """Load weights written by ``save_weights`` into a network of the same kind.

    Args:
        network: Its weights are replaced; it may be hollow.
        weights_path: The file.
        weights: What it contains, where that has been read and verified; the file is then not read again.

    Raises:
        RunError: If the file is missing, damaged, belongs to another network, or holds a weight that is not finite.
    """
    if weights is None:
        try:
            weights = parse_weights(weights_path.read_bytes(), weights_path)
        except OSError as error:
            raise RunError(f"{weights_path} cannot be read ({error}). Delete its folder and fit again.") from None
    given = {name: torch.from_numpy(array) for name, array in weights.items()}
    faults = mismatches(given, network.weights())
    if faults:
        raise RunError(
            f"{weights_path} belongs to another network ({'; '.join(faults[:3])}). Delete its folder and fit again."
        )
    network.set_weights(given, assign=True)
