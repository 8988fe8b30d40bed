"""The addresses of gradings and of what is handed out of them."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.web.grading.asked import read_order
from nephrograde.web.grading.names import CAPTURE, OVERLAY, OVERLAY_VOLUME, PICTURE, REPORT, SEGMENTATION
from nephrograde.web.grading.replies import owner_of, progress_of
from nephrograde.web.requests import UnknownError, language_of, read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.desk import Desk, Held
    from nephrograde.web.grading.models import Model

KINDS = {
    REPORT: "application/dicom",
    CAPTURE: "application/dicom",
    SEGMENTATION: "application/dicom",
    PICTURE: "image/png",
    OVERLAY: "image/png",
    OVERLAY_VOLUME: "application/gzip",
}
"""The files of an answer, and their types."""
_EMPTY = HTTPStatus.NO_CONTENT


def answer_routes(desk: Desk, models: Mapping[str, Model], first: Language) -> list[Route]:
    """Make the routes of gradings and of what is handed out of them.

    Args:
        desk: What users have on the server.
        models: Those of the server.
        first: The language if a request asks for none.
    """

    def begin(owner: str, given: Mapping[str, Any]) -> Held:
        order, ids = read_order(given, models, lambda scan, number: desk.series(owner, scan, number))
        return desk.grade(owner, order, ids, keeps=given.get("keep") is True)

    async def gradings(request: Request) -> Response:
        given = await read_object(request)
        held = await run_in_threadpool(begin, owner_of(request), given)
        return JSONResponse({"id": held.id, **progress_of(desk, held)}, HTTPStatus.ACCEPTED)

    def grading(request: Request) -> Response:
        owner, grading_id = owner_of(request), request.path_params["grading"]
        if request.method == "DELETE":
            desk.remove_grading(owner, grading_id)
            return Response(status_code=_EMPTY)
        held = desk.grading(owner, grading_id)
        held.require_accepted()
        content: dict[str, Any] = {"id": held.id, **progress_of(desk, held)}
        if held.is_ready:
            with speaking(language_of(request, first)):
                content |= _answered(held.content)
        return JSONResponse(content)

    address = "/api/gradings/{grading}"
    return [
        Route("/api/gradings", gradings, methods=["POST"]),
        Route(address, grading, methods=["GET", "DELETE"]),
        *(Route(f"{address}/{name}", _handing_out(desk, name)) for name in KINDS),
        Route(f"{address}/report.pdf", _printing(desk, first)),
    ]


def _answered(content: Mapping[str, Any]) -> dict[str, Any]:
    answer = content["answer"]
    said = {
        "lines": list(map(told, answer["lines"])),
        "warnings": list(map(told, answer["warnings"])),
        "remarks": list(map(told, content["remarks"])),
        "research_use_only": told(answer["research_use_only"]),
    }
    return {"answer": {**answer, **said}, "files": content["files"]}


def _file(path: Path, kind: str) -> Response:
    try:
        content = path.read_bytes()
    except OSError:  # it was removed in between
        raise UnknownError("There is no such grading, or it has expired.") from None
    headers = {} if kind == "image/png" else {"content-disposition": f'attachment; filename="nephrograde-{path.name}"'}
    return Response(content, media_type=kind, headers=headers)


def _handing_out(desk: Desk, kind: str) -> Callable[[Request], Response]:
    def handed_out(request: Request) -> Response:
        name = kind.format(**request.path_params)  # it is handed out only if the answer lists it
        held = desk.answer(owner_of(request), request.path_params["grading"])
        if name not in held.content["files"]:
            raise UnknownError("There is no such file of this answer: DICOM objects are made of DICOM series only.")
        return _file(held.folder / name, KINDS[kind])

    return handed_out


def _printing(desk: Desk, first: Language) -> Callable[[Request], Any]:
    async def printed(request: Request) -> Response:
        language = language_of(request, first)
        done: Future[Path] = Future()
        await run_in_threadpool(desk.print, owner_of(request), request.path_params["grading"], language, done)
        return _file(await asyncio.wrap_future(done), "application/pdf")

    return printed
