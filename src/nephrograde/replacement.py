"""Atomic replacement: files are written next to their target under a temporary name, then renamed."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING

from nephrograde.errors import RunError, WriteError, about_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

_TEMPORARY = re.compile(r"\.nephrograde-[0-9]+-(?P<target>.+)", re.DOTALL)
"""Program name and process id, followed by the final name of the file."""

WAITING: ContextVar[dict[str, None] | None] = ContextVar("WAITING", default=None)
"""Files that wait under their temporary names to be renamed together, in the order in which they were written.

None where each is renamed as soon as it is written. They are kept as text, which takes less memory than paths.
"""


def temporary_beside(target_path: Path) -> Path:
    """The temporary name under which this process writes a file or folder; it ends like the target's name.

    Args:
        target_path: The final path.
    """
    return target_path.with_name(f".nephrograde-{os.getpid()}-{target_path.name}")


def make_folder(folder: Path, *, is_private: bool = False) -> None:
    """Create a folder and its parents as far as they are missing.

    Args:
        folder: The folder.
        is_private: Whether only the owner may open the folders that are created. Existing ones stay as they are.

    Raises:
        WriteError: If it cannot be created, for instance because a file has its name.
    """
    with about_writing(folder):
        missing: list[Path] = []
        for place in (folder, *folder.parents):
            if place.is_dir():
                break
            is_taken = place.exists() or place.is_symlink()
            if is_taken and not place.is_dir():  # asked again: another thread may have created it
                raise WriteError(place, "it is not a folder", "Name another folder, or move it away.")
            missing.append(place)
        for place in reversed(missing):
            place.mkdir(mode=0o700 if is_private else 0o777, exist_ok=True)


def check_replaceable(target_path: Path) -> None:
    """Refuse a name at which no file can be written: a folder, a device, a pipe, a socket, or a link to none of ours.

    A command that works for long calls it before the work; :func:`replaced` calls it in any case.

    Args:
        target_path: The file that is to be written. A missing one is fine, and so is a symbolic link to a regular file,
            which is replaced itself, unless it leads to what a process has open.

    Raises:
        RunError: It is a folder.
        WriteError: It is there, and is neither a regular file nor a link to one.
    """
    with about_writing(target_path):
        if target_path.is_dir():
            raise RunError(
                f"{target_path} is a folder where a file belongs. Move it away, and run the same command again."
            )
        is_link = target_path.is_symlink()
        if not is_link and not target_path.exists():
            return
        if not target_path.is_file() or (is_link and _is_of_system(target_path)):
            raise WriteError(target_path, "it is neither a file nor a link to one", "Name another file.")


def _is_of_system(link_path: Path) -> bool:
    """Whether a link leads to a device or to an open file of a process, as ``/dev/stdout`` does."""
    pointed = (link_path.parent.absolute() / link_path.readlink()).as_posix()
    return pointed.startswith(("/dev/", "/proc/"))


@contextmanager
def replaced(target_path: Path, *, is_private: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to ``target_path`` if the block succeeds.

    A reader therefore sees either the old or the new file, never a partial one. The folder is created if it is missing.
    In a block of :func:`nephrograde.staging.staged`, the file is renamed at the end of that block.

    Args:
        target_path: The file.
        is_private: Whether only the owner may read the file and open the folders that are created for it.

    Raises:
        RunError: If a folder has its name.
        WriteError: If the file cannot be written; an older one is left as it was, and so is what is no regular file.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with replaced(folder / "a.txt") as temporary_path:
    ...     _ = temporary_path.write_text("whole")
    >>> [path.name for path in folder.iterdir()]
    ['a.txt']
    """
    check_replaceable(target_path)
    make_folder(target_path.parent, is_private=is_private)
    temporary_path = temporary_beside(target_path)
    waiting = WAITING.get()
    try:
        with about_writing(target_path, temporary_path=temporary_path):
            if is_private:
                os.close(os.open(temporary_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            yield temporary_path
            if waiting is None:
                temporary_path.replace(target_path)
            else:
                waiting[str(target_path)] = None
    except BaseException:
        discard(temporary_path)
        raise


def discard(temporary_path: Path) -> None:
    """Delete a temporary file, if it is there and can be deleted."""
    with suppress(OSError):  # the first failure is the one to report
        temporary_path.unlink(missing_ok=True)


@contextmanager
def replaced_folder(target_dir: Path, *, is_ours: Callable[[str], object]) -> Iterator[Path]:
    """Yield a temporary folder to fill, and rename it to ``target_dir`` if the block succeeds.

    If a folder of that name exists, the files that the program wrote there are removed first. Other files stay, and the
    new files are moved in beside them. A symbolic link of that name is replaced; its target is left untouched.

    Args:
        target_dir: The folder.
        is_ours: Whether the program writes files or folders of that name into it, at any depth.

    Raises:
        WriteError: If it cannot be written, for instance because what has its name is neither a folder nor a link to
            one.
    """
    with about_writing(target_dir):
        if (target_dir.is_symlink() or target_dir.exists()) and not target_dir.is_dir():
            raise WriteError(target_dir, "it is not a folder", "Name another folder, or move it away.")
    make_folder(target_dir.parent)
    temporary_dir = temporary_beside(target_dir)
    try:
        with about_writing(target_dir, temporary_path=temporary_dir):
            temporary_dir.mkdir()
            yield temporary_dir
            if target_dir.is_symlink():
                target_dir.unlink()
            elif target_dir.is_dir():
                remove_ours(target_dir, is_ours)
                if not any(target_dir.iterdir()):
                    target_dir.rmdir()
            _move(temporary_dir, target_dir)
    finally:
        shutil.rmtree(temporary_dir, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """Rename a file or folder; if both are folders, move the contents of one into the other."""
    if source.is_dir() and target.is_dir() and not target.is_symlink():
        for part in source.iterdir():
            _move(part, target / part.name)
    else:
        source.replace(target)


def remove_ours(folder: Path, is_ours: Callable[[str], object], *, keep: Collection[str] = ()) -> None:
    """Remove files and folders that the program itself named; everything else in the folder stays.

    Symbolic links are not followed: a link inside is removed itself, and nothing is removed from a folder that is a
    link. Folders are removed once they are empty. Temporary names stay, as another process of the same fit may be
    writing there.

    Args:
        folder: The folder to clean; may be missing.
        is_ours: Whether the program gives that name, at any depth.
        keep: Names that stay.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a.npy", "b.npy", "notes.txt"):
    ...     (folder / name).touch()
    >>> remove_ours(folder, lambda name: name.endswith(".npy"), keep={"b.npy"})
    >>> sorted(path.name for path in folder.iterdir())
    ['b.npy', 'notes.txt']
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        if path.name in keep or _TEMPORARY.fullmatch(path.name) or not is_ours(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            remove_ours(path, is_ours)
            if not any(path.iterdir()):
                path.rmdir()
        else:
            path.unlink(missing_ok=True)


def remove_leftovers(folder: Path, *, is_ours: Callable[[str], object] = lambda _: True) -> None:
    """Remove the temporary files of a killed process from a folder that no other process writes to.

    Subfolders are not searched and symbolic links are not followed.

    Args:
        folder: The folder to clean; may be missing.
        is_ours: Whether the program writes files or folders of that name there.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in (".nephrograde-17-scores.csv", ".vimrc.tmpl"):
    ...     (folder / name).touch()
    >>> remove_leftovers(folder)
    >>> [path.name for path in folder.iterdir()]
    ['.vimrc.tmpl']
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        found = _TEMPORARY.fullmatch(path.name)
        if found is None or not is_ours(found["target"]):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_all(stream: IO[bytes], content: bytes) -> None:
    """Write bytes to an unbuffered file, which may take only part of them at a time.

    Args:
        stream: The open file.
        content: The bytes.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[stream.write(rest) :]


def save_names(folder: Path) -> None:
    """Write a folder's list of files to the disk, where the system can do that; a file in it is then there for good.

    Args:
        folder: The folder.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
