"""A grader file as an object: every member read, verified and typed; needs neither torch nor ONNX Runtime."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.export.agreement import check_agreement, check_size
from nephrograde.export.archive import FORMAT_VERSION, read_archive
from nephrograde.export.contents import (
    CARD,
    COHORT_RANGE,
    DECISION,
    GRAPH,
    PREPROCESSING,
    Card,
    Decision,
    Members,
    Preprocessing,
    parsed,
    restored_study,
    unusable,
)
from nephrograde.export.printable import printable
from nephrograde.predict.cohort_range import CohortRange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.export.archive import Archive

_MEMBERS = {GRAPH, PREPROCESSING, DECISION, CARD, COHORT_RANGE}


@dataclass(frozen=True, slots=True)
class GraderFile(Members):
    """A grader file: what its members hold, and the archive that they were read from.

    Attributes:
        archive: Every byte of the file, verified.
    """

    archive: Archive = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the graph, for JSON."""
        archive = self.archive
        return {
            "sha256": archive.file_sha256(),
            "format_version": FORMAT_VERSION,
            "written_by": archive.written_by,
            "card": asdict(self.card),
            "preprocessing": asdict(self.preprocessing),
            "decision": asdict(self.decision),
            "range": asdict(self.cohort_range),
            "members": {
                name: {"bytes": len(one), "sha256": archive.sha256[name]} for name, one in archive.members.items()
            },
        }


def read_grader_file(path: str | Path) -> GraderFile:
    """Read a grader file, and verify every byte of it.

    Args:
        path: The file that ``nephrograde pack`` wrote.

    Raises:
        GraderError: It is missing, no grader file, of a newer version, cut short, or was changed.
    """
    return grader_file_of(Path(path), read_archive(Path(path)))


def grader_file_of(path: Path, archive: Archive) -> GraderFile:
    """Read the members of a grader file whose bytes were verified.

    Args:
        path: The file, for messages.
        archive: As it was read.

    Raises:
        GraderError: A member is missing, surplus, holds something else, or contradicts another one.
    """
    found = read_members(path, archive.members)
    return GraderFile(**{one.name: getattr(found, one.name) for one in fields(found)}, archive=archive)


def read_members(path: Path, members: Mapping[str, bytes | memoryview]) -> Members:
    """Read the members of a grader file.

    Args:
        path: The file, for messages.
        members: Content by name.

    Raises:
        GraderError: A member is missing, surplus, holds something else, or contradicts another one.
    """
    if wrong := sorted(members.keys() ^ _MEMBERS):
        raise unusable(path, f"{printable(', '.join(wrong))} is missing or does not belong to it")
    preprocessing = parsed(Preprocessing, members, PREPROCESSING, path)
    check_size(preprocessing, path)
    decision = parsed(Decision, members, DECISION, path)
    card = parsed(Card, members, CARD, path)
    cohort_range = parsed(CohortRange, members, COHORT_RANGE, path)
    study = restored_study(preprocessing, card, decision, path)
    found = Members(path, preprocessing, decision, card, cohort_range, study, memoryview(members[GRAPH]))
    check_agreement(found)
    return found
