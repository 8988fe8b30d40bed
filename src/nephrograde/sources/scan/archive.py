"""The headers of the files in an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nephrograde.sources.scan.headers import InstanceHeader, Refused, read_header
from nephrograde.volume.dicom.archive import ArchiveRefused, walk_members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


class Looked(NamedTuple):
    """What was found at one place: a header, or the reason why it has none."""

    member: str
    outcome: InstanceHeader | Refused


def look_into(archive: IO[bytes], *, first: int = 0, stop: int | None = None) -> Iterator[Looked]:
    """Read the headers of an archive's members, including those of nested archives.

    Args:
        archive: Open for reading bytes.
        first: Index of the first member to read, counted from 0.
        stop: Index of the member to stop before; None reads to the end.

    Yields:
        One entry per member that is not a folder; a refused member carries the reason.

    Raises:
        ArchiveRefused: If the archive's directory is damaged.
    """
    for member in walk_members(archive, first=first, stop=stop):
        outcome: InstanceHeader | Refused
        try:
            outcome = Refused(member.refused) if member.refused else read_header(member.beginning, member.n_bytes)
        except ArchiveRefused as refused:
            outcome = Refused(str(refused))
        yield Looked(member.name, outcome)
