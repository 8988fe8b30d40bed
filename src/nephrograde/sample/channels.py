"""What the channels of a picture are in early fusion: phases, differences of phases, and a mask, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

ABSENT = -1.0
"""The value of every voxel of a channel whose phase the patient does not have. Grey values are in [0, 1]; the network
sees such a channel as zeros after scaling."""
DIFFERENCE_HU = 200.0
"""Differences of −200 to 200 HU become 0 to 1, so that no difference is 0.5, which is zero after scaling."""


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of a picture of early fusion.

    Attributes:
        phases: How many phases there are.
        pairs: The positions of the phases of each difference.
        each: The channels of a phase or difference, more than one where neighbouring slices are channels.

    >>> channels = Channels(3, ((0, 2),), each=1)
    >>> channels.lacking(np.array([[True, True, False]])).tolist()
    [[False, False, True, True]]
    """

    phases: int
    pairs: tuple[tuple[int, int], ...] = ()
    each: int = 1

    @property
    def images(self) -> int:
        """The channels of all phases, which come first."""
        return self.phases * self.each

    def present(self, pictures: Any) -> Any:
        """Return ``(row, phase)``, whether each picture shows each phase.

        Args:
            pictures: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, an array or a tensor.

        >>> Channels(2).present(np.array([[[[0.0]], [[ABSENT]]]])).tolist()
        [[True, False]]
        """
        corner = (0,) * (pictures.ndim - 2)
        return pictures[(slice(None), slice(0, self.images, self.each), *corner)] >= 0

    def lacking(self, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return ``(row, channel)``, which channels of phases and differences show nothing.

        Args:
            present: ``(row, phase)``, which phases there are. A difference needs both of its phases.
        """
        parts = [~present, *(~(present[:, [one]] & present[:, [other]]) for one, other in self.pairs)]
        return np.repeat(np.concatenate(parts, axis=1), self.each, axis=1)
