"""A run folder as other machines are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.files import sha256_of
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class MarkedRun:
    """The path of a run folder, and a mark by which another machine sees that it is the same folder.

    Attributes:
        run_dir: The run folder, by its absolute name on the machine that marked it.
        mark: The SHA-256 of its lock file.
    """

    run_dir: Path
    mark: str

    @classmethod
    def of(cls, run: RunFolder) -> MarkedRun:
        """Mark a run folder.

        Args:
            run: The run folder; its cohort is open.
        """
        return cls(run.run_dir.absolute(), sha256_of(run.study_lock_path))

    def find(self) -> RunFolder | None:
        """Return the run folder; None on a machine that does not see it."""
        run = RunFolder(self.run_dir)
        return run if run.is_run() and sha256_of(run.study_lock_path) == self.mark else None
