"""What the prepared pictures of an arm show, as far as an encoder has to know it; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.model.encoders.known import Encoder
    from nephrograde.study import Arm, Study


@dataclass(frozen=True, slots=True)
class View:
    """What pictures show.

    Attributes:
        spacing_mm: Size of a pixel (x, y) or voxel (x, y, z).
        window_hu: The HU that became 0 and 1; None if these are percentiles of each region.
        has_mask: Whether the last channel is a mask.

    >>> View((1.0, 1.0), (-200.0, 300.0), has_mask=False).as_dict()["window_hu"]
    [-200.0, 300.0]
    """

    spacing_mm: tuple[float, ...]
    window_hu: tuple[float, float] | None
    has_mask: bool

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        window = None if self.window_hu is None else list(self.window_hu)
        return {"spacing_mm": list(self.spacing_mm), "window_hu": window, "has_mask": self.has_mask}

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> View:
        """Read back what ``as_dict`` gave."""
        window = content["window_hu"]
        return cls(
            tuple(float(one) for one in content["spacing_mm"]),
            None if window is None else (float(window[0]), float(window[1])),
            bool(content["has_mask"]),
        )


def view_of(arm: Arm, phase: str, study: Study) -> View:
    """Return what the pictures of an arm show.

    Args:
        arm: The arm.
        phase: The phase, which may have a window of its own.
        study: The study.
    """
    window = study.window_of(phase)
    if arm.slices:
        edge = study.width_mm(arm) / study.image.slice_px
        spacing_mm: tuple[float, ...] = (edge, edge)
    else:
        spacing_mm = tuple(mm / n for mm, n in zip(study.image.box_mm, study.image.box_voxels, strict=True))
    return View(spacing_mm, None if window.percentiles else (window.low, window.high), arm.has_mask)


def check_view(encoder: Encoder, arm: Arm, phase: str, study: Study) -> None:
    """Refuse pictures that an encoder cannot use.

    Args:
        encoder: The encoder.
        arm: An arm whose network it is.
        phase: The phase.
        study: The study.

    Raises:
        WeightsError: It needs a box, or HU.
    """
    given = encoder.input
    if given.dimensions == 3 and arm.slices:
        raise WeightsError(
            f"Arm {arm.name}: the encoder {encoder.name} is a network for boxes, and the arm has slices. Remove the "
            "arm's slices, or take an encoder for slices."
        )
    if given.range_hu is not None and view_of(arm, phase, study).window_hu is None:
        raise WeightsError(
            f"Arm {arm.name}: the encoder {encoder.name} was trained on HU, and the window of {phase} is one of "
            "percentiles. Give the window in HU, or take another encoder."
        )
