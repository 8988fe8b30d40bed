"""The probability of high grade of every patient, in digits that do not depend on who is scored alongside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from nephrograde.model.network import RowValues
from nephrograde.sample.dataset import places_of_phases

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.model.network import Network
    from nephrograde.sample.dataset import Bags
    from nephrograde.vocabulary import FloatVector

ROWS_AT_ONCE = 8
"""Number of pictures scored in one pass, always exactly this many: see ``score_rows``."""


class Scored(NamedTuple):
    """The probability of high grade of each patient, and the attention to each picture, empty with other pooling."""

    p_high: FloatVector
    weights: FloatVector


def score_rows(network: Network, images: npt.NDArray[np.float16]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the network gives for every picture, computed in fp32 and in evaluation mode.

    The pictures are scored in groups of exactly ``ROWS_AT_ONCE``, the last one padded with zeros: the shapes are always
    the same, so a patient's probability does not depend on who is scored alongside, to the last digit.

    Args:
        network: On any device.
        images: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)`` in [0, 1]; may be memory-mapped.

    Returns:
        The logits, or the features of a network that joins phases, and the attention scores; as double, on the CPU.
    """
    found: list[RowValues] = []
    learning = network.training
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(images), ROWS_AT_ONCE):
            rows = images[start : start + ROWS_AT_ONCE]
            group = np.zeros((ROWS_AT_ONCE, *images.shape[1:]), images.dtype)
            group[: len(rows)] = rows
            found.append(RowValues(*(one[: len(rows)] for one in network.rows(_on_device(group, network)))))
    network.train(learning)
    if not found:
        return torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.float64)
    # Read once at the end: reading each group would make the device wait for the next one.
    values, scores = (torch.cat(given).cpu().double() for given in zip(*found, strict=True))
    return values, scores


def _on_device(group: npt.NDArray[np.float16], network: Network) -> torch.Tensor:
    """Pictures on the device of a network, float32; they travel as they are, which halves the bytes."""
    given, device = torch.from_numpy(group), network.centre.device
    given = given.pin_memory() if device.type == "cuda" else given
    return given.to(device, non_blocking=True).float()


def score(network: Network, bags: Bags) -> Scored:
    """Return the probability of high grade of every patient, pooled as in training.

    Each patient is pooled alone and in double precision, so that the result does not depend on other patients.

    Args:
        network: On any device.
        bags: The pictures of the patients, of each at least one.

    >>> from nephrograde.model.network import build_network
    >>> from nephrograde.sample.dataset import Bags
    >>> network = build_network(2, channels=1, pooling="attention")
    >>> p_high, weights = score(network, Bags(np.zeros((3, 1, 32, 32), np.float16), np.array([1, 2])))
    >>> p_high.shape, weights.tolist()
    ((2,), [1.0, 0.5, 0.5])
    """
    values, scores = score_rows(network, bags.images)
    pooled = torch.zeros(-(-len(bags.counts) // ROWS_AT_ONCE) * ROWS_AT_ONCE, dtype=torch.float64)
    weights = torch.zeros_like(scores)
    parts = bags.counts[:, None] if bags.parts is None else bags.parts
    for patient, (start, count) in enumerate(zip(bags.starts.tolist(), bags.counts.tolist(), strict=True)):
        rows = slice(start, start + count)
        places = torch.from_numpy(places_of_phases(parts[patient : patient + 1]))
        places = places if bags.parts is not None else places[:, 0]
        own = None if bags.values is None else torch.from_numpy(bags.values[patient : patient + 1])
        with torch.no_grad():
            pooled[patient] = network.decide(values[rows], scores[rows], places, own)
        weights[rows] = network.weigh_rows(scores[rows], places)[places >= 0]
    # The sigmoid, too, in groups of one size: torch computes the ends of an array by other instructions.
    p_high = [torch.sigmoid(group) for group in pooled.reshape(-1, ROWS_AT_ONCE)]
    of_patients = torch.cat(p_high) if p_high else pooled
    of_rows = weights if network.pooling == "attention" else torch.zeros(0, dtype=torch.float64)
    return Scored(of_patients.numpy()[: len(bags.counts)], of_rows.numpy())
