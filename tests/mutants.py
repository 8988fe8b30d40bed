"""Changes that damage a file, drawn from a seed: one mutator for the fuzz tests of every kind of input."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

HEAD_BYTES = 1600
"""Half of the changes are made in the first bytes, where most formats have their header."""

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_FIELD = re.compile(rb"[^,;\t\n\r=:{}\[\]()<>]+")
_NUMBERS = (
    *(b"0", b"-1", b"-0.0", b"nan", b"NaN", b"inf", b"-Infinity", b"1e308", b"1e999", b"2147483648", b"1e-320"),
    *(
        b"4294967296",
        b"99999999999999999999",
        b"9" * 5000,
        b"",
        b"true",
        b"null",
        b"0x10",
        b"1_000",
        b"\xd9\xa3",
        b"0,5",
    ),
)
_BYTES = (
    *(b"\0", b"\xff", b"\n", b"\r", b'"', b",", b"{", b"[" * 3000, b"\xef\xbb\xbf", b"\xd8\x00", b"\\", b"\xfe\xff"),
    *(b"\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0", b"\x1b$", b"=1+1", b"..", b"../../etc/passwd", b"\xed\xa0\x80"),
)
_PACKED = (
    *(struct.pack("<h", one) for one in (-1, 0, 32767, -32768)),
    *(struct.pack("<i", one) for one in (-1, 2**31 - 1, -(2**31), 0)),
    *(struct.pack("<q", one) for one in (-1, 2**63 - 1, 2**40)),
    *(struct.pack("<f", one) for one in (float("nan"), float("inf"), -3e38, 0.0, -1.0)),
    *(struct.pack("<d", one) for one in (float("nan"), float("-inf"), 1e308, -1.0)),
)


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Damage the content of a file in one to three places.

    Half of the compressed files and of the archives are damaged in what they contain, and packed again; otherwise
    their checksums would reject nearly every change.

    Args:
        content: A valid file, or one that was damaged before.
        chance: The same state gives the same change.
    """
    if content[:2] == b"\x1f\x8b" and chance.random() < 0.5:
        return gzip.compress(_damaged(gzip.decompress(content), chance), 1)
    if content[:4] == b"PK\x03\x04" and chance.random() < 0.7:
        return _with_a_damaged_member(content, chance)
    if content[:4] == b"\x89PNG" and chance.random() < 0.5:
        return _with_checksums(_damaged(content, chance))
    return _damaged(content, chance)


def _damaged(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice(_WAYS)(content, chance)
    return content


def _with_a_damaged_member(content: bytes, chance: random.Random) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(packed, "w") as target:
        names = source.namelist()
        chosen = chance.choice(names)
        for name in names:
            member = source.read(name)
            target.writestr(name, _damaged(member, chance) if name == chosen else member)
    return packed.getvalue()


def _with_checksums(content: bytes) -> bytes:
    """Correct the checksums of a damaged PNG, so that what it says is read."""
    fixed, at = bytearray(content), 8
    while at + 12 <= len(fixed):
        length = int.from_bytes(fixed[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(fixed)


def _place(content: bytes, chance: random.Random) -> int:
    limit = min(len(content), HEAD_BYTES) if chance.random() < 0.5 else len(content)
    return chance.randrange(limit + 1)


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 9)):
        if changed:
            changed[min(_place(content, chance), len(changed) - 1)] = chance.randrange(256)
    return bytes(changed)


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: _place(content, chance)]


def _delete(content: bytes, chance: random.Random) -> bytes:
    at = _place(content, chance)
    return content[:at] + content[at + chance.randrange(1, 60) :]


def _duplicate(content: bytes, chance: random.Random) -> bytes:
    at = _place(content, chance)
    return content[:at] + content[max(0, at - chance.randrange(1, 200)) :]


def _insert(content: bytes, chance: random.Random) -> bytes:
    at = _place(content, chance)
    return content[:at] + (chance.choice(_BYTES) if chance.random() < 0.7 else chance.randbytes(20)) + content[at:]


def _overwrite(content: bytes, chance: random.Random) -> bytes:
    at, packed = _place(content, chance), chance.choice(_PACKED)
    return content[:at] + packed + content[at + len(packed) :]


def _renumber(content: bytes, chance: random.Random) -> bytes:
    found = list(_NUMBER.finditer(content[: 20 * HEAD_BYTES]))
    if not found:
        return _overwrite(content, chance)
    match = chance.choice(found)
    return content[: match.start()] + chance.choice(_NUMBERS) + content[match.end() :]


def _swap(content: bytes, chance: random.Random) -> bytes:
    found = list(_FIELD.finditer(content[: 20 * HEAD_BYTES]))
    if len(found) < 2:
        return _duplicate(content, chance)
    first, second = sorted(chance.sample(found, 2), key=lambda match: match.start())
    middle = content[first.end() : second.start()]
    return content[: first.start()] + second[0] + middle + first[0] + content[second.end() :]


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _truncate, _delete, _duplicate, _insert, _overwrite, _renumber, _renumber, _swap),
)
