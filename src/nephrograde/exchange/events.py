"""What a listener tells: codes and values, which name no patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind: TypeAlias = Literal[
    "listening",
    "refused",
    "full",
    "received",
    "grading",
    "graded",
    "sent",
    "postponed",
    "failed",
    "worker-ended",
    "unusable",
    "removed",
    "ended",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        kind: What.
        key: The series in the spool, a digest; empty if it is about none.
        values: Further values, such as the number of images.
    """

    kind: Kind
    key: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


Tell: TypeAlias = "Callable[[Event], None]"
"""Is given each event, in whatever thread it happens."""
