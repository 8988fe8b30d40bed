"""What the arms of a study are shown of a scan, to be drawn on its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import VolumeError
from nephrograde.sample.frames import annotation_marks, find_frames
from nephrograde.sample.region import Views
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from nephrograde.sample.frames import Frame
    from nephrograde.sample.scanned import Scanned
    from nephrograde.study import Arm, Study
    from nephrograde.volume.thumbnail import Mark
    from nephrograde.volume.volume import Volume


class ShownRegion(NamedTuple):
    """What some arms are shown of a scan.

    ``size_mm`` are the edges of a square or of a box. ``style`` says how it is drawn; None if it is not on the slice of
    the picture.
    """

    arms: tuple[str, ...]
    size_mm: tuple[float, ...]
    style: int | None

    @property
    def text(self) -> str:
        """As written in ``scans.csv``.

        >>> ShownRegion(("weak-1", "weak-3"), (96.0, 96.0), 0).text
        'weak-1,weak-3:96x96:0'
        """
        edges = "x".join(f"{edge:g}" for edge in self.size_mm)
        return f"{','.join(self.arms)}:{edges}:{'-' if self.style is None else self.style}"


def find_regions(scanned: Scanned, study: Study, k: int) -> tuple[tuple[ShownRegion, ...], tuple[Mark, ...]]:
    """Find what each arm is shown of a scan, and the marks for a picture of one of its slices.

    Arms that would need a kidney to be searched for, or an annotation that the scan does not have, are left out. Places
    that are derived from a more expensive annotation have no simulated error here.

    Args:
        scanned: The scan with its annotations.
        study: Its arms and the sizes of their regions.
        k: The slice of the picture.

    Returns:
        The regions, equal ones as one, and the marks of the regions and annotations on the slice.
    """
    volume, scan = scanned.volume, scanned.scan
    if volume is None:
        return (), ()
    views = Views(scanned, study)
    arms_of: dict[tuple[tuple[float, ...], tuple[Mark, ...]], list[str]] = {}
    for arm in study.arms_on(scan.phase):
        if arm.supervision is Supervision.NONE and scan.kidneys_path is None:
            continue
        frames = _frames(volume, views, arm)
        if frames:
            marks = tuple(frame.mark() for frame in frames if frame.meets(k))
            arms_of.setdefault((frames[0].size_mm, marks), []).append(arm.name)
    regions, drawn = [], list(annotation_marks(volume, scan, k))
    style = 0
    for (size_mm, marks), arms in arms_of.items():
        regions.append(ShownRegion(tuple(arms), size_mm, style if marks else None))
        drawn += [mark._replace(region=style) for mark in marks]
        style += bool(marks)
    return tuple(regions), tuple(drawn)


def _frames(volume: Volume, views: Views, arm: Arm) -> tuple[Frame, ...]:
    try:
        return find_frames(volume, views.targets(volume, arm), arm, views.study.image)
    except VolumeError:  # a finding says what is missing
        return ()
