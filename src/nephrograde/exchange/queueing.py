"""Looking at the spool of a listener from outside, while it runs or not: the functions behind ``nephrograde queue``."""

from __future__ import annotations

from pathlib import Path

from nephrograde.arguments import PATH, TEXT, checked
from nephrograde.errors import InputError, Problem
from nephrograde.exchange.spool import STATES, Queued, Spool


@checked(spool=PATH)
def list_queue(spool: str | Path) -> tuple[Queued, ...]:
    """List the series of a spool.

    Args:
        spool: The folder.

    Raises:
        InputError: It is no spool.
    """
    return tuple(_opened(spool).list())


@checked(spool=PATH, key=TEXT)
def retry_failed(spool: str | Path, key: str) -> None:
    """Put a failed series back; the listener takes it up.

    Args:
        spool: The folder.
        key: Of the series, as it is listed.

    Raises:
        InputError: It is no spool, or no such series failed.
    """
    _opened(spool).retry(key)


def _opened(spool: str | Path) -> Spool:
    root = Path(spool)
    if not all((root / state).is_dir() for state in STATES):
        raise InputError([Problem(str(root), "is no spool", "Name the folder of `nephrograde listen --spool`.")])
    return Spool(root, limit_bytes=0, reserve_bytes=0)
