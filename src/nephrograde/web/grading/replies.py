"""What all addresses of the API share: who asks, how far something is, and how a refusal is worded."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.web.grading.users import OWNER
from nephrograde.web.requests import language_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from nephrograde.report.text.language import Language
    from nephrograde.web.grading.desk import Desk, Held
    from nephrograde.web.grading.refusal import Refusal


def owner_of(request: Request) -> str:
    """Return the user that a request is from.

    Args:
        request: The request.
    """
    return str(request.scope[OWNER])


def progress_of(desk: Desk, held: Held) -> dict[str, Any]:
    """Say how far an upload or an answer is.

    Args:
        desk: What users have on the server.
        held: One of theirs.
    """
    job = held.job
    if job is not None:
        state = job.step or "working" if job.is_working else "waiting"
        return {"state": "working" if job.is_working else "waiting", "step": state, "ahead": desk.jobs.ahead(job)}
    if held.refusal is not None:
        return {"state": "refused", "step": "", "ahead": 0, **held.refusal.content}
    state = "done" if held.is_ready else "receiving"
    left = max(0, round(desk.limits.keep_s - (time.monotonic() - held.used_at)))
    return {"state": state, "step": "", "ahead": 0, "expires_s": left}


def refused(first: Language) -> Callable[[Request, Refusal], Response]:
    """Make what answers a refusal, in the language that the request asks for.

    Args:
        first: The language if it asks for none.
    """

    def answer(request: Request, error: Refusal) -> Response:
        headers = {"retry-after": str(error.retry_s)} if error.retry_s else None
        with speaking(language_of(request, first)):
            return JSONResponse({"reason": told(error.reason), "code": error.code}, error.status, headers)

    return answer


def unknown(first: Language) -> Callable[[Request, Exception], Response]:
    """Make what answers a request for something that is not there.

    Args:
        first: The language if it asks for none.
    """

    def answer(request: Request, error: Exception) -> Response:
        with speaking(language_of(request, first)):
            return JSONResponse({"reason": told(str(error)), "code": "unknown"}, HTTPStatus.NOT_FOUND)

    return answer
