"""The plain way to grade with a grader file: ``predict FILE SCAN`` and where the tumour is, read without typer.

Importing typer, and the packages by which it checks arguments, takes as long as grading a scan. Only what is written
out in full is read here; all else, and whatever typer might refuse, is left to it, so that there is one help and one
wording. Either way, the same function answers.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from nephrograde.report.text.language import LANGUAGES
from nephrograde.streams import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from nephrograde.export.archive import Archive

_SEVERAL = {
    "--mask": ("mask", Path),
    "--box": ("box", str),
    "--point": ("point", str),
    "--slice": ("slice_", str),
    "--kidneys": ("kidneys", Path),
}
"""Options that may be repeated, for the phases of a model: the name and kind of their values."""
_ONCE = {"--model": "model", "--outside": "outside", "--lang": "lang"}
_PIPE_CLOSED = 1
"""Exit code, as of typer."""

_NO_PLUGINS = ("PYDANTIC_DISABLE_PLUGINS", "1")
"""Pydantic otherwise asks every package that is installed whether it watches what is checked."""


class Plain(NamedTuple):
    """A command that was read: the grader file, the scans, the model, and the options by name."""

    run: Path
    images: list[Path]
    model: str | None
    options: dict[str, Any]


def read_plainly(given: Sequence[str]) -> Plain | None:
    """Read the arguments of ``predict`` with a grader file; None if typer has to read them.

    Args:
        given: The arguments after ``nephrograde``.

    >>> import tempfile
    >>> grader = tempfile.NamedTemporaryFile(suffix=".zip")
    >>> read_plainly(["predict", grader.name, "scan.nii.gz", "--slice", "-312.5 mm", "--json"]).options
    {'slice_': ['-312.5 mm'], 'as_json': True}
    >>> read_plainly(["predict", grader.name, "scan.nii.gz", "--help"]), read_plainly(["inspect", grader.name])
    (None, None)
    """
    if not given or given[0] != "predict" or not all(word.strip() and is_text(word) for word in given):
        return None
    paths: list[Path] = []
    options: dict[str, Any] = {}
    words = iter(given[1:])
    for word in words:
        if word == "--json":
            options["as_json"] = True
        elif not word.startswith("-"):
            paths.append(Path(word))
        elif (value := next(words, None)) is None:
            return None
        elif word in _SEVERAL:
            name, kind = _SEVERAL[word]
            options.setdefault(name, []).append(kind(value))
        elif word in _ONCE:
            options[_ONCE[word]] = value
        else:
            return None
    if len(paths) < 2 or not paths[0].is_file() or options.get("lang", "en") not in LANGUAGES:
        return None
    return Plain(paths[0], paths[1:], options.pop("model", None), options)


def plain_command(given: Sequence[str]) -> Callable[[], NoReturn] | None:
    """Return what answers a plain command and leaves the process; None if typer has to read it.

    The grader file is already being read, and what a refusal is told with is imported.

    Args:
        given: The arguments after ``nephrograde``.
    """
    plain = read_plainly(given)
    if plain is None:
        return None
    os.environ.setdefault(*_NO_PLUGINS)
    from nephrograde.export.loading import begin

    begun = begin(plain.run)
    import nephrograde.asked.answer
    import nephrograde.asked.ending  # noqa: F401

    return partial(_answer, plain, given, begun)


def _answer(plain: Plain, given: Sequence[str], begun: Future[Archive]) -> NoReturn:
    """Grade, print the answer, and leave the process with the grader, which takes long to take apart."""
    from nephrograde.asked.answer import Wanted, answer_with, load_asked
    from nephrograde.asked.ending import INTERRUPTED, ended
    from nephrograde.report.text.language import speaking

    wanted = Wanted(**plain.options)
    with speaking(wanted.lang), ended(given):
        try:
            grader = load_asked(plain.run, plain.model, wanted, begun=begun)
            raise SystemExit(answer_with(grader, plain.images, wanted))
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            # Whoever read the answer has gone; what Python still writes at its end goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(_PIPE_CLOSED) from None
