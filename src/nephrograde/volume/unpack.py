"""The content of a file, decompressed where it is gzip, with every checksum compared.

Two ways: in small pieces on one processor, which notices and names all damage, and at once on all processors, for a
sound file that is read alone. Pieces that stay in the processor's cache, copied into one array, are a fifth faster than
decompressing in one go on one processor.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from isal import isal_zlib  # nearly twice as fast as zlib, with its interface and the same checksum

from nephrograde.errors import VolumeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

GZIP = b"\x1f\x8b"
LARGEST_RATIO = 1032
"""How much larger than its compressed form anything can be (a limit of the deflate format)."""
COPY_AGAIN = "Copy the file again from its source, or export the scan again."
_PIECE_BYTES = 1 << 19
_FIRST_BYTES = 1 << 12  # the header is in it, and may be all that is asked for
_LEAST_CHUNK_BYTES, _MOST_CHUNK_BYTES = 1 << 22, 1 << 25


def read_pieces(image_path: Path) -> Iterator[bytes]:
    """Read a file from its beginning to its end, decompressing it where it begins as gzip does.

    A gzip file may have several members, and zeros behind the last one.

    Args:
        image_path: The file; its name does not matter.

    Yields:
        The content, piece by piece.

    Raises:
        VolumeError: With code "file-truncated" where a gzip file breaks off, "file-corrupt" where it is damaged, at the
            latest after the last piece.

    Source: RFC 1952 (gzip).

    >>> import gzip, pathlib, tempfile
    >>> image_path = pathlib.Path(tempfile.mkdtemp()) / "a.gz"
    >>> _ = image_path.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two") + bytes(8))
    >>> b"".join(read_pieces(image_path))
    b'one two'
    """
    with image_path.open("rb", buffering=0) as stream:
        piece = stream.read(_FIRST_BYTES)
        if piece[:2] == GZIP:
            yield from _inflated(stream, piece)
            return
        while piece:
            yield piece
            piece = stream.read(_PIECE_BYTES)


def _inflated(stream: Any, piece: bytes) -> Iterator[bytes]:
    engine = isal_zlib.decompressobj(wbits=31)
    try:
        while piece:
            if engine.eof:  # behind a member: another one, or zeros
                engine = isal_zlib.decompressobj(wbits=31)
            yield engine.decompress(piece)
            piece = engine.unused_data.lstrip(b"\0") if engine.eof else b""
            while not piece and (piece := stream.read(_PIECE_BYTES)) and engine.eof:
                piece = piece.lstrip(b"\0")
    except isal_zlib.error as error:  # type: ignore[misc]  # its stub gives an instance
        raise VolumeError("file-corrupt", f"the compressed file is damaged ({error}).", COPY_AGAIN) from None
    if not engine.eof:
        raise VolumeError("file-truncated", "the compressed file breaks off before its end.", COPY_AGAIN)


def read_at_once(image_path: Path, size: int) -> npt.NDArray[np.uint8] | None:
    """Decompress a gzip file on all processors, if it is sound and this thread has the processors to itself.

    Only the main thread takes this way: where several threads read a scan each, as when a cohort is prepared, one
    processor a scan is faster for all of them together.

    Args:
        image_path: The file.
        size: Bytes that the content must have.

    Returns:
        The content, its checksum compared; None where :func:`read_pieces` has to read the file: in another thread, on
        one processor, and where the file is damaged, is not gzip, or does not hold ``size`` bytes in one member.

    Source: RFC 1952 (the last four bytes state the size).

    >>> import gzip, pathlib, tempfile
    >>> image_path = pathlib.Path(tempfile.mkdtemp()) / "a.gz"
    >>> _ = image_path.write_bytes(gzip.compress(b"content"))
    >>> print(read_at_once(image_path, 8))
    None
    """
    processors = os.cpu_count() or 1
    if threading.current_thread() is not threading.main_thread() or processors == 1:
        return None
    with image_path.open("rb") as stream:
        is_gzip = stream.read(4)[:2] == GZIP
        stream.seek(-4, os.SEEK_END)
        if not is_gzip or int.from_bytes(stream.read(4), "little") != size & 0xFFFFFFFF:
            return None
    from rapidgzip import RapidgzipFile

    # Equal shares: a chunk more than there are processors would keep one of them at work alone.
    share = -(-image_path.stat().st_size // processors)
    chunk_bytes = min(max(share, _LEAST_CHUNK_BYTES), _MOST_CHUNK_BYTES)
    content = np.empty(size, dtype=np.uint8)
    try:
        with RapidgzipFile(str(image_path), parallelization=processors, chunk_size=chunk_bytes) as archive:
            filled = archive.readinto(content)
            is_whole = filled == size and not archive.read(1)  # the checksum is compared at the end
    except (ValueError, RuntimeError):
        return None
    return content if is_whole else None
