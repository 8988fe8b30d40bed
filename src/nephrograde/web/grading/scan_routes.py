"""The addresses of uploads, of their series and of slices."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.web.grading.receiving import announced, drain, receive
from nephrograde.web.grading.refusal import Refusal, is_disk_full, no_room
from nephrograde.web.grading.replies import owner_of, progress_of
from nephrograde.web.requests import UnknownError, language_of, number_of
from nephrograde.web.scans import plane_bytes, slice_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.desk import Desk, Held
    from nephrograde.web.scans import Plane

_HIDDEN = {"path", "slices", "mask", "geometry"}
_EMPTY = HTTPStatus.NO_CONTENT


def scan_routes(desk: Desk, first: Language) -> list[Route]:
    """Make the routes of uploads and of what is in them.

    Args:
        desk: What users have on the server.
        first: The language if a request asks for none.
    """

    async def scans(request: Request) -> Response:
        if request.method == "POST":
            held = await _upload(desk, request)
            return JSONResponse({"id": held.id, **progress_of(desk, held)}, HTTPStatus.ACCEPTED)
        own = await run_in_threadpool(desk.scans, owner_of(request))
        return JSONResponse({"scans": [{"id": one.id, **progress_of(desk, one)} for one in own]})

    def scan(request: Request) -> Response:
        owner, scan_id = owner_of(request), request.path_params["scan"]
        if request.method == "DELETE":
            desk.remove_scan(owner, scan_id)
            return Response(status_code=_EMPTY)
        held = desk.scan(owner, scan_id)
        held.require_accepted()
        content: dict[str, Any] = {"id": held.id, **progress_of(desk, held)}
        if held.is_ready:
            with speaking(language_of(request, first)):
                content["series"] = [_described(one) for one in held.content["series"]]
        return JSONResponse(content)

    return [
        Route("/api/scans", scans, methods=["GET", "POST"]),
        Route("/api/scans/{scan}", scan, methods=["GET", "DELETE"]),
        *_series_routes(desk),
    ]


async def _upload(desk: Desk, request: Request) -> Held:
    chunks = aiter(request.stream())
    try:
        size = announced(request, desk.limits.upload_bytes)
        held = await run_in_threadpool(desk.begin, owner_of(request), size)
    except Refusal as refusal:
        if refusal.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            await drain(request, chunks, desk.limits.upload_bytes)
        raise

    def enlarge(n_bytes: int) -> None:
        desk.touch(held)
        if n_bytes > desk.limits.upload_bytes:
            raise Refusal("too-large", f"This server takes {desk.limits.upload_bytes} bytes at most.", 413)
        if n_bytes > held.n_bytes:
            desk.enlarge(held, n_bytes - held.n_bytes)

    try:
        path = await receive(chunks, held.folder, "upload", enlarge=enlarge)
        desk.open(held, path)
    except (Refusal, OSError) as error:
        await run_in_threadpool(desk.abandon, held)
        await drain(request, chunks, desk.limits.upload_bytes)
        if is_disk_full(error):
            raise no_room() from None
        raise
    except BaseException:  # the sender has gone, or the server ends: whatever it is, the place must not stay taken
        await run_in_threadpool(desk.abandon, held)
        raise
    return held


def _described(series: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: one for name, one in series.items() if name not in _HIDDEN}
    geometry = series["geometry"] or {}
    problem = series["problem"]
    return {
        **shown,
        "has_mask": "mask" in series,
        "size": geometry.get("size"),
        "spacing_mm": geometry.get("spacing_mm"),
        "remarks": [{**one, "text": told(one["text"])} for one in series["remarks"]],
        "problem": problem and {**problem, "reason": told(problem["reason"])},
    }


def _series_routes(desk: Desk) -> list[Route]:
    def found(request: Request) -> dict[str, Any]:
        return desk.series(owner_of(request), request.path_params["scan"], number_of(request, "series"))

    def series(request: Request) -> Response:
        return JSONResponse(found(request)["geometry"])

    def slicing(plane: Plane) -> Callable[[Request], Response]:
        def one_slice(request: Request) -> Response:
            return _slice_of(found(request), number_of(request, "k"), plane)

        return one_slice

    async def mask(request: Request) -> Response:
        entry = await run_in_threadpool(found, request)
        await _receive_mask(desk, request, entry)
        return Response(status_code=_EMPTY)

    address = "/api/scans/{scan}/series/{series}"
    return [
        Route(address, series),
        Route(f"{address}/slices/{{k}}", slicing("axial")),
        Route(f"{address}/coronal/{{k}}", slicing("coronal")),
        Route(f"{address}/sagittal/{{k}}", slicing("sagittal")),
        Route(f"{address}/mask", mask, methods=["PUT"]),
    ]


def _slice_of(entry: Mapping[str, Any], k: int, plane: Plane) -> Response:
    try:
        values = np.load(entry["slices"], mmap_mode="r", allow_pickle=False)
    except OSError:  # it was removed in between
        raise UnknownError("There is no such scan, or it has expired.") from None
    if k >= slice_count(values, plane):
        what = f"There is no {plane} slice {k}; the scan has {slice_count(values, plane)}, counted from 0."
        raise UnknownError(what)
    return Response(plane_bytes(values, k, plane), media_type="application/octet-stream")


async def _receive_mask(desk: Desk, request: Request, entry: dict[str, Any]) -> None:
    owner, scan_id = owner_of(request), request.path_params["scan"]
    held = await run_in_threadpool(desk.scan, owner, scan_id)
    size = announced(request, desk.limits.upload_bytes)
    taken = 0

    def enlarge(n_bytes: int) -> None:
        nonlocal taken
        if n_bytes > max(taken, size):
            raise Refusal("too-large", "A mask is sent with its length.", 411)
        if not taken:
            desk.enlarge(held, size)
            taken = size

    chunks = aiter(request.stream())
    try:
        path = await receive(chunks, held.folder, f"mask-{time.monotonic_ns()}", enlarge=enlarge)
    except (Refusal, OSError) as error:
        await drain(request, chunks, desk.limits.upload_bytes)
        if held.is_gone:
            raise UnknownError("There is no such scan, or it has expired.") from None
        if is_disk_full(error):
            raise no_room() from None
        raise
    entry["mask"] = str(path)
