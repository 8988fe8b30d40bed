"""What an upload is, by its bytes; what its sender calls it does not matter."""

from __future__ import annotations

import zlib
from typing import Final, Literal, TypeAlias

from nephrograde.volume.dicom.archive import is_zip
from nephrograde.volume.dicom.signature import is_dicom
from nephrograde.web.grading.refusal import Refusal

Content: TypeAlias = Literal["zip", "dicom", "nifti", "nifti-gz"]

HEAD_BYTES = 4096
"""As much of a file as :func:`content_of` needs."""
SUFFIXES: Final[dict[Content, str]] = {"zip": ".zip", "dicom": ".dcm", "nifti": ".nii", "nifti-gz": ".nii.gz"}
"""What a file is called on the disk, so that it is read as what it is."""
_GZIP = b"\x1f\x8b"
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF8")
"""How PNG, JPEG, TIFF, BMP and GIF begin."""
_GZIP_WINDOW = 31  # zlib's code for a gzip header
_ACCEPTED = "Send a zip archive of DICOM files, one DICOM file, or a NIfTI file (.nii or .nii.gz)."


def content_of(head: bytes) -> Content:
    r"""Say what a file is by its beginning.

    Formats whose headers can name another file, such as NRRD and MetaImage, are not accepted: what is uploaded must
    not decide what is read.

    Args:
        head: The first ``HEAD_BYTES``, or all of it if it is shorter.

    Raises:
        Refusal: With code "empty", "picture" or "unknown-content", and status 415.

    >>> content_of(b"PK\x03\x04"), content_of(bytes(128) + b"DICM"), content_of(bytes(344) + b"n+1\0")
    ('zip', 'dicom', 'nifti')
    """
    if not head:
        raise Refusal("empty", f"The upload has no content. {_ACCEPTED}", 415)
    if is_zip(head):
        return "zip"
    if _is_nifti(head):
        return "nifti"
    if head[:2] == _GZIP and _is_nifti(_unpacked(head)):
        return "nifti-gz"
    if head.startswith(_PICTURES):
        what = "The upload is a picture, and the model needs the scan: pictures have neither HU nor a place."
        raise Refusal("picture", f"{what} {_ACCEPTED}", 415)
    if is_dicom(head):
        return "dicom"
    raise Refusal("unknown-content", f"The upload is neither a zip archive nor DICOM nor NIfTI. {_ACCEPTED}", 415)


def _is_nifti(head: bytes) -> bool:
    """Whether a file holds a header of NIfTI-1 or NIfTI-2 with the image in the same file."""
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""
