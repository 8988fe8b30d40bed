"""The pixels of slices as stored, through pydicom: every transfer syntax, depth and byte order.

Compressed frames are decoded by SimpleITK (GDCM), and by pydicom's plug-ins if it fails: each is passed in a file that
contains only its pixel entries, so that nothing else in the header can mislead a decoder.
"""

from __future__ import annotations

import io
import tempfile
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
from nephrograde.volume.dicom.compression import require_filled, require_held
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.entries import NonsenseError
from nephrograde.volume.dicom.rescale import significant

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from nephrograde.volume.dicom.one_slice import PixelForm, Slice


def stored_frames(slices: list[Slice], numbers: list[int]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
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
            yield k, significant(_uncompressed(content, one, order), form, shift)
        return
    frames = _compressed_frames(content, slices[0])
    for k, one in zip(numbers, slices, strict=True):
        values = _decompressed(frames[one.frame], one)
        yield k, significant(values, form, shift if syntax == RLELossless else 0)


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
