"""A table of the study file, and the kinds of values in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nephrograde.errors import InputError
from nephrograde.study.faults import Location, problems_in_code, problems_of_arms

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Section(BaseModel):
    """A table of the study file: immutable, without unknown keys.

    Built in code, it raises :class:`~nephrograde.errors.InputError` with the problems that a file would have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    place: ClassVar[Location] = ()
    """Where a study has the table."""
    whole: ClassVar[type[Section]]
    """The class of a whole study, whose tables tell which keys are known."""

    if not TYPE_CHECKING:  # type checkers take the arguments from the fields

        def __init__(self, /, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise InputError(problems_in_code(given, error, place=self.place, study=self.whole)) from None
            if (arms := self._arms()) and (problems := problems_of_arms(arms, study=self.whole)):
                raise InputError(problems)

        __init__.__pydantic_base_init__ = True  # pydantic need not call it for a table inside another

    def _arms(self) -> tuple[Section, ...]:
        return ()
