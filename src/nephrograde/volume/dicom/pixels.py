"""The pixels of slices, decoded and in HU.

Stored values are decoded first; slope and intercept are applied here, slice by slice. Compressed frames are decoded by
SimpleITK (GDCM), and by pydicom's plug-ins if it fails: each is passed in a file that contains only its pixel entries,
so that nothing else in the header can mislead a decoder.
"""

from __future__ import annotations

import io
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, RLELossless, SecondaryCaptureImageStorage, generate_uid

from nephrograde.errors import VolumeError, about_temporary_files
from nephrograde.volume.dicom.codestream import bare_codestream, require_sound_stream
from nephrograde.volume.dicom.compression import is_hollow, require_filled, require_held
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.dictionary import UNCOMPRESSED
from nephrograde.volume.dicom.entries import NonsenseError
from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from nephrograde.vocabulary import VolumeArray
    from nephrograde.volume.dicom.slices import PixelForm, Slice, SourceFile

AIR_HU = -1024
"""Padding in CT is replaced by this: the lowest value of most scanners, air in every window."""
_TISSUE_HU = (-1000.0, 3071.0)  # a padding value that means HU in this range may also be a measured one
_LARGEST_FACTOR = 1000.0
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


def decode(slices: Sequence[Slice]) -> tuple[VolumeArray, list[Fault]]:
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
    is_whole = all(_is_whole(one) for one in slices)
    planes: npt.NDArray[Any] | None = None
    by_file: dict[Path, list[int]] = defaultdict(list)
    for k, one in enumerate(slices):
        by_file[one.file.path].append(k)
    _require_filled_files(slices, by_file)
    for numbers in by_file.values():
        for k, stored in _frames_or_refusal([slices[k] for k in numbers], numbers):
            plane = _rescaled(stored, slices[k])
            if planes is None:  # not earlier, because a damaged header may claim any size
                planes = np.empty((len(slices), *plane.shape), np.int16 if is_whole else np.float32)
            if planes.dtype == np.int16 and (plane.min() < -32768 or plane.max() > 32767):
                planes = planes.astype(np.int32)
            planes[k] = plane
    if planes is None:
        raise VolumeError("dicom-none", "holds no DICOM images.", "Correct the path.")
    return planes.T, _faults(slices)


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
    try:
        yield from _stored_frames(slices, numbers)
    except VolumeError as error:
        raise UnreadSliceError(error, slices[0].file) from None


def _is_whole(one: Slice) -> bool:
    slope, intercept = one.rescale
    fits = one.form.bits_stored <= 16 and abs(slope) <= _LARGEST_FACTOR and abs(intercept) <= 1e6
    return fits and slope.is_integer() and intercept.is_integer()


def _rescaled(stored: npt.NDArray[Any], one: Slice) -> npt.NDArray[Any]:
    slope, intercept = one.rescale
    plane: npt.NDArray[Any]
    if _is_whole(one):
        plane = stored.astype(np.int32) * int(slope) + int(intercept)
    else:
        plane = stored.astype(np.float64) * slope + intercept
    if one.form.padding is None or not one.form.is_ct:
        return plane
    low, high = (_significant(np.array([value]), one.form, 0)[0] for value in one.form.padding)
    if low > high or any(_TISSUE_HU[0] < value * slope + intercept < _TISSUE_HU[1] for value in (low, high)):
        return plane
    plane[(stored >= low) & (stored <= high)] = AIR_HU
    return plane


def _significant(values: npt.NDArray[Any], form: PixelForm, shift: int) -> npt.NDArray[np.int64]:
    """Keep the stored bits, with their sign; bits above and below them (overlays) are removed."""
    bits = (values.astype(np.int64) >> shift) & ((1 << form.bits_stored) - 1)
    if not form.is_signed:
        return bits
    half = 1 << (form.bits_stored - 1)
    return (bits ^ half) - half


def _stored_frames(slices: list[Slice], numbers: list[int]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield the requested frames of one file, as stored, each with its index in the result."""
    file, form = slices[0].file, slices[0].form
    try:
        whole = io.BytesIO(file.path.read_bytes())  # before quiet(), so that threads wait for disks concurrently
        with quiet():
            dataset = pydicom.dcmread(whole, specific_tags=["PixelData"], force=True)
            content = bytes(dataset.get_item("PixelData").value)
    except PYDICOM_ERRORS:
        raise _undecodable(slices[0], "its header is damaged, or holds no pixels") from None
    syntax = UID(form.syntax, pydicom.config.IGNORE)
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise _undecodable(slices[0], "its transfer syntax is not known")
    shift = form.high_bit + 1 - form.bits_stored
    if not syntax.is_encapsulated:
        order = "<" if syntax.is_little_endian else ">"
        for k, one in zip(numbers, slices, strict=True):
            yield k, _significant(_uncompressed(content, one, order), form, shift)
        return
    frames = _compressed_frames(content, slices[0])
    for k, one in zip(numbers, slices, strict=True):
        values = _decompressed(frames[one.frame], one)
        yield k, _significant(values, form, shift if syntax == RLELossless else 0)


def _uncompressed(content: bytes, one: Slice, order: str) -> npt.NDArray[Any]:
    form = one.form
    if form.bits_allocated not in {8, 16, 32}:
        raise _undecodable(one, f"{form.bits_allocated} bits a pixel are not read")
    start = one.frame * form.frame_bytes
    if len(content) < start + form.frame_bytes:
        raise VolumeError(
            "file-truncated",
            f"{one.file.name} holds {len(content)} bytes of pixels where {start + form.frame_bytes} are needed.",
            "Copy the series again from its source.",
        )
    values = np.frombuffer(content, f"{order}u{form.bits_allocated // 8}", form.rows * form.columns, start)
    return values.reshape(form.rows, form.columns)


def _compressed_frames(content: bytes, one: Slice) -> list[bytes]:
    try:
        frames = list(generate_frames(content, number_of_frames=one.form.frames))
    except PYDICOM_ERRORS:
        frames = []
    if len(frames) < one.form.frames:
        raise _undecodable(one, f"it holds {len(frames)} of {one.form.frames} compressed images")
    return frames


def _decompressed(frame: bytes, one: Slice) -> npt.NDArray[Any]:
    values, form = None, one.form
    try:
        require_held(
            form.syntax, len(frame), rows=form.rows, columns=form.columns, frames=1, bits_allocated=form.bits_allocated
        )
        require_filled(len(frame), n_pixels=form.rows * form.columns, bits_allocated=form.bits_allocated)
        if one.form.syntax != RLELossless:
            frame = bare_codestream(frame)
            require_sound_stream(frame, one.form)
            values = _by_simpleitk(frame, one.form)
        if values is None:
            with quiet():
                values = np.asarray(pixel_array(_alone(frame, one.form), raw=True))
    except NonsenseError as error:
        raise _undecodable(one, str(error)) from None
    except PYDICOM_ERRORS:
        raise _undecodable(one, "its compressed pixels are damaged, or of a kind that is not read") from None
    if values.shape != (one.form.rows, one.form.columns):
        raise _undecodable(one, "its compressed pixels have another size than its header says")
    return values


def _alone(frame: bytes, form: PixelForm) -> pydicom.Dataset:
    """Build a data set with a compressed frame and only the entries that a decoder needs."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(form.syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = form.rows, form.columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = form.bits_allocated, form.bits_stored, form.high_bit
    dataset.PixelRepresentation = int(form.is_signed)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    return dataset


def _by_simpleitk(frame: bytes, form: PixelForm) -> npt.NDArray[Any] | None:
    import SimpleITK  # takes a tenth of a second, and few files need it

    with about_temporary_files(), tempfile.TemporaryDirectory() as folder:
        frame_path = Path(folder) / "frame.dcm"
        with quiet():
            _alone(frame, form).save_as(frame_path, enforce_file_format=True)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(frame_path))
        try:
            return np.asarray(SimpleITK.GetArrayFromImage(reader.Execute())).squeeze(axis=0)
        except (RuntimeError, ValueError):
            return None


def _undecodable(one: Slice, what: str) -> VolumeError:
    return VolumeError(
        "file-unreadable",
        f"{one.file.name}: the pixel data cannot be decoded ({what}).",
        "Copy the series again, or convert it to NIfTI (dcm2niix).",
    )


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
