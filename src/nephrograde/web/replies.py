"""The files of the pages, and how a server answers what it does not know and what has failed."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def page_of(content: bytes, suffix: str) -> Callable[[Request], Response]:
    """Make the endpoint of a file of the page.

    Args:
        content: The file.
        suffix: Of its name, which says its type.
    """

    def page(_request: Request) -> Response:
        return Response(content, headers={"content-type": _KINDS[suffix]})

    return page


def page_routes(pages: Mapping[str, bytes]) -> list[Route]:
    """Make the routes of the files of the pages.

    Args:
        pages: The files by name.
    """
    return [Route(f"/pages/{name}", page_of(content, name[name.rindex(".") :])) for name, content in pages.items()]


def read_pages() -> dict[str, bytes]:
    """The files of the page, read before the first request, so that no request reaches the file system."""
    folder = resources.files("nephrograde.web") / "pages"
    return {part.name: part.read_bytes() for part in folder.iterdir() if part.name.endswith(tuple(_KINDS))}


def missing(_request: Request, error: Exception) -> Response:
    """Answer what starlette refuses, such as an address that there is not."""
    status, reason, headers = HTTPStatus.NOT_FOUND, "There is no such address.", None
    if isinstance(error, HTTPException) and error.status_code != HTTPStatus.NOT_FOUND:
        status, reason, headers = HTTPStatus(error.status_code), error.detail, error.headers
    return JSONResponse({"reason": reason}, status, headers)


def failure(_request: Request, _error: Exception) -> Response:
    """Answer a fault of the server, without what caused it."""
    return JSONResponse({"reason": "The server has failed; please report it."}, HTTPStatus.INTERNAL_SERVER_ERROR)
