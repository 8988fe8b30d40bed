"""Receiving an upload: straight to the disk, within its limits, and known by its first bytes."""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from nephrograde.web.grading.content import HEAD_BYTES, SUFFIXES, content_of
from nephrograde.web.grading.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request

_PIECE_BYTES = 1 << 20
_STALLED_S = 60.0
"""An upload of which nothing arrives for so long does not keep its place."""


def announced(request: Request, most: int) -> int:
    """Return the size of a body as its request states it; 0 if it does not.

    Args:
        request: The request.
        most: What is accepted.

    Raises:
        Refusal: It is too large.
    """
    text = request.headers.get("content-length", "0")
    size = int(text) if text.isascii() and text.isdigit() else 0
    if size > most:
        what = f"The upload has {size} bytes, and this server takes {most} at most. Send only the series to grade."
        raise Refusal("too-large", what, 413)
    return size


async def drain(request: Request, chunks: AsyncIterator[bytes], most: int) -> None:
    """Take and forget a body, so that its sender is still there to be told why.

    A sender who waits for leave to send (``Expect: 100-continue``) is told at once.

    Args:
        request: The request that is refused.
        chunks: What is left of its body.
        most: How many bytes are taken; the connection of who sends more is closed.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    try:
        async for chunk in chunks:
            most -= len(chunk)
            if most < 0:
                return
    except ClientDisconnect:
        return


async def receive(chunks: AsyncIterator[bytes], folder: Path, stem: str, *, enlarge: Callable[[int], None]) -> Path:
    """Write the body of a request to a file.

    Args:
        chunks: The body.
        folder: Where the file goes.
        stem: Its name, to which the suffix of its content is added.
        enlarge: Called with the size so far before more is written.

    Returns:
        The file.

    Raises:
        Refusal: It is neither an archive nor DICOM nor NIfTI, or there is no room.
    """
    pieces = _pieces(chunks)
    first = await anext(pieces, b"")
    path = folder / f"{stem}{SUFFIXES[content_of(first[:HEAD_BYTES])]}"
    stream = await run_in_threadpool(path.open, "xb")
    try:
        size = await _write(stream, first, 0, enlarge)
        async for piece in pieces:
            size = await _write(stream, piece, size, enlarge)
    finally:
        await run_in_threadpool(stream.close)
    return path


async def _write(stream: IO[bytes], piece: bytes, size: int, enlarge: Callable[[int], None]) -> int:
    enlarge(size + len(piece))
    await run_in_threadpool(stream.write, piece)
    return size + len(piece)


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte; the first one holds the beginning of the file."""
    held = bytearray()
    while True:
        try:
            async with asyncio.timeout(_STALLED_S):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise Refusal("stalled", "The upload has stopped on its way. Send it again.", 408) from None
        held += chunk
        if len(held) >= _PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
