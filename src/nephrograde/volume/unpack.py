"""The content of a file, decompressed if it is gzip, with every checksum verified.

There are two ways: in small pieces on one processor, which detects and names all damage, and at once on all processors,
for an undamaged file that is read alone. On one processor, small pieces that stay in the cache and are copied into one
array are a fifth faster than decompression in one step.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from isal import isal_zlib  # nearly twice as fast as zlib, with the same interface and checksum

from nephrograde.errors import VolumeError
from nephrograde.threads import has_all_processors, usable_processors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

GZIP = b"\x1f\x8b"
LARGEST_RATIO = 1032
"""Largest ratio of content to compressed size that the deflate format allows."""
COPY_AGAIN = "Copy the file again from its source, or export the scan again."
LARGEST_BYTES = 4 * 2**30
"""Larger images are not read: a CT of 2000 slices of 512 × 512 pixels in 64 bits takes as much."""
BOMB_BYTES = 2**30
BOMB_RATIO = 400
"""Images of more than ``BOMB_BYTES`` that compress better than this hold nothing; a CT compresses about 3 to 1."""
PIECE_BYTES = 1 << 19
_MOST_BYTES = 1 << 22
"""Most bytes that are decompressed at a time: half a megabyte of a mask, which is nearly empty, may hold all of it."""
_FIRST_BYTES = 1 << 12  # contains the header, which may be all that is needed
_LEAST_CHUNK_BYTES = 1 << 22
MOST_CHUNK_BYTES = 1 << 25


def read_pieces(image_path: Path, *, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Read a file from beginning to end, decompressing it if it begins like gzip.

    A gzip file may have several members, and zeros after the last one.

    Args:
        image_path: The file; its name does not matter.
        piece_bytes: Number of bytes read from the file at a time, after a first piece with the header.

    Yields:
        The content, piece by piece.

    Raises:
        VolumeError: With code "file-truncated" if a gzip file is cut short, "file-corrupt" if it is damaged; at the
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
            yield from _inflated(stream, piece, piece_bytes=piece_bytes)
            return
        while piece:
            yield piece
            piece = stream.read(piece_bytes)


def _inflated(stream: Any, piece: bytes, *, piece_bytes: int) -> Iterator[bytes]:
    engine = isal_zlib.decompressobj(wbits=31)
    try:
        while piece:
            if engine.eof:  # after a member: another one, or zeros
                engine = isal_zlib.decompressobj(wbits=31)
            output = engine.decompress(piece, _MOST_BYTES)
            yield output
            while not engine.eof and (engine.unconsumed_tail or len(output) == _MOST_BYTES):
                output = engine.decompress(engine.unconsumed_tail, _MOST_BYTES)
                yield output
            piece = engine.unused_data.lstrip(b"\0") if engine.eof else b""
            while not piece and (piece := stream.read(piece_bytes)) and engine.eof:
                piece = piece.lstrip(b"\0")
    except isal_zlib.error as error:  # type: ignore[misc]  # the stub declares an instance
        raise VolumeError("file-corrupt", f"the compressed file is damaged ({error}).", COPY_AGAIN) from None
    if not engine.eof:
        raise VolumeError("file-truncated", "the compressed file breaks off before its end.", COPY_AGAIN)


def require_content(image_path: Path, n_bytes: int, what: str) -> None:
    """Refuse a file that cannot hold what its header claims, before memory is allocated for it.

    Args:
        image_path: The file; compression is detected from its content.
        n_bytes: Size of its uncompressed content, if its header is right.
        what: What its header claims, for messages.

    Raises:
        VolumeError: With code "file-truncated" or "file-too-large"; "file-corrupt" if it is damaged.
    """
    stored = image_path.stat().st_size
    with image_path.open("rb") as stream:
        is_gzip = stream.read(2) == GZIP
        stream.seek(-min(4, stored), os.SEEK_END)
        stated = int.from_bytes(stream.read(4), "little")
    require_plausible(n_bytes, stored, what, ratio=LARGEST_RATIO if is_gzip else 1)
    if is_gzip and n_bytes > _FIRST_BYTES and stated < n_bytes:
        # Several members, or too few bytes: count them without keeping any.
        held = sum(len(piece) for piece in read_pieces(image_path))
        if held < n_bytes:
            raise _too_few(held, n_bytes, what)


def require_plausible(n_bytes: int, stored: int, what: str, *, ratio: float) -> None:
    """Refuse an image that needs more bytes than those stored can hold, or more than any image needs.

    Args:
        n_bytes: Size of the content that a header claims.
        stored: Size in the file, compressed or not.
        what: What the header claims, for messages.
        ratio: Largest possible compression; 1 if there is none.

    Raises:
        VolumeError: With code "file-truncated" or "file-too-large".
    """
    if n_bytes > ratio * stored:
        raise _too_few(stored, n_bytes, what)
    if n_bytes > LARGEST_BYTES or (n_bytes > BOMB_BYTES and n_bytes > BOMB_RATIO * stored):
        raise VolumeError(
            "file-too-large",
            f"claims {what}, {n_bytes / 2**30:.1f} GiB, which is more than a scan can hold.",
            "Check that it is a scan of one phase; export it again at its own resolution.",
        )


def _too_few(held: int, n_bytes: int, what: str) -> VolumeError:
    message = f"holds {held} bytes, too few for {what} ({n_bytes} bytes)."
    return VolumeError("file-truncated", message, COPY_AGAIN)


def read_at_once(
    image_path: Path, size: int, *, most_chunk_bytes: int = MOST_CHUNK_BYTES
) -> npt.NDArray[np.uint8] | None:
    """Decompress a gzip file on all processors, if it is undamaged and no other thread needs the processors.

    Only a main thread with nothing beside it does this: if several scans are read at the same time, as when a cohort is
    prepared, one processor per scan is faster overall.

    Args:
        image_path: The file.
        size: Required size of the content in bytes.
        most_chunk_bytes: Maximum size of the compressed chunks that are decompressed in parallel.

    Returns:
        The content, with its checksum verified; None if :func:`read_pieces` has to read the file: beside other work, on
        one processor, or if the file is damaged, is not gzip, or does not contain ``size`` bytes in one member.

    Source: RFC 1952 (the last four bytes state the size).

    >>> import gzip, pathlib, tempfile
    >>> image_path = pathlib.Path(tempfile.mkdtemp()) / "a.gz"
    >>> _ = image_path.write_bytes(gzip.compress(b"content"))
    >>> print(read_at_once(image_path, 8))
    None
    """
    processors = usable_processors()
    if not has_all_processors() or processors == 1:
        return None
    with image_path.open("rb") as stream:
        is_gzip = stream.read(4)[:2] == GZIP
        stream.seek(-4, os.SEEK_END)
        if not is_gzip or int.from_bytes(stream.read(4), "little") != size & 0xFFFFFFFF:
            return None
    from rapidgzip import RapidgzipFile

    # Equal shares: one chunk more than there are processors would keep a single processor busy at the end.
    share = -(-image_path.stat().st_size // processors)
    chunk_bytes = min(max(share, _LEAST_CHUNK_BYTES), most_chunk_bytes)
    content = np.empty(size, dtype=np.uint8)
    try:
        with RapidgzipFile(str(image_path), parallelization=processors, chunk_size=chunk_bytes) as archive:
            filled = archive.readinto(content)
            is_whole = filled == size and not archive.read(1)  # the checksum is verified at the end
    except (ValueError, RuntimeError):
        return None
    return content if is_whole else None
