"""The addresses of the grading page and of its API.

Every reply that is not 2xx is JSON with a ``reason``. What an address names is looked up in memory: no part of it
becomes part of a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from nephrograde.report.text.language import speaking
from nephrograde.version import __version__
from nephrograde.web.grading.answer_routes import answer_routes
from nephrograde.web.grading.scan_routes import scan_routes
from nephrograde.web.grading.texts import grading_texts
from nephrograde.web.requests import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.desk import Desk
    from nephrograde.web.grading.models import Model


def grading_routes(desk: Desk, models: Mapping[str, Model], first: Language) -> list[Route]:
    """Make the routes of the API.

    Args:
        desk: What users have on the server.
        models: Those of the server.
        first: The language if a request asks for none.
    """

    def service(request: Request) -> Response:
        language = language_of(request, first)
        with speaking(language):
            return JSONResponse(
                {
                    "version": __version__,
                    "language": language,
                    "texts": grading_texts(language),
                    "models": [one.content() for one in models.values()],
                    "upload_bytes": desk.limits.upload_bytes,
                    "keep_s": desk.limits.keep_s,
                }
            )

    return [
        Route("/api/service", service),
        *scan_routes(desk, first),
        *answer_routes(desk, models, first),
    ]
