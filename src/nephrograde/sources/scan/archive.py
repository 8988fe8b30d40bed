"""The headers of the files in an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nephrograde.sources.scan.headers import InstanceHeader, Refused, read_header
from nephrograde.volume.dicom.archive import ArchiveRefused, walk_members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


class Looked(NamedTuple):
    """What was found at one place: a header, or the reason why there is none."""

    member: str
    outcome: InstanceHeader | Refused


def look_into(archive: IO[bytes], *, first: int = 0, stop: int | None = None) -> Iterator[Looked]:
    """Read the headers of an archive's members, those of an archive in it too.

    Args:
        archive: Open for reading bytes.
        first: The first member to look at, counted from 0.
        stop: The member before which to stop; the last one where it is None.

    Yields:
        One per member that is no folder; a refused one says why.

    Raises:
        ArchiveRefused: Where the archive's directory is damaged.
    """
    for member in walk_members(archive, first=first, stop=stop):
        outcome: InstanceHeader | Refused
        try:
            outcome = Refused(member.refused) if member.refused else read_header(member.beginning, member.n_bytes)
        except ArchiveRefused as refused:
            outcome = Refused(str(refused))
        yield Looked(member.name, outcome)
