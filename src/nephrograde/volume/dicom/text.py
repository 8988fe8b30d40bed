"""The texts of a DICOM header, in whatever character set they were really written.

Hospitals write Chinese names as GB18030 with no declared character set, or with that of Western Europe, as often as
with the right one. A declared set is therefore trusted only if its text reads as words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LATIN = {"iso8859", "latin_1"}
_LATIN_SIGNS = frozenset("°±²³µ·×§ßªº")
_LONGEST_ACCENTED = 2  # consecutive accented letters: "größe"
_HIGH = re.compile(rb"[\x80-\xff]+")
_ESCAPED = re.compile(rb"(\x1b(?:\$[()]?|[()-])[A-Z])")
_ENDS = " \0\r\n\t"
_UNDERSTOOD_ESCAPED = ("iso2022_jp", "iso2022_jp_2")  # Python's codecs need the escape sequences of these sets
_RESETS = re.compile(rb"([\^=\r\n\t\f])")  # what ends a set that an escape sequence began


def decode_text(raw: bytes, character_sets: str | Sequence[str] | None) -> str:
    r"""Decode a text of a DICOM header; any bytes yield a text.

    Args:
        raw: The value as in the file.
        character_sets: SpecificCharacterSet (0008,0005): its values, or all of them joined by backslashes; empty or
            None if it is missing.

    Returns:
        The text without leading and trailing blanks and zeros. Decoded with the declared set; if there is none, or it
        fails, or its text cannot be words, as UTF-8, else GB18030, else Latin-1.

    Source: DICOM PS3.3 C.12.1.1.2 and PS3.5 6.1.2; the order of the fallbacks is ours.

    >>> decode_text("皮髓质期".encode("gb18030"), "GB18030"), decode_text("皮髓质期".encode("gb18030"), None)
    ('皮髓质期', '皮髓质期')
    >>> decode_text("平扫".encode("gb18030"), "ISO_IR 100"), decode_text("venös".encode("latin-1"), "ISO_IR 100")
    ('平扫', 'venös')
    >>> decode_text(b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", ["", "ISO 2022 IR 87"])
    'Yamada^Tarou=山田^太郎'
    """
    if b"\x1b" in raw:
        return _decode_escaped(raw, _codecs(character_sets)).strip(_ENDS)
    if raw.isascii():
        return raw.decode("ascii").strip(_ENDS)
    declared = _codecs(character_sets)[:1]
    text = _decoded(raw, declared[0]) if declared else None
    if text is None or (declared[0] in _LATIN and not _reads_as_latin(raw, text)):
        text = _guessed(raw)
    return text.strip(_ENDS)


@cache
def _known_codecs() -> Mapping[str, str]:
    """Python's names of the sets by DICOM names without blanks and punctuation, which are often misspelt."""
    from pydicom import charset

    return {"UTF8": "utf-8", **{_plain(name): codec for name, codec in charset.python_encoding.items() if name}}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.upper())


def _codecs(character_sets: str | Sequence[str] | None) -> list[str]:
    """The declared sets by their Python names; empty for the default repertoire, which is ASCII."""
    sets = character_sets.split("\\") if isinstance(character_sets, str) else list(character_sets or ())
    names = [_plain(str(one)) for one in sets]
    return [_known_codecs()[name] for name in names if name in _known_codecs() and name not in {"ISOIR6", "ISO2022IR6"}]


def _decoded(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeError:
        return None


def _guessed(raw: bytes) -> str:
    utf8, chinese = _decoded(raw, "utf-8"), _decoded(raw, "gb18030")
    runs = [len(run) for run in _HIGH.findall(raw)]
    if utf8 is not None:
        # Two or more characters of GB 2312 can be valid UTF-8, but then read as letters no word has in a row.
        by_chance = max(runs) > 2 * _LONGEST_ACCENTED - 1 and max(utf8) < "\u0800" and _decoded(raw, "gb2312")
        return by_chance or utf8
    # Single letters among ASCII, as in "venös", are also valid GB18030, but nonsense.
    return raw.decode("latin-1") if chinese is None or max(runs) == 1 else chinese


def _reads_as_latin(raw: bytes, text: str) -> bool:
    """Whether a text can be Western European: every byte is valid in that set, so only plausibility decides."""
    return all(len(run) <= _LONGEST_ACCENTED for run in _HIGH.findall(raw)) and all(
        sign.isascii() or sign.isalpha() or sign in _LATIN_SIGNS for sign in text
    )


def _decode_escaped(raw: bytes, declared: list[str]) -> str:
    """Decode a text with code extensions: the escape sequence says which set follows, declared or not."""
    from pydicom import charset

    first, *following = _ESCAPED.split(raw)
    parts = [_plainly(first, declared)]
    for escape, coded in zip(following[::2], following[1::2], strict=True):
        codec = charset.CODES_TO_ENCODINGS.get(escape, "latin-1")
        in_set, *after_reset = [coded] if codec in _UNDERSTOOD_ESCAPED else _RESETS.split(coded, maxsplit=1)
        text = _decoded(escape + in_set if codec in _UNDERSTOOD_ESCAPED else in_set, codec)
        parts += [in_set.decode("latin-1") if text is None else text]
        parts += [_plainly(part, declared) for part in after_reset]
    return "".join(parts).replace("\x1b", "")


def _plainly(raw: bytes, declared: list[str]) -> str:
    if raw.isascii():
        return raw.decode("ascii")
    text = _decoded(raw, declared[0]) if declared else None
    return _guessed(raw) if text is None else text
