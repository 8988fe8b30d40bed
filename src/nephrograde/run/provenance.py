"""The lock file: what exactly was run, on which inputs, with which versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from nephrograde.errors import RunError
from nephrograde.files import read_json, write_json
from nephrograde.study import EvaluateSettings
from nephrograde.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study

COHORT_TABLE = "cohort table"
SCORE_TABLE = "score table"
ANNOTATIONS = "annotations"
GRADER_FILE = "grader file"
"""What the lock file calls these inputs. Paths stay out of it, because they may identify the patients."""
FORMAT = 7
"""Format number of an evaluation; increased when the columns of ``statistics/`` or the contents of the seal change."""
_PACKAGES = (
    "torch",
    "lightning-fabric",
    "numpy",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "SimpleITK",
    "pydicom",
    "mirp",  # an extra
    "optuna",  # likewise
)


def write_lock(
    study: Study | EvaluateSettings,
    run: RunFolder,
    *,
    inputs: Mapping[str, str],
    command: str,
    has_dicom: bool = False,
    validation: Mapping[str, Any] | None = None,
) -> None:
    """Record the resolved study, versions, commit, seed and the SHA-256 of every input.

    The creation time is kept as long as nothing else has changed, so that resuming a run leaves the file unchanged. The
    format number is kept too; only :func:`mark_format` changes it.

    Args:
        study: The resolved study; only the settings for a score table from another program.
        run: The run folder.
        inputs: SHA-256 of the table, the images and the masks, by column and patient.
        command: The command line, as a person could repeat it.
        has_dicom: Whether an image or mask may be DICOM.
        validation: Which packed model the scores are from, where it was validated on these patients.
    """
    lock_path = run.study_lock_path
    earlier = read_lock_file(run) if lock_path.exists() else {}
    lock: dict[str, Any] = {
        "format": earlier.get("format", 1) if earlier else FORMAT,
        "versions": versions(),
        "git_commit": git_commit(),
        "command": command,
        "machine": machine(),
        "inputs": dict(sorted(inputs.items())),
    }
    if validation is not None:
        lock["validation"] = dict(validation)
    if isinstance(study, EvaluateSettings):
        lock["evaluate"] = study.model_dump(mode="json")
    else:
        lock["study"] = study.model_dump(mode="json")
        lock["has_dicom"] = has_dicom
        lock["seed"] = {"split": study.split.seed, "fit": study.fit.seed}
    if {key: earlier.get(key) for key in lock} != lock:
        write_json(lock_path, {"created": datetime.now(UTC).isoformat(timespec="seconds"), **lock})


def mark_format(run: RunFolder) -> None:
    """Record that the evaluation has the format of this version.

    Args:
        run: The run folder; all its tables have been written.
    """
    lock = read_lock_file(run)
    if lock.get("format") != FORMAT:
        write_json(run.study_lock_path, {**lock, "format": FORMAT})


def check_format(lock: Mapping[str, Any], run_dir: Path) -> None:
    """Reject a run that was evaluated by another version, naming the command that renews the evaluation.

    Args:
        lock: The contents of the lock file.
        run_dir: The run folder.

    Raises:
        RunError: It was evaluated by an older or a later version.

    >>> check_format({"study": {}}, Path("runs/first"))
    Traceback (most recent call last):
    nephrograde.errors.RunError: runs/first was evaluated by an older version of nephrograde: ...
    """
    found = lock.get("format", 1)
    if found == FORMAT:
        return
    if not isinstance(found, int) or found > FORMAT:
        raise RunError(
            f"{run_dir} was evaluated by a later version of nephrograde (format {found}; this one reads {FORMAT}). "
            "Install that version."
        )
    source = "STUDY.toml" if "study" in lock else next(iter(lock.get("inputs", {})), "SCORES.csv")
    words = ["nephrograde", "evaluate", source, "--out", str(run_dir), "--reason", "tables renewed"]
    raise RunError(
        f"{run_dir} was evaluated by an older version of nephrograde: columns of its tables, or the SHA-256 of its "
        f"files, are missing. Renew them: {shlex.join(words)}"
    )


def read_lock(run: RunFolder) -> dict[str, Any]:
    """Read the lock file of a study's run.

    Raises:
        RunError: The folder is not that of a study's run, or the file is damaged.
    """
    lock = read_lock_file(run)
    if "study" not in lock:
        raise RunError(f"{run.run_dir} holds the evaluation of a score table, not the run of a study.")
    return lock


class _Lock(BaseModel):
    """The types of the entries of a lock file; an older version may have written fewer of them."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    format: int = 1
    created: str = ""
    versions: dict[str, str] = {}
    git_commit: str | None = None
    command: str = ""
    machine: str = ""
    inputs: dict[str, str] = {}
    seed: dict[str, int] = {}
    has_dicom: bool = True
    study: dict[str, Any] = {}
    evaluate: dict[str, Any] = {}
    validation: dict[str, Any] = {}

    @field_validator("created")
    @classmethod
    def _is_a_moment(cls, created: str) -> str:
        if created:
            datetime.fromisoformat(created)
        return created


def read_lock_file(run: RunFolder) -> dict[str, Any]:
    """Read the lock file of any run.

    Args:
        run: The run folder.

    Raises:
        RunError: The file is missing or damaged, or an entry has the wrong type.
    """
    lock = read_json(run.study_lock_path)
    try:
        _Lock.model_validate(lock)
    except ValidationError as error:
        places = ", ".join(dict.fromkeys(".".join(map(str, one["loc"])) for one in error.errors()))
        raise RunError(
            f"{run.study_lock_path} is damaged: {places} cannot be used. Restore the file, or run the study in another "
            "folder."
        ) from None
    return lock


def versions() -> dict[str, str]:
    """Versions of nephrograde, Python and the packages that affect results."""
    found = {"nephrograde": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def machine() -> str:
    """Description of the machine: processor, cores and operating system."""
    cpu_path = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpu_path.read_text(encoding="utf-8").splitlines() if cpu_path.exists() else ())
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}"


def git_commit() -> str | None:
    """The commit of the checkout that nephrograde runs from; None if it was installed as a package."""
    package_dir = Path(__file__).parents[1]

    def git(*words: str) -> str:
        return subprocess.run(  # noqa: S603
            ["git", "-C", str(package_dir), *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        changed = git("status", "--porcelain", "--untracked-files=no", ".")
        return git("rev-parse", "HEAD") + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None
