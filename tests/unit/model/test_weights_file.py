"""Reading a file of weights without torch: the same arrays as safetensors reads, and nothing from a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from nephrograde.errors import RunError
from nephrograde.model.weights_file import parse_weights

RANDOM = np.random.default_rng(3)
ARRAYS: dict[str, npt.NDArray[Any]] = {
    "kernel": RANDOM.normal(size=(4, 3, 5, 5)).astype(np.float32),
    "kernel in 3d": RANDOM.normal(size=(2, 3, 2, 4, 5)).astype(np.float64),
    "half": RANDOM.normal(size=(7,)).astype(np.float16),
    "steps": np.array(12, dtype=np.int64),
    "empty": np.zeros((0, 3), dtype=np.float32),
}


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_weights_are_those_that_safetensors_reads(metadata: dict[str, str] | None) -> None:
    raw = save(ARRAYS, metadata)
    weights, expected = parse_weights(raw, Path("weights.safetensors")), load(raw)
    assert weights.keys() == expected.keys()
    for name, array in expected.items():
        assert (weights[name].dtype, weights[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(weights[name], array)
        assert weights[name].flags.writeable
    assert weights["kernel"].strides[1] == 4  # the inputs lie side by side


def damaged() -> dict[str, bytes]:
    raw = save(ARRAYS)
    length = 8 + int.from_bytes(raw[:8], "little")
    header = raw[:length]
    return {
        "nothing": b"",
        "half a length": raw[:5],
        "half a header": raw[: length // 2],
        "a header that is no JSON": header.replace(b"{", b"[", 1) + raw[length:],
        "a list": (2).to_bytes(8, "little") + b"[]",
        "an entry without a place": header.replace(b"data_offsets", b"data_offsetz") + raw[length:],
        "a type that no network has": header.replace(b"F16", b"I16") + raw[length:],
        "another type": header.replace(b"F64", b"F32") + raw[length:],
        "a shape that is no list": header.replace(b"[7]", b" 7 ") + raw[length:],
        "another shape": header.replace(b"[7]", b"[6]") + raw[length:],
        "less than the header says": raw[:-4],
        "more than the header says": raw + b"more",
        "a length beyond the file": (10**18).to_bytes(8, "little") + raw[8:],
    }


@pytest.mark.parametrize("raw", damaged().values(), ids=damaged().keys())
def test_damaged_file_is_named(raw: bytes) -> None:
    with pytest.raises(RunError, match=r"fold-1/weights\.safetensors cannot be read"):
        parse_weights(raw, Path("fold-1/weights.safetensors"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weight_that_is_not_finite_is_named(bad: float) -> None:
    spoilt = ARRAYS["kernel"].copy()
    spoilt[1, 2, 3, 4] = bad
    with pytest.raises(RunError, match="in kernel"):
        parse_weights(save({"kernel": spoilt}), Path("weights.safetensors"))
