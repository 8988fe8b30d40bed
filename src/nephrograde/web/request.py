"""What a request to the server asks for, checked: numbers in addresses, the language, a JSON object."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from nephrograde.report.text.language import LANGUAGES, Language
from nephrograde.web.session import UnknownError

if TYPE_CHECKING:
    from starlette.requests import Request

_DEEPEST_NUMBER = 9  # digits of a number in an address


def number_of(request: Request, name: str = "number") -> int:
    """Read a number in an address.

    Args:
        request: The request.
        name: The name of the part of the address.

    Raises:
        UnknownError: There is something else.
    """
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) <= _DEEPEST_NUMBER):
        raise UnknownError("The address contains something else where a number should be.")
    return int(text)


def language_of(request: Request, first: Language) -> Language:
    """Read the language that a page asks for.

    Args:
        request: The request.
        first: The language if it asks for none, or for one that there is not.
    """
    asked = request.query_params.get("lang")
    return next((language for language in LANGUAGES if language == asked), first)


async def posted(request: Request) -> dict[str, Any]:
    """Read the JSON object that a request holds.

    Args:
        request: The request.

    Raises:
        HTTPException: It is not a JSON object (400), or not sent as one (415).
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send a JSON object as application/json.")
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(given, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.")
    return given
