"""The archive of a grader file: a zip whose every byte is covered by a SHA-256, read without trusting it.

The members lie side by side, uncompressed, under fixed times, in the order of the manifest, so that equal contents are
equal bytes and no member can be larger than the file. ``manifest.json`` comes first and states the size and SHA-256 of
all others, and that of its own content; the comment of the archive is the SHA-256 of everything between the members.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from nephrograde.errors import GraderError
from nephrograde.export.printable import printable
from nephrograde.files import fingerprint
from nephrograde.replacement import replaced
from nephrograde.version import __version__
from nephrograde.volume.dicom.archive import ArchiveRefused, open_archive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "nephrograde-grader"
FORMAT_VERSION = 1
"""Raised whenever a version of nephrograde before would read a file wrongly."""
MANIFEST = "manifest.json"
_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""
_HEADER_BYTES = 30
"""Of a member, before its name."""
_COMMENT = "nephrograde-grader, SHA-256 "
_COMMENT_BYTES = len(_COMMENT) + 64
_MOST_BYTES = 2_200_000_000
MOST_TEXT_BYTES = 16_000_000
"""The manifest, and each member besides the graph, has some kilobytes."""
_AGAIN = "Get the file again, or pack the model again."
_Parts: TypeAlias = "tuple[bytes | memoryview, ...]"
"""A whole file, one part after the other."""
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Archive:
    """What a grader file holds, verified.

    Attributes:
        members: Content by name, without the manifest.
        sha256: Of each of them.
        written_by: The program and its version.
        raw: The whole file, which the members refer to, in parts.
    """

    members: dict[str, memoryview]
    sha256: dict[str, str]
    written_by: str
    raw: tuple[bytes, ...] = field(repr=False)

    def file_sha256(self) -> str:
        """SHA-256 of the whole file, as it was read."""
        digest = hashlib.sha256()
        for part in self.raw:
            digest.update(part)
        return digest.hexdigest()


def write_archive(archive_path: Path, members: Mapping[str, bytes]) -> str:
    """Write a grader file, completely or not at all.

    Args:
        archive_path: The file.
        members: Content by name, without the manifest.

    Returns:
        The SHA-256 of the whole file.

    Raises:
        WriteError: It cannot be written.
    """
    manifest = _manifest(members)
    with replaced(archive_path) as temporary_path:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, content in {MANIFEST: manifest, **members}.items():
                archive.writestr(plain_entry(name), content)
            archive.comment = b" " * _COMMENT_BYTES
        with stream.getbuffer() as raw:
            raw[-_COMMENT_BYTES:] = _comment((raw,), _entries(archive, (raw,)))
            temporary_path.write_bytes(raw)
            return hashlib.sha256(raw).hexdigest()


def plain_entry(name: str) -> zipfile.ZipInfo:
    """Describe a member in the same bytes at any time and on every system.

    Args:
        name: Of the member.
    """
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    return entry


def read_archive(archive_path: Path) -> Archive:
    """Read a grader file, and verify every byte of it.

    Args:
        archive_path: The file.

    Raises:
        GraderError: It is missing, no grader file, of a newer version, cut short, or was changed.
    """
    raw, entries = _read(archive_path)
    found: dict[str, memoryview] = {}
    for entry in entries:
        if entry.name in found:
            raise _refused(archive_path, f"it holds {entry.name} twice")
        found[entry.name] = _cut(raw, entry.start, entry.start + entry.size)
    if MANIFEST not in found:
        raise GraderError(
            f"{archive_path} is not a grader file: it holds no {MANIFEST}. Give the file that `nephrograde pack` wrote."
        )
    first = next(one for one in entries if one.name == MANIFEST)
    manifest = _manifest_in(archive_path, first, found.pop(MANIFEST))
    stated = manifest["members"]
    _check_names(archive_path, found, stated)
    for entry in entries:
        if entry.name != MANIFEST:
            _check_member(archive_path, entry, found[entry.name], stated[entry.name])
    if _comment(raw, entries) != bytes(_cut(raw, _length(raw) - _COMMENT_BYTES, _length(raw))):
        raise _refused(archive_path, "the list of its members was changed")
    sha256 = {name: one["sha256"] for name, one in stated.items()}
    return Archive(found, sha256, printable(manifest["written_by"]), raw)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member: where its bytes are, and whether they are stored as they are."""

    name: str
    start: int
    size: int
    is_plain: bool


def _entries(archive: zipfile.ZipFile, raw: _Parts) -> list[_Entry]:
    """The members in the order of the list at the end of an archive."""
    entries = []
    for one in archive.infolist():
        head = _cut(raw, one.header_offset, one.header_offset + _HEADER_BYTES)
        name_bytes, extra_bytes = struct.unpack("<HH", head[26:30])
        is_plain = one.compress_type == zipfile.ZIP_STORED and one.file_size == one.compress_size and not one.flag_bits
        start = one.header_offset + _HEADER_BYTES + name_bytes + extra_bytes
        entries.append(_Entry(one.filename, start, one.compress_size, is_plain))
    return entries


def _length(raw: _Parts) -> int:
    return sum(map(len, raw))


def _cut(raw: _Parts, start: int, stop: int) -> memoryview:
    """Some bytes of a file in parts, as a slice of it would be; without a copy unless they are of several parts."""
    found, at = [], 0
    for part in raw:
        low, high = max(start - at, 0), min(stop - at, len(part))
        if low < high:
            found.append(memoryview(part)[low:high])
        at += len(part)
    return found[0] if len(found) == 1 else memoryview(b"".join(found))


def _manifest(members: Mapping[str, bytes]) -> bytes:
    from nephrograde.vocabulary import RESEARCH_USE_ONLY

    content: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "members": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        },
        "research_use_only": RESEARCH_USE_ONLY,
        "written_by": f"nephrograde {__version__}",
    }
    return as_json({**content, "sha256": fingerprint(content)})


def as_json(content: object) -> bytes:
    r"""Return JSON whose bytes depend on its content alone.

    Args:
        content: What JSON can hold.

    >>> as_json({"b": 1, "a": "µ"}).decode()
    '{\n  "a": "µ",\n  "b": 1\n}\n'
    """
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _comment(raw: _Parts, entries: list[_Entry]) -> bytes:
    """The comment of an archive: the SHA-256 of what lies between its members, up to the comment."""
    digest, at = hashlib.sha256(), 0
    for entry in sorted(entries, key=lambda one: one.start):
        digest.update(_cut(raw, at, entry.start))
        at = entry.start + entry.size
    digest.update(_cut(raw, at, _length(raw) - _COMMENT_BYTES))
    return f"{_COMMENT}{digest.hexdigest()}".encode()


def _read(archive_path: Path) -> tuple[tuple[bytes, ...], list[_Entry]]:
    """A whole file, in parts, and its members."""
    try:
        if archive_path.is_dir():
            raise GraderError(f"{archive_path} is a folder. Give the file that `nephrograde pack` wrote.")
        if archive_path.stat().st_size > _MOST_BYTES:
            raise GraderError(f"{archive_path} is not a grader file: it is larger than one can be. {_AGAIN}")
        with archive_path.open("rb") as stream, open_archive(stream) as archive:
            raw = _in_parts(stream, archive)
            entries = _entries(archive, raw)
    except FileNotFoundError:
        raise GraderError(f"{archive_path} is missing. Give the file that `nephrograde pack` wrote.") from None
    except OSError as error:
        raise GraderError(f"{archive_path} cannot be read ({error.strerror}). Check its permissions.") from None
    except (ArchiveRefused, struct.error):
        raise GraderError(
            f"{archive_path} is not a grader file: it is no zip archive, or its end is missing. Give the file that "
            "`nephrograde pack` wrote; if it was copied, copy it again."
        ) from None
    if sum(one.size for one in entries) > _length(raw):
        raise _refused(archive_path, "its members overlap")
    return raw, entries


def _in_parts(stream: BinaryIO, archive: zipfile.ZipFile) -> tuple[bytes, ...]:
    """A whole file: what is before its largest member, that member, which is used without a copy, and the rest."""
    largest = max(archive.infolist(), key=lambda one: one.compress_size, default=None)
    if largest is None:
        stream.seek(0)
        return (stream.read(),)
    if largest.header_offset < 0:  # by what its directory claims
        raise ArchiveRefused
    stream.seek(largest.header_offset)
    name_bytes, extra_bytes = struct.unpack("<HH", stream.read(_HEADER_BYTES)[26:30])
    start, length = largest.header_offset + _HEADER_BYTES + name_bytes + extra_bytes, stream.seek(0, os.SEEK_END)
    stream.seek(0)
    first = stream.read(min(start, length))
    return first, stream.read(min(largest.compress_size, length - len(first))), stream.read()


def _manifest_in(archive_path: Path, entry: _Entry, content: memoryview) -> dict[str, Any]:
    """The manifest, with size and SHA-256 of each member."""
    from nephrograde.vocabulary import RESEARCH_USE_ONLY  # with NumPy, which a file need not wait for to be read

    if not entry.is_plain or entry.size > MOST_TEXT_BYTES or len(content) != entry.size:
        raise _refused(archive_path, f"{MANIFEST} is not stored as it is")
    try:
        manifest: dict[str, Any] = json.loads(bytes(content).decode())
        version = manifest["format_version"]
        is_ours = manifest["format"] == FORMAT and type(version) is int and version > 0  # True is no version
        known = manifest.pop("sha256", None)
        is_whole = known == fingerprint(manifest) and as_json({**manifest, "sha256": known}) == bytes(content)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _refused(archive_path, f"{MANIFEST} was changed") from None
    if not is_ours:
        raise _refused(archive_path, f"{MANIFEST} is that of something else")
    if version > FORMAT_VERSION:
        raise GraderError(
            f"{archive_path} was written by a newer version of nephrograde (format {printable(str(version))}; this "
            f"version reads up to {FORMAT_VERSION}). Install the newer version, or pack the model with this one."
        )
    if not is_whole:
        raise _refused(archive_path, f"{MANIFEST} was changed")
    members = manifest.get("members")
    if not isinstance(members, dict) or not all(map(_is_stated, members.values())):
        raise _refused(archive_path, f"{MANIFEST} does not state its members")
    if not isinstance(manifest.get("written_by"), str) or manifest.get("research_use_only") != RESEARCH_USE_ONLY:
        raise _refused(archive_path, f"{MANIFEST} was changed")
    return manifest


def _is_stated(stated: object) -> bool:
    return (
        isinstance(stated, dict)
        and type(stated.get("bytes")) is int
        and isinstance(stated.get("sha256"), str)
        and SHA256.fullmatch(stated["sha256"]) is not None
    )


def _check_names(archive_path: Path, found: Mapping[str, memoryview], stated: Mapping[str, object]) -> None:
    missing, further = sorted(stated.keys() - found.keys()), sorted(found.keys() - stated.keys())
    if missing:
        raise _refused(archive_path, f"{', '.join(missing)} is missing")
    if further:
        raise _refused(archive_path, f"{', '.join(further)} does not belong to it")


def _check_member(archive_path: Path, entry: _Entry, content: memoryview, stated: Mapping[str, Any]) -> None:
    if not entry.is_plain:
        raise _refused(archive_path, f"{entry.name} is not stored as it is")
    if entry.size != stated["bytes"] or len(content) != entry.size:
        raise _refused(archive_path, f"{entry.name} has {entry.size} bytes, not {stated['bytes']} as stated")
    if hashlib.sha256(content).hexdigest() != stated["sha256"]:
        raise _refused(archive_path, f"{entry.name} was changed")


def _refused(archive_path: Path, why: str) -> GraderError:
    return GraderError(f"{archive_path} is not the file that was packed: {printable(why)}. {_AGAIN}")
