"""Keep what C libraries print themselves off the terminal.

MetaIO (in SimpleITK) and libtiff (in Pillow) write remarks on damaged files to file descriptor 2, past Python and past
ITK's own switch for warnings; each of them comes with a refusal that names the file.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2


@dataclass(slots=True)
class _Redirection:
    """Where file descriptor 2 led before, and how many threads want it redirected."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: int = 0
    kept: int | None = None


_REDIRECTION = _Redirection()


@contextmanager
def silenced() -> Iterator[None]:
    """Discard what is written to file descriptor 2 in the block; keep the block to one call of a library.

    The first of several threads redirects it and the last restores it. What other threads write there meanwhile is
    lost, too.

    >>> with silenced():
    ...     _ = os.write(2, b"a remark")
    """
    with _REDIRECTION.lock:
        if _REDIRECTION.blocks == 0:
            _REDIRECTION.kept = _redirect()
        _REDIRECTION.blocks += 1
    try:
        yield
    finally:
        with _REDIRECTION.lock:
            _REDIRECTION.blocks -= 1
            if _REDIRECTION.blocks == 0 and _REDIRECTION.kept is not None:
                os.dup2(_REDIRECTION.kept, _STDERR)
                os.close(_REDIRECTION.kept)
                _REDIRECTION.kept = None


def _redirect() -> int | None:
    """Let descriptor 2 lead nowhere, and return a copy of it; None where a process has none."""
    with suppress(OSError, ValueError, AttributeError):  # no stderr, or one that was replaced
        sys.stderr.flush()
    try:
        kept = os.dup(_STDERR)
    except OSError:
        return None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return kept
