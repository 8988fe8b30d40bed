"""What a model gives for a patient, and what may give it: networks in torch, or a graph in ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value


class Scored(NamedTuple):
    """What a model gives for a patient, on the scale of the study: its score, and that of the networks of each fold."""

    p_high: float
    of_folds: tuple[float, ...]


class Scorer(Protocol):
    """Scores patients: the networks of a run, or the graph of a packed model."""

    def start(self) -> None:
        """Begin to load what is needed, while the scan is read."""

    def load(self) -> None:
        """Load after :meth:`Scorer.start` what several threads could not load at once."""

    def score(self, pictures: npt.NDArray[np.float16], parts: Sequence[int], clinical: Mapping[str, Value]) -> Scored:
        """Score one patient.

        Args:
            pictures: The patient's region, ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, in [0, 1].
            parts: How many of the rows are of which phase, for networks that pool phases; empty otherwise.
            clinical: Values by column, for networks that join them with the pictures.
        """
