"""Seals: the SHA-256 of everything that a grading depends on, so that no altered file is used without a word.

A fitted network has a seal of its own, written together with its files. The seal of the run, the last file that an
evaluation writes, covers the networks that were evaluated, the scores, and the statistics with the thresholds. Seals
protect against damage and mistakes, not against a person who changes a file and its seal.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from nephrograde.errors import RunError
from nephrograde.files import fingerprint, read_json, sha256_of, write_json
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.provenance import read_lock_file
from nephrograde.study import restore_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from nephrograde.run.folder import RunFolder

T = TypeVar("T")
_BYTES_AHEAD = 300_000_000
"""All weights of a study in two dimensions, and two or three files of one in three."""
_EVALUATE = "Run `nephrograde evaluate` again."


@dataclass(frozen=True, slots=True)
class Seal:
    """The files of an evaluated run.

    Attributes:
        folder: The run folder.
        study: SHA-256 of what the results depend on in the resolved study; empty for a score table.
        files: SHA-256 by path, relative to the run folder and with ``/``.
    """

    folder: RunFolder
    study: str
    files: Mapping[str, str]

    def folds(self, model: str) -> tuple[FoldFolder, ...]:
        """The folders of a model's networks, by fold.

        Args:
            model: The model id, such as ``weak-1-cmp``.
        """
        return tuple(one for one in _folds_in(self.folder, self.files) if one.model == model)

    def read(self, path: Path) -> bytes:
        """Read a sealed file, and verify what was read.

        Args:
            path: A file of the run folder.

        Raises:
            RunError: The file is missing, was altered, or is not part of the evaluation.
        """
        return read_verified(path, self.files.get(_name(self.folder, path), ""), remedy=_remedy(self.folder, path))

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a sealed file, verified where the file exists; empty if it is not part of the seal.

        Args:
            path: A file of the run folder.

        Raises:
            RunError: The file was altered.
        """
        known = self.files.get(_name(self.folder, path), "")
        if path.is_file() and sha256_of(path) != known:
            raise _altered(path, _remedy(self.folder, path))
        return known

    def verify(self) -> None:
        """Verify all files except the weights, which are verified when they are loaded.

        Tables that are missing are tolerated: whoever needs them says so.

        Raises:
            RunError: A file was altered, a file of a network is missing, or a fold is missing or was added.
        """
        _check_folds(self)
        for name, known in self.files.items():
            path = self.folder.run_dir / name
            of_network = name.startswith(f"{self.folder.models_dir.name}/")
            if path == FoldFolder(path.parent).weights_path or not (of_network or path.exists()):
                continue
            read_verified(path, known, remedy=_remedy(self.folder, path))

    def check_study(self, lock: Mapping[str, Any]) -> None:
        """Check that the study in the lock file is the one that was evaluated.

        Args:
            lock: The contents of the lock file.

        Raises:
            RunError: It is another one.
        """
        if self.study != _study_in(lock):
            raise RunError(
                f"{self.folder.study_lock_path} holds another study than the one that was evaluated. "
                "Run `nephrograde fit` and `nephrograde evaluate` on the study, so that networks and thresholds "
                "belong together."
            )


class ReadAhead(Generic[T]):
    """Reads files in a thread, some before they are asked for: most of the work needs no interpreter.

    Args:
        read: Reads a file.
        paths: The files, in the order in which they will be asked for.
    """

    def __init__(self, read: Callable[[Path], T], paths: Iterable[Path]) -> None:
        self._read = read
        self._later = deque(paths)
        self._reading: dict[Path, Future[T]] = {}
        self._pool = ThreadPoolExecutor(1)
        self._begin()

    def get(self, path: Path) -> T:
        """Return what was read of a file, or raise what was raised; a second time, the file is read again."""
        begun = self._reading.pop(path, None)
        self._begin()
        return self._read(path) if begun is None else begun.result()

    def _begin(self) -> None:
        """Begin to read the next files, as many as may be held at once, but at least one."""
        while self._later and (not self._reading or self._size(self._later[0], *self._reading) <= _BYTES_AHEAD):
            path = self._later.popleft()
            self._reading[path] = self._pool.submit(self._read, path)

    @staticmethod
    def _size(*paths: Path) -> int:
        return sum(path.stat().st_size for path in paths if path.exists())


def seal_fold(fold: FoldFolder) -> None:
    """Write the seal of a fitted network.

    Args:
        fold: Its folder, with all files.
    """
    further = [fold.attention_path] if fold.attention_path.exists() else []
    write_json(fold.seal_path, {path.name: sha256_of(path) for path in (*fold.paths, *further)})


def fold_digests(fold: FoldFolder) -> dict[str, str]:
    """Return the SHA-256 of the files of a fitted network by name, and verify all except the weights.

    Args:
        fold: Its folder. If an older version fitted it, without a seal, the files are taken as they are.

    Raises:
        RunError: A file was altered since the fit, or the seal is damaged.
    """
    if not fold.seal_path.exists():
        return {path.name: sha256_of(path) for path in fold.paths if path.exists()}
    digests = _texts(read_json(fold.seal_path), fold.seal_path)
    further = [fold.attention_path] if fold.attention_path.name in digests else []
    for path in (*fold.paths, *further):
        if path != fold.weights_path:
            read_verified(path, digests.get(path.name, ""), remedy=_fit_again(fold))
    return digests


def make_seal(run: RunFolder, folds: Iterable[FoldFolder]) -> Seal:
    """Compute the seal of a run from its files.

    Args:
        run: The run folder, with the tables of an evaluation.
        folds: The networks that were evaluated.

    Raises:
        RunError: A file of a network was altered since the fit.
    """
    tables = [*_tables(run)]
    files = {_name(run, path): sha256_of(path) for path in tables if path.is_file()}
    for fold in folds:
        files |= {_name(run, fold.fold_dir / name): digest for name, digest in fold_digests(fold).items()}
    return Seal(run, _study_in(read_lock_file(run)), dict(sorted(files.items())))


def renew_seal(run: RunFolder, folds: Iterable[FoldFolder]) -> None:
    """Write the seal of a run, as the last file of an evaluation, unless it is there already.

    Args:
        run: The run folder; its tables are known to be those of the evaluation.
        folds: The networks that were evaluated.

    Raises:
        RunError: A file of a network was altered since the fit.
    """
    seal = make_seal(run, folds)
    content = {"study": seal.study, "files": dict(seal.files)}
    with suppress(RunError):  # missing, or damaged
        if read_json(run.seal_path) == content:
            return
    write_json(run.seal_path, content)


def read_seal(run: RunFolder) -> Seal | None:
    """Read the seal of a run.

    Args:
        run: The run folder.

    Returns:
        The seal; None if the run has not been evaluated.

    Raises:
        RunError: The seal is missing from an evaluated run, or damaged.
    """
    if not run.seal_path.exists():
        if any(path.exists() for path in _tables(run)):
            raise RunError(f"{run.seal_path} is missing. {_EVALUATE}")
        return None
    content = read_json(run.seal_path)
    study, files = content.get("study"), content.get("files")
    if not isinstance(study, str) or not isinstance(files, dict):
        raise RunError(f"{run.seal_path} is damaged. {_EVALUATE}")
    names = _texts(files, run.seal_path)
    if any(".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute() for name in names):
        raise RunError(f"{run.seal_path} names files outside of the run folder. {_EVALUATE}")
    return Seal(run, study, names)


def read_verified(path: Path, sha256: str, *, remedy: str) -> bytes:
    """Read a file once, and check the SHA-256 of what was read.

    Args:
        path: The file.
        sha256: What it must be; empty if the file is not known.
        remedy: What to do if it differs.

    Raises:
        RunError: The file is missing, cannot be read, or differs.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise RunError(f"{path} is missing. {remedy}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}). {remedy}") from None
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise _altered(path, remedy)
    return raw


def _altered(path: Path, remedy: str) -> RunError:
    return RunError(f"{path} is not the file that nephrograde wrote: its SHA-256 is another one. {remedy}")


def _remedy(run: RunFolder, path: Path) -> str:
    if run.models_dir not in path.parents:
        return _EVALUATE
    fold = FoldFolder(path.parent)
    again = f"If {fold.model} was fitted again, run `nephrograde evaluate`; otherwise r"
    return f"{again}{_fit_again(fold)[1:]}"


def _fit_again(fold: FoldFolder) -> str:
    return f"Restore the file, or delete {fold.fold_dir} and run `nephrograde fit` and `nephrograde evaluate`."


def _check_folds(seal: Seal) -> None:
    known = set(_folds_in(seal.folder, seal.files))
    for fold in known:
        if not fold.fold_dir.is_dir():
            raise RunError(f"{fold.fold_dir} is missing. {_fit_again(fold).replace('the file', 'it')}")
    models = {fold.model for fold in known}
    for fold in seal.folder.folds():
        if fold.model in models and fold not in known:
            raise RunError(
                f"{fold.fold_dir} is not one of the folds that were evaluated. Move it out of the run folder, or run "
                "`nephrograde evaluate` if it belongs to the study."
            )


def _folds_in(run: RunFolder, names: Iterable[str]) -> list[FoldFolder]:
    parents = {PurePosixPath(name).parent for name in names if name.startswith(f"{run.models_dir.name}/")}
    folds = [FoldFolder(run.run_dir / parent) for parent in parents]
    return sorted((one for one in folds if one.is_named_well()), key=lambda one: (one.model, one.number))


def _tables(run: RunFolder) -> tuple[Path, ...]:
    return (
        run.scores_path,
        run.members_path,
        run.scale_path,
        run.judges_path,
        run.stacked_path,
        run.calibrated_path,
        run.estimates_path,
        run.comparisons_path,
        run.equivalence_path,
        run.calibration_path,
        run.net_benefit_path,
        run.subgroups_path,
        run.increment_path,
        run.phases_path,
        run.stack_path,
        run.recalibration_path,
        run.conformal_path,
        run.referral_path,
        run.attention_path,
        run.repeats_scores_path,
        run.repeats_path,
        run.procedures_path,
        run.ladder_path,
        run.ladder_curves_path,
    )


def _name(run: RunFolder, path: Path) -> str:
    return path.relative_to(run.run_dir).as_posix()


def _study_in(lock: Mapping[str, Any]) -> str:
    """The fingerprint of what the results of a study depend on; of the whole entry if it is not a study."""
    if "study" not in lock:
        return ""
    with suppress(ValidationError, TypeError):
        return fingerprint(restore_study(lock["study"]).sealed())
    return fingerprint(lock["study"])


def _texts(content: Mapping[str, Any], json_path: Path) -> dict[str, str]:
    if not all(isinstance(value, str) for value in content.values()):
        raise RunError(f"{json_path} is damaged: not every entry is a SHA-256. {_EVALUATE}")
    return dict(content)
