"""A unit that can be done anywhere, and what came of it."""

from __future__ import annotations

import platform
import traceback
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from nephrograde.errors import NephrogradeError

if TYPE_CHECKING:
    from collections.abc import Callable


class Unseen(Enum):
    """What a unit returns on a machine that does not see the folder it would work in."""

    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Carried:
    """How a unit is done on a machine that does not see the folder.

    Attributes:
        key: Units of one key need the same luggage, which is sent once.
        pack: Packs it, on the machine that places the units.
        call: Does the unit with it, and returns what it made.
    """

    key: str
    pack: Callable[[], Any]
    call: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that can be pickled.

    Attributes:
        name: Such as ``weak-1-cmp/fold-0``.
        call: Does it in the folder, or returns ``Unseen.FOLDER``.
        carried: How it is done elsewhere; None if it is not.
    """

    name: str
    call: Callable[[], object]
    carried: Carried | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a unit: the value that it returned, or what went wrong, and where."""

    value: object = None
    problem: str = ""

    @property
    def is_unseen(self) -> bool:
        """Whether the unit was not done, as the folder is not seen where it was tried."""
        return self.value is Unseen.FOLDER


def attempt(call: Callable[[], object]) -> Done:
    """Do a unit; an error is returned in words, as not every machine could read it.

    Args:
        call: Does it.

    >>> attempt(lambda: 3).value
    3
    """
    try:
        return Done(call())
    except NephrogradeError as error:
        return Done(problem=str(error))
    except Exception as error:  # noqa: BLE001 (of a library; named by who placed the unit)
        traceback.print_exc()  # in the log of the unit
        return Done(problem=f"on {platform.node()}: {type(error).__name__}: {error}")
