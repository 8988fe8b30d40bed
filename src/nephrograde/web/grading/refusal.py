"""Why the server does not do what a request asks for, as it is answered."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any, Final

from nephrograde.errors import NephrogradeError

RETRY_S: Final = 20
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class Refusal(NephrogradeError):  # noqa: N818 - not always an error: the same request may succeed later
    """A request or a job that is refused.

    Attributes:
        code: Names the kind, such as "zip-bomb".
        reason: What is wrong and what to do, in English; it names no file and no patient.
        status: The HTTP status.
        retry_s: After how many seconds the same request may succeed; 0 if it will not.

    >>> Refusal("not-ct", "It is MR.").content
    {'reason': 'It is MR.', 'code': 'not-ct'}
    """

    def __init__(self, code: str, reason: str, status: int = 422, *, retry_s: int = 0) -> None:
        self.code = code
        self.reason = reason
        self.status = status
        self.retry_s = retry_s
        super().__init__(reason)

    @property
    def content(self) -> dict[str, Any]:
        """The body of the reply."""
        return {"reason": self.reason, "code": self.code}


def no_room() -> Refusal:
    """Make the refusal of what the limits of the server, or its disk, have no room for."""
    return Refusal("full", "The server has no room for a further scan now. Try later.", 503, retry_s=RETRY_S)


def failed() -> Refusal:
    """Make the refusal of what the program has failed on, without what caused it."""
    return Refusal("failed", "The program has failed on this scan; please report it.", 500)


def is_disk_full(error: BaseException | None) -> bool:
    """Tell whether an error, or what it was raised from, says that the disk is full.

    Args:
        error: The error.

    >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device")), is_disk_full(ValueError())
    (True, False)
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False
