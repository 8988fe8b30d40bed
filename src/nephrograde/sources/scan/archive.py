"""Zip archives, looked into without unpacking them: their members are read where they lie, as far as a header goes."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from nephrograde.sources.scan.headers import InstanceHeader, Refused

MEMBER_SEPARATOR = "//"
"""Parts an archive from its member in a series list; no path holds it otherwise."""

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
TOO_MANY = "an archive of more than a million members"

_MOST_MEMBERS = 1_000_000
_BOMB_RATIO = 400
_BOMB_BYTES = 64 * 2**20
"""Deflate cannot pack tighter than 1032 to 1, and does so for empty images, which are small. A slice of air and
patient packs about 3 to 1 (our choice)."""
_INNER_BYTES = 256 * 2**20
"""An archive in an archive is held in memory while it is read."""
_DAMAGE = (zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, IndexError, OverflowError)
"""What damaged archives set off below zipfile."""


class Looked(NamedTuple):
    """What was found at one place: a header, or the reason why there is none."""

    member: str
    outcome: InstanceHeader | Refused


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
        zipfile.BadZipFile: Where its directory is damaged.
    """
    with _opened(archive) as opened:
        return len(opened.infolist())


def look_into(
    archive: IO[bytes],
    read: Callable[[Callable[[int], bytes], int], InstanceHeader | Refused],
    *,
    first: int = 0,
    stop: int | None = None,
    prefix: str = "",
) -> Iterator[Looked]:
    """Read the headers of an archive's members, those of an archive in it too.

    Args:
        archive: Open for reading bytes.
        read: :func:`~nephrograde.sources.scan.headers.read_header`.
        first: The first member to look at, counted from 0.
        stop: The member before which to stop; the last one where it is None.
        prefix: The name of this archive in the outer one, with the separator.

    Yields:
        One per member that is no folder; a refused one says why.

    Raises:
        zipfile.BadZipFile: Where the archive's directory is damaged.

    Source: Our choice of limits. Nothing is unpacked to disk, so a name or a stated size can do no harm here; names
    that lead out of the archive and bombs are refused all the same, as whoever unpacks the archive next would suffer.
    """
    from nephrograde.sources.scan.headers import Refused

    with _opened(archive) as opened:
        if len(opened.infolist()) > _MOST_MEMBERS:
            yield Looked(prefix.removesuffix(MEMBER_SEPARATOR), Refused(TOO_MANY))
            return
        for info in opened.infolist()[first:stop]:
            if info.filename.endswith("/"):
                continue
            name = prefix + info.filename
            objection = _objection(opened, info)
            if objection:
                yield Looked("?".join(name.splitlines()), Refused(objection))
                continue
            try:
                yield from _look_at(opened, info, read, prefix=prefix)
            except (zipfile.BadZipFile, *_DAMAGE):
                yield Looked(name, Refused(BROKEN_MEMBER))
            except (NotImplementedError, RuntimeError):
                yield Looked(name, Refused(UNKNOWN_METHOD))


def _look_at(
    opened: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    read: Callable[[Callable[[int], bytes], int], InstanceHeader | Refused],
    *,
    prefix: str,
) -> Iterator[Looked]:
    from nephrograde.sources.scan.headers import Refused

    name = prefix + info.filename
    with opened.open(info) as stream:
        head = b""

        def prefix_of(n_bytes: int) -> bytes:
            nonlocal head
            head += stream.read(n_bytes - len(head)) if n_bytes > len(head) else b""
            return head[:n_bytes]

        if not is_zip(prefix_of(4)):
            yield Looked(name, read(prefix_of, info.file_size))
        elif prefix:
            yield Looked(name, Refused(TOO_DEEP))
        elif info.file_size > _INNER_BYTES:
            yield Looked(name, Refused(TOO_LARGE))
        else:
            inner = io.BytesIO(prefix_of(_INNER_BYTES))
            yield from look_into(inner, read, prefix=name + MEMBER_SEPARATOR)


@contextmanager
def _opened(archive: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever its directory sets off in zipfile is a damaged archive."""
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, NotImplementedError, *_DAMAGE) as error:
        raise zipfile.BadZipFile(str(error)) from None
    with opened:
        yield opened


def _objection(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Why a member is not looked at; empty where it is."""
    parts = info.filename.replace("\\", "/").split("/")
    checks = {
        UNLISTABLE: not is_listable(info.filename),
        LEADS_OUT: ".." in parts or parts[0] == "" or parts[0].endswith(":"),
        TWICE: opened.NameToInfo[info.filename] is not info,
        ENCRYPTED: bool(info.flag_bits & 1),
        BOMB: info.file_size > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size),
    }
    return next((reason for reason, holds in checks.items() if holds), "")
