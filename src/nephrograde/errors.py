"""Every exception that nephrograde raises on purpose.

::

    NephrogradeError            anything a user can cause, shown without a traceback (exit code 2)
    ├── InputError              all problems in the study file or the cohort table at once
    ├── PlaceError              a position that is not written as "x,y,z mm" or "i,j,k vox"
    ├── VolumeError             one scan cannot be read or used; the part that becomes a finding names no file
    ├── DownloadError           a file of a public cohort cannot be downloaded
    ├── FitError                training failed or cannot start
    ├── WeightsError            initial weights that do not fit, or whose SHA-256 differs
    ├── ScoresError             a score table that cannot be evaluated
    └── RunError                a run folder that lacks what a later stage needs
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in an input: where it is, what it is, and what to do.

    >>> print(Problem("fit.epoch", "unknown key", "Did you mean 'epochs'?"))
    fit.epoch: unknown key. Did you mean 'epochs'?
    """

    place: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}. {self.remedy}"


class NephrogradeError(Exception):
    """Base class of every error that a user can cause and fix."""


class InputError(NephrogradeError):
    r"""The study file or the cohort table has mistakes; all of them are listed.

    >>> str(InputError([Problem("split.folds", "is 1", "Give at least 2.")]))
    '1 problem:\n  split.folds: is 1. Give at least 2.'
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        heading = "1 problem:" if len(problems) == 1 else f"{len(problems)} problems:"
        super().__init__("\n".join([heading, *(f"  {problem}" for problem in problems)]))


class PlaceError(NephrogradeError):
    """A point, box or slice that is not written with its unit as required."""


class VolumeError(NephrogradeError):
    """One image or mask cannot be used.

    Attributes:
        code: Names the kind.
        message: What is wrong. It names no file and no folder, as their names often say who the patient is.
        remedy: What to do; it names none either.
        path: The file or folder, noted where it was read. Only the text of the exception shows it, for the person who
            named the file; findings and reports do not.

    >>> from pathlib import Path
    >>> with about_file(Path("np.nii.gz")):
    ...     raise VolumeError("file-empty", "is empty (0 bytes).", "Copy the file again.")
    Traceback (most recent call last):
        ...
    nephrograde.errors.VolumeError: np.nii.gz: is empty (0 bytes). Copy the file again.
    """

    def __init__(self, code: str, message: str, remedy: str, *, path: Path | None = None) -> None:
        self.code = code
        self.message = message
        self.remedy = remedy
        self.path = path
        super().__init__(code, message, remedy)

    def __str__(self) -> str:
        text = f"{self.message} {self.remedy}"
        return text if self.path is None else f"{self.path}: {text}"


@contextmanager
def about_file(path: Path) -> Iterator[None]:
    """Note on a :class:`VolumeError` of the block which file or folder it is about, unless that is known already.

    Args:
        path: The file or folder that is read or written.
    """
    try:
        yield
    except VolumeError as error:
        error.path = error.path or path
        raise


class DownloadError(NephrogradeError):
    """A file of a public cohort cannot be had; ``code`` names the kind, and the message its address."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        self.code = code
        super().__init__(f"{message} {remedy}")


class FitError(NephrogradeError):
    """A network could not be fitted."""


class WeightsError(NephrogradeError):
    """Initial weights do not fit the network, or are not the file that the study names."""


class ScoresError(NephrogradeError):
    """A score table cannot be evaluated in its present form.

    Where only one measure cannot be computed, ``reason`` is its code (:class:`nephrograde.evaluation.remarks.Reason`).
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        self.reason = reason
        super().__init__(message)


class RunError(NephrogradeError):
    """A run folder lacks something, or belongs to another study."""
