"""What places units: ``--on`` and ``--with`` as a person writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kind: TypeAlias = Literal["local", "slurm", "ray"]
Value: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True)
class Engine:
    """What places units, and what each unit is given.

    Attributes:
        kind: "local" for the processes of this machine, as ``fit.workers`` says.
        address: That of a Ray cluster, such as "ray://head:10001"; empty for one that is started here, or that the
            variable RAY_ADDRESS names.
        options: What each unit is given, by name, as :func:`parse_engine` checks it.
    """

    kind: Kind = "local"
    address: str = ""
    options: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def number(self, name: str) -> int | None:
        """An option that counts something; None if it is not given."""
        value = self.options.get(name)
        return None if value is None else int(value)

    def amount(self, name: str) -> float | None:
        """An option that may be a fraction; None if it is not given."""
        value = self.options.get(name)
        return None if value is None else float(value)

    def text(self, name: str) -> str:
        """An option that is a name; empty if it is not given."""
        return str(self.options.get(name, ""))


_LEAST_SHARE = 0.0001
"""The smallest fraction of a GPU that Ray keeps account of."""
LOCAL = Engine()
"""The processes of this machine."""


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _amount(text: str) -> float:
    number = float(text)
    if not (number == 0 or _LEAST_SHARE <= number < 1 or (number >= 1 and number.is_integer())):
        raise ValueError(text)
    return number


def _size(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def _name(text: str) -> str:
    if not text or not text.isprintable() or any(sign.isspace() for sign in text):
        raise ValueError(text)
    return text


def _cluster(text: str) -> str:
    if text not in {"slurm", "local", "debug"}:
        raise ValueError(text)
    return text


OPTIONS: Mapping[Kind, Mapping[str, Callable[[str], Value]]] = {
    "local": {},
    "slurm": {
        "minutes": _count,
        "cpus": _count,
        "gpus": _count_or_none,
        "memory_gb": _size,
        "partition": _name,
        "account": _name,
        "qos": _name,
        "constraint": _name,
        "gres": _name,
        "exclude": _name,
        "block": _count,
        "array": _count,
        "at_once": _count,
        "cluster": _cluster,
    },
    "ray": {"cpus": _count, "gpus": _amount, "memory_gb": _size, "block": _count},
}
"""How each option of each engine is read; what raises ``ValueError`` is refused."""


def asks_too_much(place: str, name: str, *, asked: float, there: float) -> Problem:
    """Say that a unit asks for more than there is.

    Args:
        place: How the engine was named.
        name: The option.
        asked: What each unit asks for.
        there: What there is.
    """
    what = f"each unit asks for {asked:g} of {name}, and there are {there:.4g} in all"
    return Problem(place, what, f"Ask for fewer: `--with {name}=N`.")


def parse_engine(on: str, given: Sequence[str] = ()) -> Engine:
    """Read where units are to be done.

    Args:
        on: "local", "slurm", "ray", or the address of a Ray cluster, "ray://HOST:PORT".
        given: What each unit is given, each as "KEY=VALUE".

    Raises:
        InputError: Something of it cannot be used; all problems at once.

    >>> parse_engine("slurm", ["minutes=90", "partition=gpu"]).options["minutes"]
    90
    >>> parse_engine("ray://head:10001", ["gpus=0.5"]).address
    'ray://head:10001'
    """
    kind, address = _kind_of(on)
    known, options, problems = OPTIONS[kind], {}, []
    for text in given:
        name, _, value = text.partition("=")
        if name not in known:
            names = ", ".join(known)
            remedy = f"The options of {kind} are {names}." if known else "Name an engine with --on, such as --on slurm."
            problems.append(Problem(f"--with {text}", f"is not an option of {kind}", remedy))
            continue
        try:
            options[name] = known[name](value)
        except ValueError:
            problems.append(Problem(f"--with {text}", f"'{value}' cannot be used for {name}", _REMEDIES[known[name]]))
    if problems:
        raise InputError(problems)
    return Engine(kind, address, MappingProxyType(options))


_REMEDIES: Mapping[Callable[[str], Value], str] = {
    _count: "Give a whole number from 1.",
    _count_or_none: "Give a whole number; SLURM does not divide a GPU.",
    _amount: "Give 0, a fraction such as 0.5, or a whole number.",
    _size: "Give a number above 0.",
    _name: "Give a name without spaces.",
    _cluster: "Give slurm, or local to try the same on this machine.",
}


def _kind_of(on: str) -> tuple[Kind, str]:
    kinds: dict[str, Kind] = {kind: kind for kind in OPTIONS}
    if on in kinds:
        return kinds[on], ""
    host, colon, port = on.removeprefix("ray://").rpartition(":")
    if on.startswith("ray://") and colon and host and port.isdecimal():
        return "ray", on
    remedy = "Give local, slurm, ray, or the address of a Ray cluster as ray://HOST:PORT."
    raise InputError([Problem("--on", f"'{on}' is not known", remedy)])
