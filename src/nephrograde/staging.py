"""Files that must agree: written in a block, they take the place of older ones together, and an index names them."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.errors import RunError, about_writing
from nephrograde.files import read_json, sha256_of, write_json
from nephrograde.replacement import WAITING, discard, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Index:
    """A JSON object that names the SHA-256 of files which must agree, such as a table and what was made with it.

    While the files are being replaced, it names those of the earlier files as well, under "replaces". An interrupted
    replacement is recognised by that, and the command that finds it does it again.

    Attributes:
        path: Where it is written.
        content: What else it says.
        files: The files it names, relative to ``below``; None for all files of the block.
        below: The folder that the names start from.
    """

    path: Path
    below: Path
    content: Mapping[str, object] = field(default_factory=dict)
    files: Collection[Path] | None = None


_INDEXES: ContextVar[list[Index]] = ContextVar("_INDEXES")
"""The indexes of the outermost block."""


@contextmanager
def staged(*indexes: Index) -> Iterator[None]:
    """Let the files that this thread writes in the block take the place of older ones together, at its end.

    If the block fails, or would change nothing, none of them is replaced. A process that is killed during the renaming
    leaves an index that says so. In a block within another, the files wait for the end of the outer one.

    Args:
        indexes: Indexes that name files of the block.

    >>> import pathlib, tempfile
    >>> from nephrograde.files import read_json, write_rows
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with staged(Index(folder / "scan.json", folder)):
    ...     write_rows(folder / "series.csv", ["series_uid"], [])
    ...     write_rows(folder / "cohort.csv", ["patient_id"], [])
    ...     (folder / "series.csv").exists()
    False
    >>> list(read_json(folder / "scan.json"))
    ['series.csv', 'cohort.csv']
    """
    if WAITING.get() is not None:
        yield
        _INDEXES.get().extend(indexes)
        return
    waiting: dict[str, None] = {}
    collected: list[Index] = []
    tokens = WAITING.set(waiting), _INDEXES.set(collected)
    try:
        yield
        collected += indexes
    except BaseException:
        _discard(waiting)
        raise
    finally:
        WAITING.reset(tokens[0])
        _INDEXES.reset(tokens[1])
    try:
        _commit(waiting, collected)
    finally:
        _discard(waiting)


@contextmanager
def at_once() -> Iterator[None]:
    """Write the files of the block immediately, although it is inside a block of :func:`staged`."""
    token = WAITING.set(None)
    try:
        yield
    finally:
        WAITING.reset(token)


REPLACES = "replaces"
"""The key of an index under which an unfinished replacement names the earlier files."""


def _commit(waiting: Collection[str], indexes: Iterable[Index]) -> None:
    contents = [(index, {**index.content, **_digests(index, waiting, of_new=True)}) for index in indexes]
    if _is_unchanged(waiting, contents):
        return
    for index, content in contents:
        write_json(index.path, {**content, REPLACES: _digests(index, waiting, of_new=False)})
    for target_path in map(Path, waiting):
        temporary_path = temporary_beside(target_path)
        with about_writing(target_path, temporary_path=temporary_path):
            temporary_path.replace(target_path)
    for index, content in contents:
        write_json(index.path, content)


def _is_unchanged(waiting: Collection[str], contents: Iterable[tuple[Index, Mapping[str, object]]]) -> bool:
    """Whether the files of a block are there already, with the same bytes, and so are their indexes."""
    targets = map(Path, waiting)
    if not all(path.is_file() and sha256_of(path) == sha256_of(temporary_beside(path)) for path in targets):
        return False
    with suppress(RunError):  # missing or damaged
        return all(read_json(index.path) == content for index, content in contents)
    return False


def _digests(index: Index, waiting: Collection[str], *, of_new: bool) -> dict[str, str]:
    """SHA-256 by name of the files of an index: as written in the block, or as they were before."""
    paths = map(Path, waiting) if index.files is None else index.files
    found = {path: temporary_beside(path) if of_new and str(path) in waiting else path for path in paths}
    return {path.relative_to(index.below).as_posix(): sha256_of(now) for path, now in found.items() if now.is_file()}


def _discard(waiting: Iterable[str]) -> None:
    for target in waiting:
        discard(temporary_beside(Path(target)))
