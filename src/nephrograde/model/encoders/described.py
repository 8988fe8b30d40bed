"""A pre-trained encoder as the card of a model describes it: enough to find it again and to use it in the same way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from nephrograde.model.encoders.known import Encoder
from nephrograde.model.encoders.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

_VIEW = "view"


@dataclass(frozen=True, slots=True)
class DescribedEncoder:
    """An encoder, and what the pictures show that it was used on."""

    encoder: Encoder
    view: View

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON.

        >>> encoder = Encoder("mine", "resnet18", "0" * 64, "MIT", ("ImageNet-1k",), (), "us")
        >>> described = DescribedEncoder(encoder, View((1.0, 1.0), None, has_mask=False))
        >>> DescribedEncoder.of_dict(described.as_dict()) == described
        True
        """
        facts = asdict(replace(self.encoder, package=None))
        del facts["package"]
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
        return {**lists, _VIEW: self.view.as_dict()}

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> DescribedEncoder:
        """Read back what ``as_dict`` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            facts = {name: value for name, value in content.items() if name != _VIEW}
            return cls(encoder_adapter().validate_python(facts), View.of_dict(content[_VIEW]))
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"not an encoder: {error}") from None


@cache
def encoder_adapter() -> TypeAdapter[Encoder]:
    """Return what checks the facts of an encoder that were read from JSON."""
    return TypeAdapter(Encoder)
