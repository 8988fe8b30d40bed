"""An explanation: maps on the grids of the patient's scans, where they are strongest, and what each picture adds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from nephrograde.explanation.lattice import Peak
    from nephrograde.explanation.occlusion import Patches
    from nephrograde.predict.grading import Grading
    from nephrograde.sample.frames import Frame
    from nephrograde.volume.volume import Volume

Method: TypeAlias = Literal["cam", "occlusion"]
METHODS: tuple[Method, ...] = ("cam", "occlusion")


@dataclass(frozen=True, slots=True)
class PictureShare:
    """What one picture of the region, a slice or a box, adds to the answer.

    Attributes:
        phase: The scan.
        slice: The slice, counted from 0 from the feet; None of a box.
        weight: By how much the pooled log odds follow those of this picture, as the mean of the networks: the weight of
            attention, or 1 / n for the mean of n pictures; with other pooling, the derivative.
        adds: To the log odds of the answer: the mean of the picture's class activation map.
    """

    phase: str
    slice: int | None
    weight: float
    adds: float


@dataclass(frozen=True, slots=True, eq=False)
class ScanMap:
    """A map on the grid of a scan.

    Attributes:
        method: "cam" or "occlusion".
        phase: The scan.
        values: ``"x y z"`` on the axes of ``volume``, float32, in log odds of the answer; 0 outside the region. Above 0
            speaks for high grade, below 0 for low grade.
        volume: The scan.
        frames: Where the pictures of the region lie on it.
        window: The grey values of the scan that the networks see as 0 and 1.
        resolution_mm: Details that are smaller cannot be told apart, along x, y and z of the scan.
        high: The strongest place towards high grade; None if there is none, or the map has a single cell.
        low: The strongest place towards low grade, likewise.
    """

    method: Method
    phase: str
    values: npt.NDArray[np.float32] = field(repr=False)
    volume: Volume = field(repr=False)
    frames: tuple[Frame, ...] = field(repr=False)
    window: tuple[float, float]
    resolution_mm: tuple[float, float, float]
    high: Peak | None
    low: Peak | None

    @property
    def limit(self) -> float:
        """The largest value of the map without its sign: the end of its colour scale."""
        return float(abs(self.values).max(initial=0.0))

    def stored(self) -> npt.NDArray[np.float32]:
        """Return the map in the order of the stored image, which ``volume.native`` describes."""
        order, flips = self.volume.native.axes()
        turned = self.values[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        return turned.transpose([order.index(axis) for axis in range(3)])

    def as_dict(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {
            "unit": "log odds of p_high; above 0 speaks for high grade",
            "resolution_mm": list(self.resolution_mm),
            "towards_high": None if self.high is None else asdict(self.high),
            "towards_low": None if self.low is None else asdict(self.low),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Where on the scan the networks found what they answer. Research use only.

    ``log_odds`` (those of ``grading.p_high``) is ``constant`` plus what all ``pictures`` add.

    Attributes:
        grading: The answer.
        log_odds: Of the answer.
        constant: What is not of any place: biases, phases that are there or missing, clinical values, and the
            correction of the networks; with pooling that is no weighted mean, also what is left of it.
        pictures: The pictures of the region, in the order of the model's input.
        pooling: How they are pooled.
        cam: The class activation map of each scan, by phase.
        occlusion: The occlusion map of each scan, by phase; empty if it was not asked for.
        patches: How patches were hidden; None if occlusion was not asked for.
        fill_hu: What hidden pixels took; None for the mean of the picture.
        folds: How many networks there are.
    """

    grading: Grading = field(repr=False)
    log_odds: float
    constant: float
    pictures: tuple[PictureShare, ...] = field(repr=False)
    pooling: str
    cam: Mapping[str, ScanMap] = field(repr=False)
    occlusion: Mapping[str, ScanMap] = field(repr=False)
    patches: Patches | None
    fill_hu: float | None
    folds: int

    @property
    def maps(self) -> tuple[ScanMap, ...]:
        """All maps: those of class activation first."""
        return (*self.cam.values(), *self.occlusion.values())

    def as_dict(self) -> dict[str, Any]:
        """Everything but the maps themselves, for JSON."""
        hidden = None if self.patches is None else {**self.patches._asdict(), "fill_hu": self.fill_hu}
        return {
            "model": self.grading.model,
            "synthetic": self.grading.synthetic,
            "p_high": self.grading.p_high,
            "call": self.grading.call,
            "log_odds": self.log_odds,
            "constant": self.constant,
            "folds": self.folds,
            "pooling": self.pooling,
            "pictures": [asdict(one) for one in self.pictures],
            "cam": {phase: one.as_dict() for phase, one in self.cam.items()},
            "occlusion": {phase: one.as_dict() for phase, one in self.occlusion.items()},
            "patches": hidden,
            "limits": list(LIMITS),
            "warnings": list(self.grading.warnings),
            "research_use_only": RESEARCH_USE_ONLY,
        }


LIMITS = (
    "A map shows which places changed the answer of these networks, not where the tumour is.",
    "It is no evidence that the answer is right.",
    "A place may be strong because of something that goes along with grade in the training patients, such as size.",
    "What the networks took from the absence of something, or from several places together, is in no single place.",
    "Nothing outside of the region was looked at; 0 there means not seen.",
)
"""What these maps cannot show."""
