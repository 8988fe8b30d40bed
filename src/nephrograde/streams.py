"""Standard output and error that any text can be written to, whatever their encoding.

On Windows, output that goes to a file or a pipe has the encoding of the country: GBK has no minus sign (−), and
Windows-1252 has neither ≥ nor Chinese letters. By default, Python ends with a traceback at the first of them, which may
be in the table at the end of a run of hours.
"""

from __future__ import annotations

import codecs
import sys
from contextlib import suppress
from typing import Final

PLAIN: Final = "nephrograde-plain"
"""The name under which :func:`make_writable` registers the handler of letters that an encoding lacks."""

_PLAINER: Final = {
    "−": "-",
    "–": "-",
    "—": "-",
    "≥": ">=",
    "≤": "<=",
    "×": "x",
    "→": "->",
    "…": "...",
    "·": "*",
    "²": "2",
    "³": "3",
    "≈": "~",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "Δ": "difference",
    "κ": "kappa",
    "µ": "u",
    "μ": "u",
}
"""What is written for a sign that the encoding of a stream lacks: a value keeps its sign."""


def make_writable() -> None:
    """Let standard output and error write any text: signs that their encoding lacks are written plainly, or as codes.

    An ASCII stream gets UTF-8, as Python itself does where the locale is C.
    """
    codecs.register_error(PLAIN, _plainly)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None or not stream.encoding:  # no stream of a process, such as that of a notebook
            continue
        with suppress(OSError, ValueError, LookupError):  # a closed one, or of an encoding that Python does not know
            encoding = codecs.lookup(stream.encoding).name
            if encoding == "ascii":
                encoding = "utf-8"
            reconfigure(encoding=encoding, errors=PLAIN)  # UTF-8, too, lacks what is in file names that are not text


def is_text(name: str) -> bool:
    r"""Whether the name of a file or folder is text; one from a system with GBK may hold bytes that are not UTF-8.

    >>> is_text("张三"), is_text("P\udcd5")
    (True, False)
    """
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def as_text(name: str) -> str:
    r"""Write such bytes as codes.

    >>> as_text("P\udcd5\udcc5.nii")
    'P\\udcd5\\udcc5.nii'
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = "".join(_PLAINER.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in missing)
    return plain, error.end
