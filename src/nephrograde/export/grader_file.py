"""A grader file as an object: every member read, verified and typed; needs neither torch nor ONNX Runtime."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nephrograde.errors import GraderError
from nephrograde.export.agreement import Claims, check_agreement, check_size
from nephrograde.export.archive import FORMAT_VERSION, read_archive
from nephrograde.export.contents import (
    CARD,
    COHORT_RANGE,
    DECISION,
    GRAPH,
    PREPROCESSING,
    Card,
    CohortRange,
    Decision,
    Preprocessing,
    parsed,
    restored_study,
)
from nephrograde.export.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.export.archive import Archive
    from nephrograde.study import Study

_MEMBERS = {GRAPH, PREPROCESSING, DECISION, CARD, COHORT_RANGE}


@dataclass(frozen=True, slots=True)
class GraderFile:
    """What a grader file holds.

    Attributes:
        path: The file.
        preprocessing: From scans to the inputs of the graph.
        decision: From its output to a call.
        card: What the model is, and what it is worth.
        cohort_range: What the patients looked like that it learnt from.
        study: The study as far as a new patient needs it.
        graph: The bytes of the ONNX file.
        archive: The archive that it was read from; None if it has not been written yet.
    """

    path: Path
    preprocessing: Preprocessing
    decision: Decision
    card: Card
    cohort_range: CohortRange
    study: Study = field(repr=False)
    graph: memoryview = field(repr=False)
    archive: Archive | None = field(default=None, repr=False)

    @classmethod
    def of_members(cls, path: Path, members: Mapping[str, bytes | memoryview]) -> Self:
        """Read the members of a file.

        Args:
            path: The file, for messages.
            members: Content by name.

        Raises:
            GraderError: A member is missing, surplus, holds something else, or contradicts another one.
        """
        if wrong := sorted(members.keys() ^ _MEMBERS):
            raise GraderError(
                f"{path} cannot be used: {printable(', '.join(wrong))} is missing or does not belong to it. "
                "Pack the model again with this version of nephrograde."
            )
        preprocessing = parsed(Preprocessing, members, PREPROCESSING, path)
        check_size(preprocessing, path)
        decision = parsed(Decision, members, DECISION, path)
        card = parsed(Card, members, CARD, path)
        cohort_range = parsed(CohortRange, members, COHORT_RANGE, path)
        study = restored_study(preprocessing, card, decision, path)
        graph = memoryview(members[GRAPH])
        check_agreement(Claims(path, preprocessing, decision, card, cohort_range, study, graph))
        return cls(path, preprocessing, decision, card, cohort_range, study, graph)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the graph, for JSON."""
        members = {} if self.archive is None else self.archive.members
        digests = {} if self.archive is None else self.archive.sha256
        return {
            "format_version": FORMAT_VERSION,
            "written_by": "" if self.archive is None else self.archive.written_by,
            "card": asdict(self.card),
            "preprocessing": asdict(self.preprocessing),
            "decision": asdict(self.decision),
            "range": asdict(self.cohort_range),
            "members": {name: {"bytes": len(one), "sha256": digests[name]} for name, one in members.items()},
        }


def read_grader_file(path: str | Path) -> GraderFile:
    """Read a grader file, and verify every byte of it.

    Args:
        path: The file that ``nephrograde pack`` wrote.

    Raises:
        GraderError: It is missing, no grader file, of a newer version, cut short, or was changed.
    """
    archive = read_archive(Path(path))
    return replace(GraderFile.of_members(Path(path), archive.members), archive=archive)
