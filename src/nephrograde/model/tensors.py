"""Named tensors from files that other programs wrote: safetensors, or what torch saves."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from nephrograde.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADS = ("fc.", "_fc.", "conv_seg.", "classifier.", "contrastive_head.", "global_embedding.")
"""Heads for classification, segmentation (MedicalNet) and training with reports: never loaded."""
_CHECKPOINT = ("state_dict", "model")
"""Where a checkpoint of training keeps the weights."""
_LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, which is JSON."""


def parse_tensors(raw: bytes, source: str) -> dict[str, torch.Tensor]:
    """Read the tensors in a file of weights, without the ``module.`` that parallel training puts before their names.

    Of a checkpoint of training, the weights of the model are read.

    Args:
        raw: The bytes of the file.
        source: What to call it in messages.

    Raises:
        WeightsError: The file cannot be read, or holds anything else.
    """
    content = _parse(raw, source)
    inner = next((content[key] for key in _CHECKPOINT if key in content), content) if isinstance(content, dict) else ()
    if not isinstance(inner, dict) or not inner or not all(map(_is_named_tensor, inner.items())):
        raise WeightsError(f"{source} does not hold named weights. Save the network's state_dict() alone.")
    return {name.removeprefix("module."): tensor for name, tensor in inner.items()}


def is_head(name: str) -> bool:
    """Whether a tensor belongs to a head, which is never loaded.

    Args:
        name: Of the tensor.
    """
    return name.startswith(_HEADS)


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def mismatches(given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> list[str]:
    """List how tensors differ from those of a network, one per line.

    The step counters of batch norm, which old files lack, are ignored.

    Args:
        given: The tensors of a file by name.
        wanted: Those of the network.
    """
    missing = [f"{name}: is missing" for name in wanted if name not in given and "num_batches" not in name]
    surplus = [f"{name}: has no place in the network" for name in given if name not in wanted]
    unequal = [
        f"{name}: shape {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]
    return missing + surplus + unequal


def as_float(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in single precision; whole numbers stay as they are.

    Args:
        tensor: Of any type.
    """
    return tensor.float() if tensor.is_floating_point() else tensor


def require_finite(weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Refuse weights that are not finite.

    Args:
        weights: By name.
        source: What to call their file in messages.

    Raises:
        WeightsError: A number is infinite or none; the tensor is named.
    """
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{source} holds weights that are not finite (in {name}). Get the file again.")


def _reason(error: Exception) -> str:
    """Why a file is not read; torch's own advice, to let the file run code, is not passed on."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds more than tensors"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _parse(raw: bytes, source: str) -> Any:
    try:
        if raw[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{":
            return load(raw)
        return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, SafetensorError, pickle.UnpicklingError) as error:
        reason = _reason(error)
        raise WeightsError(
            f"{source} cannot be read as weights ({reason}). Give a .safetensors file, or a .pth file with nothing but "
            "tensors in it."
        ) from None
