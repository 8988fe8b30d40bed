"""The file of a network's weights as arrays, read without torch, which takes longer to import than the file to read."""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path

Weights: TypeAlias = dict[str, npt.NDArray[Any]]
"""The weights of a network by name; 2D kernels are channels-last, as the network keeps them."""

_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8"}
"""What a network holds, by the names of safetensors."""
_LENGTH_BYTES = 8


def parse_weights(raw: bytes, weights_path: Path) -> Weights:
    """Read the weights of a network from the bytes of their file.

    Args:
        raw: The bytes, as :func:`~nephrograde.model.weights.save_weights` has written them.
        weights_path: The file, for messages.

    Raises:
        RunError: If the bytes are damaged, or a weight is not finite.
    """
    try:
        weights = {name: _arranged(array) for name, array in _arrays(raw).items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RunError(f"{weights_path} cannot be read ({error}). Delete its folder and fit again.") from None
    spoilt = next((name for name, array in weights.items() if not _is_finite(array)), None)
    if spoilt is not None:
        raise RunError(
            f"{weights_path} holds weights that are not finite (in {spoilt}), with which nothing can be graded. "
            "Delete its folder and fit again."
        )
    return weights


def _arrays(raw: bytes) -> Weights:
    """Views of the arrays in a safetensors file, which its own library would copy while it holds the interpreter.

    Source: https://github.com/huggingface/safetensors, "Format".
    """
    start = _LENGTH_BYTES + int.from_bytes(raw[:_LENGTH_BYTES], "little")
    header = json.loads(raw[_LENGTH_BYTES:start])
    arrays, n_bytes = {}, 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, stop = entry["data_offsets"]
        count = prod(entry["shape"])
        array = np.frombuffer(raw, _TYPES[entry["dtype"]], count=count, offset=start + first)
        if array.nbytes != stop - first:
            raise ValueError(f"{name} has {stop - first} bytes, and its shape needs {array.nbytes}")
        arrays[name] = array.reshape(entry["shape"])
        n_bytes += array.nbytes
    if start + n_bytes != len(raw):
        raise ValueError(f"it has {len(raw)} bytes, and its header describes {start + n_bytes}")
    return arrays


def _arranged(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy a 2D kernel ``(output, input, y, x)`` so that the inputs lie side by side; everything else as it is."""
    if array.ndim != 4:
        return array.copy()
    # A new array, as numpy would leave one as it is if only axes of size 1 move, and torch takes strides literally.
    return np.moveaxis(np.moveaxis(array, 1, -1).copy(order="C"), -1, 1)


def _is_finite(array: npt.NDArray[Any]) -> bool:
    # A sum is finite only if every number is; it takes a tenth of the time, and large numbers alone can exceed it.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())
