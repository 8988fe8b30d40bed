"""The test-set ledger: when, how and why the locked test set was opened.

A test set gives an unbiased answer only once. Each further look with other settings turns it a little more into a
training set, so each opening is explicit and is recorded before any score of the test patients is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

FIRST_REASON = "first evaluation"
TABLE_REASON = "evaluation of a score table"
OWN_REASONS = frozenset({FIRST_REASON, TABLE_REASON})
"""What is entered where nobody gives a reason."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of the test set; a row of ``ledger.csv``.

    ``opened`` is the time (ISO 8601, UTC), ``study`` the SHA-256 of the resolved study or of the score table,
    ``inputs`` that of everything the evaluation reads, so that an interrupted opening is recognised.
    """

    opened: str
    study: str
    reason: str
    command: str
    inputs: str


def read_ledger(run_dir: Path) -> tuple[Opening, ...]:
    """Read all openings of a run's test set, oldest first; empty if it was never opened."""
    ledger_path = RunFolder(run_dir).ledger_path
    return read_table(Opening, ledger_path) if ledger_path.exists() else ()


def refuse_without_reason(run_dir: Path, reason: str) -> None:
    """Refuse to open a test set that was opened before, unless a reason is given; nothing is recorded.

    Args:
        run_dir: The run folder.
        reason: Why the test set is opened.

    Raises:
        RunError: The test set was opened before, and the reason is empty.
    """
    openings = read_ledger(run_dir)
    if openings and not reason.strip():
        times = "once" if len(openings) == 1 else f"{len(openings)} times"
        raise RunError(
            f"The test set of {run_dir} was opened {times} before (last {openings[-1].opened}, "
            f"{openings[-1].reason}), and something has changed since. To open it again, give --reason "
            '"…", which the report will print; to continue without opening it, use --peek-free.'
        )


def open_test_set(run_dir: Path, *, study: str, inputs: str, reason: str, command: str) -> None:
    """Record an opening of the test set in the ledger.

    The first opening needs no reason. Repeating the same evaluation (after a crash, or on the same files) does not
    count as a new opening. Any other opening needs a reason.

    Args:
        run_dir: The run folder.
        study: SHA-256 of the resolved study or of the score table.
        inputs: SHA-256 of everything that the evaluation reads.
        reason: Why the test set is opened; may be empty the first time.
        command: The command line.

    Raises:
        RunError: The test set was opened before, for other models or with other rules, and no reason is given.

    Source:
        The risk of reusing a test set: Dwork 2015, "The reusable holdout", Science 349:636.

    >>> import pathlib, tempfile
    >>> run_dir = pathlib.Path(tempfile.mkdtemp())
    >>> open_test_set(run_dir, study="a", inputs="1", reason="", command="nephrograde run a.toml")
    >>> open_test_set(run_dir, study="b", inputs="2", reason="a label was wrong", command="nephrograde run a.toml")
    >>> [opening.reason for opening in read_ledger(run_dir)]
    ['first evaluation', 'a label was wrong']
    """
    openings = read_ledger(run_dir)
    if openings and openings[-1].inputs == inputs:
        return
    refuse_without_reason(run_dir, reason)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    opening = Opening(now, study, reason.strip() or FIRST_REASON, command, inputs)
    write_table([*openings, opening], Opening, RunFolder(run_dir).ledger_path)
