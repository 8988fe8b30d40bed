"""What a network is shown of a new scan: read and cut exactly as in the study."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.prepare import cut_region
from nephrograde.sample.scanned import Scanned, annotated
from nephrograde.volume.check import check_volume
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.pictures import find_pictures, read_picture
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nephrograde.cohort.case import Scan
    from nephrograde.study import Arm, Study
    from nephrograde.vocabulary import Triple

_GREYS = (
    "The grey values of exported pictures are not HU: use only a model that was fitted on pictures exported in the "
    "same way."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network is shown of one scan, and what the answer says of it.

    ``region`` is ``(slice, 1, y, x)`` or ``(1, channel, x, y, z)``, float16 in [0, 1].
    """

    region: npt.NDArray[np.float16] = field(repr=False)
    slices: tuple[int, ...]
    center_mm: Triple
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    warnings: tuple[str, ...]


def see(scan: Scan, arm: Arm, study: Study) -> Seen:
    """Read a scan and cut what the arm's network is shown, exactly as in the study; needs no torch.

    Args:
        scan: The image with the mask, box, point or slice that the arm needs; its phase is that of the model.
        arm: The arm of the model.
        study: The study that the run resolved.

    Raises:
        VolumeError: Where the scan cannot be read, or the annotation is missing or outside.
    """
    return _see_pictures(scan, arm, study) if find_pictures(scan.image_paths) else _see_scan(scan, arm, study)


def _see_scan(scan: Scan, arm: Arm, study: Study) -> Seen:
    volume = read_volume(scan.image_path)
    scanned = Scanned(volume, scan)
    warnings = [f"{scan.image_path}: {fault.message} {fault.remedy}" for fault in check_volume(volume)]
    if scan.mask_path is not None:
        delineation = delineate(scan.mask_path, volume, study.masks)
        scanned = annotated(volume, scan, delineation)
        warnings += [f"{scan.mask_path}: {fault.message} {fault.remedy}" for fault in delineation.faults]
    region, slices, center_mm = cut_region(volume, scanned.scan, scanned.mask, arm=arm, study=study)
    return Seen(region, slices, center_mm, volume.values.shape, volume.spacing_mm, tuple(warnings))


def _see_pictures(scan: Scan, arm: Arm, study: Study) -> Seen:
    region, numbers, center = cut_pictures(scan, arm=arm, study=study)
    paths = find_pictures(scan.image_paths)
    first = read_picture(paths[numbers[0]])
    width, height = first.values.shape
    warnings = () if first.is_hu else (_GREYS,)
    return Seen(region, numbers, center, (width, height, len(paths)), None, warnings)
