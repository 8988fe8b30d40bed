"""The pixels of slices, decoded and in HU.

Pixels that need no decoding are read straight into their place; all others are decoded slice by slice, and slope and
intercept are applied to them here. pydicom is imported for those alone.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.compression import is_hollow
from nephrograde.volume.dicom.dictionary import UNCOMPRESSED
from nephrograde.volume.dicom.plain import read_plain
from nephrograde.volume.dicom.rescale import is_whole, rescaled
from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.vocabulary import VolumeArray
    from nephrograde.volume.dicom.one_slice import Slice, SourceFile

_LOSSY = {
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}


class UnreadSliceError(VolumeError):
    """The pixels of one file cannot be read; ``file`` is the one."""

    def __init__(self, error: VolumeError, file: SourceFile) -> None:
        """Keep what was wrong, and with which file."""
        super().__init__(error.code, error.message, error.remedy)
        self.file = file


class Decoded(NamedTuple):
    """The pixels of slices.

    Attributes:
        values: ``columns rows slices``.
        faults: Warnings.
        extremes: The lowest and highest value, if they are known.
    """

    values: VolumeArray
    faults: list[Fault]
    extremes: tuple[int, int] | None = None


def decode(slices: Sequence[Slice]) -> Decoded:
    """Decode slices and rescale them.

    Padding (PixelPaddingValue) in CT becomes ``AIR_HU``, unless the value it means also occurs in tissue.
    MONOCHROME1 says how to display an image, not what its values mean, so HU are not inverted.

    Args:
        slices: In the order of the result, all of one size.

    Returns:
        ``columns rows slices`` in int16, or int32 if that is too narrow, or float32 if a slope or intercept has a
        fraction; and the warnings "dicom-inverted" and "dicom-lossy".

    Raises:
        UnreadSliceError: With code "file-unreadable" or "file-truncated".
        VolumeError: With code "file-too-large" if compressed slices claim a size that they hold next to nothing of.

    Source: DICOM PS3.3 C.7.6.3.1, C.7.5.1.1.2 (padding), C.11.1.1.2 (rescaling); PS3.5 8.
    """
    if not slices:
        raise VolumeError("dicom-none", "holds no DICOM images.", "Correct the path.")
    _require_filled_files(slices, {one.file.path for one in slices})
    planes, coded, extremes = read_plain(slices, np.int16 if all(map(is_whole, slices)) else np.float32)
    by_file: dict[Path, list[int]] = defaultdict(list)
    for k in coded:
        by_file[slices[k].file.path].append(k)
    for numbers in by_file.values():
        for k, stored in _frames_or_refusal([slices[k] for k in numbers], numbers):
            plane = rescaled(stored, slices[k])
            if not len(planes):  # not earlier, because a damaged header may claim any size
                planes = np.empty((len(slices), *plane.shape), planes.dtype)
            if planes.dtype == np.int16 and (plane.min() < -32768 or plane.max() > 32767):
                planes = planes.astype(np.int32)
            planes[k] = plane
    return Decoded(planes.T, _faults(slices), extremes)


def _require_filled_files(slices: Sequence[Slice], paths: Iterable[Path]) -> None:
    if all(one.form.syntax in UNCOMPRESSED for one in slices):
        return
    claimed = sum(one.form.frame_bytes for one in slices)
    if is_hollow(sum(path.stat().st_size for path in paths), claimed):
        raise VolumeError(
            "file-too-large",
            f"claims {len(slices)} slices of {claimed / 2**30:.1f} GiB together, and holds next to nothing.",
            "Check that it is a scan; copy the series again from its source.",
        )


def _frames_or_refusal(slices: list[Slice], numbers: list[int]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    from nephrograde.volume.dicom.frames import stored_frames  # imports pydicom, which few series need

    try:
        yield from stored_frames(slices, numbers)
    except VolumeError as error:
        raise UnreadSliceError(error, slices[0].file) from None


def _faults(slices: Sequence[Slice]) -> list[Fault]:
    faults: list[Fault] = []
    if any(one.form.is_inverted for one in slices):
        faults.append(
            Fault(
                "dicom-inverted",
                "warning",
                "the images are MONOCHROME1 (low values are shown bright); their values were taken as they stand.",
                "See in the report's pictures that air is dark; if not, export the series again as MONOCHROME2.",
            )
        )
    lossy = sorted({_LOSSY[one.form.syntax] for one in slices if one.form.syntax in _LOSSY})
    if lossy:
        faults.append(
            Fault(
                "dicom-lossy",
                "warning",
                f"the images went through a compression that may lose information ({', '.join(lossy)}), so "
                "HU and texture may be changed.",
                "Ask for the uncompressed or losslessly compressed series.",
            )
        )
    return faults
