"""The names in a spool, which are digests of UIDs, and files that are on the disk when they are written."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from nephrograde.replacement import write_all

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.exchange.headers import ObjectHeader

_KEY_LENGTH: Final = 32


def key_of(header: ObjectHeader) -> str:
    """The name of a series in the spool.

    Args:
        header: Of one of its objects.
    """
    return digest_of(f"{header.study_uid}\n{header.series_uid}")


def is_key(text: str) -> bool:
    """Tell whether a text can be the name of a series in a spool.

    Args:
        text: From a person.

    >>> is_key("0123456789abcdef" * 2), is_key("../done")
    (True, False)
    """
    return len(text) == _KEY_LENGTH and set(text) <= set("0123456789abcdef")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; it is on the disk when this returns.

    Args:
        path: The file.
        content: The bytes.

    Raises:
        OSError: It cannot be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as stream:
        write_all(stream, content)
        os.fsync(handle)


def digest_of(text: str) -> str:
    """What stands for a UID in the spool: the first half of its SHA-256.

    Args:
        text: The UID, or several of them.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]
