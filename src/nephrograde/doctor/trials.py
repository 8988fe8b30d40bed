"""The self-test: each part does something small whose result is known, on synthetic data, and says what it found.

All of it runs in a process of its own, as it imports packages that may be broken.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class TrialError(Exception):
    """A part of the self-test gave another result than it must."""


def read_a_scan() -> str:
    """Write a tiny synthetic scan into a temporary folder and read it again: same values, same grid."""
    import numpy as np

    from nephrograde.volume.read import read_volume
    from nephrograde.volume.volume import write_image

    values = np.arange(8 * 7 * 6, dtype=np.int16).reshape(8, 7, 6) - 100
    with tempfile.TemporaryDirectory(prefix="nephrograde-doctor-") as folder:
        path = Path(folder) / "synthetic.nii.gz"
        write_image(values, path, spacing_mm=(0.8, 0.9, 2.5))
        volume = read_volume(path)
        if not np.array_equal(volume.values, values) or not np.allclose(volume.spacing_mm, (0.8, 0.9, 2.5)):
            raise TrialError("A synthetic scan was read with other values or another grid than it was written with.")
    return "A synthetic scan was written and read."


def evaluate_scores() -> str:
    """Evaluate six synthetic patients, eight of whose nine pairs are in order: an AUC of 8/9."""
    import pandas as pd

    from nephrograde.evaluation.frames import evaluate_frame
    from nephrograde.study import EvaluateSettings

    scores = pd.DataFrame(
        {
            "patient_id": list("ABCDEF"),
            "model": "synthetic",
            "is_high": [0, 0, 0, 1, 1, 1],
            "p_high": [0.1, 0.3, 0.6, 0.5, 0.8, 0.9],
        }
    )
    estimates = evaluate_frame(scores, EvaluateSettings()).estimates
    found = float(estimates.loc[estimates["measure"] == "auc", "value"].to_numpy(dtype=float)[0])
    if abs(found - 8 / 9) > 1e-12:
        raise TrialError(f"Six synthetic patients were evaluated to an AUC of {found:.3f} instead of 0.889.")
    return "Six synthetic patients were evaluated to an AUC of 0.889, as they must be."


def run_a_graph() -> str:
    """Run a graph of one node with ONNX Runtime."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(doubling_graph(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.array([1.5, -2.0], np.float32)})
    if found.tolist() != [3.0, -4.0]:
        raise TrialError(f"ONNX Runtime doubled 1.5 and -2 to {found.tolist()}.")
    return "ONNX Runtime runs a graph."


def train_a_step() -> str:
    """Take one step of a gradient descent with torch, whose result is known."""
    import torch

    weight = torch.tensor([1.0, -2.0], requires_grad=True)
    loss = torch.nn.functional.conv1d(weight.view(1, 1, 2), torch.ones(1, 1, 2)).square().sum()
    gradient = torch.autograd.grad(loss, weight)[0].tolist()
    if gradient != [-2.0, -2.0]:
        raise TrialError(f"torch found the gradient {gradient} instead of [-2.0, -2.0].")
    return "torch computes a gradient."


def find_a_gpu() -> str:
    """Name the GPUs that torch can use; empty if there are none."""
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        named = ", ".join(f"{card.name} ({card.total_memory / 1e9:.0f} GB)" for card in cards)
        return f"CUDA {torch.version.cuda}: {named}"
    if torch.backends.mps.is_available():
        return "MPS"
    return ""


def find_chinese_letters() -> str:
    """Say whether a font of this machine has Chinese letters; empty if none has."""
    from nephrograde.errors import NephrogradeError
    from nephrograde.report.pages.pdf import require_cjk_font

    try:
        require_cjk_font()
    except NephrogradeError:
        return ""
    return "A font has Chinese letters."


def doubling_graph() -> bytes:
    """An ONNX graph that adds its input to itself: ``y = x + x`` for two numbers.

    Written by hand, since ``onnx``, which could write it, belongs to another extra.

    Source: the fields of ``onnx.proto3``: ModelProto, GraphProto, NodeProto, ValueInfoProto.
    """

    def part(number: int, content: bytes | int) -> bytes:
        if isinstance(content, int):
            return bytes([number << 3, content])
        return bytes([number << 3 | 2, len(content)]) + content

    pair = part(1, part(1, 1) + part(2, part(1, part(1, 2))))  # float32, of the shape (2,)
    node = part(1, b"x") + part(1, b"x") + part(2, b"y") + part(4, b"Add")
    ends = part(11, part(1, b"x") + part(2, pair)) + part(12, part(1, b"y") + part(2, pair))
    graph = part(1, node) + part(2, b"g") + ends
    return part(1, 8) + part(7, graph) + part(8, part(1, b"") + part(2, 13))


TRIALS: dict[str, Callable[[], str]] = {
    "scan": read_a_scan,
    "evaluation": evaluate_scores,
    "graph": run_a_graph,
    "network": train_a_step,
    "gpu": find_a_gpu,
    "fonts": find_chinese_letters,
}
"""What can be tried, by name; each returns what it found, or raises."""
