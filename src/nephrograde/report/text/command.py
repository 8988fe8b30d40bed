"""The command line as pages show it: without paths, which may identify a patient or a person."""

from __future__ import annotations

import re
import shlex

_WORD = re.compile(r"[a-z][a-z-]*")
_OPTION = re.compile(r"--[a-z][a-z-]*|-[a-z]", re.IGNORECASE)
_SETTING = re.compile(r"[a-z_][a-z0-9_.]*=(?:-?[0-9.]+(?:e-?[0-9]+)?|true|false)")
LEFT_OUT = "…"


def without_paths(command: str) -> str:
    """Write a command line for a page: the subcommand, the options and settings that are numbers.

    Every other word becomes "…". ``study.lock.json`` and ``ledger.csv`` hold the whole command.

    Args:
        command: As it was typed, quoted for a shell.

    >>> without_paths("nephrograde run '/data/Zhang Wei/study.toml' --out=runs/a --set fit.epochs=2 --lang zh")
    'nephrograde run … --out=… --set fit.epochs=2 --lang …'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a caller's own text
        words = command.split()
    return " ".join(_shown(word, is_first=k < 2) for k, word in enumerate(words))


def _shown(word: str, *, is_first: bool) -> str:
    if (is_first and _WORD.fullmatch(word)) or _SETTING.fullmatch(word) or _OPTION.fullmatch(word):
        return word
    option = _OPTION.match(word)
    return f"{option[0]}={LEFT_OUT}" if option else LEFT_OUT
