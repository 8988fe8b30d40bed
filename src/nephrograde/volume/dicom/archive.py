"""Zip archives: their members, read where they are and within limits, those of an archive in an archive too."""

from __future__ import annotations

import io
import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from nephrograde.volume.dicom.entries import beginning_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEMBER_SEPARATOR = "//"
"""Between an archive and its member in a series list; no path holds it otherwise."""

BOMB = "zip bomb: stated to unpack to many times its size"
LEADS_OUT = "its name in the archive leads out of it"
BROKEN_ARCHIVE = "damaged zip archive"
BROKEN_MEMBER = "damaged in its zip archive"
ENCRYPTED = "encrypted in its zip archive"
UNKNOWN_METHOD = "packed by a method that is not read (unpack the archive)"
TWICE = "its name stands twice in its zip archive"
UNLISTABLE = "its name holds a line break or //, and cannot stand in a list"
TOO_DEEP = "an archive in an archive in an archive (unpack it)"
TOO_LARGE = "an archive in an archive, too large to be looked into (unpack it)"
TOO_LARGE_MEMBER = "too large to be read from its zip archive (unpack it)"
TOO_MANY = "an archive of more than a million members"

MOST_MEMBERS = 1_000_000
BOMB_RATIO = 400
BOMB_BYTES = 64 * 2**20
"""Deflate cannot pack tighter than 1032 to 1, and does so for empty images, which are small. A slice of air and
patient packs about 3 to 1 (our choice)."""
LARGEST_MEMBER_BYTES = 4 * 2**30
"""An enhanced CT of 2000 slices has 1 GB (our choice)."""
LARGEST_INNER_BYTES = 256 * 2**20
"""An archive in an archive is held in memory while it is read."""
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, IndexError),
    OverflowError,
)
"""What zipfile, and what it calls, raise on damaged archives; RuntimeError, on methods and passwords, is apart."""


class ArchiveRefused(Exception):  # noqa: N818 - not always an error: the reason is counted, and the scan goes on
    """An archive, or a member of one, that is not read; says why, without a name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: Its name in the archive; of an archive in an archive ``inner.zip//name``. It may tell who the patient is:
            not for logs or reports.
        n_bytes: Its size, unpacked. No more is ever unpacked.
        checksum: The archive's, to see whether it has changed.
        refused: Why it is not read; empty where it is.
        beginning: Gives its first so many bytes. Like ``read``, until the next member is asked for.
    """

    name: str
    n_bytes: int = 0
    checksum: int = 0
    refused: str = ""
    beginning: Callable[[int], bytes] = lambda _: b""

    def read(self) -> bytes:
        """Give all its bytes.

        Raises:
            ArchiveRefused: Where it is not read, or damaged.
        """
        if self.refused:
            raise ArchiveRefused(self.refused)
        return self.beginning(self.n_bytes + 1)  # the last byte sets off the comparison of the checksum


def is_zip(head: bytes) -> bool:
    r"""Whether a file begins as zip archives do, empty ones included.

    >>> is_zip(b"PK\x03\x04rest"), is_zip(b"PK\x05\x06"), is_zip(b"DICM")
    (True, True, False)
    """
    return head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}


def is_listable(name: str) -> bool:
    r"""Whether a name can stand in a line of a series list.

    >>> is_listable("CT/IM 1"), is_listable("IM\n1"), is_listable("CT//IM1")
    (True, False, False)
    """
    return name.splitlines() == [name] and MEMBER_SEPARATOR not in name


def count_members(archive: IO[bytes]) -> int:
    """Count what an archive lists, folders included.

    Raises:
        ArchiveRefused: Where its directory is damaged, or lists more than ``MOST_MEMBERS``.
    """
    with open_archive(archive) as opened:
        return len(opened.infolist())


@contextmanager
def open_archive(archive: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open an archive.

    Raises:
        FileNotFoundError: Where there is no such file.
        ArchiveRefused: Where its directory is damaged, or lists more than ``MOST_MEMBERS``.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except FileNotFoundError:
        raise
    except (NotImplementedError, *_DAMAGE):
        raise ArchiveRefused(BROKEN_ARCHIVE) from None
    with opened:
        if len(opened.infolist()) > MOST_MEMBERS:
            raise ArchiveRefused(TOO_MANY)
        yield opened


def walk_members(
    archive: Path | IO[bytes], *, first: int = 0, stop: int | None = None, prefix: str = ""
) -> Iterator[Member]:
    """Go through the files in an archive, those in archives in it too; nothing is unpacked to disk.

    Names that lead out of the archive and bombs can do no harm here, and are refused all the same: whoever unpacks the
    archive next would suffer.

    Args:
        archive: A file, or one open for reading bytes.
        first: The first member to look at, counted from 0.
        stop: The member before which to stop; the last one where it is None.
        prefix: The name of this archive in the outer one, with the separator.

    Yields:
        Every member that is no folder; a refused one says why.

    Raises:
        ArchiveRefused: Where the archive's directory is damaged or too long; for one in an archive, that member is
            refused instead.

    >>> content = io.BytesIO()
    >>> with zipfile.ZipFile(content, "w") as archive:
    ...     archive.writestr("CT/IM1", b"a slice")
    >>> [(member.name, member.read()) for member in walk_members(content)]
    [('CT/IM1', b'a slice')]
    """
    with open_archive(archive) as opened:
        for info in opened.infolist()[first:stop]:
            if info.filename.endswith("/"):
                continue
            name = prefix + info.filename
            refused = _refusal_in_list(opened, info) or refusal(info)
            if refused:
                yield Member("?".join(name.splitlines()), info.file_size, info.CRC, refused)
                continue
            try:
                with opened.open(info) as stream:
                    yield from _looked_into(Member(name, info.file_size, info.CRC, "", _guarded(stream)), prefix=prefix)
            except ArchiveRefused as error:
                yield Member(name, info.file_size, info.CRC, str(error))
            except (NotImplementedError, RuntimeError):
                yield Member(name, info.file_size, info.CRC, UNKNOWN_METHOD)
            except _DAMAGE:
                yield Member(name, info.file_size, info.CRC, BROKEN_MEMBER)


def unpack_member(opened: zipfile.ZipFile, name: str, *, largest_bytes: int = LARGEST_MEMBER_BYTES) -> IO[bytes]:
    """Unpack a member into a temporary file that can be searched.

    Args:
        opened: The archive.
        name: The member's.
        largest_bytes: More than this is not unpacked.

    Raises:
        KeyError: Where there is no such member.
        ArchiveRefused: Where it is too large or damaged.
    """
    info = opened.getinfo(name)
    refused = refusal(info, largest_bytes=largest_bytes)
    if refused:
        raise ArchiveRefused(refused)
    try:
        with ExitStack() as on_error, opened.open(info) as stream:
            unpacked: IO[bytes] = on_error.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, unpacked)
            unpacked.seek(0)
            on_error.pop_all()
            return unpacked
    except (NotImplementedError, RuntimeError):
        raise ArchiveRefused(UNKNOWN_METHOD) from None
    except _DAMAGE:
        raise ArchiveRefused(BROKEN_MEMBER) from None


def refusal(info: zipfile.ZipInfo, *, largest_bytes: int = LARGEST_MEMBER_BYTES) -> str:
    """Why a member is not read, by what the archive's directory says of it; empty where it is.

    A member gives no more bytes than its stated size, so that is what the limits go by.
    """
    parts = info.filename.replace("\\", "/").split("/")
    checks = {
        LEADS_OUT: ".." in parts or parts[0] == "" or parts[0].endswith(":"),
        ENCRYPTED: bool(info.flag_bits & 1),
        BOMB: info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size),
        TOO_LARGE_MEMBER: info.file_size > largest_bytes,
    }
    return next((reason for reason, holds in checks.items() if holds), "")


def _refusal_in_list(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Why a series list cannot name a member."""
    if not is_listable(info.filename):
        return UNLISTABLE
    return TWICE if opened.NameToInfo[info.filename] is not info else ""


def _looked_into(member: Member, *, prefix: str) -> Iterator[Member]:
    """The member, or where it is an archive, those in it."""
    if not is_zip(member.beginning(4)):
        yield member
    elif prefix:
        raise ArchiveRefused(TOO_DEEP)
    elif member.n_bytes > LARGEST_INNER_BYTES:
        raise ArchiveRefused(TOO_LARGE)
    else:
        yield from walk_members(io.BytesIO(member.read()), prefix=member.name + MEMBER_SEPARATOR)


def _guarded(stream: IO[bytes]) -> Callable[[int], bytes]:
    """The first bytes of a member; whatever damage sets off is a refusal."""
    unguarded = beginning_of(stream)

    def beginning(n_bytes: int) -> bytes:
        try:
            return unguarded(n_bytes)
        except (NotImplementedError, RuntimeError):
            raise ArchiveRefused(UNKNOWN_METHOD) from None
        except _DAMAGE:
            raise ArchiveRefused(BROKEN_MEMBER) from None

    return beginning
