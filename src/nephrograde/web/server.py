"""The server of the page: its routes, and how a refusal is worded.

Every reply that is not 2xx is JSON with a ``reason``. Addresses contain numbers and phases only, and nothing is logged.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nephrograde.errors import InputError, NephrogradeError, RunError, VolumeError, WriteError
from nephrograde.report.text.language import Language, phase_heading, speaking
from nephrograde.report.text.messages import told
from nephrograde.version import __version__
from nephrograde.web.agreement import agreement_routes, reader_texts
from nephrograde.web.assist import Assistant, NoMaskError, assist_routes
from nephrograde.web.listening import AppServer
from nephrograde.web.replies import failure, missing, page_of, page_routes, read_pages
from nephrograde.web.requests import UnknownError, language_of, number_of, read_object
from nephrograde.web.security import Access, Gate
from nephrograde.web.series_routes import series_routes
from nephrograde.web.texts import page_texts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from nephrograde.web.scans import Plane
    from nephrograde.web.session import Session


def make_app(
    session: Session, access: Access, *, language: Language = "en", assistant: Assistant | None = None
) -> ASGIApp:
    """Make the application that answers the page (ASGI).

    Args:
        session: What the page works on.
        access: Who may use it.
        language: The language in which the page opens.
        assistant: The server that makes masks from clicks, if there is one.
    """
    pages = read_pages()
    routes = [
        Route("/", page_of(pages["annotate.html" if session.patients else "series.html"], ".html")),
        Route("/agreement", page_of(pages["agreement.html"], ".html")),
        *page_routes(pages),
        *_reading_routes(session, language, has_assist=assistant is not None),
        *series_routes(session.series, name=session.name, page=page_of(pages["series.html"], ".html"), first=language),
        *_mask_routes(session),
        *agreement_routes(session, language),
        *assist_routes(session, assistant),
        Route("/api/patients/{number}/entries", _entries(session), methods=["GET", "POST"]),
    ]
    handlers: dict[Any, Any] = {NephrogradeError: _refusal, HTTPException: missing, Exception: failure}
    return Gate(Starlette(routes=routes, exception_handlers=handlers), access)


def _reading_routes(session: Session, first: Language, *, has_assist: bool) -> list[Route]:
    def study(request: Request) -> Response:
        language = language_of(request, first)
        with speaking(language):
            phases = [{"code": phase, "name": phase_heading(phase)} for phase in session.phases]
            texts = page_texts(language) | reader_texts()
        return JSONResponse(
            {
                "name": session.name,
                "reader": session.journal.reader,
                "has_series": session.series is not None,
                "has_assist": has_assist,
                "version": __version__,
                "language": language,
                "texts": texts,
                "phases": phases,
                "windows": [{"name": name, "low": low, "high": high} for name, (low, high) in session.windows.items()],
            }
        )

    def patients(_request: Request) -> Response:
        return JSONResponse({"patients": session.overview()})

    def patient(request: Request) -> Response:
        number = number_of(request, "number")
        return JSONResponse({**session.labels(number), "scans": list(session.patient(number).scans)})

    def phase(request: Request) -> Response:
        return JSONResponse(session.slices(number_of(request, "number"), request.path_params["phase"]).geometry)

    def slicing(plane: Plane) -> Callable[[Request], Response]:
        def one_slice(request: Request) -> Response:
            number, k = number_of(request, "number"), number_of(request, "k")
            content = session.slice_bytes(number, request.path_params["phase"], k, plane)
            return Response(content, media_type="application/octet-stream")

        return one_slice

    def kidneys(request: Request) -> Response:
        known = session.kidneys(number_of(request, "number"))
        return JSONResponse({"state": known.state, "phase": known.phase, "kidneys": known.centres_mm})

    return [
        Route("/api/study", study),
        Route("/api/patients", patients),
        Route("/api/patients/{number}", patient),
        Route("/api/patients/{number}/kidneys", kidneys),
        Route("/api/patients/{number}/phases/{phase}", phase),
        Route("/api/patients/{number}/phases/{phase}/slices/{k}", slicing("axial")),
        Route("/api/patients/{number}/phases/{phase}/coronal/{k}", slicing("coronal")),
        Route("/api/patients/{number}/phases/{phase}/sagittal/{k}", slicing("sagittal")),
    ]


def _mask_routes(session: Session) -> list[Route]:
    def mask(request: Request) -> Response:
        return JSONResponse(session.drawn_mask(number_of(request, "number"), request.path_params["phase"]))

    def imported(request: Request) -> Response:
        found = session.imported_mask(number_of(request, "number"), request.path_params["phase"])
        return JSONResponse({"digest": found.digest, "value": found.voxels.text(), "remarks": found.remarks})

    return [
        Route("/api/patients/{number}/phases/{phase}/mask", mask),
        Route("/api/patients/{number}/phases/{phase}/imported", imported),
    ]


def _entries(session: Session) -> Callable[[Request], Any]:
    """One endpoint for both methods, so that a refusal of others lists both."""

    def read(number: int) -> dict[str, Any]:
        patient_id = session.patient(number).patient_id
        return {"entries": [asdict(entry) for entry in session.journal.entries() if entry.patient_id == patient_id]}

    def save(number: int, given: dict[str, Any]) -> dict[str, Any]:
        entry = session.save(number, given)
        unwritten = session.journal.unwritten
        warning = "" if unwritten is None else str(unwritten)
        return {"id": entry.id, "patient": session.labels(number), "warning": warning}

    async def entries(request: Request) -> Response:
        number = number_of(request, "number")
        if request.method != "POST":
            return JSONResponse(await run_in_threadpool(read, number))
        return JSONResponse(await run_in_threadpool(save, number, await read_object(request)))

    return entries


def _refusal(_request: Request, error: Exception) -> Response:
    """Answer what a person can cause: 4xx with the reason; 503 if the disk or another process is the cause."""
    content: dict[str, object] = {"reason": told(str(error))}
    status = HTTPStatus.BAD_REQUEST
    if isinstance(error, UnknownError):
        status = HTTPStatus.NOT_FOUND
    elif isinstance(error, NoMaskError):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    elif isinstance(error, VolumeError):  # without the path, which may say who the patient is
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        content = {"reason": f"{error.message} {error.remedy}", "code": error.code}
    elif isinstance(error, RunError | WriteError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif isinstance(error, InputError):
        content["problems"] = [asdict(problem) for problem in error.problems]
    return JSONResponse(content, status)


class Server(AppServer):
    """A running server of one session; a context that ends it.

    Args:
        session: What the page works on.
        access: Who may use it, with the port of ``listening``.
        listening: The open port.
        language: The language in which the page opens.
        assistant: The server that makes masks from clicks, if there is one.
    """

    def __init__(
        self,
        session: Session,
        access: Access,
        listening: socket.socket,
        *,
        language: Language = "en",
        assistant: Assistant | None = None,
    ) -> None:
        super().__init__(make_app(session, access, language=language, assistant=assistant), listening)
