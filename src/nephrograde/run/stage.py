"""Caching of results: a record made from the same inputs is kept, anything else is computed again.

A record is a JSON object. The record of a scan has a name derived from everything that affects it, so that other inputs
give another name; the record of a stage or a fitted network holds a fingerprint of its inputs.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nephrograde.errors import RunError
from nephrograde.files import fingerprint, read_json, sha256_of, write_json
from nephrograde.replacement import remove_leftovers, remove_ours
from nephrograde.run.provenance import FORMAT
from nephrograde.run.seal import read_verified
from nephrograde.staging import REPLACES, Index, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from nephrograde.run.folder import RunFolder

_KEPT = re.compile(r".+\.[0-9a-f]{16}\.(json|npy)")


def kept_record(
    record_path: Path,
    make: Callable[[], dict[str, Any]],
    *,
    is_current: Callable[[dict[str, Any]], bool] = lambda _: True,
) -> dict[str, Any]:
    """Return the record of an earlier run if it is current; otherwise make, write and return it.

    Args:
        record_path: The path of the record.
        make: Makes it; an exception leaves no record behind.
        is_current: Whether an earlier record may be used, for instance because the files it names exist.

    >>> import pathlib, tempfile
    >>> record_path = pathlib.Path(tempfile.mkdtemp()) / "P1-cmp.json"
    >>> kept_record(record_path, lambda: {"faults": 1}), kept_record(record_path, lambda: {"faults": 2})
    ({'faults': 1}, {'faults': 1})
    >>> kept_record(record_path, lambda: {"faults": 3}, is_current=lambda record: record["faults"] == 3)
    {'faults': 3}
    """
    record = current_record(record_path, is_current)
    if record is None:
        record = make()
        write_json(record_path, record)
    return record


def current_record(record_path: Path, is_current: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Read a record that exists and is valid and current; None otherwise.

    Args:
        record_path: The path of the record.
        is_current: Whether it may be used; a wrong key or type makes it invalid.
    """
    if not record_path.is_file():
        return None
    try:
        record = read_json(record_path)
        return record if is_current(record) else None
    except (RunError, LookupError, TypeError, ValueError):  # damaged, or from another version
        return None


def run_stage(
    stage: str,
    run: RunFolder,
    *,
    inputs: Iterable[Path],
    settings: object,
    make: Callable[[str], object],
) -> None:
    """Run a stage unless it has already finished on the same inputs, and what it wrote is still as it was written.

    The files that it writes take the place of older ones together.

    Args:
        stage: The name of its record.
        run: The run folder.
        inputs: Files and folders of the run that the stage reads; missing ones are recorded as missing.
        settings: Anything else that affects the result; JSON-serialisable.
        make: Runs the stage; it receives the fingerprint of the inputs.
    """
    found = {str(path.relative_to(run.run_dir)): sha256_of(path) for path in inputs if path.exists()}
    key = fingerprint([found, settings])
    done = {"inputs": key, "format": FORMAT}  # the format renews the files of an older version, but is not an input

    def is_current(earlier: dict[str, Any]) -> bool:
        written = {name: digest for name, digest in earlier.items() if name not in done}
        return {**earlier, **done} == earlier and all(
            _is_as_written(run.run_dir / name, written[name]) for name in written
        )

    if current_record(run.stage_path(stage), is_current) is None:
        with written_together(stage, run, content=done):
            make(key)


def verify_written(stage: str, run: RunFolder, path: Path) -> None:
    """Check that a file is still as a stage wrote it.

    Args:
        stage: The name of the stage's command, which names the file in its record.
        run: The run folder.
        path: The file.

    Raises:
        RunError: The file is missing, was altered, or the record does not name it.
    """
    record = current_record(run.stage_path(stage), lambda _: True) or {}
    known = record.get(path.relative_to(run.run_dir).as_posix(), "")
    read_verified(path, str(known), remedy=f"Run `nephrograde {stage}` again.")


def _is_as_written(path: Path, digest: object) -> bool:
    return path.is_file() and sha256_of(path) == digest


@contextmanager
def written_together(
    stage: str,
    run: RunFolder,
    *,
    content: Mapping[str, object] | None = None,
    files: Collection[Path] | None = None,
) -> Iterator[None]:
    """Let the files that a stage writes in the block take the place of older ones together, and record them.

    Args:
        stage: The name of its record.
        run: The run folder.
        content: What else the record says.
        files: The files that the record names; None for all that are written.
    """
    with staged(Index(run.stage_path(stage), run.run_dir, content or {}, files)):
        yield


def require_finished(run: RunFolder, *stages: str) -> None:
    """Reject a run in which a stage was interrupted while it replaced its files.

    Args:
        run: The run folder.
        stages: The names of the stages.

    Raises:
        RunError: The files of a stage do not belong together.
    """
    for stage in stages:
        if current_record(run.stage_path(stage), lambda record: REPLACES in record) is not None:
            raise RunError(
                f"{run.run_dir}: `nephrograde {stage}` was interrupted while its files were replaced. Run the "
                "interrupted command again."
            )


def kept_name(patient_id: str, what: str, content: object, suffix: str) -> str:
    """Name a file of one scan after everything that affects it.

    Args:
        patient_id: The patient; characters that file names cannot hold are replaced.
        what: The phase, and the arm if there is one.
        content: Any JSON-serialisable value.
        suffix: ``.json`` or ``.npy``.

    >>> kept_name("张/1", "cmp", [1], ".json")
    '张_1-cmp.080a9ed428559ef6.json'
    """
    safe_id = re.sub(r"[^\w.-]+", "_", patient_id)[:40]
    return f"{safe_id}-{what}.{fingerprint(content)[:16]}{suffix}"


def remove_stale(folder: Path, keep: Collection[str]) -> None:
    """Remove files named by :func:`kept_name` that are no longer needed; all others stay.

    Args:
        folder: Their folder.
        keep: Names that stay.
    """
    remove_ours(folder, _KEPT.fullmatch, keep=keep)


def remove_interrupted(run: RunFolder) -> None:
    """Remove the temporary files of a killed process from a run; only for the single writer of the run.

    Nothing is removed from a folder that is not a run folder, nor behind a symbolic link.

    Args:
        run: The run folder.
    """
    if run.is_run():
        in_run_dir = {run.study_lock_path.name, run.ledger_path.name}
        for folder in run.real_dirs():
            remove_leftovers(folder, is_ours=in_run_dir.__contains__ if folder == run.run_dir else lambda _: True)
