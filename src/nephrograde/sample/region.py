"""The region that one arm sees of one scan, and what shapes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sample.human_error import EXACT
from nephrograde.sample.kidneys import find_kidneys, require_kidneys
from nephrograde.sample.meeting import rows_meeting
from nephrograde.sample.slices import cut_slices, slices_of, width_of
from nephrograde.sample.target import find_target
from nephrograde.sample.tumour import cut_tumour
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import as_fault, in_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from nephrograde.errors import VolumeError
    from nephrograde.sample.human_error import HumanError
    from nephrograde.sample.scanned import Scanned
    from nephrograde.sample.target import Target
    from nephrograde.study import Arm, Study
    from nephrograde.volume.finding import Fault
    from nephrograde.volume.volume import Volume

LAYOUT = 2
"""Increase whenever the same inputs would give another region, so that no old cache is reused.

Settings that affect only some scans (one of several tumours, a label, a mask of another phase) are part of the names of
those regions only, so that all other regions, and the networks fitted on them, remain valid.
"""


@dataclass(frozen=True)
class Views:
    """What the arms of a study see of one scan; used for the study and for new patients alike.

    The kidneys are searched for once, when the first arm asks for them.
    """

    scanned: Scanned
    study: Study = field(repr=False)
    error: HumanError = EXACT
    """By how much derived places are off."""

    def cut(
        self, volume: Volume, arm: Arm
    ) -> tuple[npt.NDArray[np.float16], tuple[int, ...], tuple[float, float, float]]:
        """Cut the region that one arm sees.

        Args:
            volume: The image of the scan.
            arm: The arm.

        Returns:
            Float16 ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, the slice numbers (empty for a box), and
            the middle of the tumour, or of the first kidney, in mm (LPS).

        Raises:
            VolumeError: If the annotation is missing or outside, or no kidney is found.
        """
        targets = self.targets(volume, arm)
        image, window = self.study.image, self.study.window_of(self.scanned.scan.phase)
        if arm.slices:
            cut = [cut_slices(volume, target, arm, image=image, window=window) for target in targets]
            pictures, slices = [one for one, _ in cut], tuple(k for _, own in cut for k in own)
        else:
            mask = self.scanned.mask if arm.supervision is Supervision.MASK else None
            pictures, slices = [cut_tumour(volume, mask, one, image=image, window=window) for one in targets], ()
        return np.concatenate(pictures), slices, targets[0].center_mm

    def meetings(self, arm: Arm) -> tuple[bool, ...]:
        """Return for each slice that an arm sees whether its crop shows the tumour.

        Args:
            arm: An arm whose region can be cut.

        Returns:
            In the order of the region; empty for boxes, and without a mask that was drawn on this scan.
        """
        volume, mask = self.scanned.volume, self.scanned.mask
        if volume is None or mask is None or self.scanned.size is None or not arm.slices:
            return ()
        targets = self.targets(volume, arm)
        rows = [(k, target.center_on(k)) for target in targets for k in slices_of(target, arm)]
        return rows_meeting(mask, volume, rows, size_mm=width_of(arm, self.study.image))

    def targets(self, volume: Volume, arm: Arm) -> Sequence[Target]:
        """Locate what one arm looks at: the tumour, the middle of a slice, or both kidneys; errors as of ``cut``.

        Args:
            volume: The image of the scan.
            arm: The arm.
        """
        scan = self.scanned.scan
        if arm.supervision is Supervision.NONE:
            return require_kidneys(self.kidneys, scan.phase)
        extent_mm = self.study.image.assumed_tumour_mm
        level, mask = arm.supervision, self.scanned.mask
        return [find_target(volume, scan, mask, supervision=level, assumed_tumour_mm=extent_mm, error=self.error)]

    @cached_property
    def kidneys(self) -> tuple[Target, ...]:
        """The kidneys, the right one first; empty if none was found."""
        volume = self.scanned.volume
        return () if volume is None else find_kidneys(volume, self.scanned.scan)


def region_settings(arm: Arm, phase: str, study: Study) -> dict[str, object]:
    """Return every setting of the study that shapes an arm's region on one phase."""
    unused = set() if arm.supervision is Supervision.SLICE else {"whole_mm"}
    return {
        "layout": LAYOUT,
        "supervision": arm.supervision,
        "slices": arm.slices,
        "image": study.image.model_dump(mode="json", exclude=unused),
        "window": study.window_of(phase).model_dump(mode="json"),
        **({"neighbours": arm.neighbours} if arm.neighbours else {}),
    }


def fault_of_arm(error: VolumeError, scanned: Scanned, arm: Arm) -> list[Fault]:
    """Return what kept a scan from an arm; nothing where the broken mask has been named already.

    Args:
        error: As raised.
        scanned: The scan.
        arm: The arm.
    """
    if scanned.lacks_mask and error.code == "annotation-missing":
        return []
    fault = as_fault(error)._replace(message=f"arm {arm.name}: {error.message}")
    phase = scanned.scan.phase
    if scanned.volume is None:
        return in_column([fault], f"{phase}_image")
    is_of_kidneys = arm.supervision is Supervision.NONE and scanned.scan.kidneys_path is not None
    return in_column([fault], f"{phase}_kidneys") if is_of_kidneys else [fault]
