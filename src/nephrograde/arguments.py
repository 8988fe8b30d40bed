"""The arguments of public functions: what Python would pass on, only to stop with an error of its own further down.

A function names the kind of each argument in its decorator, and every argument that is of another kind is listed in
one :class:`~nephrograde.errors.InputError`. What depends on several arguments or on files is checked by the functions
themselves.
"""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from numbers import Integral, Real
from typing import ParamSpec, TypeGuard, TypeVar

from nephrograde.errors import InputError, Problem

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_LONGEST = 40
"""Characters of a value that is shown in a message."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of argument.

    Attributes:
        accepts: Whether a value is of this kind.
        remedy: What to give instead of any other value.
    """

    accepts: Callable[[object], bool]
    remedy: str


def checked(**kinds: Kind) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Check the arguments of a function before it runs.

    Args:
        kinds: The kind of each argument by its name. None is accepted as well where it is the default.

    Returns:
        A decorator. The function then raises ``InputError`` with all arguments that are not of their kind.

    >>> @checked(confidence=SHARE)
    ... def estimate(confidence=0.95):
    ...     return confidence
    >>> estimate(95)
    Traceback (most recent call last):
        ...
    nephrograde.errors.InputError: 1 problem:
      estimate.confidence: does not accept 95. Give a number between 0 and 1, such as 0.95.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        parameters = inspect.signature(function).parameters
        names = tuple(parameters)
        may_be_none = frozenset(name for name, parameter in parameters.items() if parameter.default is None)

        @wraps(function)
        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            given: dict[str, object] = {**dict(zip(names, args, strict=False)), **kwargs}
            problems = [
                Problem(f"{function.__qualname__}.{name}", f"does not accept {in_words(value)}", kinds[name].remedy)
                for name, value in given.items()
                if name in kinds and not (value is None and name in may_be_none) and not kinds[name].accepts(value)
            ]
            if problems:
                raise InputError(problems)
            return function(*args, **kwargs)

        return call

    return decorate


def in_words(value: object) -> str:
    """Describe a value in a message: itself if it is short, otherwise its type.

    >>> in_words(95), in_words(None), in_words([0.5]), in_words("a" * 99)
    ('95', 'None', 'a list', 'a str')
    """
    if value is None or isinstance(value, str | bytes | bool | Real):
        text = repr(value)
        if len(text) <= _LONGEST:
            return text
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def either(kind: Kind, *types: type, remedy: str) -> Kind:
    """Accept a kind, and objects of some classes besides.

    Args:
        kind: The kind.
        types: The classes.
        remedy: What to give.
    """
    return Kind(lambda value: isinstance(value, types) or kind.accepts(value), remedy)


def choice(*words: str) -> Kind:
    """Accept one of some words.

    Args:
        words: The words.
    """
    return Kind(lambda value: isinstance(value, str) and value in words, f"Give one of {', '.join(words)}.")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_path(value: object) -> bool:
    if not isinstance(value, str | os.PathLike):
        return False
    path = os.fspath(value)
    return isinstance(path, str) and "\0" not in path


def _is_frame(value: object) -> bool:
    pandas = sys.modules.get("pandas")  # there is no DataFrame before it is imported
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _are_numbers(value: object) -> bool:
    import numpy as np

    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and not any(isinstance(one, str | bytes) for one in array.flat):
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return array.ndim > 0 and array.dtype.kind in "biuf"


def _is_array(value: object) -> bool:
    import numpy as np

    try:
        np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _are_by_name(value: object) -> bool:
    return _has_names(value) and all(map(_has_names, value.values()))


def _has_names(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _are_headings(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)


SHARE = Kind(lambda value: _is_number(value) and 0.0 < value < 1.0, "Give a number between 0 and 1, such as 0.95.")
NUMBER = Kind(_is_number, "Give a number.")
WHOLE = Kind(_is_whole, "Give a whole number.")
COUNT = Kind(lambda value: _is_whole(value) and value >= 1, "Give a whole number from 1.")
FLAG = Kind(lambda value: isinstance(value, bool), "Give True or False.")
TEXT = Kind(lambda value: isinstance(value, str), "Give a text.")
TEXTS = Kind(_are_texts, "Give a list or tuple of texts.")
PATH = Kind(_is_path, "Give a path, as a str or Path.")
PATHS = Kind(
    lambda value: _is_path(value) or (isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_path, value))),
    "Give a path, as a str or Path, or a list of them.",
)
TABLE = Kind(lambda value: _is_path(value) or _is_frame(value), "Give a DataFrame, or the path of a table.")
NUMBERS = Kind(_are_numbers, "Give a list or an array with one number per patient.")
VALUES = Kind(_is_array, "Give a list or an array with one value per patient.")
BY_PHASE = Kind(_has_names, "Give a dict by phase, such as {'cmp': ..., 'np': ...}.")
BY_COLUMN = Kind(
    lambda value: _has_names(value) and all(isinstance(one, str) or _is_number(one) for one in value.values()),
    "Give a dict by column, such as {'age_years': 61}.",
)
BY_OPTION = Kind(BY_COLUMN.accepts, "Give a dict by option, such as {'minutes': 90}.")
HEADINGS = Kind(_are_headings, "Give a dict of headings by standard name.")
BY_NAME = Kind(_are_by_name, "Give a dict by the name of the model, each a dict of its printed values.")
