"""The bytes of the files below a folder and inside its zip archives, in an order that does not change."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from nephrograde.sources.scan.archive import (
    BROKEN_ARCHIVE,
    BROKEN_MEMBER,
    LEADS_OUT,
    MEMBER_SEPARATOR,
    TOO_DEEP,
    is_zip,
)
from nephrograde.sources.scan.tree import UNREADABLE, walk_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

LARGEST_MEMBER_BYTES = 4 * 2**30
"""Members of archives that unpack to more are not read (our choice; an enhanced CT of 1,000 slices has 0.5 GiB)."""
LARGEST_RATIO = 200
"""Nor are members that unpack to more times their packed size (our choice; CT packs to a third or so)."""
BOMB = "zip bomb: unpacks to many times its size"
LOCKED = "encrypted or packed by an unknown method in its zip archive"
_CHUNK_BYTES = 2**20


class SetAside(Exception):  # noqa: N818 - nothing went wrong; the file is just not written
    """A file that is not written; says why, without its name or its contents."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file, or a member of an archive, that is still to be read.

    Attributes:
        name: Path below the folder with ``/``; a member of an archive is ``archive.zip//member``. It may tell who the
            patient is: not for logs or reports.
        stamp: Size and time; another one means that the file was changed.
        read: Gives its bytes, or raises SetAside.
    """

    name: str
    stamp: str
    read: Callable[[], bytes]


def contents_below(folder: Path, *, leave_out: Collection[Path] = ()) -> Iterator[Content]:
    """Every file below a folder and in its zip archives (and in archives in these), told by what is in it.

    Members of archives are read in memory, and no more of them than the limits allow, whatever the archive says.

    Args:
        folder: The folder.
        leave_out: Files that are passed over.

    Yields:
        Files in order of their paths; one that cannot be read says so when it is.

    **Source:** Our choice.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "export", "w") as archive:
    ...     archive.writestr("IM1", b"DICM")
    >>> [(content.name, content.read()) for content in contents_below(folder)]
    [('export//IM1', b'DICM')]
    """
    for found in walk_files(folder, leave_out=leave_out):
        stamp = f"{found.n_bytes} {found.changed_ns}"
        path = folder / found.path
        if found.reason:
            yield Content(found.path, stamp, partial(_refuse, found.reason))
        elif _begins_as_zip(path):
            yield from _members(path, found.path, stamp, is_inner=False)
        else:
            yield Content(found.path, stamp, partial(_read, path))


def _begins_as_zip(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return is_zip(stream.read(4))
    except OSError:
        return False  # said when it is read


def _members(archive_file: Path | IO[bytes], name: str, stamp: str, *, is_inner: bool) -> Iterator[Content]:
    try:
        archive = zipfile.ZipFile(archive_file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, IndexError, OverflowError):
        yield Content(name, stamp, partial(_refuse, BROKEN_ARCHIVE))
        return
    with archive:
        for member in sorted(archive.infolist(), key=lambda member: member.filename):
            if member.is_dir():
                continue
            read = partial(_read_member, archive, member)
            content = Content(
                f"{name}{MEMBER_SEPARATOR}{member.filename}", f"{stamp} {member.file_size} {member.CRC}", read
            )
            if not _is_inner_zip(archive, member):
                yield content
            elif is_inner:
                yield Content(content.name, content.stamp, partial(_refuse, TOO_DEEP))
            else:
                yield from _inner(content)


def _inner(content: Content) -> Iterator[Content]:
    try:
        inner = io.BytesIO(content.read())
    except SetAside as refused:
        yield Content(content.name, content.stamp, partial(_refuse, str(refused)))
        return
    yield from _members(inner, content.name, content.stamp, is_inner=True)


def _is_inner_zip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(member) as stream:
            return is_zip(stream.read(4))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, zlib.error):
        return False  # said when it is read


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise SetAside(UNREADABLE) from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    parts = re.split(r"[\\/]", member.filename)
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        raise SetAside(LEADS_OUT)
    largest = min(LARGEST_MEMBER_BYTES, LARGEST_RATIO * max(member.compress_size, 1024))
    content = bytearray()
    try:
        with archive.open(member) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                content += chunk
                if len(content) > largest:
                    raise SetAside(BOMB)
    except (NotImplementedError, RuntimeError):
        raise SetAside(LOCKED) from None
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error):
        raise SetAside(BROKEN_MEMBER) from None
    return bytes(content)


def _refuse(reason: str) -> bytes:
    raise SetAside(reason)
