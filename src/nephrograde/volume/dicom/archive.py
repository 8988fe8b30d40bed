"""Zip archives: their members, read in place and within limits, including those of nested archives."""

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

from nephrograde.errors import about_temporary_files
from nephrograde.volume.dicom.entries import beginning_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEMBER_SEPARATOR = "//"
"""Separates an archive from its member in a series list; paths do not contain it otherwise."""

BOMB = "zip bomb: claims to unpack to many times its size"
LEADS_OUT = "its name leads out of the archive"
BROKEN_ARCHIVE = "damaged zip archive"
BROKEN_MEMBER = "damaged in its zip archive"
ENCRYPTED = "encrypted in its zip archive"
UNKNOWN_METHOD = "compressed by an unsupported method (unpack the archive)"
TWICE = "its name occurs twice in its zip archive"
UNLISTABLE = "its name contains a line break or //, so a list cannot name it"
TOO_DEEP = "archive nested three levels deep (unpack it)"
TOO_LARGE = "nested archive that is too large to be read (unpack it)"
TOO_LARGE_MEMBER = "too large to be read from its zip archive (unpack it)"
TOO_MANY = "an archive of more than a million members"

MOST_MEMBERS = 1_000_000
BOMB_RATIO = 400
BOMB_BYTES = 64 * 2**20
"""Deflate cannot compress better than 1032 to 1, and comes close only for empty images, which are small. A slice of
air and patient compresses about 3 to 1."""
LARGEST_MEMBER_BYTES = 4 * 2**30
"""An enhanced CT of 2000 slices takes 1 GB."""
LARGEST_INNER_BYTES = 256 * 2**20
"""A nested archive is held in memory while it is read."""
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    OverflowError,
)
"""What zipfile and the modules it calls raise on damaged archives; RuntimeError (methods, passwords) is separate."""


class ArchiveRefused(Exception):  # noqa: N818 - not always an error: the reason is counted, and the scan continues
    """An archive or member that is not read; gives the reason without a name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        name: Its name in the archive; in a nested archive ``inner.zip//name``. It may identify the patient: keep it out
            of logs and reports.
        n_bytes: Its uncompressed size. No more than this is ever unpacked.
        checksum: The archive's checksum, to detect changes.
        refused: Why it is not read; empty if it is.
        beginning: Returns its first n bytes. Like ``read``, valid only until the next member is requested.
    """

    name: str
    n_bytes: int = 0
    checksum: int = 0
    refused: str = ""
    beginning: Callable[[int], bytes] = lambda _: b""

    def read(self) -> bytes:
        """Return all its bytes.

        Raises:
            ArchiveRefused: If it is refused or damaged.
        """
        if self.refused:
            raise ArchiveRefused(self.refused)
        return self.beginning(self.n_bytes + 1)  # reading past the last byte triggers the checksum comparison


def is_zip(head: bytes) -> bool:
    r"""Whether a file begins like a zip archive, including an empty one.

    >>> is_zip(b"PK\x03\x04rest"), is_zip(b"PK\x05\x06"), is_zip(b"DICM")
    (True, True, False)
    """
    return head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}


def is_listable(name: str) -> bool:
    r"""Whether a name can be written as a line of a series list.

    >>> is_listable("CT/IM 1"), is_listable("IM\n1"), is_listable("CT//IM1")
    (True, False, False)
    """
    return name.splitlines() == [name] and MEMBER_SEPARATOR not in name


def count_members(archive: IO[bytes]) -> int:
    """Count the entries that an archive lists, including folders.

    Raises:
        ArchiveRefused: If its directory is damaged, or lists more than ``MOST_MEMBERS``.
    """
    with open_archive(archive) as opened:
        return len(opened.infolist())


@contextmanager
def open_archive(archive: Path | IO[bytes], *, most_members: int = MOST_MEMBERS) -> Iterator[zipfile.ZipFile]:
    """Open an archive.

    Raises:
        FileNotFoundError: If the file does not exist.
        ArchiveRefused: If its directory is damaged, or lists more than ``most_members``.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except FileNotFoundError:
        raise
    except (NotImplementedError, *_DAMAGE):
        raise ArchiveRefused(BROKEN_ARCHIVE) from None
    with opened:
        if len(opened.infolist()) > most_members:
            raise ArchiveRefused(TOO_MANY)
        yield opened


def walk_members(
    archive: Path | IO[bytes],
    *,
    first: int = 0,
    stop: int | None = None,
    prefix: str = "",
    most_members: int = MOST_MEMBERS,
    largest_inner_bytes: int = LARGEST_INNER_BYTES,
) -> Iterator[Member]:
    """Iterate over the files in an archive, including those in nested archives; nothing is unpacked to disk.

    Zip bombs and names that lead out of the archive do no harm here, but are refused anyway to protect whoever unpacks
    the archive next.

    Args:
        archive: A file, or a binary stream open for reading.
        first: Index of the first member to read, counted from 0.
        stop: Index of the member to stop before; None reads to the end.
        prefix: The name of this archive in the outer one, including the separator.
        most_members: Maximum number of members of an archive, nested or not.
        largest_inner_bytes: Maximum size of a nested archive.

    Yields:
        Every member that is not a folder; a refused one gives the reason.

    Raises:
        ArchiveRefused: If the archive's directory is damaged or too long; a nested archive is refused as a member
            instead.

    >>> content = io.BytesIO()
    >>> with zipfile.ZipFile(content, "w") as archive:
    ...     archive.writestr("CT/IM1", b"a slice")
    >>> [(member.name, member.read()) for member in walk_members(content)]
    [('CT/IM1', b'a slice')]
    """
    with open_archive(archive, most_members=most_members) as opened:
        for info in opened.infolist()[first:stop]:
            if info.filename.endswith("/"):
                continue
            name = prefix + info.filename
            refused = _refusal_in_list(opened, info) or refusal(info)
            if refused:
                yield Member("?".join(name.splitlines()), info.file_size, info.CRC, refused)
                continue
            try:
                with damage_refused(), opened.open(info) as stream:
                    member = Member(name, info.file_size, info.CRC, "", _guarded(stream))
                    if not is_zip(member.beginning(4)):
                        yield member
                        continue
                    yield from walk_members(
                        _inner_archive(member, is_inner=bool(prefix), largest_bytes=largest_inner_bytes),
                        prefix=name + MEMBER_SEPARATOR,
                        most_members=most_members,
                        largest_inner_bytes=largest_inner_bytes,
                    )
            except ArchiveRefused as error:
                yield Member(name, info.file_size, info.CRC, str(error))


def unpack_member(opened: zipfile.ZipFile, name: str, *, largest_bytes: int = LARGEST_MEMBER_BYTES) -> IO[bytes]:
    """Unpack a member into a seekable temporary file.

    Args:
        opened: The archive.
        name: Name of the member.
        largest_bytes: Larger members are not unpacked.

    Raises:
        KeyError: If there is no such member.
        ArchiveRefused: If it is too large or damaged.
    """
    info = opened.getinfo(name)
    refused = refusal(info, largest_bytes=largest_bytes)
    if refused:
        raise ArchiveRefused(refused)
    with damage_refused(), about_temporary_files(), ExitStack() as on_error, opened.open(info) as stream:
        unpacked: IO[bytes] = on_error.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stream, unpacked)
        unpacked.seek(0)
        on_error.pop_all()
        return unpacked


@contextmanager
def damage_refused() -> Iterator[None]:
    """Turn whatever reading a damaged member raises into a refusal.

    Raises:
        ArchiveRefused: If it is damaged, encrypted or compressed by an unsupported method.
    """
    try:
        yield
    except RuntimeError:  # NotImplementedError among them
        raise ArchiveRefused(UNKNOWN_METHOD) from None
    except _DAMAGE:
        raise ArchiveRefused(BROKEN_MEMBER) from None


def refusal(info: zipfile.ZipInfo, *, largest_bytes: int = LARGEST_MEMBER_BYTES) -> str:
    """Return why a member is not read, judging by the archive's directory; empty if it is.

    A member never yields more bytes than its stated size, so the limits apply to the stated size.
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
    """Return why a series list cannot name a member."""
    if not is_listable(info.filename):
        return UNLISTABLE
    return TWICE if opened.NameToInfo[info.filename] is not info else ""


def _inner_archive(member: Member, *, is_inner: bool, largest_bytes: int) -> IO[bytes]:
    """Unpack a nested archive into memory."""
    if is_inner:
        raise ArchiveRefused(TOO_DEEP)
    if member.n_bytes > largest_bytes:
        raise ArchiveRefused(TOO_LARGE)
    return io.BytesIO(member.read())


def _guarded(stream: IO[bytes]) -> Callable[[int], bytes]:
    """Return a reader of a member's first bytes that turns any damage into a refusal."""
    unguarded = beginning_of(stream)

    def beginning(n_bytes: int) -> bytes:
        with damage_refused():
            return unguarded(n_bytes)

    return beginning
