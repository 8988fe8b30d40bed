"""The arguments and options in the help of a command, in words of those who type them, and not of Python."""

from __future__ import annotations

import re
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Iterator

_METAVARS: Final = {int: "N", float: "NUMBER", Path: "PATH"}
_RANGES: Final = (
    (re.compile(r"(-?[\d.]+)<=x<=(-?[\d.]+)"), r"\1 to \2"),
    (re.compile(r"\bx>=(-?[\d.]+)"), r"at least \1"),
    (re.compile(r"\bx<=(-?[\d.]+)"), r"at most \1"),
)


def write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the sections of the arguments and of the options of a command.

    Args:
        command: The command.
        ctx: Its context.
        formatter: What the help is written with.
    """
    hints = get_type_hints(command.callback)
    records: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for one in command.get_params(ctx):
        is_argument = one.param_type_name == "argument"
        if not is_argument and one.metavar is None and one.name in hints:
            one.metavar = metavar_of(hints[one.name])
        record = one.get_help_record(ctx)
        if record is not None:
            name, told = record
            section = "Arguments" if is_argument else "Options"
            records[section].append((one.metavar or name if is_argument else name, _in_words(told)))
    for section, found in records.items():
        if found:
            with formatter.section(section):
                formatter.write_dl(found)


def usage_pieces(command: Any, ctx: Any) -> Iterator[str]:
    """The words of a command in its line of usage: those that may be left out in brackets.

    Args:
        command: The command.
        ctx: Its context.
    """
    yield command.options_metavar
    for one in command.get_params(ctx):
        if one.param_type_name == "argument":
            name = one.metavar or one.name.upper()
            yield name if one.required else f"[{name}]"


def metavar_of(hint: object) -> str | None:
    """What stands for the value of an option of a type; None for an option without a value.

    Args:
        hint: The type.

    >>> metavar_of(list[Path] | None), metavar_of(float), metavar_of(Literal["en", "zh"]), metavar_of(bool)
    ('PATH', 'NUMBER', 'en|zh', None)
    """
    if hint is bool:
        return None
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    inner = [one for one in get_args(hint) if one is not NoneType]
    if inner:
        return metavar_of(inner[0])
    return _METAVARS.get(hint, "TEXT") if isinstance(hint, type) else "TEXT"


def _in_words(told: str) -> str:
    """The help of a parameter, with its limits in words, such as ``at least 1`` instead of ``x>=1``."""
    for pattern, words in _RANGES:
        told = pattern.sub(words, told)
    return told
