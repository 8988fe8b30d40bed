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
    ├── WriteError              a file or folder cannot be written: full disk, missing permission, …
    ├── GraderError             a grader file that is damaged, changed, or of a newer version
    ├── ShareError              a file of shared scores or statistics that cannot be used
    ├── ExchangeError           another system cannot be reached, or refuses what it is asked for
    └── RunError                a run folder that lacks what a later stage needs
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    """Base class of every error that a user can cause and fix.

    It can be sent to another process, whatever the arguments of its subclass are.

    >>> import pickle
    >>> print(pickle.loads(pickle.dumps(WriteError("scores.csv", "No space left on device"))).reason)
    No space left on device
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[NephrogradeError], args: tuple[object, ...]) -> NephrogradeError:
    """The error as it was, without the call of its constructor, which may take other arguments."""
    return kind.__new__(kind, *args)


class InputError(NephrogradeError):
    r"""The study file or the cohort table has mistakes; all of them are listed.

    >>> str(InputError([Problem("split.folds", "is 1", "Give at least 2.")]))
    '1 problem:\n  split.folds: is 1. Give at least 2.'
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        heading = "1 problem:" if len(problems) == 1 else f"{len(problems)} problems:"
        super().__init__("\n".join([heading, *(f"  {problem}" for problem in problems)]))


def require_package(place: str, package: str, extra: str) -> None:
    """Refuse to go on without a package.

    Args:
        place: The option or argument that needs it.
        package: Its name.
        extra: The extra of nephrograde that installs it.

    Raises:
        InputError: It is not installed.

    >>> require_package("--dicom", "no-such-package", "dicom")
    Traceback (most recent call last):
        ...
    nephrograde.errors.InputError: 1 problem:
      --dicom: needs no-such-package, which is not installed. Install it with `pip install "nephrograde[dicom]"`.
    """
    try:
        import_module(package.replace("-", "_"))
    except ModuleNotFoundError:
        what = f"needs {package}, which is not installed"
        raise InputError([Problem(place, what, f'Install it with `pip install "nephrograde[{extra}]"`.')]) from None


class PlaceError(NephrogradeError):
    """A point, box, slice or mask of strokes that is not written as required.

    Attributes:
        what: What is wrong with it.
        remedy: How it is written.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}. {remedy}")


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


class GraderError(NephrogradeError):
    """A grader file cannot be used."""


class ShareError(NephrogradeError):
    """A file of shared scores or statistics cannot be used."""


class ExchangeError(NephrogradeError):
    """Another system cannot be reached, or refuses what it is asked for. The text names no patient."""


class ScoresError(NephrogradeError):
    """A score table cannot be evaluated in its present form.

    Where only one measure cannot be computed, ``reason`` is its code (:class:`nephrograde.evaluation.remarks.Reason`).
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        self.reason = reason
        super().__init__(message)


_ELSEWHERE = "Choose another place, and run the same command again."
_REMEDIES = {
    errno.ENOSPC: "Free some space, and run the same command again.",
    errno.EDQUOT: "Free some space, and run the same command again.",
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), and run the same command again.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EACCES: "Check its permissions, or choose another place.",
    errno.EPERM: "Check its permissions, or choose another place.",
    errno.EROFS: "Choose a place that can be written to.",
}


_WRITTEN_IN_PART = re.compile(r"\d+ requested and \d+ written|problem writing element")
"""What NumPy says of an array for which there was no space, instead of the error of the operating system."""


class WriteError(NephrogradeError):
    """A file or folder cannot be written. What was there before is still there.

    Attributes:
        path: The file or folder.
        reason: What the operating system says, such as "No space left on device".
        remedy: What to do.

    >>> import errno
    >>> print(WriteError.of("out/cohort.csv", OSError(errno.EACCES, "Permission denied")))
    out/cohort.csv cannot be written: Permission denied. Check its permissions, or choose another place.
    """

    def __init__(self, path: str | Path, reason: str, remedy: str = _ELSEWHERE) -> None:
        self.path = path
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{path} cannot be written: {reason}. {remedy}")

    @classmethod
    def of(cls, path: str | Path, error: OSError) -> WriteError:
        """Describe what the operating system refused.

        Args:
            path: The file or folder that was to be written.
            error: The refusal.
        """
        number = error.errno or 0
        if not number and _WRITTEN_IN_PART.search(str(error)):
            return cls(path, "it was written only in part, as on a full disk", _REMEDIES[errno.ENOSPC])
        return cls(path, os.strerror(number) if number else str(error), _REMEDIES.get(number, _ELSEWHERE))


@contextmanager
def about_writing(path: Path, *, temporary_path: Path | None = None) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a :class:`WriteError`, unless it names a file elsewhere.

    Args:
        path: The file or folder that is written.
        temporary_path: The name under which it is written.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str | bytes) and not _concerns(error.filename, path, temporary_path):
            raise
        raise WriteError.of(path, error) from error


@contextmanager
def about_temporary_files() -> Iterator[None]:
    """Tell a full disk of temporary files from a fault of what is unpacked or decoded there.

    Raises:
        WriteError: There is no space.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}:
            raise
        raise WriteError.of(tempfile.gettempdir(), error) from error


def _concerns(name: str | bytes, path: Path, temporary_path: Path | None) -> bool:
    named = os.path.abspath(os.fsdecode(name))  # noqa: PTH100 (keeps names that no Path can hold)
    ours = [path, *([] if temporary_path is None else [temporary_path])]
    return any(named == str(one.absolute()) or one.absolute().is_relative_to(named) for one in ours) or any(
        named.startswith(f"{one.absolute()}{os.sep}") for one in ours
    )


class RunError(NephrogradeError):
    """A run folder lacks something, or belongs to another study."""
