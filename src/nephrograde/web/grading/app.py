"""The application of the grading page: its files, its API, and who may use them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from nephrograde.web.grading.drawn import LARGEST_BYTES
from nephrograde.web.grading.refusal import Refusal
from nephrograde.web.grading.replies import refused, unknown
from nephrograde.web.grading.routes import grading_routes
from nephrograde.web.grading.users import Users
from nephrograde.web.replies import failure, missing, page_of, page_routes, read_pages
from nephrograde.web.requests import UnknownError
from nephrograde.web.security import LARGEST_BODY_BYTES, Access, Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Scope

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.desk import Desk
    from nephrograde.web.grading.models import Model


def make_app(desk: Desk, models: Mapping[str, Model], access: Access, *, language: Language = "en") -> ASGIApp:
    """Make the application that answers the grading page (ASGI).

    Args:
        desk: What users have on the server.
        models: Those of the server.
        access: Who may use it.
        language: The language in which the page opens.
    """
    pages = read_pages()
    routes = [
        Route("/", page_of(pages["grade.html"], ".html")),
        *page_routes(pages),
        *grading_routes(desk, models, language),
    ]
    handlers: dict[Any, Any] = {
        Refusal: refused(language),
        UnknownError: unknown(language),
        ClientDisconnect: _gone,
        HTTPException: missing,
        Exception: failure,
    }

    def largest(scope: Scope) -> int:
        is_upload = scope["method"] in {"POST", "PUT"} and scope["path"].startswith("/api/scans")
        if is_upload:  # where it is received, it is limited and refused with a code
            return sys.maxsize
        return LARGEST_BYTES if scope["path"] == "/api/gradings" else LARGEST_BODY_BYTES

    app = Starlette(routes=routes, exception_handlers=handlers)
    return Gate(Users(app, access.port), access, largest)


def _gone(_request: Request, _error: Exception) -> Response:
    """Answer a sender who has gone; nobody reads it."""
    return Response(status_code=400)
