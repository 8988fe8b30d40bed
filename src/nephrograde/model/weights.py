"""Weights to and from files. Initial weights come from a local file named in the study, never from the internet."""

from __future__ import annotations

import errno
import hashlib
import re
from typing import TYPE_CHECKING, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from nephrograde.errors import RunError, WeightsError
from nephrograde.model.tensors import HEADS, mismatches, parse_tensors
from nephrograde.model.weights_file import parse_weights
from nephrograde.replacement import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.model.network import Network
    from nephrograde.model.weights_file import Weights
    from nephrograde.study import InitialWeights


def shortcut_of(initial: InitialWeights) -> Literal["A", "B"]:
    """Return the kind of shortcut that a weights file was trained with; the network must be built with the same.

    Files with downsampling convolutions have type B (torchvision); MedicalNet's 18-layer files have none, type A.

    Raises:
        WeightsError: If the file is missing, differs from the one the study names, or cannot be read.
    """
    return "B" if any(".downsample." in name for name in _read(initial)) else "A"


def load_initial(network: Network, initial: InitialWeights) -> None:
    """Load the weights of a local file into a network, except its last layer.

    Reads torchvision's layout (2D; the three colour channels of the first convolution are summed, which is exact for
    a grey picture repeated three times) and MedicalNet's (3D; ``module.`` before every name, possibly all inside
    ``state_dict``). 3D kernels are stored in the order z, y, x and are transposed to ours, x, y, z. Where neighbouring
    slices are channels, each gets an equal part of the summed kernel. A mask channel starts at zero, so that the
    network behaves like the file's at first and learns to use the mask. Attention keeps its own weights.

    Args:
        network: Built with the file's own shortcut (``shortcut_of``); modified in place.
        initial: The file and its expected SHA-256, which is checked before anything is read.

    Raises:
        WeightsError: If the file is missing, differs, cannot be read, or does not fit (all mismatches are listed).

    Source:
        torchvision ``resnet18``; MedicalNet (Chen 2019, arXiv:1904.00625; its ``datasets/brains18.py`` states the axis
        order depth, height, width).
    """
    given = {name: tensor for name, tensor in _read(initial).items() if not name.startswith(HEADS)}
    wanted = {name: tensor for name, tensor in network.backbone.state_dict().items() if not name.startswith(HEADS)}
    if network.dimensions == 3:
        given = {n: t.permute(0, 1, 4, 3, 2) if t.ndim == 5 else t for n, t in given.items()}
    stem = given.get("conv1.weight")
    if stem is not None and stem.ndim == network.dimensions + 2:
        image = stem.sum(dim=1, keepdim=True)
        images = (image / network.image_channels).repeat_interleave(network.image_channels, dim=1)
        masks = torch.zeros_like(image).repeat_interleave(network.channels - network.image_channels, dim=1)
        given["conv1.weight"] = torch.cat([images, masks], dim=1)
    faults = mismatches(given, wanted)
    if faults:
        raise WeightsError(
            f"{initial.path} does not hold a ResNet-18 in {network.dimensions}D with shortcut {network.shortcut}:\n"
            + "\n".join(f"  {fault}" for fault in faults)
            + "\nName a file of torchvision's (2D) or MedicalNet's (3D) ResNet-18, or remove the key from the study."
        )
    network.backbone.load_state_dict(given, strict=False)


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


def _read(initial: InitialWeights) -> dict[str, torch.Tensor]:
    if not initial.path.is_file():
        raise WeightsError(
            f"The initial weights {initial.path} do not exist. Download the file, or remove the key from the study."
        )
    try:
        raw = initial.path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{initial.path} cannot be read ({error.strerror}). Check its permissions.") from None
    found = hashlib.sha256(raw).hexdigest()
    if found != initial.sha256:
        raise WeightsError(
            f"{initial.path} has the SHA-256 {found}, the study names {initial.sha256}. "
            "It is another file, or was not downloaded whole. Compare the source, then correct the study or the file."
        )
    return parse_tensors(raw, str(initial.path))
