"""What a request says: numbers in its address, the language it asks for, and its body."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from nephrograde.errors import NephrogradeError
from nephrograde.report.text.language import LANGUAGES, Language

if TYPE_CHECKING:
    from starlette.requests import Request

_DEEPEST_NUMBER = 9  # digits of a number in an address


class UnknownError(NephrogradeError):
    """A request names something that is not there, such as a patient, a phase, a slice or a series."""


def number_of(request: Request, name: str) -> int:
    """Return a number in the address of a request.

    Args:
        request: The request.
        name: Of the part of the address.

    Raises:
        UnknownError: It is not a number of ASCII digits, or too long.
    """
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= _DEEPEST_NUMBER):
        raise UnknownError("The address contains something else where a number should be.")
    return int(text)


def language_of(request: Request, first: Language) -> Language:
    """Return the language that a request asks for with ``lang``.

    Args:
        request: The request.
        first: The language if it asks for none, or for one that there is not.
    """
    asked = request.query_params.get("lang")
    return next((language for language in LANGUAGES if language == asked), first)


async def read_object(request: Request) -> dict[str, Any]:
    """Read the body of a request, a JSON object.

    Args:
        request: The request.

    Raises:
        HTTPException: It is of another type, or not a JSON object.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send an entry as application/json.")
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(given, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.")
    return given
