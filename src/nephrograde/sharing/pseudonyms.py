"""Pseudonyms of patients: the same patient has the same one under a key, and without the key nobody can find who it is.

A pseudonym is an HMAC of the patient's id. Ids are few and easy to guess, so that a plain digest of them would be
undone by trying all of them; with a secret key of 256 bits it is not.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, Problem
from nephrograde.lock import only_writer_of
from nephrograde.replacement import replaced

if TYPE_CHECKING:
    from pathlib import Path

PSEUDONYM = re.compile(r"[0-9a-f]{32}")
KEY_ID = re.compile(r"[0-9a-f]{16}")
_KEY_BYTES = 32
_WRITTEN = re.compile(r"[0-9a-f]{64}\n?")
_REMEDY = "Restore the file from a copy, or name another one with --key; a new key gives new pseudonyms."


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """A secret key.

    >>> key = PseudonymKey(bytes(32))
    >>> key.pseudonym("P001"), key.pseudonym("P001") == key.pseudonym("P002")
    ('2ea2fc4245352b5ed0d525b9cf4f4d5a', False)
    >>> key
    PseudonymKey()
    """

    secret: bytes = field(repr=False)

    def pseudonym(self, patient_id: str) -> str:
        """Return the pseudonym of a patient, 32 hexadecimal digits.

        Args:
            patient_id: As in the run.

        Source:
            HMAC-SHA256: RFC 2104; cut to 128 bits.
        """
        return self._digest(f"patient {patient_id}")[:32]

    @property
    def key_id(self) -> str:
        """Names the key without giving it away, 16 hexadecimal digits."""
        return self._digest("key")[:16]

    def _digest(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


def open_key(key_path: Path) -> PseudonymKey:
    """Read a key, or make one that only the owner of the file may read.

    Args:
        key_path: The file.

    Raises:
        InputError: The file holds something else.
        RunError: Another process is making it.
        WriteError: It cannot be written.

    >>> import pathlib, tempfile
    >>> key_path = pathlib.Path(tempfile.mkdtemp(), "hospital.key")
    >>> open_key(key_path).key_id == open_key(key_path).key_id
    True
    """
    if not key_path.exists():
        with only_writer_of(key_path, is_private=True):
            if not key_path.exists():  # another process may have made it
                with replaced(key_path, is_private=True) as temporary_path:
                    temporary_path.write_text(f"{secrets.token_hex(_KEY_BYTES)}\n", encoding="ascii")
    try:
        text = key_path.read_text(encoding="ascii")
    except (UnicodeDecodeError, OSError):
        text = ""
    if not _WRITTEN.fullmatch(text):
        raise InputError([Problem(str(key_path), "is not a key of pseudonyms", _REMEDY)])
    return PseudonymKey(bytes.fromhex(text))
