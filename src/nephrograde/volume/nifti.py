"""A NIfTI reader that detects damaged files.

SimpleITK reads a truncated ``.nii`` or ``.nii.gz``, or one with flipped bits, without an error and fills the rest of
the image with uninitialised memory; it takes the voxel size from ``pixdim`` even if that contradicts the affine, and
falls back from a sheared sform to the qform. So this module reads the parts of the format that matter itself.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.nifti_geometry import grid_of
from nephrograde.volume.unpack import COPY_AGAIN, read_at_once, read_pieces, require_content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.vocabulary import VolumeArray
    from nephrograde.volume.finding import Fault
    from nephrograde.volume.grid import Grid

# The fields that matter, with their offsets and types in NIfTI-1 and in NIfTI-2.
_HEADER_1 = np.dtype(
    {
        "names": [
            "dim",
            "datatype",
            "pixdim",
            "vox_offset",
            "scl_slope",
            "scl_inter",
            "xyzt_units",
            "qform_code",
            "sform_code",
            "quatern",
            "qoffset",
            "srow",
            "magic",
        ],
        "formats": ["8i2", "i2", "8f4", "f4", "f4", "f4", "u1", "i2", "i2", "3f4", "3f4", "(3,4)f4", "S4"],
        "offsets": [40, 70, 76, 108, 112, 116, 123, 252, 254, 256, 268, 280, 344],
        "itemsize": 348,
    }
)
_HEADER_2 = np.dtype(
    {
        "names": list(_HEADER_1.names or ()),
        "formats": ["8i8", "i2", "8f8", "i8", "f8", "f8", "i4", "i4", "i4", "3f8", "3f8", "(3,4)f8", "S4"],
        "offsets": [16, 12, 104, 168, 176, 184, 500, 344, 348, 352, 376, 400, 4],
        "itemsize": 540,
    }
)
_DTYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_FARTHEST_OFFSET = 1 << 31
_BYTE_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")


def read_nifti(image_path: Path) -> tuple[VolumeArray, Grid, list[Fault]]:
    """Read a ``.nii`` or ``.nii.gz`` file (NIfTI-1 or -2) with its values as stored.

    The affine is the sform, otherwise the qform, otherwise the voxel size alone (``is_oriented`` is then false).

    Args:
        image_path: The file; compression is detected from its content.

    Returns:
        The values in array order (integers stay integers unless the header rescales them), the grid, and the warnings
        of :func:`~nephrograde.volume.nifti_geometry.grid_of`.

    Raises:
        VolumeError: With code "file-truncated", "file-corrupt", "file-unreadable", "file-too-large", "not-3d",
            "not-scalar", "spacing-invalid" or "affine-sheared".

    Source: NIfTI-1.1 and NIfTI-2 headers, nifti.nimh.nih.gov.
    """
    pieces = read_pieces(image_path)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEADER_2.itemsize:
            break
    header, order = _parse_header(head)
    size = _size(header)
    if int(header["datatype"]) not in _DTYPES:
        raise VolumeError(
            "not-scalar",
            f"holds colours or complex numbers (NIfTI datatype {header['datatype']}).",
            "Convert the scan from its DICOM series again; one number a voxel is needed.",
        )
    dtype = np.dtype(_DTYPES[int(header["datatype"])]).newbyteorder(order)
    needed = size[0] * size[1] * size[2] * dtype.itemsize
    offset = int(header["vox_offset"])
    require_content(image_path, offset + needed, f"an image of {' × '.join(map(str, size))} voxels")
    content = read_at_once(image_path, offset + needed)
    values = _fill(chain([head], pieces), offset, needed) if content is None else content[offset:]
    grid, faults = grid_of(header, size)
    stored = values.view(dtype).reshape(size, order="F")
    return _rescaled(stored, float(header["scl_slope"]), float(header["scl_inter"])), grid.require_sound(), faults


def _fill(pieces: Iterator[bytes], offset: int, needed: int) -> npt.NDArray[np.uint8]:
    """Return ``needed`` bytes from ``offset``; all pieces are read, because the checksum is at the end."""
    values = np.empty(needed, dtype=np.uint8)
    filled, position = 0, 0
    for piece in pieces:
        wanted = piece[max(offset - position, 0) :][: needed - filled]
        values[filled : filled + len(wanted)] = np.frombuffer(wanted, np.uint8)
        filled, position = filled + len(wanted), position + len(piece)
    if filled < needed:
        raise VolumeError(
            "file-truncated",
            f"holds {filled} of the image's {needed} bytes, the rest is missing.",
            COPY_AGAIN,
        )
    return values


def _parse_header(head: bytes) -> tuple[Any, Literal["little", "big"]]:
    for layout in (_HEADER_1, _HEADER_2):
        for order in _BYTE_ORDERS:
            if len(head) >= layout.itemsize and int.from_bytes(head[:4], order) == layout.itemsize:
                header = np.frombuffer(head, layout.newbyteorder(order), 1)[0]
                if header["magic"][:3] in {b"n+1", b"n+2"}:
                    return header, order
    raise VolumeError(
        "file-unreadable",
        "is not a NIfTI file, or is damaged at its very beginning.",
        "Check that the table names the right file; copy it again from its source.",
    )


def _size(header: Any) -> tuple[int, int, int]:
    dimensions = int(header["dim"][0])
    size = [int(n) for n in header["dim"][1 : dimensions + 1]]
    if not 1 <= dimensions <= 7 or min(size) < 1:
        raise VolumeError("file-unreadable", f"its header is damaged (dim {header['dim']}).", COPY_AGAIN)
    offset = float(header["vox_offset"])
    if not header.dtype.itemsize <= offset < _FARTHEST_OFFSET:
        raise VolumeError(
            "file-unreadable",
            f"its header says that the voxels begin at byte {offset:g} (vox_offset), where they cannot: the header "
            f"itself takes {header.dtype.itemsize} bytes.",
            "Convert the scan from its DICOM series again; in a file of NIfTI-1 without extensions, vox_offset is 352.",
        )
    if any(n > 1 for n in size[3:]):
        raise VolumeError(
            "not-3d",
            f"holds {dimensions} dimensions ({' × '.join(map(str, size))}), not one 3-D image.",
            "Save one phase (one time point) a file.",
        )
    x, y, z = [*size, 1, 1][:3]
    return x, y, z


def _rescaled(values: VolumeArray, slope: float, intercept: float) -> VolumeArray:
    """Apply the header's slope and intercept; a slope of 0 means no scaling."""
    if not (np.isfinite(slope) and np.isfinite(intercept)) or slope == 0 or (slope, intercept) == (1, 0):
        return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    kind = np.float64 if values.dtype.itemsize == 8 else np.float32
    rescaled: VolumeArray = values.astype(kind)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is a fault of the volume
        rescaled *= slope
        rescaled += intercept
    return rescaled
