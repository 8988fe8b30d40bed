"""How a new scan compares with the patients that the model learnt from, quantity by quantity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import numpy as np

from nephrograde.vocabulary import TOGETHER, Supervision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from nephrograde.predict.seeing import Seen
    from nephrograde.study import Arm, Study, StudyModel

Verdict: TypeAlias = Literal["usual", "rare", "outside"]

QUANTITIES = {
    "pixel_mm": ("pixel size", "mm"),
    "slice_distance_mm": ("distance of slices", "mm"),
    "slices": ("number of slices", ""),
    "tumour_diameter_mm": ("tumour diameter", "mm"),
    "tumour_volume_ml": ("tumour volume", "ml"),
    "region_mean_hu": ("mean of the region", "HU"),
    "region_sd_hu": ("standard deviation of the region", "HU"),
}
"""What is compared, in words, and its unit."""
MARGIN_OF_RANGE, MARGIN_OF_MEDIAN = 0.25, 0.05
"""A scan is outside if it is beyond the extremes by more than this part of the distance between 5 and 95 %, and of the
median: among 20 patients, the next one is beyond the extremes by chance in a tenth of all cases, but seldom by far.
"""
_STRICT = {"strict": True, "allow_inf_nan": False, "extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is distributed over ``n`` patients: 5 % are below ``low``, and 5 % above ``high``."""

    n: int
    least: float
    low: float
    median: float
    high: float
    most: float
    __pydantic_config__: ClassVar = _STRICT

    def verdict(self, value: float) -> Verdict:
        """Judge a new patient.

        Args:
            value: The quantity of the patient.

        Returns:
            "usual" from 5 to 95 % of the patients, "outside" beyond the least or the most by more than the margin, and
            "rare" between.

        >>> spread = Spread(20, 10.0, 12.0, 30.0, 60.0, 70.0)
        >>> [spread.verdict(value) for value in (12.0, 65.0, 82.0, 83.0)]
        ['usual', 'rare', 'rare', 'outside']
        """
        if self.low <= value <= self.high:
            return "usual"
        margin = max(MARGIN_OF_RANGE * (self.high - self.low), MARGIN_OF_MEDIAN * abs(self.median))
        return "rare" if self.least - margin <= value <= self.most + margin else "outside"


@dataclass(frozen=True, slots=True)
class CohortRange:
    """What the patients looked like that the model learnt from, by phase and quantity."""

    phases: dict[str, dict[str, Spread]] = field(default_factory=dict)
    __pydantic_config__: ClassVar = _STRICT


@dataclass(frozen=True, slots=True)
class Compared:
    """A quantity of a new scan beside that of the patients that the model learnt from.

    Attributes:
        phase: The scan.
        quantity: One of ``QUANTITIES``.
        value: Of the new scan.
        low: 5 % of the patients are below.
        high: 5 % of the patients are above.
        least: The least of all patients.
        most: The most of all patients.
        n: How many patients.
        verdict: "usual", "rare" or "outside".
    """

    phase: str
    quantity: str
    value: float
    low: float
    high: float
    least: float
    most: float
    n: int
    verdict: Verdict

    def as_text(self) -> str:
        """One line, for people; the text of a warning if it is outside.

        >>> Compared("np", "slice_distance_mm", 8.0, 1.0, 5.0, 0.8, 5.0, 40, "outside").as_text()
        'the distance of slices (np) is 8 mm; the 40 patients the model learnt from have 0.8 to 5.'
        """
        name, unit = QUANTITIES.get(self.quantity, (self.quantity, ""))
        value = f"{self.value:.4g} {unit}".rstrip()
        about = f"the {name} ({self.phase}) is {value}"
        if self.verdict == "outside":
            return f"{about}; the {self.n} patients the model learnt from have {_span(self.least, self.most)}."
        return f"{about}; 90 % of the {self.n} patients the model learnt from have {_span(self.low, self.high)}"


def _span(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"


def compare(cohort_range: CohortRange, seen: Mapping[str, Seen], arm: Arm, study: Study) -> tuple[Compared, ...]:
    """Compare what was read of a patient with the patients that the model learnt from.

    Args:
        cohort_range: Of the model; what it does not hold is not compared.
        seen: By phase.
        arm: The arm of the model.
        study: Its study.
    """
    found = []
    for phase, one in seen.items():
        spreads = {**_of_joint_region(cohort_range, phase), **cohort_range.phases.get(phase, {})}
        for quantity, value in _quantities(one, phase, arm, study):
            if (spread := spreads.get(quantity)) is not None:
                span = (spread.low, spread.high, spread.least, spread.most)
                found.append(Compared(phase, quantity, value, *span, spread.n, spread.verdict(value)))
    return tuple(found)


def _of_joint_region(cohort_range: CohortRange, phase: str) -> dict[str, Spread]:
    """The sizes of tumours on regions that several phases share, as in early fusion."""
    joint = (one for name, one in cohort_range.phases.items() if TOGETHER in name and phase in name.split(TOGETHER))
    return next(joint, {})


def _quantities(seen: Seen, phase: str, arm: Arm, study: Study) -> Iterator[tuple[str, float]]:
    if seen.spacing_mm is not None:
        yield "pixel_mm", seen.spacing_mm[0]
        yield "slice_distance_mm", seen.spacing_mm[2]
        yield "slices", float(seen.size[2])
    if seen.scanned is not None and seen.scanned.size is not None:
        volume_ml, diameter_mm = seen.scanned.size
        yield "tumour_diameter_mm", diameter_mm
        yield "tumour_volume_ml", volume_ml
    elif seen.width_mm is not None and arm.supervision is Supervision.BOX:
        yield "tumour_diameter_mm", seen.width_mm
    window = study.window_of(phase)
    if seen.is_hu and len(seen.region) and not window.percentiles and arm.fusion != "early":
        grey, spread = region_greys(seen.region, has_mask=arm.has_mask)
        yield "region_mean_hu", window.low + (window.high - window.low) * grey
        yield "region_sd_hu", (window.high - window.low) * spread


def region_greys(region: npt.NDArray[np.float16], *, has_mask: bool) -> tuple[float, float]:
    """Return the mean and the standard deviation of the grey values of a region in [0, 1].

    Args:
        region: ``(row, channel, …)``.
        has_mask: Whether the last channel is the mask, which does not count.
    """
    shown = region[:, : region.shape[1] - has_mask]
    return float(shown.mean(dtype=np.float64)), float(shown.std(dtype=np.float64))


def shows_hu(study: Study, own: StudyModel, phase: str) -> bool:
    """Whether the grey values of the regions of a phase stand for HU, and the region for the tumour.

    Args:
        study: Of the model.
        own: The model.
        phase: Of the region.
    """
    is_fixed = phase in own.phases and not study.window_of(phase).percentiles
    return is_fixed and own.arm.supervision is not Supervision.SLICE
