"""Every state in which a killed command can leave its files: one before and one after each renaming.

A kill leaves what the operating system has at that moment. So a command runs once, its folder is copied around each
renaming, and the same command is then run on each copy.
"""

import datetime
import os
import re
import shutil
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path

_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_SECONDS = re.compile(rb'("seconds"|"[^"]*card.json"): ("[0-9a-f]+"|[0-9.e-]+)')
"""How long a fit took, in its card, and the SHA-256 of the card."""


class FrozenTime(datetime.datetime):
    """A clock that stands still, so that two runs differ in nothing."""

    @classmethod
    def now(cls, tz=None):
        return _NOW if tz else _NOW.replace(tzinfo=None)


def copy_dir(source_dir, target_dir):
    """Copy a folder as it is; weights become hard links, because they are replaced and never written into."""

    def copy(source, target):
        (os.link if str(source).endswith(".safetensors") else shutil.copy2)(source, target)

    shutil.copytree(source_dir, target_dir, copy_function=copy, symlinks=True, dirs_exist_ok=True)


@contextmanager
def copied_around_renames(monkeypatch, work_dir, states_dir):
    """Copy ``work_dir`` before and after each renaming in the block; yields the list of the copies."""
    states: list[tuple[Path, str]] = []

    seen = set()

    def keep(what, source, target):
        state = tuple((str(path), path.stat().st_ino, path.stat().st_size) for path in sorted(work_dir.rglob("*")))
        if state in seen:  # nothing was written since the last renaming
            return
        seen.add(state)
        state_dir = states_dir / f"{len(states):04d}"
        copy_dir(work_dir, state_dir)
        states.append((state_dir, f"{what} {os.path.relpath(source, work_dir)} became {Path(target).name}"))

    def around(rename):
        def kept(source, target, *further, **named):
            keep("before", source, target)
            rename(source, target, *further, **named)
            keep("after", source, target)

        return kept

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", around(os.replace))
        patch.setattr(os, "rename", around(os.rename))
        yield states


def killed_states(monkeypatch, go, start_dir, folder, *, most=None):
    """Run a command in a copy of a folder, undisturbed; then once from each state in which a kill would leave it.

    Args:
        monkeypatch: The fixture.
        go: Runs the command; its argument is the folder, at one path for all runs.
        start_dir: What the folder holds at first; copied.
        folder: Where to work.
        most: How many states to try, evenly spread; all if None, or if NEPHROGRADE_EVERY_RENAME is set.

    Yields:
        For each state, what it is, and the files that differ from those of the undisturbed run.
    """
    work_dir = folder / "work"
    copy_dir(start_dir, work_dir)
    with copied_around_renames(monkeypatch, work_dir, folder / "states") as states:
        go(work_dir)
    undisturbed = contents_of(work_dir)
    if most is not None and "NEPHROGRADE_EVERY_RENAME" not in os.environ:
        states = [states[round(k * (len(states) - 1) / (most - 1))] for k in range(most)]
    for state_dir, what in states:
        shutil.rmtree(work_dir)
        state_dir.rename(work_dir)
        go(work_dir)
        found = contents_of(work_dir)
        names = sorted(name for name in found.keys() | undisturbed.keys() if found.get(name) != undisturbed.get(name))
        yield what, names


def contents_of(folder):
    """The content of each file by its name; of a SQLite file what it holds, and of a card all but the seconds."""
    return {
        path.relative_to(folder).as_posix(): _content_of(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _content_of(path):
    if path.suffix == ".sqlite":
        connection = sqlite3.connect(path)
        with suppress(sqlite3.OperationalError):
            rows = connection.execute("SELECT path, member, series_uid FROM instance JOIN file ON file = id").fetchall()
        connection.close()
        return sorted(rows)
    content = path.read_bytes()
    return _SECONDS.sub(rb"\1", content) if path.name in {"card.json", "seal.json"} else content
